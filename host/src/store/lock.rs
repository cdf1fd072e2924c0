//! The queue in front of the database: one writer at a time, the others sleep in the kernel until it is their turn.
//!
//! SQLite's own waiting polls with growing pauses, which starves processes when many write. The lock is the kernel's
//! and dies with its holder.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::{Result, StoreError};

/// Nobody needs longer for a transaction, unless it was stopped inside one.
const PATIENCE: Duration = Duration::from_secs(60);

/// The right to write, given up on drop.
pub(super) struct Turn {
    _lock: File,
}

impl Turn {
    /// Waits for it.
    pub(super) fn wait(directory: &Path) -> Result<Self> {
        let path = directory.join("state.lock");
        let failed = |source: std::io::Error| StoreError::File {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Self { _lock: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(failed(error.into())),
        }
        // A blocking `flock` has no deadline of its own; a thread of its own gives it one.
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let locked = loop {
                match flock(&file, FlockOperation::LockExclusive) {
                    Err(rustix::io::Errno::INTR) => {}
                    other => break other.map(|()| file),
                }
            };
            // Nobody listens any more when the patience is over: the file closes and frees the lock.
            drop(sender.send(locked));
        });
        match receiver.recv_timeout(PATIENCE) {
            Ok(Ok(file)) => Ok(Self { _lock: file }),
            Ok(Err(error)) => Err(failed(error.into())),
            Err(_) => Err(StoreError::Busy {
                path,
                seconds: PATIENCE.as_secs(),
            }),
        }
    }
}
