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

#[cfg(test)]
mod tests {
    use super::*;

    struct Home {
        guard: tempfile::TempDir,
        cache: CompiledCache,
    }

    fn home() -> Home {
        let guard = tempfile::tempdir().unwrap();
        let cache = CompiledCache::open(&guard.path().join("a/compiled")).unwrap();
        Home { guard, cache }
    }

    fn digest(n: u8) -> String {
        digest_of(&[n])
    }

    fn files(home: &Home) -> usize {
        fs::read_dir(&home.cache.directory).unwrap().count()
    }

    #[test]
    fn gives_back_what_was_stored() {
        let home = home();
        for code in [vec![1; 100], vec![2; usize::try_from(SMALL).unwrap() + 1]] {
            assert_eq!(home.cache.find(&digest(1), "e1"), None);
            let stored = home.cache.store(&digest(1), "e1", &code).unwrap();
            for _ in 0..2 {
                assert_eq!(home.cache.find(&digest(1), "e1"), Some(stored.clone()));
            }
            assert_eq!(fs::read(&stored.path).unwrap(), code);
            let mode = fs::metadata(&stored.path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
            // Another engine or component is another entry.
            assert_eq!(home.cache.find(&digest(1), "e2"), None);
            assert_eq!(home.cache.find(&digest(2), "e1"), None);
            home.cache.remove(&digest(1), "e1");
            assert_eq!(files(&home), 0);
        }
        // Nothing outside of the directory can be named.
        assert!(home.cache.store("../../x", "e1", b"").is_err());
        assert!(home.cache.store(&digest(1), "../x", b"").is_err());
        assert_eq!(home.cache.find("../../x", "e1"), None);
    }

    #[test]
    fn damage_is_noticed_and_removed() {
        for size in [1000, usize::try_from(SMALL).unwrap() + 1000] {
            let code = vec![7; size];
            let damages: [fn(&Path, &Path); 6] = [
                |code, _| {
                    File::options()
                        .write(true)
                        .open(code)
                        .unwrap()
                        .set_len(10)
                        .unwrap()
                },
                |code, _| {
                    let mut bytes = fs::read(code).unwrap();
                    bytes[500] ^= 1;
                    fs::write(code, bytes).unwrap();
                },
                // The same, with the time set back.
                |code, _| {
                    let time = fs::metadata(code).unwrap().modified().unwrap();
                    let mut bytes = fs::read(code).unwrap();
                    bytes[500] ^= 1;
                    fs::write(code, bytes).unwrap();
                    File::options()
                        .write(true)
                        .open(code)
                        .unwrap()
                        .set_modified(time)
                        .unwrap();
                },
                |code, _| fs::remove_file(code).unwrap(),
                |code, _| {
                    fs::remove_file(code).unwrap();
                    fs::create_dir(code).unwrap();
                },
                |_, seal| {
                    let text = fs::read_to_string(seal)
                        .unwrap()
                        .replace("\"sha256\":\"", "\"sha256\":\"0");
                    fs::write(seal, text).unwrap();
                },
            ];
            for (at, damage) in damages.into_iter().enumerate() {
                let home = home();
                let stored = home.cache.store(&digest(1), "e1", &code).unwrap();
                damage(&stored.path, &stored.path.with_extension("seal"));
                // A large file whose seal alone was changed is still the file that was sealed.
                let expected = (at == 5 && size > 1000).then(|| stored.clone());
                assert_eq!(home.cache.find(&digest(1), "e1"), expected, "{at} {size}");
                if expected.is_none() {
                    assert!(!stored.path.with_extension("seal").exists());
                }
            }
            for seal in ["", "{}", "null", &"[".repeat(10_000)] {
                let home = home();
                let stored = home.cache.store(&digest(1), "e1", &code).unwrap();
                fs::write(stored.path.with_extension("seal"), seal).unwrap();
                assert_eq!(home.cache.find(&digest(1), "e1"), None);
            }
        }
    }

    #[test]
    fn the_same_bytes_in_another_file_are_sealed_again() {
        let home = home();
        let code = vec![7; usize::try_from(SMALL).unwrap() + 1];
        let stored = home.cache.store(&digest(1), "e1", &code).unwrap();
        let copy = stored.path.with_extension("copy");
        fs::copy(&stored.path, &copy).unwrap();
        fs::rename(&copy, &stored.path).unwrap();
        let seal = || fs::read(stored.path.with_extension("seal")).unwrap();
        let before = seal();
        assert!(home.cache.find(&digest(1), "e1").is_some());
        assert_ne!(seal(), before);
    }

    #[test]
    fn a_directory_of_others_is_refused() {
        let home = home();
        let directory = home.guard.path().join("shared");
        fs::create_dir(&directory).unwrap();
        for (mode, good) in [
            (0o700, true),
            (0o755, true),
            (0o775, false),
            (0o777, false),
            (0o702, false),
        ] {
            fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
            let opened = CompiledCache::open(&directory);
            assert_eq!(opened.is_ok(), good, "{mode:o}");
            if let Err(error) = opened {
                assert_eq!(error.kind, LoadErrorKind::Tampered);
                assert!(error.hint.unwrap().contains("chmod 700"));
            }
        }
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        // A link may be changed to lead elsewhere.
        let link = home.guard.path().join("link");
        std::os::unix::fs::symlink(&directory, &link).unwrap();
        assert!(CompiledCache::open(&link).is_err());
        let file = home.guard.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(CompiledCache::open(&file).is_err());
        let made = fs::metadata(&home.cache.directory).unwrap();
        assert_eq!(made.permissions().mode() & 0o777, 0o700);
        // Only root can give a directory away.
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&directory, Some(12345), None).unwrap();
            let error = CompiledCache::open(&directory).unwrap_err();
            assert!(error.to_string().contains("belongs to another user"));
        }
    }

    #[test]
    fn old_code_makes_room() {
        let home = home();
        let start = SystemTime::now();
        for n in 0..4_u8 {
            let stored = home.cache.store(&digest(n), "e1", &[n; 100]).unwrap();
            let age = Duration::from_secs(u64::from(n) * 3600);
            let seal = File::options()
                .write(true)
                .open(stored.path.with_extension("seal"));
            seal.unwrap().set_modified(start - age).unwrap();
        }
        let there = || -> Vec<u8> {
            (0..4)
                .filter(|n| home.cache.find(&digest(*n), "e1").is_some())
                .collect()
        };
        home.cache
            .prune(start, Duration::from_secs(2 * 3600 + 60), 10_000);
        assert_eq!(there(), [0, 1, 2]);
        home.cache.prune(start, OLDEST, 250);
        assert_eq!(there(), [0, 1]);
        assert_eq!(files(&home), 4);
        // What a crash left is removed when it is old enough to be nobody's work in progress.
        fs::write(home.cache.directory.join(".new-x"), "").unwrap();
        home.cache.prune(start, OLDEST, 250);
        assert_eq!(files(&home), 5);
        home.cache.prune(start + 2 * FRESH, OLDEST, 250);
        assert_eq!(there(), [0, 1]);
        assert_eq!(files(&home), 4);
    }

    #[test]
    fn use_is_noted_once_a_day() {
        let home = home();
        let stored = home.cache.store(&digest(1), "e1", b"code").unwrap();
        let seal = stored.path.with_extension("seal");
        let long_ago = SystemTime::now() - 5 * FRESH;
        File::options()
            .write(true)
            .open(&seal)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        assert!(home.cache.find(&digest(1), "e1").is_some());
        let noted = fs::metadata(&seal).unwrap().modified().unwrap();
        assert!(noted > long_ago + 4 * FRESH);
        assert!(home.cache.find(&digest(1), "e1").is_some());
        assert_eq!(fs::metadata(&seal).unwrap().modified().unwrap(), noted);
    }
}
