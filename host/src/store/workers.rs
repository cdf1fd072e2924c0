//! Which processes are alive, and waking those that wait.
//!
//! Each process that changes things holds a lock on a file of its own for as long as it lives; the kernel frees
//! it at any death. That holds across containers and reboots, where process numbers do not. The same file is the
//! bell: whoever waits watches it, whoever has news writes to it.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::{FlockOperation, flock};

use super::{Result, StoreError};

/// Names a process for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub(super) String);

impl WorkerId {
    /// A name that was written down before.
    pub fn stored(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As many files of others are kept open at most.
const KEPT_OPEN: usize = 128;

/// The directory of those files.
pub struct Workers {
    directory: PathBuf,
    own: OnceLock<Worker>,
    /// Files of those that were alive when last looked at: asking again is one call, however often it is asked.
    seen: Mutex<HashMap<WorkerId, File>>,
}

/// This process, registered.
pub struct Worker {
    id: WorkerId,
    path: PathBuf,
    _lock: File,
}

impl Workers {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            own: OnceLock::new(),
            seen: Mutex::default(),
        }
    }

    /// This process; registered on first use, with a name made of these random bytes.
    pub fn own(&self, random: impl FnOnce() -> [u8; 8]) -> Result<&Worker> {
        if let Some(worker) = self.own.get() {
            return Ok(worker);
        }
        let worker = self.register(random())?;
        Ok(self.own.get_or_init(|| worker))
    }

    fn register(&self, random: [u8; 8]) -> Result<Worker> {
        let failed = |path: &Path, source: io::Error| StoreError::File {
            path: path.to_owned(),
            source,
        };
        if !self.directory.is_dir() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.directory)
                .map_err(|source| failed(&self.directory, source))?;
        }
        let name = format!("{}-{:016x}", std::process::id(), u64::from_be_bytes(random));
        // Locked before it has its final name: nobody ever sees it unlocked while we live.
        let draft = self.directory.join(format!(".{name}"));
        let path = self.directory.join(&name);
        let file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(&draft)
            .map_err(|source| failed(&draft, source))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| failed(&draft, error.into()))?;
        fs::rename(&draft, &path).map_err(|source| failed(&path, source))?;
        Ok(Worker {
            id: WorkerId(name),
            path,
            _lock: file,
        })
    }

    /// Whether that process still lives. When in doubt, it does.
    pub fn is_alive(&self, worker: &WorkerId) -> bool {
        if self.own.get().is_some_and(|own| own.id == *worker) {
            return true;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.directory.join(&worker.0);
        let file = match seen.remove(worker).map_or_else(|| File::open(&path), Ok) {
            Ok(file) => file,
            Err(error) => return error.kind() != io::ErrorKind::NotFound,
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => {
                // Dead. The file has no more use; whoever comes second finds nothing, which says the same.
                drop(fs::remove_file(&path));
                false
            }
            Err(_) => {
                if seen.len() >= KEPT_OPEN {
                    seen.clear();
                }
                seen.insert(worker.clone(), file);
                true
            }
        }
    }

    /// Rings that process' bell. It may be gone: then there is nothing to wake.
    pub fn wake(&self, worker: &WorkerId) {
        if let Ok(mut file) = OpenOptions::new()
            .append(true)
            .open(self.directory.join(&worker.0))
        {
            // A full disk loses the bell, not the news: waiters also look by themselves now and then.
            drop(file.write_all(b"."));
        }
    }
}

impl Worker {
    /// Its name.
    pub fn id(&self) -> &WorkerId {
        &self.id
    }

    /// The file to watch for being woken.
    pub fn bell(&self) -> &Path {
        &self.path
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}
