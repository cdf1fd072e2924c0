//! Writes the contents of a file, and leaves out blocks of zeros, so that they become holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::limits::HOLE;

static ZEROS: [u8; HOLE] = [0; HOLE];

/// A new, empty file that is being filled in ascending order.
#[derive(Debug)]
pub(super) struct HoleWriter<'a> {
    file: &'a File,
    end: u64,
}

impl<'a> HoleWriter<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        Self { file, end: 0 }
    }

    /// Puts bytes at an offset that is not before the end of what was put so far.
    pub(super) fn put(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() < HOLE {
            return self.write(offset, bytes);
        }
        // Runs of blocks that hold data are written at once.
        let mut from = 0;
        let mut at = 0;
        for block in bytes.chunks(HOLE) {
            if *block == ZEROS[..block.len()] {
                self.write(offset + from as u64, &bytes[from..at])?;
                from = at + block.len();
            }
            at += block.len();
        }
        self.write(offset + from as u64, &bytes[from..])
    }

    /// Gives the file its size, should it end with a hole.
    pub(super) fn finish(self, size: u64) -> io::Result<()> {
        if self.end < size {
            self.file.set_len(size)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if !bytes.is_empty() {
            self.file.write_all_at(bytes, offset)?;
            self.end = offset + bytes.len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn what_was_put_is_there() {
        let mut file = tempfile::tempfile().unwrap();
        let mut wanted = vec![0; 5 * HOLE + 100];
        wanted[HOLE + 7] = 1;
        wanted[3 * HOLE] = 2;
        let mut writer = HoleWriter::new(&file);
        let (first, second) = wanted.split_at(2 * HOLE + 50);
        writer.put(0, first).unwrap();
        writer.put(first.len() as u64, second).unwrap();
        writer.finish(wanted.len() as u64).unwrap();
        let mut got = Vec::new();
        file.read_to_end(&mut got).unwrap();
        assert!(got == wanted);
    }
}
