//! From one instance to another: an archive is read from the first and a parcel is written to the second.
//!
//! Nothing is passed on unread. The second instance trusts us as little as we trust the first, so names and kinds
//! are refused as in `unpack`, and since the tar over there may follow links that it has just made, nothing is sent
//! that lies under a symbolic link of the same archive.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io;

use super::DATA;
use super::error::{Refusal, TransferError};
use super::format::{ArchiveReader, ArchiveWriter, Body, Entry, Extent, Inlet, Kind, Outlet};
use super::limits::{CHUNK, MAX_LINK};
use super::name::{EntryPath, shown};
use super::options::{Preserve, Receiver};
use super::pack;
use super::pipe::widen;
use super::progress::{Progress, Summary};
use super::unpack::Top;

/// All of an archive, sent but for the entry that completes it.
#[derive(Debug)]
pub struct Relayed<O> {
    archive: ArchiveWriter<O>,
    summary: Summary,
}

/// Passes an archive on, to its end. Call `finish` once the first instance has said that the archive is right; without it
/// the second one discards what it has got.
pub fn relay<O: Outlet>(
    archive: impl Inlet,
    top: &Top,
    preserve: Preserve,
    receiver: Receiver,
    out: O,
    progress: &dyn Progress,
) -> Result<Relayed<O>, TransferError> {
    widen(archive.descriptor());
    widen(out.descriptor());
    let mut reader = ArchiveReader::new(archive);
    let mut relay = Relay {
        top,
        preserve,
        receiver,
        progress,
        out: ArchiveWriter::new(out),
        links: PathSet::default(),
        open: OpenDirectories::default(),
        summary: Summary::default(),
    };
    while let Some(entry) = reader.next()? {
        relay.entry(entry, &mut reader)?;
    }
    if relay.summary.entries == 0 {
        return Err(TransferError::Empty);
    }
    relay.close_until(None).map_err(TransferError::Send)?;
    Ok(Relayed {
        archive: relay.out,
        summary: relay.summary,
    })
}

impl<O: Outlet> Relayed<O> {
    /// Completes the parcel.
    pub fn finish(self) -> Result<Summary, TransferError> {
        pack::finish(self.archive)?;
        Ok(self.summary)
    }
}

struct Relay<'a, O> {
    top: &'a Top,
    preserve: Preserve,
    receiver: Receiver,
    progress: &'a dyn Progress,
    out: ArchiveWriter<O>,
    /// Symbolic links, and hard links to them.
    links: PathSet,
    open: OpenDirectories,
    summary: Summary,
}

