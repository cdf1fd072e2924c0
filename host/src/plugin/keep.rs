//! Copies of the components that instances are made with: kept before an intent refers to them, removed when nothing does.
//!
//! A copy is named by its digest, so it never changes. Whoever is about to refer to one holds a lock on it until it has,
//! or until its process ends; whoever removes takes the lock alone, and looks again whether anything refers to it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};

use super::component::Component;
use super::error::{LoadError, LoadErrorKind};
use super::locate::{PluginDirs, is_digest};

/// Unreferred copies stay this long after their last use: the same component is likely to be used again, and was
/// compiled meanwhile.
const GRACE: Duration = Duration::from_secs(3600);

/// So often a copy can be removed under our hands before something else must be the matter.
const TRIES: u32 = 16;

/// Nobody removes the copy while this lives.
#[derive(Debug)]
pub struct Held {
    _file: File,
}

impl Component {
    /// Keeps a copy, so that instances made with this component can be used and discarded when its file is gone or
    /// another, or when this program was replaced. A copy that is there is only held.
    pub fn keep(&self, dirs: &PluginDirs) -> Result<Held, LoadError> {
        let path = dirs.kept_path(&self.reference.digest);
        let failed = |error: io::Error| {
            LoadError::new(
                LoadErrorKind::Unreadable,
                path.display().to_string(),
                "cannot keep a copy of the component here",
            )
            .because(error)
        };
        for _ in 0..TRIES {
            if let Some(held) = hold(&path, self.size).map_err(failed)? {
                return Ok(held);
            }
            write(dirs, &path, self.bytes()).map_err(failed)?;
        }
        Err(failed(io::Error::other(
            "something removes it again and again",
        )))
    }
}

/// Holds the copy, if it is there and whole.
fn hold(path: &Path, size: u64) -> io::Result<Option<Held>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() != size {
        return Ok(None);
    }
    flock(&file, FlockOperation::LockShared)?;
    if file.metadata()?.nlink() == 0 {
        // It was removed before we had the lock.
        return Ok(None);
    }
    // In another user's directory the time stays as it is: then it is removed sooner, and written again.
    let _used_now = file.set_modified(SystemTime::now());
    Ok(Some(Held { _file: file }))
}

fn write(dirs: &PluginDirs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(&dirs.components)?;
    let mut copy = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(&dirs.components)?;
    copy.write_all(bytes)?;
    // The books will refer to this file: it must be there after a power loss, under its name and whole.
    copy.as_file().sync_all()?;
    copy.persist(path).map_err(|error| error.error)?;
    File::open(&dirs.components)?.sync_all()
}

impl PluginDirs {
    /// Whether the component with this digest can still be had.
    pub fn has(&self, digest: &str) -> bool {
        super::embedded::by_digest(digest).is_some() || self.kept_path(digest).exists()
    }

    /// Removes copies that were not used for a while and that nothing refers to. `referred` is asked once for nothing where no copy
    /// is old enough, and again when the copies to go are ours alone.
    pub fn prune_kept<E>(
        &self,
        now: SystemTime,
        mut referred: impl FnMut() -> Result<BTreeSet<String>, E>,
    ) -> Result<(), E> {
        let mut old = Vec::new();
        for entry in fs::read_dir(&self.components)
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let unused = entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .ok()
                .and_then(|at| now.duration_since(at).ok());
            if unused.is_none_or(|unused| unused < GRACE) {
                continue;
            }
            match name.strip_suffix(".wasm") {
                Some(digest) if is_digest(digest) => old.push(digest.to_owned()),
                // Whoever wrote it died on the way.
                _ if name.starts_with(".new-") => remove(&entry.path()),
                _ => {}
            }
        }
        if old.is_empty() {
            return Ok(());
        }
        let needed = referred()?;
        let mut ours = Vec::new();
        for digest in old {
            if !needed.contains(&digest)
                && let Ok(file) = File::open(self.kept_path(&digest))
                && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            {
                ours.push((digest, file));
            }
        }
        if ours.is_empty() {
            return Ok(());
        }
        // Whoever referred to one of them did so before we had the lock.
        let needed = referred()?;
        for (digest, _locked) in &ours {
            if !needed.contains(digest) {
                remove(&self.kept_path(digest));
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => tracing::debug!("removed `{}`, which nothing needs any more", path.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "cannot remove `{}`", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::super::component::inspect;
    use super::super::fixtures::{self, MANIFEST};
    use super::super::locate::Locator;
    use super::*;

    fn kept() -> (tempfile::TempDir, PluginDirs, Component) {
        let guard = tempfile::tempdir().unwrap();
        let dirs = PluginDirs {
            installed: guard.path().join("plugins"),
            components: guard.path().join("components"),
            compiled: guard.path().join("compiled"),
            ssh: guard.path().join("ssh"),
            compiler: None,
        };
        let file = guard.path().join("x.wasm");
        fs::write(&file, fixtures::provider(MANIFEST)).unwrap();
        let component = inspect(&dirs, &Locator::File(file)).unwrap();
        (guard, dirs, component)
    }

    fn prune(dirs: &PluginDirs, after: u64, referred: &[&str]) {
        let now = SystemTime::now() + Duration::from_secs(after);
        let referred =
            || Ok::<_, Infallible>(referred.iter().map(|one| (*one).to_owned()).collect());
        dirs.prune_kept(now, referred).unwrap();
    }

    #[test]
    fn a_copy_goes_when_it_is_old_and_needed_by_nobody() {
        let (_guard, dirs, component) = kept();
        let digest = component.reference.digest.as_str();
        let held = component.keep(&dirs).unwrap();
        let there = || dirs.has(digest);
        assert!(there());
        // Somebody is about to refer to it.
        prune(&dirs, 7200, &[]);
        assert!(there());
        drop(held);
        // Something refers to it, or it was used a moment ago.
        prune(&dirs, 7200, &[digest]);
        assert!(there());
        prune(&dirs, 60, &[]);
        assert!(there());
        prune(&dirs, 7200, &[]);
        assert!(!there());
        component.keep(&dirs).unwrap();
        assert!(there());
    }

    #[test]
    fn who_refers_to_it_at_the_last_moment_keeps_it() {
        let (_guard, dirs, component) = kept();
        drop(component.keep(&dirs).unwrap());
        let digest = component.reference.digest.clone();
        let mut asked = 0;
        let now = SystemTime::now() + Duration::from_secs(7200);
        dirs.prune_kept(now, || {
            asked += 1;
            let all = if asked > 1 {
                vec![digest.clone()]
            } else {
                Vec::new()
            };
            Ok::<_, Infallible>(all.into_iter().collect())
        })
        .unwrap();
        assert_eq!(asked, 2);
        assert!(dirs.has(&digest));
    }

    #[test]
    fn what_a_killed_writer_left_goes_and_other_files_stay() {
        let (_guard, dirs, component) = kept();
        drop(component.keep(&dirs).unwrap());
        fs::write(dirs.components.join(".new-x"), "").unwrap();
        fs::write(dirs.components.join("README"), "").unwrap();
        prune(&dirs, 7200, &[]);
        let left: Vec<_> = fs::read_dir(&dirs.components)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["README"]);
    }
}
