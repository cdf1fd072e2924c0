//! Why the state database did not do what it was asked.

use std::io;
use std::path::PathBuf;

use runner_core::instance::IllegalTransition;

/// A failed transaction: nothing of it happened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite's own words.
    #[error("the state database failed")]
    Sqlite(#[from] rusqlite::Error),
    /// The directory or a file beside the database.
    #[error("cannot use `{}`", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Written by a newer version.
    #[error("the state database `{}` has version {found}, and this program knows {known}", path.display())]
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    /// Somebody else changed the row since it was read.
    #[error("instance `{name}` was changed by somebody else meanwhile")]
    Stale { name: String },
    /// The state machine forbids it.
    #[error("instance `{name}` cannot change that way")]
    Illegal {
        name: String,
        #[source]
        source: IllegalTransition,
    },
    /// The handle belongs to another live instance of the source.
    #[error("the handle of `{name}` is already that of `{holder}`")]
    DuplicateHandle { name: String, holder: String },
    /// A writer held the lock for longer than anybody should.
    #[error("another process has held `{}` for {seconds} seconds", path.display())]
    Busy { path: PathBuf, seconds: u64 },
    /// A column holds what no version ever wrote.
    #[error("the state database holds an unknown {what}: `{found}`")]
    Corrupt { what: &'static str, found: String },
}

impl StoreError {
    /// What the reader can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Newer { .. } => Some("use the newer `runner`, or another `RUNNER_STATE_DIR`"),
            Self::Busy { .. } => Some("look for a stopped or hanging `runner` process and end it"),
            Self::File { .. } => {
                Some("check the permissions and the free space of the state directory")
            }
            Self::Sqlite(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) =>
            {
                Some("free some space on the disk that holds the state directory; nothing was lost")
            }
            Self::Sqlite(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly) =>
            {
                Some("the state directory must be writable; nothing was lost")
            }
            _ => None,
        }
    }
}
