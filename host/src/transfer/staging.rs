//! A private directory beside a destination, where things are put together before they get their final name.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;

use super::error::TransferError;
use super::tree;

/// Removed with all that is in it when it is dropped.
#[derive(Debug)]
pub(super) struct Staging {
    at: OwnedFd,
    name: String,
    directory: OwnedFd,
    path: PathBuf,
}

impl Staging {
    /// Makes one in a directory. Nobody else can enter it, so nobody else can put links into it.
    pub(super) fn create(at: BorrowedFd<'_>, path: &Path) -> Result<Self, TransferError> {
        let failed = |error: io::Error| TransferError::local("create a file in", path, error);
        let at = at.try_clone_to_owned().map_err(failed)?;
        loop {
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(|error| failed(io::Error::other(error)))?;
            let name = format!(".runner-{:016x}", u64::from_ne_bytes(random));
            match rustix::fs::mkdirat(&at, &name, Mode::RWXU) {
                Ok(()) => {}
                Err(Errno::EXIST) => continue,
                Err(error) => return Err(failed(error.into())),
            }
            let directory = tree::open_directory(at.as_fd(), name.as_bytes())
                .map_err(|error| failed(error.into()))?;
            let path = path.join(&name);
            return Ok(Self {
                at,
                name,
                directory,
                path,
            });
        }
    }

    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = tree::remove(self.at.as_fd(), self.name.as_bytes()) {
            tracing::warn!(path = %self.path.display(), %error, "a temporary directory could not be removed");
        }
    }
}
