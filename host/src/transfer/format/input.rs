//! The stream an archive is read from: one buffer, from which blocks and contents are handed out without another copy.

use std::fs::File;
use std::io::{ErrorKind, PipeReader, Read};
use std::os::fd::{AsFd as _, BorrowedFd};

use super::block::{BLOCK, Block};
use crate::transfer::error::TransferError;
use crate::transfer::limits::BUFFER;

/// Where an archive comes from.
pub trait Inlet: Read {
    /// The descriptor that `read` reads from, when there is nothing in between.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl Inlet for File {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl Inlet for PipeReader {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl Inlet for &[u8] {}

/// A buffered stream that knows where it is.
#[derive(Debug)]
pub(super) struct Input<R> {
    stream: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    offset: u64,
}

impl<R: Inlet> Input<R> {
    pub(super) fn new(stream: R) -> Self {
        Self {
            stream,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
        }
    }

    /// How many bytes have been handed out.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads once. False: the stream is at its end.
    fn fill(&mut self) -> Result<bool, TransferError> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        loop {
            match self.stream.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    self.end += read;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(TransferError::Receive(error)),
            }
        }
    }

    /// Has at least `wanted` bytes in the buffer, or as many as there are before the end.
    fn want(&mut self, wanted: usize) -> Result<usize, TransferError> {
        if self.start + wanted > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < wanted {
            if !self.fill()? {
                break;
            }
        }
        Ok((self.end - self.start).min(wanted))
    }

    /// The next bytes: `wanted` of them (no more than the buffer), or fewer at the end of the stream.
    pub(super) fn take(&mut self, wanted: usize) -> Result<&[u8], TransferError> {
        let got = self.want(wanted)?;
        let from = self.start;
        self.start += got;
        self.offset += got as u64;
        Ok(&self.buffer[from..from + got])
    }

    /// Lets the kernel move the next bytes, up to `most`, from the stream to a descriptor. None: that does not go, or there are bytes in
    /// the buffer that have to go first. (Into a file this is not faster than reading and writing, and zeros would not be seen.)
    #[cfg(target_os = "linux")]
    pub(super) fn splice(
        &mut self,
        to: BorrowedFd<'_>,
        most: usize,
    ) -> std::io::Result<Option<usize>> {
        use rustix::io::Errno;
        use rustix::pipe::{SpliceFlags, splice};

        if self.start < self.end {
            return Ok(None);
        }
        let Some(from) = self.stream.descriptor() else {
            return Ok(None);
        };
        let flags = SpliceFlags::MOVE | SpliceFlags::MORE;
        loop {
            match splice(from, None, to, None, most, flags) {
                Ok(moved) => {
                    self.offset += moved as u64;
                    return Ok(Some(moved));
                }
                Err(Errno::INTR) => {}
                // Neither of them is a pipe.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn splice(&mut self, _: BorrowedFd<'_>, _: usize) -> std::io::Result<Option<usize>> {
        Ok(None)
    }

    /// The next block; none at the end of the stream.
    pub(super) fn block_or_end(&mut self) -> Result<Option<Block>, TransferError> {
        let taken = self.take(BLOCK)?;
        if taken.is_empty() {
            return Ok(None);
        }
        match Block::try_from(taken) {
            Ok(block) => Ok(Some(block)),
            Err(_) => Err(self.cut_short()),
        }
    }

    /// The next block, which must be there.
    pub(super) fn block(&mut self) -> Result<Block, TransferError> {
        self.block_or_end()?.ok_or_else(|| self.cut_short())
    }

    /// Passes over so many bytes.
    pub(super) fn skip(&mut self, mut bytes: u64) -> Result<(), TransferError> {
        while bytes > 0 {
            let wanted = usize::try_from(bytes).unwrap_or(BUFFER).min(BUFFER);
            let got = self.take(wanted)?.len();
            if got < wanted {
                return Err(self.cut_short());
            }
            bytes -= got as u64;
        }
        Ok(())
    }

    /// Reads what is left, up to `limit` bytes. False: there is more.
    pub(super) fn drain(&mut self, limit: u64) -> Result<bool, TransferError> {
        let mut drained = 0;
        while drained <= limit {
            let got = self.take(BUFFER)?.len();
            if got == 0 {
                return Ok(true);
            }
            drained += got as u64;
        }
        Ok(false)
    }

    pub(super) fn damaged(&self, problem: &'static str) -> TransferError {
        TransferError::Damaged {
            offset: self.offset,
            problem,
        }
    }

    pub(super) fn cut_short(&self) -> TransferError {
        TransferError::CutShort {
            offset: self.offset,
            entry: None,
        }
    }
}
