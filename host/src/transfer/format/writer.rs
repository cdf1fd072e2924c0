//! Writes an archive that every tar reads: GNU headers with long names, base 256 for what octal cannot hold, and a PAX
//! record in front of an entry whose time has a fraction (tars that do not know it pass over it).

use std::fs::File;
use std::io::{self, PipeWriter, Write};
use std::os::fd::{AsFd as _, BorrowedFd};

use super::block::{self, BLOCK, Block, field};
use super::input::Inlet;
use super::reader::ArchiveReader;
use super::{Entry, Kind, pax, sparse};
use crate::transfer::limits::{BUFFER, PIECE, SPLICE_FROM};

/// Where an archive goes. With a descriptor, contents of files are moved by the kernel.
pub trait Outlet: Write {
    /// The descriptor that `write` writes to, when there is nothing in between.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl Outlet for File {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl Outlet for PipeWriter {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl Outlet for Vec<u8> {}

impl<O: Outlet + ?Sized> Outlet for &mut O {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (**self).descriptor()
    }
}

/// Where the contents of an entry come from.
#[derive(Debug)]
pub(in crate::transfer) enum Body<'a> {
    Bytes(&'a [u8]),
    Zeros(u64),
}

/// An archive that is being written.
#[derive(Debug)]
pub(in crate::transfer) struct ArchiveWriter<O> {
    out: O,
    buffer: Vec<u8>,
    /// Bytes of contents that the present entry still needs, and its padding.
    remaining: u64,
    padding: usize,
}

// As large as the buffer, so that zeros go past it; it takes no room in the program file.
static ZEROS: [u8; BUFFER] = [0; BUFFER];

impl<O: Outlet> ArchiveWriter<O> {
    pub(in crate::transfer) fn new(out: O) -> Self {
        Self {
            out,
            buffer: Vec::with_capacity(BUFFER),
            remaining: 0,
            padding: 0,
        }
    }

