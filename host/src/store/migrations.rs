//! The schema, as an append-only list of steps counted by `user_version`.
//!
//! A step, once released, never changes. An older program refuses a newer database by name instead of guessing.

use std::path::Path;

use rusqlite::Connection;

use super::{Result, StoreError};

/// The version this program writes.
pub(super) const KNOWN: i64 = STEPS.len() as i64;

const STEPS: &[&str] = &[
    include_str!("schema/001-first.sql"),
    include_str!("schema/002-fleet.sql"),
    include_str!("schema/003-plugins.sql"),
    include_str!("schema/004-canaries.sql"),
    include_str!("schema/005-records.sql"),
];

/// What the file says of itself.
pub(super) fn version(connection: &Connection) -> Result<i64> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Brings the file up to date, in one transaction.
pub(super) fn migrate(connection: &Connection, path: &Path) -> Result<()> {
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, rusqlite::TransactionBehavior::Exclusive)?;
    let found = version(&transaction)?;
    if found > KNOWN {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: KNOWN,
        });
    }
    for (index, step) in STEPS.iter().enumerate().skip(found as usize) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1)?;
    }
    transaction.commit()?;
    Ok(())
}
