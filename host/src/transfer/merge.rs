//! From the staging directory to the final name: by renaming, so that no file is ever half there.
//!
//! Directories that exist on both sides are merged. That is first gone through without touching anything, so that a
//! file in the way of a directory is found out before the first rename.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{FileType, Mode, Stat};
use rustix::io::Errno;

use super::DATA;
use super::destination::Destination;
use super::error::TransferError;
use super::staging::Staging;
use super::tree::{self, Descent, kind};

/// Gives what was unpacked its name.
pub(super) fn move_into_place(
    staging: &Staging,
    destination: &Destination,
) -> Result<(), TransferError> {
    let path = destination.directory_path();
    let staged = tree::look(staging.directory(), DATA)
        .map_err(|error| TransferError::local("look at", staging.path(), error))?
        .ok_or(TransferError::Empty)?;
    let is_directory = kind(&staged) == FileType::Directory;
    let Some(name) = destination.name() else {
        if !is_directory {
            return Err(TransferError::place(
                path,
                "is a directory, and what was copied is not",
            ));
        }
        let target = destination
            .directory()
            .try_clone_to_owned()
            .map_err(|error| TransferError::local("open", path, error))?;
        // The directory itself stays as it is: `cp dir/. /tmp` must not change the mode of `/tmp`.
        return merge(staging, target, path, Top::Keep);
    };
    let full = path.join(std::ffi::OsStr::from_bytes(name));
    let found = tree::look(destination.directory(), name)
        .map_err(|error| TransferError::local("look at", &full, error))?;
    if !is_directory && destination.only_directory() {
        return Err(TransferError::place(
            &full,
            "is not a directory, and neither is what was copied",
        ));
    }
    match found {
        Some(found) if is_directory && kind(&found) == FileType::Directory => {
            let target = tree::open_directory(destination.directory(), name)
                .map_err(|error| TransferError::local("open", &full, error))?;
            return merge(staging, target, &full, Top::Change);
        }
        Some(found) => check_replaceable(&staged, &found, &full)?,
        None => {}
    }
    rename(
        staging.directory(),
        DATA,
        &staged,
        destination.directory(),
        name,
    )
    .map_err(|error| TransferError::local("create", &full, error))
}

/// A file or link may take the place of a file or link.
fn check_replaceable(staged: &Stat, found: &Stat, path: &Path) -> Result<(), TransferError> {
    const HINT: &str = "remove it first, or copy to another name";
    let problem = match (kind(staged), kind(found)) {
        (FileType::Directory, _) => "is in the way of a directory",
        (_, FileType::Directory) => "is a directory in the way of a file",
        (_, FileType::RegularFile | FileType::Symlink) => return Ok(()),
        (_, _) => "is a device, fifo or socket in the way of a file",
    };
    Err(TransferError::place_hint(path, problem, HINT))
}

/// Renames, also a directory that its owner may not write: Linux wants to change its `..`.
fn rename(
    from: BorrowedFd<'_>,
    from_name: &[u8],
    staged: &Stat,
    to: BorrowedFd<'_>,
    to_name: &[u8],
) -> rustix::io::Result<()> {
    match rustix::fs::renameat(from, from_name, to, to_name) {
        Err(Errno::ACCESS) if kind(staged) == FileType::Directory => {
            let directory = tree::open_own_directory(from, from_name)?;
            rustix::fs::fchmod(&directory, Mode::RWXU)?;
            rustix::fs::renameat(from, from_name, to, to_name)?;
            rustix::fs::fchmod(&directory, Mode::from_raw_mode(tree::mode(staged)))
        }
        other => other,
    }
}

/// Whether the directory that is merged into gets the mode and times of what is copied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Top {
    Keep,
    Change,
}

