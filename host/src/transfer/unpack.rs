//! From an archive of an instance to local files.
//!
//! Entries are put into a `Staging` directory that nobody else can enter, each under the directory that its name says,
//! walked to without following links. A directory is ours to write while the walk is in it; it gets its mode and times when
//! the walk leaves it, and they are read back should the archive return to it, so that nothing needs to be remembered
//! about it. Nothing outside the staging directory is touched before `Unpacked::commit`.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::DATA;
use super::destination::Destination;
use super::error::{Refusal, TransferError};
use super::format::{ArchiveReader, Entry, Extent, Inlet, Kind, Time};
use super::holes::HoleWriter;
use super::limits::{CHUNK, MAX_LINK};
use super::merge;
use super::name::{EntryPath, shown};
use super::options::Preserve;
use super::pipe::widen;
use super::progress::{Progress, Summary};
use super::staging::Staging;
use super::tree::{self, Descent};

/// What an archive is expected to begin with. An instance that sends anything else is refused: what was asked for decides
/// which names appear on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Top {
    /// Everything is called this, or lies under it.
    Named(Vec<u8>),
    /// The archive holds the contents of a directory.
    Here,
}

impl Top {
    /// The path below the top.
    pub(super) fn check(&self, raw: &[u8]) -> Result<EntryPath, Refusal> {
        let path = EntryPath::parse(raw)?;
        match self {
            Self::Here => Ok(path),
            Self::Named(name) => path
                .below(name)
                .ok_or_else(|| Refusal::NotAsked(shown(name))),
        }
    }
}

/// All of a copy, beside its destination.
#[derive(Debug)]
pub struct Unpacked {
    staging: Staging,
    destination: Destination,
    summary: Summary,
}

/// Reads an archive to its end and puts it beside its destination. Call `commit` once the instance has said that
/// the archive is right: a `tar` that could not read everything still writes a whole archive.
pub fn unpack(
    archive: impl Inlet,
    top: &Top,
    destination: Destination,
    preserve: Preserve,
    progress: &dyn Progress,
) -> Result<Unpacked, TransferError> {
    widen(archive.descriptor());
    let staging = Staging::create(destination.directory(), destination.directory_path())?;
    let again = || {
        let root = staging.directory().try_clone_to_owned();
        root.map_err(|error| TransferError::local("open", staging.path(), error))
    };
    let mut reader = ArchiveReader::new(archive);
    let mut unpacker = Unpacker {
        top,
        preserve,
        progress,
        root: again()?,
        way: Descent::new(again()?),
        summary: Summary::default(),
    };
    while let Some(entry) = reader.next()? {
        unpacker.entry(&entry, &mut reader)?;
    }
    if unpacker.summary.entries == 0 {
        return Err(TransferError::Empty);
    }
    while unpacker.way.depth() > 0 {
        unpacker.leave()?;
    }
    Ok(Unpacked {
        staging,
        destination,
        summary: unpacker.summary,
    })
}

impl Unpacked {
    /// Moves everything to its final name. Directories that exist are merged into, files are replaced.
    pub fn commit(self) -> Result<Summary, TransferError> {
        merge::move_into_place(&self.staging, &self.destination)?;
        Ok(self.summary)
    }
}

/// A hard link between its making and its place, beside `data`.
const LINK: &[u8] = b"link";

/// What a directory gets when the walk leaves it.
#[derive(Clone, Copy, Debug)]
struct Attributes {
    mode: u32,
    /// None: made on the way to something else, and as new as that.
    mtime: Option<Time>,
    owner: Option<(Uid, Gid)>,
}

/// What to do about a directory on the way that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Make,
    Refuse,
}

struct Unpacker<'a> {
    top: &'a Top,
    preserve: Preserve,
    progress: &'a dyn Progress,
    /// Where the way begins.
    root: OwnedFd,
    way: Descent<Attributes>,
    summary: Summary,
}

