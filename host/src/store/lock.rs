//! The queue in front of the database: one writer at a time, the others sleep in the kernel until it is their turn.
//!
//! SQLite's own waiting polls with growing pauses, which starves processes when many write. The lock is the kernel's
//! and dies with its holder.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::{Result, StoreError};

/// Nobody needs longer for a transaction, unless it was stopped inside one.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where writers stand in line.
pub(super) struct Queue {
    path: PathBuf,
    /// Made when there is a line for the first time.
    stander: Mutex<Option<Stander>>,
}

/// The right to write, given up on drop.
pub(super) struct Turn {
    _lock: File,
}

/// A thread that stands in line for us: a blocking `flock` has no deadline of its own, and waiting for a thread has one.
struct Stander {
    files: Sender<File>,
    locked: Receiver<io::Result<File>>,
}

impl Queue {
    /// In front of the database in this directory.
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            path: directory.join("state.lock"),
            stander: Mutex::new(None),
        }
    }

    /// Waits for it.
    pub(super) fn turn(&self) -> Result<Turn> {
        let failed = |source: io::Error| StoreError::File {
            path: self.path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Turn { _lock: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(failed(error.into())),
        }
        let mut place = self.stander.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever stood in vain is left to itself: it ends when its turn comes, and frees the lock at once.
        let stander = place
            .take()
            .map_or_else(Stander::start, Ok)
            .map_err(failed)?;
        let answer = match stander.files.send(file) {
            Ok(()) => stander.locked.recv_timeout(PATIENCE),
            Err(_) => return Err(failed(io::Error::other("nobody waits for the lock"))),
        };
        match answer {
            Ok(locked) => {
                *place = Some(stander);
                locked.map(|file| Turn { _lock: file }).map_err(failed)
            }
            Err(_) => Err(StoreError::Busy {
                path: self.path.clone(),
                seconds: PATIENCE.as_secs(),
            }),
        }
    }
}

impl Stander {
    fn start() -> io::Result<Self> {
        let (files, waiting) = channel::<File>();
        let (answers, locked) = channel();
        std::thread::Builder::new()
            .name("state.lock".into())
            .spawn(move || {
                for file in waiting {
                    let answer = loop {
                        match flock(&file, FlockOperation::LockExclusive) {
                            Err(rustix::io::Errno::INTR) => {}
                            other => break other.map(|()| file).map_err(io::Error::from),
                        }
                    };
                    if answers.send(answer).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { files, locked })
    }
}
