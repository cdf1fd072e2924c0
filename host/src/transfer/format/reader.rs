//! Reads an archive entry by entry, with the contents in between.

use std::os::fd::BorrowedFd;

use super::block::{self, BLOCK, Block, GNU_MAGIC, POSIX_MAGIC, field};
use super::input::{Inlet, Input};
use super::pax::{self, Records};
use super::{Entry, Kind, Time, sparse};
use crate::transfer::error::TransferError;
use crate::transfer::limits::{
    MAX_EXTENSION, MAX_EXTENSIONS, MAX_FILE, MAX_TRAILER, PIECE, SPLICE_FROM,
};
use crate::transfer::name::shown;

/// A tar archive on a stream. Nothing that it says is trusted further than its own bytes go.
#[derive(Debug)]
pub(in crate::transfer) struct ArchiveReader<R> {
    input: Input<R>,
    /// Stored bytes of the present entry that were not read yet, and the padding after them.
    remaining: u64,
    padding: u64,
    /// For messages.
    present: Option<Vec<u8>>,
}

impl<R: Inlet> ArchiveReader<R> {
    pub(in crate::transfer) fn new(stream: R) -> Self {
        Self {
            input: Input::new(stream),
            remaining: 0,
            padding: 0,
            present: None,
        }
    }

    /// The next entry; what was not read of the last one is passed over. None: the archive is complete, and the
    /// stream was read to its end so that its writer does not fail.
    pub(in crate::transfer) fn next(&mut self) -> Result<Option<Entry>, TransferError> {
        let rest = self.remaining + self.padding;
        self.input.skip(rest).map_err(|error| self.place(error))?;
        (self.remaining, self.padding, self.present) = (0, 0, None);

        let mut records = Records::default();
        for _ in 0..=MAX_EXTENSIONS {
            let header = self.input.block()?;
            if header.iter().all(|&byte| byte == 0) {
                if records != Records::default() {
                    return Err(self.input.damaged("an extension header has no entry"));
                }
                return self.finish();
            }
            if !block::checksum_fits(&header) {
                return Err(self.input.damaged("a header has a wrong checksum"));
            }
            match header[field::TYPE] {
                b'L' => records.path = Some(self.long_name(&header)?),
                b'K' => records.link = Some(self.long_name(&header)?),
                b'x' | b'X' => {
                    let text = self.extension(&header)?;
                    let later = pax::parse(&text).map_err(|problem| self.input.damaged(problem))?;
                    records.overlay(later);
                }
                // Global records and volume labels say nothing that we use.
                b'g' | b'V' => drop(self.extension(&header)?),
                _ => return self.entry(&header, records).map(Some),
            }
        }
        Err(self
            .input
            .damaged("there are too many extension headers in a row"))
    }

    /// The next of the present entry's stored bytes: `most` of them, or what is left. Empty: there are no more.
    pub(in crate::transfer) fn contents(&mut self, most: usize) -> Result<&[u8], TransferError> {
        let wanted = usize::try_from(self.remaining).unwrap_or(most).min(most);
        // Not through `?`: the borrow of the bytes has to end where there are too few of them.
        let before = self.input.offset();
        match self.input.take(wanted) {
            Ok(bytes) if bytes.len() == wanted => {
                self.remaining -= wanted as u64;
                Ok(bytes)
            }
            Ok(bytes) => Err(TransferError::CutShort {
                offset: before + bytes.len() as u64,
                entry: self.present.as_deref().map(shown),
            }),
            Err(error) => Err(error),
        }
    }

    /// Moves the next of the present entry's stored bytes, up to `most`, to a descriptor, without looking at them. None: it has
    /// to be done with `contents`. Errors are those of the descriptor.
    pub(in crate::transfer) fn splice(
        &mut self,
        to: BorrowedFd<'_>,
        most: u64,
    ) -> std::io::Result<Option<u64>> {
        let most = self.remaining.min(most);
        if most < SPLICE_FROM {
            return Ok(None);
        }
        let most = usize::try_from(most.min(PIECE)).unwrap_or(usize::MAX);
        // At the end of the stream, `contents` says what is wrong.
        let moved = self.input.splice(to, most)?.unwrap_or(0) as u64;
        self.remaining -= moved;
        Ok((moved > 0).then_some(moved))
    }

    fn finish(&mut self) -> Result<Option<Entry>, TransferError> {
        if self.input.drain(MAX_TRAILER)? {
            Ok(None)
        } else {
            Err(self.input.damaged("there is no end after the end"))
        }
    }

