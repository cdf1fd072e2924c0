//! A bell for whoever only looks: it rings whenever anybody commits something, whoever that is.
//!
//! Every commit writes to the write-ahead log beside the database, and the kernel tells of that. So nobody has to know who
//! looks, and who looks has to poll for nothing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

use super::{Engine, EngineError, FailureKind, Result};

/// A watch on the state directory. What happens before [`News::wait`] is not lost.
pub struct News {
    events: OwnedFd,
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// Something may have changed.
    News,
    /// The time is over.
    Silence,
    /// There is something to read at the descriptor with this number, or nobody holds its other end any more.
    Other(usize),
}

impl Engine {
    /// Begins to listen.
    pub fn news(&self) -> Result<News> {
        let listen = || {
            let events =
                inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
            let what = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE;
            inotify::add_watch(&events, self.store().directory(), what)?;
            Ok::<_, io::Error>(News { events })
        };
        listen().map_err(|error| {
            EngineError::new(FailureKind::Io, "cannot listen for news").because(error)
        })
    }
}

impl News {
    /// Waits for news, for `longest`, or for something on other descriptors: bytes to read where `true` stands with it, and in
    /// any case that its other end was closed.
    pub fn wait(&self, others: &[(BorrowedFd<'_>, bool)], longest: Duration) -> io::Result<Rung> {
        let mut fds = vec![PollFd::from_borrowed_fd(self.events.as_fd(), PollFlags::IN)];
        for (fd, readable) in others {
            let wanted = if *readable {
                PollFlags::IN
            } else {
                PollFlags::empty()
            };
            fds.push(PollFd::from_borrowed_fd(*fd, wanted));
        }
        let longest = Timespec::try_from(longest).map_err(|_| io::ErrorKind::InvalidInput)?;
        match poll(&mut fds, Some(&longest)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Rung::News),
            Err(error) => return Err(error.into()),
        }
        // What was not asked for is told only when it is an end.
        let rung = fds[1..].iter().position(|fd| !fd.revents().is_empty());
        if let Some(number) = rung {
            return Ok(Rung::Other(number));
        }
        let mut rung = Rung::Silence;
        let mut buffer = [0; 4096];
        while rustix::io::read(&self.events, &mut buffer).is_ok_and(|length| length > 0) {
            rung = Rung::News;
        }
        Ok(rung)
    }
}
