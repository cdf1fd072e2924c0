//! Waiting for somebody else's news without polling.
//!
//! Whoever waits watches its own file in the store's `workers` directory; whoever frees something writes to the file of
//! the one whose turn it is. A slow tick covers a waker that died between its commit and the bell.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;

/// The slow tick.
const TICK: Duration = Duration::from_millis(500);

/// A watch on this process' bell. Rings that come before [`Bell::wait`] are not lost.
pub(super) struct Bell {
    events: AsyncFd<OwnedFd>,
}

impl Bell {
    /// Starts listening.
    pub(super) fn listen(file: &Path) -> io::Result<Self> {
        let events = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
        inotify::add_watch(&events, file, inotify::WatchFlags::MODIFY)?;
        #[expect(
            deprecated,
            reason = "the new constructor is unsafe for descriptors that close themselves early; ours cannot"
        )]
        let events = AsyncFd::new(events)?;
        Ok(Self { events })
    }

    /// Returns when the bell rings, at the slow tick, or after `longest`.
    pub(super) async fn wait(&self, longest: Duration) -> io::Result<()> {
        match tokio::time::timeout(longest.min(TICK), self.events.readable()).await {
            Err(_) => Ok(()),
            Ok(ready) => {
                let mut ready = ready?;
                let mut buffer = [0; 4096];
                while rustix::io::read(ready.get_inner(), &mut buffer)
                    .is_ok_and(|length| length > 0)
                {}
                ready.clear_ready();
                Ok(())
            }
        }
    }
}
