//! A local path that is to be copied, as `cp -a` understands it.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, Stat};

use super::error::TransferError;
use super::tree::{self, DIRECTORY};

/// The last component of a path, as far as it names something: not `.`, `..` or the root. Slashes at the end do not count.
pub(super) fn last_component(path: &[u8]) -> Option<&[u8]> {
    let end = path.iter().rposition(|&byte| byte != b'/')? + 1;
    let start = path[..end]
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |slash| slash + 1);
    match &path[start..end] {
        b"." | b".." => None,
        name => Some(name),
    }
}

/// What is to be copied from this machine. A symbolic link is copied as one, unless a slash follows.
#[derive(Debug)]
pub struct LocalSource {
    path: PathBuf,
    /// The directory it is in; or, without an entry, the directory that it is.
    at: OwnedFd,
    entry: Option<Box<[u8]>>,
}

impl LocalSource {
    /// Opens it so far that a missing path is found out at once.
    pub fn open(path: &Path) -> Result<Self, TransferError> {
        let follow = DIRECTORY.difference(OFlags::NOFOLLOW);
        let bytes = path.as_os_str().as_bytes();
        let entry = last_component(bytes).filter(|_| !bytes.ends_with(b"/"));
        let above = above(path, entry.is_some());
        let at = rustix::fs::open(above, follow, Mode::empty())
            .map_err(|error| TransferError::local("open", above, error))?;
        let source = Self {
            path: path.to_path_buf(),
            at,
            entry: entry.map(Into::into),
        };
        source.look()?;
        Ok(source)
    }

    /// The name it gets in a destination that is a directory. None: its contents are copied (`.`, `/`).
    pub fn name(&self) -> Option<&[u8]> {
        last_component(self.path.as_os_str().as_bytes())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the directory that `directory` opens.
    pub(super) fn above(&self) -> &Path {
        above(&self.path, self.entry.is_some())
    }

    pub(super) fn entry(&self) -> Option<&[u8]> {
        self.entry.as_deref()
    }

    pub(super) fn directory(&self) -> Result<OwnedFd, TransferError> {
        self.at
            .try_clone()
            .map_err(|error| TransferError::local("open", &self.path, error))
    }

    pub(super) fn look(&self) -> Result<Stat, TransferError> {
        let found = match &self.entry {
            Some(entry) => tree::look(self.at.as_fd(), entry),
            None => rustix::fs::fstat(&self.at).map(Some),
        };
        found
            .map_err(|error| TransferError::local("look at", &self.path, error))?
            .ok_or_else(|| TransferError::place(&self.path, "does not exist"))
    }
}

fn above(path: &Path, is_entry: bool) -> &Path {
    match path.parent() {
        _ if !is_entry => path,
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_paths() {
        let name = |path: &str| last_component(path.as_bytes()).map(|name| name.to_vec());
        assert_eq!(name("/a/b").as_deref(), Some(&b"b"[..]));
        assert_eq!(name("b//").as_deref(), Some(&b"b"[..]));
        assert_eq!(name("-").as_deref(), Some(&b"-"[..]));
        for nothing in ["", "/", "//", ".", "./", "..", "a/..", "a/./"] {
            assert_eq!(name(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn opens_what_is_there() {
        let top = tempfile::tempdir().unwrap();
        let missing = LocalSource::open(&top.path().join("none")).unwrap_err();
        assert!(missing.to_string().contains("does not exist"), "{missing}");
        std::fs::write(top.path().join("file"), "").unwrap();
        assert!(LocalSource::open(&top.path().join("file/")).is_err());
        std::os::unix::fs::symlink("nowhere", top.path().join("link")).unwrap();
        LocalSource::open(&top.path().join("link")).unwrap();
        assert!(LocalSource::open(&top.path().join("link/")).is_err());
    }
}
