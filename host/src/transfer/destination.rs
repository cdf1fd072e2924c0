//! Where a copy goes on this machine, as `cp -a` understands it.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::error::TransferError;
use super::source::last_component;
use super::tree::{self, DIRECTORY};

/// A directory that exists, and the name that the copy gets in it.
#[derive(Debug)]
pub struct Destination {
    directory: OwnedFd,
    directory_path: PathBuf,
    /// None: the contents of what is copied go into the directory itself.
    name: Option<Box<[u8]>>,
    /// A slash was written after a name that does not exist.
    only_directory: bool,
}

impl Destination {
    /// `name` is the last component of the source; none when its contents are copied. An existing directory takes the copy
    /// under that name; anything else is the copy's new name, and the directory above must exist. A symbolic link
    /// that the user named is followed; those in the directory are not.
    pub fn resolve(path: &Path, name: Option<&[u8]>) -> Result<Self, TransferError> {
        let bytes = path.as_os_str().as_bytes();
        let only_directory = bytes.ends_with(b"/") || last_component(bytes).is_none();
        match rustix::fs::stat(path) {
            Ok(stat) => match tree::kind(&stat) {
                FileType::Directory => Self::within(path, name, false),
                FileType::RegularFile if only_directory => {
                    Err(TransferError::place(path, "is not a directory"))
                }
                FileType::RegularFile => {
                    let real = std::fs::canonicalize(path)
                        .map_err(|error| TransferError::local("look at", path, error))?;
                    Self::beside(&real, false)
                }
                _ => Err(TransferError::place_hint(
                    path,
                    "is a device, fifo or socket",
                    "copy to `-` and redirect that",
                )),
            },
            Err(Errno::NOENT) if rustix::fs::lstat(path).is_ok() => Err(TransferError::place_hint(
                path,
                "is a symbolic link that leads nowhere",
                "remove the link, or name the file it should lead to",
            )),
            Err(Errno::NOENT) => Self::beside(path, only_directory),
            Err(error) => Err(TransferError::local("look at", path, error)),
        }
    }

    fn within(
        directory: &Path,
        name: Option<&[u8]>,
        only_directory: bool,
    ) -> Result<Self, TransferError> {
        let follow = DIRECTORY.difference(OFlags::NOFOLLOW);
        let opened = rustix::fs::open(directory, follow, Mode::empty());
        let opened = match opened {
            Err(Errno::NOENT) => {
                return Err(TransferError::place_hint(
                    directory,
                    "does not exist",
                    "create that directory first",
                ));
            }
            other => other.map_err(|error| TransferError::local("open", directory, error))?,
        };
        Ok(Self {
            directory: opened,
            directory_path: directory.to_path_buf(),
            name: name.map(Into::into),
            only_directory,
        })
    }

    fn beside(path: &Path, only_directory: bool) -> Result<Self, TransferError> {
        let Some(name) = last_component(path.as_os_str().as_bytes()) else {
            return Err(TransferError::place(path, "does not exist"));
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Self::within(parent, Some(name), only_directory)
    }

    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    pub(super) fn directory_path(&self) -> &Path {
        &self.directory_path
    }

    pub(super) fn name(&self) -> Option<&[u8]> {
        self.name.as_deref()
    }

    pub(super) fn only_directory(&self) -> bool {
        self.only_directory
    }
}
