//! The cache of compiled code on disk.
//!
//! Loading compiled code trusts it like our own, and wasmtime accepts a damaged file. So: the directory is ours alone,
//! files appear whole and under their name at once, and each has a seal (length and SHA-256, in a file beside it) that is
//! checked before the code is used. Hashing 35 MB at every start would take longer than the start; a file that is still
//! the very one that was sealed (inode, size, times) is not hashed again, unless it is small.
//!
//! Everything here may be lost or deleted at any time: the code is compiled again.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::{LoadError, LoadErrorKind};
use super::locate::{digest_of, hex, is_digest};

/// Files up to this size are hashed at every use: it takes a fraction of a millisecond.
const SMALL: u64 = 512 * 1024;
/// Code that was not used for this long is deleted when other code is stored.
const OLDEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// What all code together may take.
const LARGEST: u64 = 1024 * 1024 * 1024;
/// A seal's time is its last use, to about this.
const FRESH: Duration = Duration::from_secs(24 * 3600);

/// The cache.
#[derive(Clone, Debug)]
pub struct CompiledCache {
    directory: PathBuf,
}

/// Compiled code that is what it was when it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledFile {
    pub path: PathBuf,
}

/// What a file of code was when it was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    sha256: String,
    size: u64,
    inode: u64,
    /// Nanoseconds since 1970: contents changed.
    modified: i128,
    /// Nanoseconds since 1970: anything changed.
    changed: i128,
}

