//! From local files to an archive for an instance.
//!
//! The archive is a *parcel*: what is sent is called `data`, and after all of it comes an empty file `done`. The receiving
//! script moves `data` to its final name only when `done` has arrived, because tars take a stream that breaks
//! off between two entries for a complete one. So nothing may write `done` before everything is known to be right.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, Stat};

use super::contents::{data_ranges, send_range, send_zeros};
use super::error::TransferError;
use super::format::{ArchiveWriter, Entry, Extent, Fault, Kind, Outlet, Time};
use super::name::shown;
use super::options::{Preserve, Receiver};
use super::pipe::widen;
use super::progress::{Progress, Summary};
use super::source::LocalSource;
use super::tree::{self, Descent, kind};
use super::{DATA, DONE};

/// How to pack.
#[derive(Clone, Copy, Debug, Default)]
pub struct PackOptions {
    pub preserve: Preserve,
    pub receiver: Receiver,
}

/// Writes a parcel. Sockets, fifos and devices are left out with a warning; anything that cannot be read is an error, and
/// then the receiver discards what it has got.
pub fn pack(
    source: &LocalSource,
    options: PackOptions,
    out: impl Outlet,
    progress: &dyn Progress,
) -> Result<Summary, TransferError> {
    widen(out.descriptor());
    let mut packer = Packer {
        top: source.path(),
        above: source.above(),
        options,
        archive: ArchiveWriter::new(out),
        progress,
        links: HashMap::new(),
        summary: Summary::default(),
        path: DATA.to_vec(),
    };
    packer.walk(source)?;
    let Packer {
        archive, summary, ..
    } = packer;
    finish(archive)?;
    Ok(summary)
}

/// The header of a directory that will come again when all that is in it has come.
pub(super) fn open_for_now(entry: &mut Entry) {
    entry.mode |= 0o700;
    entry.mtime.nanoseconds = 0;
}

/// Completes a parcel.
pub(super) fn finish<O: Outlet>(mut archive: ArchiveWriter<O>) -> Result<(), TransferError> {
    let done = Entry {
        path: DONE.to_vec(),
        kind: Kind::File,
        mode: 0o600,
        uid: 0,
        gid: 0,
        mtime: Time::default(),
        link: Vec::new(),
        size: 0,
        stored: 0,
        extents: None,
    };
    archive.entry(&done).map_err(TransferError::Send)?;
    drop(archive.end().map_err(TransferError::Send)?);
    Ok(())
}

struct Packer<'a, O> {
    top: &'a Path,
    /// Where the way down begins, for messages.
    above: &'a Path,
    options: PackOptions,
    archive: ArchiveWriter<O>,
    progress: &'a dyn Progress,
    /// Files with several names, by device and number: the path in the archive that came first.
    links: HashMap<(u64, u64), Box<[u8]>>,
    summary: Summary,
    /// Of the present entry, in the archive.
    path: Vec<u8>,
}

/// What is still to be packed of a directory, and how long the path is without it.
struct Rest {
    names: std::vec::IntoIter<Box<[u8]>>,
    outside: usize,
    stat: Stat,
}

type Way = Descent<Rest>;

