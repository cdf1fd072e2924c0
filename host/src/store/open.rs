//! Opening the database.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::{Result, StoreError, lock, migrations};

/// Opens or creates `state.db` in this directory, private to the user.
pub(super) fn open(directory: &Path) -> Result<Connection> {
    let failed = |source| StoreError::File {
        path: directory.to_owned(),
        source,
    };
    if !directory.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed)?;
    }
    let path = directory.join("state.db");
    let new = !fs::exists(&path).map_err(failed)?;
    let connection = Connection::open(&path)?;
    connection.busy_timeout(Duration::from_secs(60))?;
    // One process after another opens and closes this file: leave the log for the next one instead of folding it in,
    // with two more writes to the disk, at the end of each.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // A statement is planned once, whatever it is asked with: without this, some are parsed anew for each value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A secret that is forgotten is not left behind in a free page.
    connection.pragma_update(None, "secure_delete", true)?;
    if new || migrations::version(&connection)? != migrations::KNOWN {
        let turn = lock::Queue::new(directory).turn()?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        migrations::migrate(&connection, &path)?;
        drop(turn);
    }
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}