impl Unpacker<'_> {
    fn entry<R: Inlet>(
        &mut self,
        entry: &Entry,
        reader: &mut ArchiveReader<R>,
    ) -> Result<(), TransferError> {
        let refuse = |refusal| TransferError::refused(&entry.path, refusal);
        let path = self.top.check(&entry.path).map_err(refuse)?;
        self.progress.entry(path.as_bytes());
        let mut parents: Vec<&[u8]> = vec![DATA];
        parents.extend(path.components());
        let Some(name) = parents.pop() else {
            return Err(refuse(Refusal::NoName));
        };
        match entry.kind {
            Kind::Directory => {
                self.go_to(&parents, &entry.path)?;
                self.directory(entry, name)?;
            }
            Kind::File => {
                if path.as_bytes().is_empty() {
                    self.progress.total(entry.size);
                }
                self.go_to(&parents, &entry.path)?;
                self.file(entry, name, reader)?;
                self.summary.files += 1;
                self.summary.bytes += entry.size;
            }
            Kind::Symlink => {
                self.go_to(&parents, &entry.path)?;
                self.symlink(entry, name)?;
            }
            Kind::HardLink => self.hard_link(entry, &path, &parents, name)?,
            Kind::CharacterDevice => return Err(refuse(Refusal::CharacterDevice)),
            Kind::BlockDevice => return Err(refuse(Refusal::BlockDevice)),
            Kind::Fifo => return Err(refuse(Refusal::Fifo)),
            Kind::Unknown(flag) => return Err(refuse(Refusal::UnknownKind(flag.into()))),
        }
        self.summary.entries += 1;
        Ok(())
    }

    /// Walks to the directory that an entry belongs into, and makes what is missing on the way.
    fn go_to(&mut self, components: &[&[u8]], entry: &[u8]) -> Result<(), TransferError> {
        match self.walk_to(components, entry, Missing::Make)? {
            None => Ok(()),
            Some(refusal) => Err(TransferError::refused(entry, refusal)),
        }
    }

    /// Walks to a directory of the archive; or answers why there is none.
    fn walk_to(
        &mut self,
        components: &[&[u8]],
        entry: &[u8],
        missing: Missing,
    ) -> Result<Option<Refusal>, TransferError> {
        let common = self
            .way
            .components()
            .zip(components)
            .take_while(|(have, want)| have == *want)
            .count();
        while self.way.depth() > common {
            self.leave()?;
        }
        for name in &components[common..] {
            let found = tree::look(self.way.here(), name)
                .map_err(|error| failed("unpack", entry, error))?;
            let (directory, mode, mtime) = match found {
                None if missing == Missing::Refuse => return Ok(Some(Refusal::NotThere)),
                None => (self.make_directory(name, entry)?, 0o755, None),
                Some(found) => match tree::kind(&found) {
                    FileType::Directory => (
                        self.open(name, entry)?,
                        tree::mode(&found),
                        Some(tree::mtime(&found)),
                    ),
                    FileType::Symlink => return Ok(Some(Refusal::UnderSymlink)),
                    _ => return Ok(Some(Refusal::UnderFile)),
                },
            };
            let attributes = Attributes {
                mode,
                mtime,
                owner: None,
            };
            self.way.enter(name, directory, attributes);
        }
        Ok(None)
    }

    fn leave(&mut self) -> Result<(), TransferError> {
        let left = self
            .way
            .leave()
            .map_err(|error| failed("go back from", b"a directory", error))?;
        if let Some((name, directory, attributes)) = left {
            finish(&directory, attributes)
                .map_err(|error| failed("set mode and time of", &name, error))?;
        }
        Ok(())
    }

    fn make_directory(&self, name: &[u8], entry: &[u8]) -> Result<OwnedFd, TransferError> {
        rustix::fs::mkdirat(self.way.here(), name, Mode::RWXU)
            .map_err(|error| failed("create the directory", entry, error))?;
        self.open(name, entry)
    }

    /// Opens a directory that we have made, and makes it ours to write again.
    fn open(&self, name: &[u8], entry: &[u8]) -> Result<OwnedFd, TransferError> {
        tree::open_own_directory(self.way.here(), name)
            .and_then(|directory| {
                rustix::fs::fchmod(&directory, Mode::RWXU)?;
                Ok(directory)
            })
            .map_err(|error| failed("open the directory", entry, error))
    }

    fn directory(&mut self, entry: &Entry, name: &[u8]) -> Result<(), TransferError> {
        let attributes = self.attributes(entry)?;
        let directory = match tree::look(self.way.here(), name) {
            Ok(None) => self.make_directory(name, &entry.path)?,
            Ok(Some(found)) if tree::kind(&found) == FileType::Directory => {
                self.open(name, &entry.path)?
            }
            Ok(Some(_)) => return Err(TransferError::refused(&entry.path, Refusal::Twice)),
            Err(error) => return Err(failed("unpack", &entry.path, error)),
        };
        self.way.enter(name, directory, attributes);
        Ok(())
    }

    fn file<R: Inlet>(
        &mut self,
        entry: &Entry,
        name: &[u8],
        reader: &mut ArchiveReader<R>,
    ) -> Result<(), TransferError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(self.create(name, entry, |at| {
            rustix::fs::openat(at, name, flags, Mode::RUSR | Mode::WUSR)
        })?);
        let whole = [Extent {
            offset: 0,
            length: entry.size,
        }];
        let mut writer = HoleWriter::new(&file);
        let mut end = 0;
        for extent in entry.extents.as_deref().unwrap_or(&whole) {
            self.progress.advance(extent.offset - end);
            let mut at = extent.offset;
            end = at + extent.length;
            while at < end {
                let most = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
                let bytes = reader.contents(most)?;
                writer
                    .put(at, bytes)
                    .map_err(|error| failed("write", &entry.path, error))?;
                at += bytes.len() as u64;
                self.progress.advance(bytes.len() as u64);
            }
        }
        writer
            .finish(entry.size)
            .map_err(|error| failed("write", &entry.path, error))?;
        finish(file, self.attributes(entry)?)
            .map_err(|error| failed("set mode and time of", &entry.path, error))
    }

    fn symlink(&mut self, entry: &Entry, name: &[u8]) -> Result<(), TransferError> {
        if entry.link.is_empty() || entry.link.len() > MAX_LINK || entry.link.contains(&0) {
            return Err(TransferError::refused(&entry.path, Refusal::BadSymlink));
        }
        self.create(name, entry, |at| {
            rustix::fs::symlinkat(&entry.link[..], at, name)
        })?;
        let attributes = self.attributes(entry)?;
        let at = self.way.here();
        let set = || {
            if let Some((uid, gid)) = attributes.owner {
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                rustix::fs::chownat(at, name, Some(uid), Some(gid), flags)?;
            }
            let times = tree::timestamps(entry.mtime);
            match rustix::fs::utimensat(at, name, &times, AtFlags::SYMLINK_NOFOLLOW) {
                // Some file systems keep no times for links.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
                other => other,
            }
        };
        set().map_err(|error| failed("set the time of", &entry.path, error))
    }

    fn hard_link(
        &mut self,
        entry: &Entry,
        path: &EntryPath,
        parents: &[&[u8]],
        name: &[u8],
    ) -> Result<(), TransferError> {
        let refuse = |problem| {
            let target = shown(&entry.link);
            let problem = Box::new(problem);
            TransferError::refused(&entry.path, Refusal::BadHardLink { target, problem })
        };
        let target = self.top.check(&entry.link).map_err(refuse)?;
        if target == *path {
            return Err(refuse(Refusal::NotThere));
        }
        let mut target_parents: Vec<&[u8]> = vec![DATA];
        target_parents.extend(target.components());
        let Some(target_name) = target_parents.pop() else {
            return Err(refuse(Refusal::NoName));
        };
        // By the same walk, so that directories which the archive has left are closed again behind us.
        if let Some(problem) = self.walk_to(&target_parents, &entry.path, Missing::Refuse)? {
            return Err(refuse(problem));
        }
        match tree::look(self.way.here(), target_name) {
            Ok(None) => return Err(refuse(Refusal::NotThere)),
            Ok(Some(found)) if tree::kind(&found) == FileType::Directory => {
                return Err(refuse(Refusal::IsDirectory));
            }
            Ok(Some(_)) => {}
            Err(error) => return Err(failed("look at", &entry.link, error)),
        }
        // In two steps, because both directories may be closed as soon as the walk has left them. To the link itself,
        // should the target be one.
        let cannot = |error| failed("link", &entry.path, error);
        rustix::fs::linkat(
            self.way.here(),
            target_name,
            &self.root,
            LINK,
            AtFlags::empty(),
        )
        .map_err(cannot)?;
        self.go_to(parents, &entry.path)?;
        match rustix::fs::renameat(&self.root, LINK, self.way.here(), name) {
            // It stays when both are names of one file already.
            Ok(()) => match rustix::fs::unlinkat(&self.root, LINK, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(cannot(error)),
            },
            Err(Errno::ISDIR) => Err(TransferError::refused(&entry.path, Refusal::Twice)),
            Err(error) => Err(cannot(error)),
        }
    }

    /// Makes something that is not a directory. The later of two entries with one name wins, as in every tar.
    fn create<T>(
        &self,
        name: &[u8],
        entry: &Entry,
        make: impl Fn(std::os::fd::BorrowedFd<'_>) -> rustix::io::Result<T>,
    ) -> Result<T, TransferError> {
        let at = self.way.here();
        let made = match make(at) {
            Err(Errno::EXIST) => match rustix::fs::unlinkat(at, name, AtFlags::empty()) {
                Ok(()) => make(at),
                // What a directory answers: Linux, and POSIX.
                Err(Errno::ISDIR | Errno::PERM) => {
                    return Err(TransferError::refused(&entry.path, Refusal::Twice));
                }
                Err(error) => Err(error),
            },
            other => other,
        };
        made.map_err(|error| failed("create", &entry.path, error))
    }

    fn attributes(&self, entry: &Entry) -> Result<Attributes, TransferError> {
        let owner = if self.preserve.owner {
            let number = |number: u64| {
                // The largest means "leave it as it is".
                u32::try_from(number)
                    .ok()
                    .filter(|&number| number != u32::MAX)
                    .ok_or_else(|| failed("set the owner of", &entry.path, Errno::OVERFLOW))
            };
            Some((
                Uid::from_raw(number(entry.uid)?),
                Gid::from_raw(number(entry.gid)?),
            ))
        } else {
            None
        };
        Ok(Attributes {
            mode: self.preserve.mode(entry.mode),
            mtime: Some(entry.mtime),
            owner,
        })
    }
}

/// Owner first, because changing it clears set-id bits.
fn finish(file: impl std::os::fd::AsFd, attributes: Attributes) -> rustix::io::Result<()> {
    if let Some((uid, gid)) = attributes.owner {
        rustix::fs::fchown(&file, Some(uid), Some(gid))?;
    }
    if let Some(mtime) = attributes.mtime {
        rustix::fs::futimens(&file, &tree::timestamps(mtime))?;
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(attributes.mode))
}

fn failed(action: &'static str, entry: &[u8], error: impl Into<std::io::Error>) -> TransferError {
    TransferError::local_bytes(action, entry, error)
}