impl<O: Outlet> Relay<'_, O> {
    fn entry<R: Inlet>(
        &mut self,
        entry: Entry,
        reader: &mut ArchiveReader<R>,
    ) -> Result<(), TransferError> {
        let refuse = |refusal| TransferError::refused(&entry.path, refusal);
        let path = self.top.check(&entry.path).map_err(refuse)?;
        self.progress.entry(path.as_bytes());
        self.check_above(&path).map_err(refuse)?;
        if self.links.contains(path.as_bytes()) {
            return Err(refuse(Refusal::Twice));
        }
        let mut link = Vec::new();
        match entry.kind {
            Kind::Directory => {}
            Kind::File => {
                if path.as_bytes().is_empty() {
                    self.progress.total(entry.size);
                }
                self.summary.files += 1;
                self.summary.bytes += entry.size;
            }
            Kind::Symlink => {
                if entry.link.is_empty() || entry.link.len() > MAX_LINK || entry.link.contains(&0) {
                    return Err(refuse(Refusal::BadSymlink));
                }
                self.links.insert(path.as_bytes());
                link.clone_from(&entry.link);
            }
            Kind::HardLink => {
                let refuse = |problem| {
                    let target = shown(&entry.link);
                    let problem = Box::new(problem);
                    refuse(Refusal::BadHardLink { target, problem })
                };
                let target = self.top.check(&entry.link).map_err(refuse)?;
                self.check_above(&target).map_err(refuse)?;
                if self.links.contains(target.as_bytes()) {
                    self.links.insert(path.as_bytes());
                }
                link = in_parcel(&target);
            }
            Kind::CharacterDevice => return Err(refuse(Refusal::CharacterDevice)),
            Kind::BlockDevice => return Err(refuse(Refusal::BlockDevice)),
            Kind::Fifo => return Err(refuse(Refusal::Fifo)),
            Kind::Unknown(flag) => return Err(refuse(Refusal::UnknownKind(flag.into()))),
        }
        self.summary.entries += 1;
        self.close_until(Some(path.as_bytes()))
            .map_err(TransferError::Send)?;
        self.send(entry, &path, link, reader)
    }

    /// Nothing above it is a symbolic link.
    fn check_above(&self, path: &EntryPath) -> Result<(), Refusal> {
        let is_root_a_link = !path.as_bytes().is_empty() && self.links.contains(b"");
        if is_root_a_link || path.ancestors().any(|above| self.links.contains(above)) {
            return Err(Refusal::UnderSymlink);
        }
        Ok(())
    }

    fn send<R: Inlet>(
        &mut self,
        entry: Entry,
        path: &EntryPath,
        link: Vec<u8>,
        reader: &mut ArchiveReader<R>,
    ) -> Result<(), TransferError> {
        let is_file = entry.kind == Kind::File;
        let size = if is_file { entry.size } else { 0 };
        let whole = vec![Extent {
            offset: 0,
            length: size,
        }];
        let (extents, is_sparse) = match entry.extents {
            Some(mut extents) => {
                // The form that we write needs this where the file ends with a hole.
                if extents
                    .last()
                    .is_none_or(|last| last.offset + last.length < size)
                {
                    extents.push(Extent {
                        offset: size,
                        length: 0,
                    });
                }
                (extents, self.receiver == Receiver::Gnu)
            }
            None => (whole, false),
        };
        let owner = self.preserve.owner;
        let mut name = in_parcel(path);
        if entry.kind == Kind::Directory {
            name.push(b'/');
        }
        let mut header = Entry {
            path: name,
            kind: entry.kind,
            mode: self.preserve.mode(entry.mode),
            uid: if owner { entry.uid } else { 0 },
            gid: if owner { entry.gid } else { 0 },
            mtime: entry.mtime,
            link,
            size,
            stored: if is_sparse {
                extents.iter().map(|extent| extent.length).sum()
            } else {
                size
            },
            extents: is_sparse.then(|| extents.clone()),
        };
        if header.kind == Kind::Directory && self.receiver == Receiver::Any {
            self.open.push(path.as_bytes(), header.clone());
            pack::open_for_now(&mut header);
        }
        self.out.entry(&header).map_err(TransferError::Send)?;
        let mut end = 0;
        for extent in extents {
            let hole = extent.offset - end;
            if !is_sparse {
                self.out
                    .contents(&Body::Zeros(hole))
                    .map_err(TransferError::Send)?;
            }
            self.progress.advance(hole);
            end = extent.offset + extent.length;
            let mut left = extent.length;
            while left > 0 {
                let moved = self.out.contents_from(reader, left);
                if let Some(moved) = moved.map_err(TransferError::Send)? {
                    left -= moved;
                    self.progress.advance(moved);
                    continue;
                }
                let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
                let bytes = reader.contents(most)?;
                self.out
                    .contents(&Body::Bytes(bytes))
                    .map_err(TransferError::Send)?;
                left -= bytes.len() as u64;
                self.progress.advance(bytes.len() as u64);
            }
        }
        Ok(())
    }

    /// Sends directories a second time that an entry is not in.
    fn close_until(&mut self, next: Option<&[u8]>) -> io::Result<()> {
        while let Some(done) = self.open.pop_unless_holds(next) {
            self.out.entry(&done)?;
        }
        Ok(())
    }
}

/// The directories that the archive is in, with their headers. Each lies in the one before, so one path will do.
#[derive(Debug, Default)]
struct OpenDirectories {
    path: Vec<u8>,
    /// The length of its path, and its header without a name.
    open: Vec<(usize, Entry)>,
}

impl OpenDirectories {
    fn push(&mut self, path: &[u8], mut header: Entry) {
        self.path = path.to_vec();
        header.path = Vec::new();
        self.open.push((path.len(), header));
    }

    /// The innermost directory, when `next` is not in it. The same directory again is not in it either.
    fn pop_unless_holds(&mut self, next: Option<&[u8]>) -> Option<Entry> {
        let &(length, _) = self.open.last()?;
        let path = &self.path[..length];
        let holds = next.is_some_and(|next| match next.strip_prefix(path) {
            Some(rest) => (path.is_empty() && !rest.is_empty()) || rest.starts_with(b"/"),
            None => false,
        });
        if holds {
            return None;
        }
        let (_, mut header) = self.open.pop()?;
        header.path = in_parcel_bytes(path);
        header.path.push(b'/');
        Some(header)
    }
}

fn in_parcel(path: &EntryPath) -> Vec<u8> {
    in_parcel_bytes(path.as_bytes())
}

fn in_parcel_bytes(path: &[u8]) -> Vec<u8> {
    let mut name = DATA.to_vec();
    if !path.is_empty() {
        name.push(b'/');
        name.extend_from_slice(path);
    }
    name
}

/// A set of paths in little memory: only two keyed hashes of each are kept, so that long names do not add up.
#[derive(Debug, Default)]
struct PathSet {
    keys: [RandomState; 2],
    paths: HashSet<[u64; 2]>,
}

impl PathSet {
    fn key(&self, path: &[u8]) -> [u64; 2] {
        [self.keys[0].hash_one(path), self.keys[1].hash_one(path)]
    }

    fn insert(&mut self, path: &[u8]) {
        let key = self.key(path);
        self.paths.insert(key);
    }

    fn contains(&self, path: &[u8]) -> bool {
        !self.paths.is_empty() && self.paths.contains(&self.key(path))
    }
}