fn merge(staging: &Staging, target: OwnedFd, path: &Path, top: Top) -> Result<(), TransferError> {
    let again = target
        .try_clone()
        .map_err(|error| TransferError::local("open", path, error))?;
    walk(staging, again, path, &mut |_| Ok(()))?;
    walk(staging, target, path, &mut |step| match step {
        Step::Move {
            from,
            to,
            name,
            staged,
        } => rename(from, name, staged, to, name),
        Step::Finish { is_top: true, .. } if top == Top::Keep => Ok(()),
        Step::Finish {
            directory, staged, ..
        } => {
            let times = tree::timestamps(tree::mtime(staged));
            let mode = Mode::from_raw_mode(tree::mode(staged));
            match rustix::fs::futimens(directory, &times)
                .and_then(|()| rustix::fs::fchmod(directory, mode))
            {
                // It belongs to somebody else, who lets us write in it.
                Err(Errno::PERM) => Ok(()),
                other => other,
            }
        }
    })
}

/// What merging does, thing by thing.
enum Step<'a> {
    /// There is room for it at the target, or something that it may replace.
    Move {
        from: BorrowedFd<'a>,
        to: BorrowedFd<'a>,
        name: &'a [u8],
        staged: &'a Stat,
    },
    /// All that was in a directory has been gone through.
    Finish {
        directory: BorrowedFd<'a>,
        staged: &'a Stat,
        is_top: bool,
    },
}

struct Level {
    names: std::vec::IntoIter<Box<[u8]>>,
    staged: Stat,
}

/// Goes through two directories side by side, down into those that are on both sides.
fn walk(
    staging: &Staging,
    target: OwnedFd,
    path: &Path,
    each: &mut dyn FnMut(Step<'_>) -> rustix::io::Result<()>,
) -> Result<(), TransferError> {
    let failed = |error: Errno| TransferError::local("merge into", path, error);
    let root = staging
        .directory()
        .try_clone_to_owned()
        .map_err(|error| TransferError::local("open", staging.path(), error))?;
    let mut from: Descent<Level> = Descent::new(root);
    let mut to: Descent<()> = Descent::new(target);
    enter(&mut from, DATA).map_err(failed)?;
    while let Some(level) = from.last_mut() {
        let Some(name) = level.names.next() else {
            let staged = level.staged;
            let step = Step::Finish {
                directory: to.here(),
                staged: &staged,
                is_top: to.depth() == 0,
            };
            each(step).map_err(|error| {
                TransferError::local("set mode and time of", &to.path(path, b""), error)
            })?;
            let left = from.leave().map_err(failed)?;
            to.leave().map_err(failed)?;
            if let Some((_, directory, level)) = left {
                let mode = Mode::from_raw_mode(tree::mode(&level.staged));
                rustix::fs::fchmod(directory, mode).map_err(failed)?;
            }
            continue;
        };
        let at = |error: Errno| TransferError::local("replace", &to.path(path, &name), error);
        let staged = tree::look(from.here(), &name)
            .map_err(at)?
            .ok_or_else(|| at(Errno::NOENT))?;
        match tree::look(to.here(), &name).map_err(at)? {
            Some(found)
                if kind(&staged) == FileType::Directory && kind(&found) == FileType::Directory =>
            {
                let directory = tree::open_directory(to.here(), &name).map_err(at)?;
                enter(&mut from, &name).map_err(at)?;
                to.enter(&name, directory, ());
                continue;
            }
            Some(found) => check_replaceable(&staged, &found, &to.path(path, &name))?,
            None => {}
        }
        each(Step::Move {
            from: from.here(),
            to: to.here(),
            name: &name,
            staged: &staged,
        })
        .map_err(at)?;
    }
    Ok(())
}

fn enter(from: &mut Descent<Level>, name: &[u8]) -> rustix::io::Result<()> {
    let staged = tree::look(from.here(), name)?.ok_or(Errno::NOENT)?;
    let directory = tree::open_own_directory(from.here(), name)?;
    rustix::fs::fchmod(&directory, Mode::RWXU)?;
    let names = tree::names(directory.as_fd())?.into_iter();
    from.enter(name, directory, Level { names, staged });
    Ok(())
}
