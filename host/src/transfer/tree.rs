//! Walking down a directory tree without ever following a symbolic link.
//!
//! Every step opens one component, relative to the descriptor of the directory above it, and only if it is a directory.
//! So nothing under the root can lead outside, whatever is renamed or linked meanwhile. A deep tree needs no
//! more descriptors than a shallow one: only the innermost levels stay open, the others are walked to again.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::format::Time;

/// Levels that stay open. The usual limit is 1,024 descriptors for the whole process.
const OPEN_LEVELS: usize = 48;

/// How directories are opened.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens a directory that is an entry of `at`. Not through a symbolic link: that is `ENOTDIR` or `ELOOP`.
pub(super) fn open_directory(at: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(at, name, DIRECTORY, Mode::empty())
}

/// What `name` in `at` is, itself and not what it leads to. None: there is nothing.
pub(super) fn look(at: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<Option<Stat>> {
    match rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The kind of file.
pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Permission bits, with set-id and sticky.
pub(super) fn mode(stat: &Stat) -> u32 {
    stat.st_mode & 0o7777
}

/// The time of the last change of contents.
pub(super) fn mtime(stat: &Stat) -> Time {
    Time {
        seconds: stat.st_mtime,
        nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
    }
}

/// The argument that sets the time of contents, and of access to the same (nobody carries that over).
pub(super) fn timestamps(time: Time) -> rustix::fs::Timestamps {
    let time = rustix::time::Timespec {
        tv_sec: time.seconds,
        tv_nsec: time.nanoseconds.into(),
    };
    rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// The names in a directory, sorted.
pub(super) fn names(directory: BorrowedFd<'_>) -> rustix::io::Result<Vec<Box<[u8]>>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.into());
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[derive(Debug)]
struct Level<T> {
    name: Box<[u8]>,
    kept: T,
}

/// The name, the descriptor and what was kept of a level.
type Left<T> = (Box<[u8]>, OwnedFd, T);

/// A way down from a root, with something kept for each level.
#[derive(Debug)]
pub(super) struct Descent<T> {
    root: OwnedFd,
    levels: Vec<Level<T>>,
    /// Descriptors of the innermost levels, the last one always among them.
    open: VecDeque<OwnedFd>,
}

impl<T> Descent<T> {
    pub(super) fn new(root: OwnedFd) -> Self {
        Self {
            root,
            levels: Vec::new(),
            open: VecDeque::new(),
        }
    }

    /// How many levels below the root.
    pub(super) fn depth(&self) -> usize {
        self.levels.len()
    }

    /// The directory that the way leads to.
    pub(super) fn here(&self) -> BorrowedFd<'_> {
        self.open.back().unwrap_or(&self.root).as_fd()
    }

    /// The names on the way.
    pub(super) fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.levels.iter().map(|level| &*level.name)
    }

    /// What is kept for the innermost level.
    pub(super) fn last_mut(&mut self) -> Option<&mut T> {
        self.levels.last_mut().map(|level| &mut level.kept)
    }

    /// Goes one level down, to a directory that was opened from `here`.
    pub(super) fn enter(&mut self, name: &[u8], directory: OwnedFd, kept: T) {
        self.levels.push(Level {
            name: name.into(),
            kept,
        });
        self.push_open(directory);
    }

    /// Goes one level up, and answers what was left: its name, its descriptor and what was kept for it.
    pub(super) fn leave(&mut self) -> rustix::io::Result<Option<Left<T>>> {
        let Some(level) = self.levels.pop() else {
            return Ok(None);
        };
        // `enter` put it there.
        let Some(directory) = self.open.pop_back() else {
            return Err(Errno::BADF);
        };
        if self.open.is_empty() && !self.levels.is_empty() {
            self.walk()?;
        }
        Ok(Some((level.name, directory, level.kept)))
    }

    /// The path of `name` in `here`, for messages.
    pub(super) fn path(&self, root: &Path, name: &[u8]) -> PathBuf {
        let mut path = root.to_path_buf();
        path.extend(self.components().map(OsStr::from_bytes));
        if !name.is_empty() {
            path.push(OsStr::from_bytes(name));
        }
        path
    }

    fn push_open(&mut self, directory: OwnedFd) {
        if self.open.len() == OPEN_LEVELS {
            self.open.pop_front();
        }
        self.open.push_back(directory);
    }

    /// Opens the innermost levels again, from the root.
    fn walk(&mut self) -> rustix::io::Result<()> {
        let names: Vec<_> = self.levels.iter().map(|level| level.name.clone()).collect();
        for name in names {
            let next = open_directory(self.here(), &name)?;
            self.push_open(next);
        }
        Ok(())
    }
}

/// Removes a tree that is ours, whatever permissions it has got. Only what `name` in `at` is: links are not followed.
pub(super) fn remove(at: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    let Some(found) = look(at, name)? else {
        return Ok(());
    };
    if kind(&found) != FileType::Directory {
        return Ok(rustix::fs::unlinkat(at, name, AtFlags::empty())?);
    }
    let mut descent: Descent<Vec<Box<[u8]>>> = Descent::new(at.try_clone_to_owned()?);
    enter_to_empty(&mut descent, name)?;
    while let Some(left) = descent.last_mut() {
        let Some(next) = left.pop() else {
            if let Some((name, _, _)) = descent.leave()? {
                rustix::fs::unlinkat(descent.here(), &name[..], AtFlags::REMOVEDIR)?;
            }
            continue;
        };
        match rustix::fs::unlinkat(descent.here(), &next[..], AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            // What a directory answers: Linux, and POSIX.
            Err(Errno::ISDIR | Errno::PERM) => enter_to_empty(&mut descent, &next)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn enter_to_empty(descent: &mut Descent<Vec<Box<[u8]>>>, name: &[u8]) -> io::Result<()> {
    let directory = open_own_directory(descent.here(), name)?;
    // Removing entries needs write permission.
    rustix::fs::fchmod(&directory, Mode::RWXU)?;
    let names = names(directory.as_fd())?;
    descent.enter(name, directory, names);
    Ok(())
}

/// Opens a directory that belongs to us even when its mode forbids that, by giving us all permissions first.
pub(super) fn open_own_directory(at: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    match open_directory(at, name) {
        Err(Errno::ACCESS) => {
            let found = look(at, name)?.ok_or(Errno::NOENT)?;
            if kind(&found) != FileType::Directory {
                return Err(Errno::NOTDIR);
            }
            rustix::fs::chmodat(at, name, Mode::RWXU, AtFlags::empty())?;
            open_directory(at, name)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn root(path: &Path) -> OwnedFd {
        rustix::fs::open(path, DIRECTORY, Mode::empty()).unwrap()
    }

    #[test]
    fn goes_deeper_than_descriptors_and_paths_allow_and_comes_back() {
        let top = tempfile::tempdir().unwrap();
        let mut way: Descent<usize> = Descent::new(root(top.path()));
        for level in 0..1500 {
            rustix::fs::mkdirat(way.here(), "directory", Mode::RWXU).unwrap();
            let next = open_directory(way.here(), b"directory").unwrap();
            way.enter(b"directory", next, level);
        }
        assert!(way.open.len() <= OPEN_LEVELS);
        for level in (0..1500).rev() {
            let (_, directory, kept) = way.leave().unwrap().unwrap();
            assert_eq!(kept, level);
            // It is the one that it was.
            let below = rustix::fs::fstat(&directory).unwrap();
            let again = look(way.here(), b"directory").unwrap().unwrap();
            assert_eq!(below.st_ino, again.st_ino);
        }
        assert!(way.leave().unwrap().is_none());
        remove(root(top.path()).as_fd(), b"directory").unwrap();
        assert_eq!(names(root(top.path()).as_fd()).unwrap().len(), 0);
    }

    #[test]
    fn removes_closed_directories_and_not_what_links_lead_to() {
        let top = tempfile::tempdir().unwrap();
        let inner = top.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(top.path().join("kept"), "").unwrap();
        symlink("../../kept", inner.join("link")).unwrap();
        symlink("..", inner.join("up")).unwrap();
        rustix::fs::chmod(&inner, Mode::empty()).unwrap();
        rustix::fs::chmod(top.path().join("a"), Mode::empty()).unwrap();
        remove(root(top.path()).as_fd(), b"a").unwrap();
        assert!(!top.path().join("a").exists());
        assert!(top.path().join("kept").exists());
    }
}
