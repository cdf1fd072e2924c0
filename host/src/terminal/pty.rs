//! A pseudo-terminal like the user's: same size, same settings.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

/// Both ends.
pub(super) struct Pty {
    /// Ours; does not block.
    pub(super) master: OwnedFd,
    /// The command's terminal.
    pub(super) slave: OwnedFd,
}

impl Pty {
    /// `model` gives the settings if it is a terminal.
    pub(super) fn like(model: impl AsFd) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let slave = slave(&master, flags)?;
        if let Ok(settings) = tcgetattr(&model) {
            tcsetattr(&slave, OptionalActions::Now, &settings)?;
        }
        copy_size(model, &slave);
        fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
        Ok(Self { master, slave })
    }
}

/// The kernel tells whoever runs in the foreground there.
pub(super) fn copy_size(from: impl AsFd, to: impl AsFd) {
    if let Ok(size) = tcgetwinsize(from) {
        // It may have been closed just now; then nobody needs a size.
        let _ = tcsetwinsize(to, size);
    }
}

#[cfg(target_os = "linux")]
fn slave(master: &OwnedFd, flags: OpenptFlags) -> io::Result<OwnedFd> {
    // By descriptor: the path may mean something else in our mount namespace.
    Ok(rustix::pty::ioctl_tiocgptpeer(master, flags)?)
}

#[cfg(not(target_os = "linux"))]
fn slave(master: &OwnedFd, _flags: OpenptFlags) -> io::Result<OwnedFd> {
    let path = rustix::pty::ptsname(master, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?)
}
