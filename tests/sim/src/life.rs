//! The life of a simulated process, and its death: like `SIGKILL`, it comes between any two steps and nothing runs after it.
//!
//! The process reads its clock beside every transaction, so a death at the n-th reading falls between, or into, any two
//! durable writes. Its other tasks die when they next read the clock or call the backend.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::task::Poll;

use runner::clock::Clock;
use runner_core::id::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What a dead process' tasks unwind with.
struct Killed;

/// Whether a process lives.
pub struct Life {
    dead: AtomicBool,
    death: Notify,
    /// Readings of the clock that are left; negative: no bound.
    fuse: AtomicI64,
}

impl Life {
    /// Nothing kills it but [`Life::kill`].
    pub fn long() -> Arc<Self> {
        Self::short(-1)
    }

    /// Dies at this reading of its clock.
    pub fn short(readings: i64) -> Arc<Self> {
        Arc::new(Self {
            dead: AtomicBool::new(false),
            death: Notify::new(),
            fuse: AtomicI64::new(readings),
        })
    }

    /// From outside.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.death.notify_waiters();
    }

    /// It was killed.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// From inside: unwinds, past everything.
    pub fn die(&self) -> ! {
        self.kill();
        resume_unwind(Box::new(Killed))
    }

    /// Goes on, or does not.
    fn pass(&self) {
        if std::thread::panicking() {
            return;
        }
        let left = self.fuse.load(Ordering::SeqCst);
        if left > 0 {
            self.fuse.store(left - 1, Ordering::SeqCst);
        }
        if self.is_dead() || left == 1 {
            self.die();
        }
    }

    /// Does this while the process lives. A task whose process dies meanwhile does not go on.
    pub async fn mortal<T>(&self, work: impl Future<Output = T>) -> T {
        let mut death = std::pin::pin!(self.death.notified());
        death.as_mut().enable();
        if self.is_dead() {
            self.die();
        }
        tokio::select! {
            biased;
            () = death => self.die(),
            done = work => done,
        }
    }

    /// Runs the main function of a process. None: it was killed.
    pub async fn main<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = Box::pin(work);
        let mut death = std::pin::pin!(self.death.notified());
        death.as_mut().enable();
        let ended = std::future::poll_fn(|context| {
            if self.is_dead() || death.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
                Ok(_) if self.is_dead() => Poll::Ready(None),
                Ok(Poll::Ready(done)) => Poll::Ready(Some(done)),
                Ok(Poll::Pending) => Poll::Pending,
                Err(payload) if payload.is::<Killed>() => Poll::Ready(None),
                Err(payload) => resume_unwind(payload),
            }
        })
        .await;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(work)))
            && !payload.is::<Killed>()
        {
            resume_unwind(payload);
        }
        ended
    }
}

/// A process' view of virtual time.
pub struct SimClock {
    pub began: Instant,
    pub life: Arc<Life>,
}

/// What the clock shows at the beginning.
const EPOCH: i64 = 1_000_000_000;

impl SimClock {
    /// Virtual time as a timestamp.
    pub fn at(began: Instant) -> Timestamp {
        Timestamp(EPOCH + began.elapsed().as_millis() as i64)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.life.pass();
        Self::at(self.began)
    }
}
