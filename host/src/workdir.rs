//! Removing the private directory of an instance, and nothing else.
//!
//! A command on the instance may have put anything in it: symbolic links are removed and never followed, and a mount
//! point below it stops the removal with an error, because what is mounted there is not ours.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Deeper directories are first moved up, so that neither descriptors nor the stack run out.
const DEPTH: usize = 200;

/// A directory that could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// Something is mounted there.
    #[error("something is mounted at or below `{}`", path.display())]
    Mounted { path: PathBuf },
    /// The system's own words.
    #[error("cannot remove `{}`", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Removes the tree at `path`. Success when there is none.
pub fn remove(path: &Path) -> Result<(), RemoveError> {
    let wrap = |error: Errno| match error {
        Errno::XDEV | Errno::BUSY => RemoveError::Mounted {
            path: path.to_owned(),
        },
        other => RemoveError::Io {
            path: path.to_owned(),
            source: other.into(),
        },
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(root) => root,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ACCESS) => readable(CWD, path)
            .and_then(|()| rustix::fs::open(path, flags, Mode::empty()))
            .map_err(wrap)?,
        Err(error) => return Err(wrap(error)),
    };
    let mut moved = 0;
    loop {
        let before = moved;
        empty(&root, root.as_fd(), 0, &mut moved).map_err(wrap)?;
        if moved == before {
            break;
        }
    }
    rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR).map_err(wrap)
}

fn empty(
    root: &OwnedFd,
    directory: BorrowedFd<'_>,
    depth: usize,
    moved: &mut u32,
) -> rustix::io::Result<()> {
    let entries = Dir::read_from(directory)?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(Errno::ACCESS) => {
                readable(directory, Path::new("."))?;
                rustix::fs::unlinkat(directory, name, AtFlags::empty()).or_else(|error| {
                    if error == Errno::ISDIR {
                        Ok(())
                    } else {
                        Err(error)
                    }
                })?;
            }
            Err(error) => return Err(error),
        }
        if depth >= DEPTH {
            loop {
                *moved += 1;
                match rustix::fs::renameat(directory, name, root, format!(".removing-{moved}")) {
                    // The instance has used this very name: take the next one.
                    Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                    other => break other?,
                }
            }
            continue;
        }
        let child = match enter(directory, name) {
            Ok(child) => child,
            Err(Errno::NOENT) => continue,
            Err(Errno::ACCESS) => {
                use std::os::unix::ffi::OsStrExt as _;
                readable(
                    directory,
                    Path::new(std::ffi::OsStr::from_bytes(name.to_bytes())),
                )?;
                enter(directory, name)?
            }
            Err(error) => return Err(error),
        };
        empty(root, child.as_fd(), depth + 1, moved)?;
        drop(child);
        match rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
            // Deeper ones were moved up into this very directory: the next round takes it.
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Opens a directory that is neither a link nor a mount point.
fn enter(directory: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat2(
        directory,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH,
    )
}

/// Gives ourselves the rights on a directory of our own that its user took away.
fn readable(directory: impl AsFd, name: &Path) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    use std::os::fd::AsRawFd as _;
    rustix::fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), Mode::RWXU)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn removes_what_is_inside_and_follows_nothing() {
        let base = tempfile::tempdir().unwrap();
        let outside = base.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "x").unwrap();
        let work = base.path().join("work");
        fs::create_dir_all(work.join("a/b/c")).unwrap();
        fs::write(work.join("a/b/file"), "x").unwrap();
        symlink(&outside, work.join("a/link")).unwrap();
        fs::set_permissions(work.join("a/b"), fs::Permissions::from_mode(0o0)).unwrap();
        remove(&work).unwrap();
        assert!(!work.exists());
        assert!(outside.join("precious").exists());
        remove(&work).unwrap();
    }

    #[test]
    fn very_deep_trees() {
        let base = tempfile::tempdir().unwrap();
        let work = base.path().join("work");
        fs::create_dir(&work).unwrap();
        let root =
            rustix::fs::open(&work, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let mut here = root;
        for _ in 0..1000 {
            rustix::fs::mkdirat(&here, "deeper", Mode::RWXU).unwrap();
            here = rustix::fs::openat(
                &here,
                "deeper",
                OFlags::RDONLY | OFlags::DIRECTORY,
                Mode::empty(),
            )
            .unwrap();
        }
        drop(here);
        remove(&work).unwrap();
        assert!(!work.exists());
    }
}
