//! Bounds on what an archive may make us hold in memory, each with its reason. Bounds on what it may write are the disk's.

/// Bytes of one path. Linux takes 4,096 in one call; we go component by component, so deeper trees work too.
pub(super) const MAX_PATH: usize = 64 * 1024;

/// Components of one path. Each costs a system call when a walk has to start again from the top.
pub(super) const MAX_DEPTH: usize = 2048;

/// Bytes of the target of a symbolic link: what Linux can store.
pub(super) const MAX_LINK: usize = 4095;

/// Bytes of one extension header (GNU long name, PAX records). It is buffered whole; the largest honest one is a PAX
/// header with a path of `MAX_PATH` and some attributes.
pub(super) const MAX_EXTENSION: u64 = 1024 * 1024;

/// Extension headers before one entry. GNU tar writes at most three; an endless run would never reach an entry.
pub(super) const MAX_EXTENSIONS: usize = 16;

/// Data ranges of one sparse file: 16 bytes of memory each. The map precedes the data, so it is held whole.
pub(super) const MAX_EXTENTS: usize = 1024 * 1024;

/// Bytes after the end-of-archive mark. Writers pad to their record size, which is 1 MiB at most in practice.
pub(super) const MAX_TRAILER: u64 = 64 * 1024 * 1024;

/// The largest size of a file: what `off_t` holds.
pub(super) const MAX_FILE: u64 = i64::MAX as u64;

/// The archive buffer, both ways: large enough that system calls do not count, small enough for the processor's cache.
pub(super) const BUFFER: usize = 256 * 1024;

/// How much of a file is looked at and written in one go when it is unpacked.
pub(super) const CHUNK: usize = 128 * 1024;

/// The capacity asked of pipes. The default of 64 KiB makes both sides switch four times as often; what
/// `/proc/sys/fs/pipe-max-size` allows everybody is 1 MiB.
pub(super) const PIPE: usize = 1024 * 1024;

/// Contents from this size on are moved by the kernel where that goes; below, one copy costs less than emptying the buffer.
pub(super) const SPLICE_FROM: u64 = 128 * 1024;

/// How much is moved in one go, so that progress can be told.
pub(super) const PIECE: u64 = 8 * 1024 * 1024;

/// Zeros become holes in blocks of this size: smaller ones would fragment a file for little.
pub(super) const HOLE: usize = 16 * 1024;