impl CompiledCache {
    /// Opens the cache, and makes its directory where there is none. Refuses one that others can write to.
    pub fn open(directory: &Path) -> Result<Self, LoadError> {
        let failed = |error: io::Error| {
            LoadError::new(
                LoadErrorKind::Unreadable,
                directory.display().to_string(),
                "cannot use this directory for compiled plugins",
            )
            .because(error)
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed)?;
        let metadata = fs::symlink_metadata(directory).map_err(failed)?;
        let unsafe_because = |what: &str| {
            LoadError::new(
                LoadErrorKind::Tampered,
                directory.display().to_string(),
                format!("compiled plugins are not loaded from here: {what}"),
            )
            .hint(format!(
                "delete it, or run `chmod 700 {}` if you trust what is in it",
                directory.display()
            ))
        };
        if !metadata.is_dir() {
            return Err(unsafe_because("it is not a directory"));
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(unsafe_because("it belongs to another user"));
        }
        if metadata.permissions().mode() & 0o022 != 0 {
            return Err(unsafe_because("other users can write to it"));
        }
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// The code of this component for this engine, if it is there and intact. Damaged code is deleted.
    pub fn find(&self, digest: &str, engine: &str) -> Option<CompiledFile> {
        let (code, seal_path) = self.paths(digest, engine)?;
        let seal: Seal = serde_json::from_slice(&read_small(&seal_path).ok()?).ok()?;
        if self.intact(&code, &seal_path, &seal).unwrap_or(false) {
            refresh(&seal_path);
            Some(CompiledFile { path: code })
        } else {
            self.remove(digest, engine);
            None
        }
    }

    /// Stores code, and makes room for it.
    pub fn store(
        &self,
        digest: &str,
        engine: &str,
        code: &[u8],
    ) -> Result<CompiledFile, LoadError> {
        let failed = |error: io::Error| {
            LoadError::new(
                LoadErrorKind::Unreadable,
                self.directory.display().to_string(),
                "cannot store compiled code here",
            )
            .because(error)
        };
        let (path, seal_path) = self
            .paths(digest, engine)
            .ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        let mut file = self.temporary().map_err(failed)?;
        file.write_all(code).map_err(failed)?;
        // Without it a power loss could leave zeros under a seal that says otherwise.
        file.as_file().sync_data().map_err(failed)?;
        let file = file.persist(&path).map_err(|error| failed(error.error))?;
        // After the rename, which changes `changed`.
        let seal = Seal::of(&file.metadata().map_err(failed)?, digest_of(code));
        self.write_seal(&seal_path, &seal).map_err(failed)?;
        self.prune(SystemTime::now(), OLDEST, LARGEST);
        Ok(CompiledFile { path })
    }

    /// Forgets code that turned out to be of no use.
    pub fn remove(&self, digest: &str, engine: &str) {
        if let Some((code, seal)) = self.paths(digest, engine) {
            // The seal first: code without one is never used.
            let _absent = fs::remove_file(seal);
            let _absent = fs::remove_file(code);
        }
    }

    /// Deletes what was not used for `oldest`, and then what was used longest ago until the rest fits `largest` bytes.
    /// Failures are ignored: there is a next time.
    pub fn prune(&self, now: SystemTime, oldest: Duration, largest: u64) {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let path = entry.path();
            let unused = metadata
                .modified()
                .ok()
                .and_then(|modified| now.duration_since(modified).ok())
                .unwrap_or_default();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("seal") if unused > oldest => {
                    let _absent = fs::remove_file(&path);
                    let _absent = fs::remove_file(path.with_extension("code"));
                }
                Some("seal") => {
                    let size = fs::metadata(path.with_extension("code")).map_or(0, |m| m.len());
                    kept.push((unused, size, path));
                }
                // Without a seal it is of no use: left by a crash, or about to get its seal.
                _ if unused > FRESH && !path.with_extension("seal").exists() => {
                    let _absent = fs::remove_file(&path);
                }
                _ => (),
            }
        }
        kept.sort_by_key(|(unused, ..)| *unused);
        let mut total = 0_u64;
        for (_, size, seal) in kept {
            total = total.saturating_add(size);
            if total > largest {
                let _absent = fs::remove_file(&seal);
                let _absent = fs::remove_file(seal.with_extension("code"));
            }
        }
    }

    /// Whether the code is still what the seal says.
    fn intact(&self, code: &Path, seal_path: &Path, seal: &Seal) -> io::Result<bool> {
        let mut file = File::open(code)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() != seal.size {
            return Ok(false);
        }
        let now = Seal::of(&metadata, seal.sha256.clone());
        if seal.size > SMALL && now == *seal {
            return Ok(true);
        }
        let mut hasher = Sha256::new();
        io::copy(&mut file, &mut HashWriter(&mut hasher))?;
        if hex(&hasher.finalize()) != seal.sha256 {
            return Ok(false);
        }
        if now != *seal {
            // The same bytes in another file, such as a restored backup.
            self.write_seal(seal_path, &now)?;
        }
        Ok(true)
    }

    fn write_seal(&self, path: &Path, seal: &Seal) -> io::Result<()> {
        let mut file = self.temporary()?;
        file.write_all(&serde_json::to_vec(seal)?)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// A file of the user's alone (0600).
    fn temporary(&self) -> io::Result<tempfile::NamedTempFile> {
        tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(&self.directory)
    }

    /// Where code and seal are; none for what is no digest or no hash.
    fn paths(&self, digest: &str, engine: &str) -> Option<(PathBuf, PathBuf)> {
        let plain = |text: &str| {
            !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        if !is_digest(digest) || !plain(engine) {
            return None;
        }
        let file = |extension| {
            self.directory
                .join(format!("{digest}-{engine}.{extension}"))
        };
        Some((file("code"), file("seal")))
    }
}

impl Seal {
    fn of(metadata: &fs::Metadata, sha256: String) -> Self {
        let time = |seconds: i64, nanoseconds: i64| {
            i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
        };
        Self {
            sha256,
            size: metadata.len(),
            inode: metadata.ino(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A seal that is larger than any real one is none.
fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(4096).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Notes that the code was used, at most once a day. A failure only makes it look older than it is.
fn refresh(seal: &Path) {
    let now = SystemTime::now();
    let stale = fs::metadata(seal)
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > FRESH));
    if stale {
        let _ignored = File::options()
            .write(true)
            .open(seal)
            .and_then(|file| file.set_modified(now));
    }
}
