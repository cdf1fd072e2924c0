//! How long a guest computes: processor time of the thread while the call is being polled, which neither waiting for
//! programs nor a busy machine adds to. Wall-clock time is the deadline's business.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The time that one call has used. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<Used>);

#[derive(Default)]
struct Used {
    /// Nanoseconds in polls that have ended.
    before: AtomicU64,
    /// The thread's clock when the present poll began.
    since: AtomicU64,
}

impl Meter {
    /// Counts the polls of `future`.
    pub(crate) fn measure<F: Future>(&self, future: F) -> Measured<F> {
        Measured {
            future: Box::pin(future),
            meter: self.clone(),
        }
    }

    /// Time used until now; to be asked in the middle of a poll, on its thread.
    pub(crate) fn used(&self) -> Duration {
        let present = thread_time().saturating_sub(self.0.since.load(Ordering::Relaxed));
        Duration::from_nanos(self.0.before.load(Ordering::Relaxed) + present)
    }
}

/// A future whose polls are counted.
pub(crate) struct Measured<F> {
    future: Pin<Box<F>>,
    meter: Meter,
}

impl<F: Future> Future for Measured<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.meter.0.since.store(thread_time(), Ordering::Relaxed);
        let outcome = self.future.as_mut().poll(context);
        let used = self.meter.used();
        let used = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        self.meter.0.before.store(used, Ordering::Relaxed);
        outcome
    }
}

/// Nanoseconds of processor time of this thread.
fn thread_time() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanoseconds) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_is_free_and_computing_is_not() {
        let meter = Meter::default();
        let inner = meter.clone();
        let (waited, computed) = meter
            .measure(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let waited = inner.used();
                while inner.used() < waited + Duration::from_millis(20) {
                    std::hint::spin_loop();
                }
                tokio::task::yield_now().await;
                (waited, inner.used())
            })
            .await;
        assert!(waited < Duration::from_millis(50), "{waited:?}");
        assert!(
            computed >= waited + Duration::from_millis(20),
            "{computed:?}"
        );
    }
}
