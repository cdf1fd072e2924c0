//! Where a program stands in relation to us: our process group, one of its own, or a session of its own.
//!
//! The only file of the room with `unsafe`: code between `fork` and `exec`, which may make system calls and nothing
//! else (no allocation, no locks).

use std::os::unix::process::CommandExt;
use std::process::Command;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// In our group: the terminal's Ctrl-C reaches it by itself, and only it is killed on cancellation.
    Ours,
    /// In a group of its own, of which it is the leader.
    Group,
    /// In a session of its own, with its standard input as the controlling terminal.
    Session,
}

impl Placement {
    /// It leads a process group that can be signalled as a whole.
    pub(super) fn leads(self) -> bool {
        match self {
            Self::Ours => false,
            Self::Group | Self::Session => true,
        }
    }

    pub(super) fn apply(self, builder: &mut Command) {
        match self {
            Self::Ours => {}
            Self::Group => {
                builder.process_group(0);
            }
            Self::Session => own_session(builder),
        }
    }
}

#[expect(
    unsafe_code,
    reason = "a controlling terminal can only be taken between `fork` and `exec`"
)]
fn own_session(builder: &mut Command) {
    let enter = || {
        rustix::process::setsid()?;
        // The standard library has already moved the terminal to descriptor 0.
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        Ok(())
    };
    // SAFETY: the closure makes two system calls through rustix, which calls the kernel (or the async-signal-safe libc
    // wrapper) directly. It allocates nothing (an errno becomes an `io::Error` without a box), takes no lock, touches no
    // memory shared with the parent and cannot panic.
    unsafe {
        builder.pre_exec(enter);
    }
}