impl<O: Outlet> Packer<'_, O> {
    fn walk(&mut self, source: &LocalSource) -> Result<(), TransferError> {
        let mut way = Way::new(source.directory()?);
        let stat = source.look()?;
        match source.entry() {
            // The top is the directory that the way begins with.
            None => {
                self.directory(&mut way, b".", &stat, 0)?;
            }
            Some(name) => {
                if kind(&stat) == FileType::RegularFile {
                    self.progress.total(size(&stat));
                } else if is_special(&stat) {
                    return Err(TransferError::place_hint(
                        self.top,
                        "is a device, fifo or socket",
                        "use `-` as the source to send it as a stream",
                    ));
                }
                self.node(&mut way, name, &stat, 0)?;
            }
        }
        while let Some(rest) = way.last_mut() {
            let Some(name) = rest.names.next() else {
                let (outside, stat) = (rest.outside, rest.stat);
                if self.options.receiver == Receiver::Any {
                    let entry = self.describe(&stat, Kind::Directory, Vec::new(), None);
                    self.archive.entry(&entry).map_err(TransferError::Send)?;
                }
                self.path.truncate(outside);
                way.leave()
                    .map_err(|error| self.failed("go back to", &way, b"", error))?;
                continue;
            };
            let outside = self.path.len();
            self.path.push(b'/');
            self.path.extend_from_slice(&name);
            let stat = tree::look(way.here(), &name)
                .map_err(|error| self.failed("look at", &way, &name, error))?;
            let entered = match stat {
                Some(stat) => self.node(&mut way, &name, &stat, outside)?,
                None => {
                    self.warn("vanished while it was copied");
                    false
                }
            };
            if !entered {
                self.path.truncate(outside);
            }
        }
        Ok(())
    }

    /// Packs one thing; true: it is a directory, and the way now leads into it.
    fn node(
        &mut self,
        way: &mut Way,
        name: &[u8],
        stat: &Stat,
        outside: usize,
    ) -> Result<bool, TransferError> {
        self.progress
            .entry(self.path.get(DATA.len() + 1..).unwrap_or_default());
        match kind(stat) {
            FileType::Directory => {
                self.directory(way, name, stat, outside)?;
                return Ok(true);
            }
            FileType::RegularFile => self.file(way, name, stat)?,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(way.here(), name, Vec::new())
                    .map_err(|error| self.failed("read the link", way, name, error))?;
                self.link(stat, Kind::Symlink, target.into_bytes())?;
            }
            FileType::Socket => self.warn("is a socket and was left out"),
            FileType::Fifo => self.warn("is a fifo and was left out"),
            FileType::CharacterDevice | FileType::BlockDevice => {
                self.warn("is a device and was left out");
            }
            FileType::Unknown => self.warn("is of an unknown kind and was left out"),
        }
        Ok(false)
    }

    fn directory(
        &mut self,
        way: &mut Way,
        name: &[u8],
        stat: &Stat,
        outside: usize,
    ) -> Result<(), TransferError> {
        let mut entry = self.describe(stat, Kind::Directory, Vec::new(), None);
        if self.options.receiver == Receiver::Any {
            open_for_now(&mut entry);
        }
        self.count(&entry);
        self.archive.entry(&entry).map_err(TransferError::Send)?;
        let directory = tree::open_directory(way.here(), name)
            .map_err(|error| self.failed("open", way, name, error))?;
        let names = tree::names(directory.as_fd())
            .map_err(|error| self.failed("list", way, name, error))?
            .into_iter();
        let rest = Rest {
            names,
            outside,
            stat: *stat,
        };
        way.enter(name, directory, rest);
        Ok(())
    }

    fn file(&mut self, way: &Way, name: &[u8], stat: &Stat) -> Result<(), TransferError> {
        let identity = (stat.st_dev, stat.st_ino);
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&identity) {
                let first = first.to_vec();
                return self.link(stat, Kind::HardLink, first);
            }
            self.links.insert(identity, self.path[..].into());
        }
        // Should it have become a fifo meanwhile, opening it must not wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(way.here(), name, flags, Mode::empty())
            .map_err(|error| self.failed("open", way, name, error))?;
        let file = File::from(file);
        let stat =
            rustix::fs::fstat(&file).map_err(|error| self.failed("look at", way, name, error))?;
        if kind(&stat) != FileType::RegularFile {
            self.warn("became something else while it was copied, and was left out");
            return Ok(());
        }
        let ranges = data_ranges(
            &file,
            size(&stat),
            u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
        );
        let whole = self
            .contents(&file, &stat, ranges)
            .map_err(|fault| match fault {
                Fault::Read(error) => self.failed("read", way, name, error),
                Fault::Write(error) => TransferError::Send(error),
            })?;
        let after =
            rustix::fs::fstat(&file).map_err(|error| self.failed("look at", way, name, error))?;
        if !whole {
            self.warn("became shorter while it was copied; the rest was sent as zeros");
        } else if size(&after) != size(&stat) || tree::mtime(&after) != tree::mtime(&stat) {
            self.warn("changed while it was copied");
        }
        Ok(())
    }

    /// The header and contents of a file. False: it had become shorter than its header says.
    fn contents(
        &mut self,
        file: &File,
        stat: &Stat,
        ranges: Option<Vec<Extent>>,
    ) -> Result<bool, Fault> {
        let size = size(stat);
        let whole = [Extent {
            offset: 0,
            length: size,
        }];
        let progress = self.progress;
        let ranges = match ranges {
            Some(ranges) if self.options.receiver == Receiver::Gnu => {
                self.begin(stat, Some(ranges.clone()))?;
                let mut reached = true;
                let mut at = 0;
                for range in ranges {
                    progress.advance(range.offset - at);
                    reached &= send_range(&mut self.archive, file, range, progress)?;
                    at = range.offset + range.length;
                }
                return Ok(reached);
            }
            Some(ranges) => ranges,
            None => whole.to_vec(),
        };
        self.begin(stat, None)?;
        let mut reached = true;
        let mut at = 0;
        for range in ranges {
            send_zeros(&mut self.archive, range.offset - at, progress)?;
            reached &= send_range(&mut self.archive, file, range, progress)?;
            at = range.offset + range.length;
        }
        Ok(reached)
    }

    fn begin(&mut self, stat: &Stat, extents: Option<Vec<Extent>>) -> Result<(), Fault> {
        let entry = self.describe(stat, Kind::File, Vec::new(), extents);
        self.count(&entry);
        self.archive.entry(&entry).map_err(Fault::Write)
    }

    fn link(&mut self, stat: &Stat, kind: Kind, target: Vec<u8>) -> Result<(), TransferError> {
        let entry = self.describe(stat, kind, target, None);
        self.count(&entry);
        self.archive.entry(&entry).map_err(TransferError::Send)
    }

    fn count(&mut self, entry: &Entry) {
        self.summary.entries += 1;
        self.summary.files += u64::from(entry.kind == Kind::File);
        self.summary.bytes += entry.size;
    }

    /// The header of what is at the present path.
    fn describe(
        &self,
        stat: &Stat,
        kind: Kind,
        link: Vec<u8>,
        extents: Option<Vec<Extent>>,
    ) -> Entry {
        let size = if kind == Kind::File { size(stat) } else { 0 };
        let stored = match &extents {
            Some(extents) => extents.iter().map(|extent| extent.length).sum(),
            None => size,
        };
        let mut path = self.path.clone();
        if kind == Kind::Directory {
            // As every tar writes it.
            path.push(b'/');
        }
        // Our numbers mean nothing on the instance, and its tar would take them for its own users.
        let owner = self.options.preserve.owner;
        Entry {
            path,
            kind,
            mode: self.options.preserve.mode(tree::mode(stat)),
            uid: if owner { stat.st_uid.into() } else { 0 },
            gid: if owner { stat.st_gid.into() } else { 0 },
            mtime: tree::mtime(stat),
            link,
            size,
            stored,
            extents,
        }
    }

    fn warn(&mut self, what: &str) {
        let below = self.path.get(DATA.len() + 1..).unwrap_or_default();
        self.summary.warn(format!("{} {what}", shown(below)));
    }

    fn failed(
        &self,
        action: &'static str,
        way: &Way,
        name: &[u8],
        error: impl Into<std::io::Error>,
    ) -> TransferError {
        TransferError::local(action, &way.path(self.above, name), error)
    }
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or_default()
}

fn is_special(stat: &Stat) -> bool {
    matches!(
        kind(stat),
        FileType::Socket | FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice
    )
}
