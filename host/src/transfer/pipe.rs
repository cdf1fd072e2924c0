//! Pipes with more room.

use std::os::fd::BorrowedFd;

/// Asks for a larger pipe, which halves the switching between the two sides. Not an error when it is none, or when the
/// user's share of pipe memory is used up.
#[cfg(target_os = "linux")]
pub(super) fn widen(descriptor: Option<BorrowedFd<'_>>) {
    if let Some(descriptor) = descriptor {
        let _: Result<usize, _> = rustix::pipe::fcntl_setpipe_size(descriptor, super::limits::PIPE);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn widen(_: Option<BorrowedFd<'_>>) {}