    /// Begins an entry, whose stored bytes must follow.
    pub(in crate::transfer) fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        debug_assert_eq!(self.remaining, 0, "the last entry is not complete");
        let has_link = matches!(entry.kind, Kind::Symlink | Kind::HardLink);
        if entry.mtime.nanoseconds != 0 {
            let record = pax::mtime_record(entry.mtime);
            self.extension(b'x', b"././@PaxHeader", record.as_bytes())?;
        }
        if has_link && entry.link.len() > field::LINK.len() {
            self.extension(b'K', b"././@LongLink", &[&entry.link[..], &[0]].concat())?;
        }
        if entry.path.len() > field::NAME.len() {
            self.extension(b'L', b"././@LongLink", &[&entry.path[..], &[0]].concat())?;
        }
        let mut header = empty(&entry.path);
        header[field::TYPE] = match entry.kind {
            Kind::File if entry.extents.is_some() => b'S',
            Kind::File => b'0',
            Kind::HardLink => b'1',
            Kind::Symlink => b'2',
            Kind::CharacterDevice => b'3',
            Kind::BlockDevice => b'4',
            Kind::Directory => b'5',
            Kind::Fifo => b'6',
            Kind::Unknown(flag) => flag,
        };
        if has_link {
            copy_into(&mut header[field::LINK], &entry.link);
        }
        block::put_number(&mut header[field::MODE], i64::from(entry.mode));
        block::put_number(&mut header[field::UID], entry.uid.cast_signed());
        block::put_number(&mut header[field::GID], entry.gid.cast_signed());
        block::put_number(&mut header[field::SIZE], entry.stored.cast_signed());
        block::put_number(&mut header[field::MTIME], entry.mtime.seconds);
        let more = match &entry.extents {
            Some(extents) => sparse::put_old(&mut header, extents, entry.size),
            None => Vec::new(),
        };
        block::seal(&mut header);
        self.push(&header)?;
        for block in &more {
            self.push(block)?;
        }
        self.remaining = entry.stored;
        self.padding = padding(entry.stored);
        self.pad_when_complete()
    }

    /// So many bytes of contents, which must be no more than are missing.
    pub(in crate::transfer) fn contents(&mut self, body: &Body<'_>) -> io::Result<()> {
        match *body {
            Body::Bytes(bytes) => {
                self.remaining -= bytes.len() as u64;
                self.push(bytes)?;
            }
            Body::Zeros(mut count) => {
                self.remaining -= count;
                while count > 0 {
                    let some = usize::try_from(count)
                        .unwrap_or(ZEROS.len())
                        .min(ZEROS.len());
                    self.push(&ZEROS[..some])?;
                    count -= some as u64;
                }
            }
        }
        self.pad_when_complete()
    }

    /// Up to `length` bytes of contents from `file`, beginning at `offset`. Answers how many there were: fewer at the end of
    /// the file.
    pub(in crate::transfer) fn contents_of(
        &mut self,
        file: &File,
        offset: u64,
        length: u64,
    ) -> Result<u64, Fault> {
        let got = self.copy_some(file, offset, length)?;
        self.remaining -= got;
        self.pad_when_complete().map_err(Fault::Write)?;
        Ok(got)
    }

    /// Up to `most` bytes of contents straight from an archive. None: they have to be passed by hand.
    pub(in crate::transfer) fn contents_from<R: Inlet>(
        &mut self,
        archive: &mut ArchiveReader<R>,
        most: u64,
    ) -> io::Result<Option<u64>> {
        if most < SPLICE_FROM || self.out.descriptor().is_none() {
            return Ok(None);
        }
        self.flush()?;
        let Some(out) = self.out.descriptor() else {
            return Ok(None);
        };
        let Some(moved) = archive.splice(out, most)? else {
            return Ok(None);
        };
        self.remaining -= moved;
        self.pad_when_complete()?;
        Ok(Some(moved))
    }

    fn copy_some(&mut self, file: &File, offset: u64, length: u64) -> Result<u64, Fault> {
        if length >= SPLICE_FROM && self.out.descriptor().is_some() {
            self.flush().map_err(Fault::Write)?;
            if let Some(out) = self.out.descriptor()
                && let Some(sent) = send(file, offset, length, out)?
            {
                return Ok(sent);
            }
        }
        if self.buffer.len() == self.buffer.capacity() {
            self.flush().map_err(Fault::Write)?;
        }
        // Straight into the buffer behind what waits there.
        let room = (self.buffer.capacity() - self.buffer.len()) as u64;
        let from = self.buffer.len();
        let some = usize::try_from(length.min(room)).unwrap_or(0);
        self.buffer.resize(from + some, 0);
        loop {
            match rustix::io::pread(file, &mut self.buffer[from..], offset) {
                Ok(read) => {
                    self.buffer.truncate(from + read);
                    return Ok(read as u64);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    self.buffer.truncate(from);
                    return Err(Fault::Read(error.into()));
                }
            }
        }
    }

    /// Marks the end of the archive and hands everything on.
    pub(in crate::transfer) fn end(mut self) -> io::Result<O> {
        self.push(&[0; 2 * BLOCK])?;
        self.flush()?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn extension(&mut self, flag: u8, name: &[u8], text: &[u8]) -> io::Result<()> {
        let mut header = empty(name);
        header[field::TYPE] = flag;
        block::put_number(&mut header[field::MODE], 0o644);
        block::put_number(&mut header[field::UID], 0);
        block::put_number(&mut header[field::GID], 0);
        block::put_number(
            &mut header[field::SIZE],
            i64::try_from(text.len()).unwrap_or(i64::MAX),
        );
        block::put_number(&mut header[field::MTIME], 0);
        block::seal(&mut header);
        self.push(&header)?;
        self.push(text)?;
        self.push(&ZEROS[..padding(text.len() as u64)])
    }

    fn pad_when_complete(&mut self) -> io::Result<()> {
        if self.remaining == 0 && self.padding > 0 {
            let padding = std::mem::take(&mut self.padding);
            self.push(&ZEROS[..padding])?;
        }
        Ok(())
    }

    /// Through the buffer, or past it when it is too small to help.
    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > self.buffer.capacity() {
            self.flush()?;
        }
        if bytes.len() >= self.buffer.capacity() {
            return self.out.write_all(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Hands on what is buffered.
    pub(in crate::transfer) fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Which side of a copy failed.
#[derive(Debug)]
pub(in crate::transfer) enum Fault {
    Read(io::Error),
    Write(io::Error),
}

/// Lets the kernel move file contents to a descriptor, in pieces that leave room for progress. None: it cannot, for this
/// pair.
#[cfg(target_os = "linux")]
fn send(file: &File, offset: u64, length: u64, out: BorrowedFd<'_>) -> Result<Option<u64>, Fault> {
    use rustix::io::Errno;

    let mut at = offset;
    let some = usize::try_from(length.min(PIECE)).unwrap_or(usize::MAX);
    loop {
        match rustix::fs::sendfile(out, file, Some(&mut at), some) {
            Ok(sent) => return Ok(Some(sent as u64)),
            Err(Errno::INTR) => {}
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => return Ok(None),
            // It does not say which side; the ones of a broken pipe are plain.
            Err(error @ (Errno::PIPE | Errno::CONNRESET)) => {
                return Err(Fault::Write(error.into()));
            }
            Err(error) => return Err(Fault::Read(error.into())),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn send(_: &File, _: u64, _: u64, _: BorrowedFd<'_>) -> Result<Option<u64>, Fault> {
    Ok(None)
}

fn padding(stored: u64) -> usize {
    usize::try_from(stored.next_multiple_of(BLOCK as u64) - stored).unwrap_or_default()
}

fn empty(path: &[u8]) -> Block {
    let mut header = [0; BLOCK];
    copy_into(&mut header[field::NAME], path);
    header[field::MAGIC].copy_from_slice(block::GNU_MAGIC);
    header
}

/// As much as fits: the whole name of a long one is in the extension before.
fn copy_into(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}
