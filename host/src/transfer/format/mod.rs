//! The tar format, in both directions: v7, ustar, GNU and PAX, with the sparse files of the last two.
//!
//! Our own and not the `tar` crate's, because what comes from an instance is hostile: every header is bounded before it is
//! held in memory, sizes are only claims, and PAX sparse files (what GNU tar writes) are understood. Nothing here touches
//! a file system or judges names; `unpack` and `relay` do.

mod block;
mod input;
mod pax;
mod reader;
mod sparse;
mod writer;

pub use input::Inlet;
pub(super) use reader::ArchiveReader;
pub use writer::Outlet;
pub(super) use writer::{ArchiveWriter, Body, Fault};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    CharacterDevice,
    BlockDevice,
    Fifo,
    /// The type flag that we do not know.
    Unknown(u8),
}

/// A moment, as file systems keep it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
}

/// A range of a sparse file that holds data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// One member of an archive, without its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// As in the archive: unchecked.
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    /// Permission bits, with set-id and sticky.
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) mtime: Time,
    /// Of a symbolic or hard link: unchecked. Otherwise empty.
    pub(super) link: Vec<u8>,
    /// The size that the file will have.
    pub(super) size: u64,
    /// The bytes that follow in the archive: for a sparse file less than `size`.
    pub(super) stored: u64,
    /// Where those bytes belong, in ascending order, when the file is sparse.
    pub(super) extents: Option<Vec<Extent>>,
}
