//! The contents of one local file, on their way into an archive.

use std::fs::File;

use rustix::io::Errno;

use super::format::{ArchiveWriter, Body, Extent, Fault, Outlet};
use super::limits::{MAX_EXTENTS, PIECE};
use super::progress::Progress;

/// Tars read sparse data block by block, so ranges begin and end at one.
const BLOCK: u64 = 512;

/// Where a file has data, when it has holes. None: it has not, or the file system does not say, or there are too many.
pub(super) fn data_ranges(file: &File, size: u64, allocated: u64) -> Option<Vec<Extent>> {
    if allocated >= size {
        return None;
    }
    let mut ranges: Vec<Extent> = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
            Ok(start) => start.min(size),
            // No data after this.
            Err(Errno::NXIO) => size,
            Err(_) => return None,
        };
        if start >= size {
            break;
        }
        let end = rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(start)).ok()?;
        if end <= start {
            return None;
        }
        let start = start - start % BLOCK;
        let end = end.min(size).next_multiple_of(BLOCK).min(size);
        match ranges.last_mut() {
            Some(last) if last.offset + last.length >= start => last.length = end - last.offset,
            _ => ranges.push(Extent {
                offset: start,
                length: end - start,
            }),
        }
        if ranges.len() >= MAX_EXTENTS {
            return None;
        }
        at = end;
    }
    if ranges.iter().map(|range| range.length).sum::<u64>() == size {
        return None;
    }
    // A hole at the end is told by an empty range.
    if ranges
        .last()
        .is_none_or(|last| last.offset + last.length < size)
    {
        ranges.push(Extent {
            offset: size,
            length: 0,
        });
    }
    Some(ranges)
}

/// Sends one range of a file. Answers whether the file still reached that far; what is missing is sent as zeros,
/// because the header has already promised it.
pub(super) fn send_range<O: Outlet>(
    archive: &mut ArchiveWriter<O>,
    file: &File,
    range: Extent,
    progress: &dyn Progress,
) -> Result<bool, Fault> {
    let mut at = range.offset;
    let end = range.offset + range.length;
    while at < end {
        let sent = archive.contents_of(file, at, end - at)?;
        if sent == 0 {
            send_zeros(archive, end - at, progress)?;
            return Ok(false);
        }
        at += sent;
        progress.advance(sent);
    }
    Ok(true)
}

/// Sends zeros, in pieces that leave room for progress.
pub(super) fn send_zeros<O: Outlet>(
    archive: &mut ArchiveWriter<O>,
    mut count: u64,
    progress: &dyn Progress,
) -> Result<(), Fault> {
    while count > 0 {
        let some = count.min(PIECE);
        archive.contents(&Body::Zeros(some)).map_err(Fault::Write)?;
        progress.advance(some);
        count -= some;
    }
    Ok(())
}