    fn entry(&mut self, header: &Block, records: Records) -> Result<Entry, TransferError> {
        const BAD: &str = "a header holds a bad number";
        let path = match (records.sparse.name.clone(), records.path) {
            (Some(path), _) | (None, Some(path)) => path,
            (None, None) => name(header),
        };
        let number = |range| block::number(&header[range]).ok_or_else(|| self.input.damaged(BAD));
        let size = |range| block::size(&header[range]).ok_or_else(|| self.input.damaged(BAD));
        let flag = header[field::TYPE];
        let kind = match flag {
            // v7 has no type for directories.
            b'0' | b'\0' | b'7' if path.ends_with(b"/") => Kind::Directory,
            b'0' | b'\0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharacterDevice,
            b'4' => Kind::BlockDevice,
            b'5' | b'D' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => Kind::Unknown(other),
        };
        // Hard links carry the size of the file and none of its contents.
        let mut stored = match kind {
            Kind::HardLink => 0,
            _ => match records.size {
                Some(size) => size,
                None => size(field::SIZE)?,
            },
        };
        if stored > MAX_FILE {
            return Err(self.input.damaged("an entry is larger than any file"));
        }
        let mode = u32::try_from(number(field::MODE)? & 0o7777).unwrap_or_default();
        // Owners beyond what the host knows are only refused when they are to be kept.
        let uid = records.uid.or(block::size(&header[field::UID]));
        let gid = records.gid.or(block::size(&header[field::GID]));
        let mtime = match records.mtime {
            Some(mtime) => mtime,
            None => Time {
                seconds: number(field::MTIME)?,
                nanoseconds: 0,
            },
        };
        let link = match kind {
            Kind::Symlink | Kind::HardLink => records
                .link
                .unwrap_or_else(|| block::text(&header[field::LINK]).to_vec()),
            _ => Vec::new(),
        };
        self.present = Some(path.clone());
        // The padding follows from the whole of what is stored, a map before the data included.
        let padding = stored.next_multiple_of(BLOCK as u64) - stored;

        let mut real = stored;
        let mut extents = None;
        if flag == b'S' {
            real = size(field::SPARSE_SIZE)?;
            extents = Some(sparse::read_old(header, &mut self.input)?);
        } else if kind == Kind::File
            && let Some(size) = records.sparse.size
        {
            real = size;
            if records.sparse.map_in_body {
                let (map, taken) = sparse::read_in_body(&mut self.input, stored)?;
                stored -= taken;
                extents = Some(map);
            } else {
                extents = Some(records.sparse.extents);
            }
        }
        if let Some(extents) = &extents {
            sparse::check(extents, real, stored).map_err(|problem| self.input.damaged(problem))?;
        }
        (self.remaining, self.padding) = (stored, padding);
        Ok(Entry {
            path,
            kind,
            mode,
            uid: uid.unwrap_or(u64::MAX),
            gid: gid.unwrap_or(u64::MAX),
            mtime,
            link,
            size: real,
            stored,
            extents,
        })
    }

    /// The contents of a GNU long name, without the zero byte at its end.
    fn long_name(&mut self, header: &Block) -> Result<Vec<u8>, TransferError> {
        let mut name = self.extension(header)?;
        if name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    /// The contents of an extension header, which is bounded because it is held in memory.
    fn extension(&mut self, header: &Block) -> Result<Vec<u8>, TransferError> {
        let size = block::size(&header[field::SIZE])
            .ok_or_else(|| self.input.damaged("a header holds a bad number"))?;
        if size > MAX_EXTENSION {
            return Err(self.input.damaged("an extension header is too large"));
        }
        let padded = size.next_multiple_of(BLOCK as u64);
        let mut text = Vec::new();
        while (text.len() as u64) < padded {
            text.extend_from_slice(&self.input.block()?);
        }
        text.truncate(usize::try_from(size).unwrap_or(text.len()));
        Ok(text)
    }

    /// Says in which entry the stream ended.
    fn place(&self, error: TransferError) -> TransferError {
        match error {
            TransferError::CutShort { offset, .. } => TransferError::CutShort {
                offset,
                entry: self.present.as_deref().map(shown),
            },
            other => other,
        }
    }
}

/// The name in the header itself: in ustar in two parts.
fn name(header: &Block) -> Vec<u8> {
    let name = block::text(&header[field::NAME]);
    let posix = header[field::MAGIC].starts_with(POSIX_MAGIC) && &header[field::MAGIC] != GNU_MAGIC;
    let prefix = block::text(&header[field::PREFIX]);
    if !posix || prefix.is_empty() {
        return name.to_vec();
    }
    [prefix, b"/", name].concat()
}
