//! One call of one plugin, from a fresh store to a checked answer. Everything that can go wrong on the way becomes a
//! `ProviderError` here, and nothing of the call is left afterwards: no store, no guest memory, no program.
//!
//! ```text
//! caller ── task ── deadline ── store: limits, ticker ── instance ── body ── answer checked
//!   │        │          │                    │
//!   │        │          │                    └ over its budget of computing: ended by the epoch callback
//!   │        │          └ passed: the future is dropped, even in the middle of an import
//!   │        └ a panic of ours ends the task, not the program
//!   └ dropped: the task is aborted, and with it what the call started
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use wasmtime::component::Instance;
use wasmtime::{Store, UpdateDeadline};

use super::answer::{self, Answer};
use super::bindings::types;
use super::compute::Meter;
use super::failure::{DeadlinePassed, Failures, seconds};
use super::guard::Guard;
use super::guest_log::GuestLog;
use super::limiter::LimitHit;
use super::purpose::Purpose;
use super::secrecy::Secrecy;
use super::state::{Bound, State};
use super::tap::Tapped;
use super::wrap::Subject;
use crate::provider::wire::{self, tagged};
use crate::provider::{CallContext, ProviderError, Target};

/// What a guest may hand over in one host call, whatever its limit on answers: the largest HTTP body, and its frame.
const LEAST_FUEL: u64 = (8 << 20) + (64 << 10);

/// What is called, and for whom.
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) purpose: Purpose,
    pub(crate) instance: Option<String>,
    /// Zero: none.
    pub(crate) deadline: Duration,
    /// For hooks.
    pub(crate) target: Option<Arc<dyn Target>>,
    /// For wrappers.
    pub(crate) subject: Option<Arc<Subject>>,
    /// Somebody looks on.
    pub(crate) tapped: Option<Arc<Tapped>>,
}

/// What the body of a call gives back: wasmtime's error, the guest's error, or an answer.
pub(crate) type Outcome<'a, T> =
    Pin<Box<dyn Future<Output = wasmtime::Result<Result<T, types::Error>>> + Send + 'a>>;

/// Calls the plugin. `body` makes the typed call on the new instance.
pub(crate) async fn call<T: Answer>(
    bound: &Arc<Bound>,
    call: Call,
    body: impl for<'a> FnOnce(&'a mut Store<State>, &'a Instance, &'a Bound) -> Outcome<'a, T>
    + Send
    + 'static,
) -> Result<T::Checked, ProviderError> {
    let tapped = call.tapped.clone();
    let outcome = in_a_task(bound, call, body).await;
    if let Some(tapped) = tapped {
        tapped.end(&match &outcome {
            Ok(answer) => tagged("ok", T::shown(answer)),
            Err(error) => tagged("error", wire::error_json(error)),
        });
    }
    outcome
}

async fn in_a_task<T: Answer>(
    bound: &Arc<Bound>,
    call: Call,
    body: impl for<'a> FnOnce(&'a mut Store<State>, &'a Instance, &'a Bound) -> Outcome<'a, T>
    + Send
    + 'static,
) -> Result<T::Checked, ProviderError> {
    let context = Arc::new(bound.call_context(call.name, call.instance.clone()));
    let log = GuestLog::new(usize::try_from(bound.limits.log).unwrap_or(usize::MAX));
    let secrecy = Secrecy::new(bound, &call.purpose);
    let guard = Guard::new(bound, &call.purpose, call.name);
    let tapped = call.tapped.is_some();
    let task = tokio::spawn({
        let (bound, context, log) = (bound.clone(), context.clone(), log.clone());
        let (secrecy, guard) = (secrecy.clone(), guard.clone());
        async move { perform(&bound, call, guard, &context, &log, secrecy, body).await }
    });
    let _abort = AbortOnDrop(task.abort_handle());
    let outcome = match task.await {
        Ok(outcome) => outcome,
        Err(end) => {
            let failures = Failures {
                context: &context,
                log: &log,
                secrecy: &secrecy,
            };
            Err(match end.try_into_panic() {
                Ok(panic) => failures.panicked(&*panic),
                Err(cancelled) => failures.host("the call was cancelled", &cancelled),
            })
        }
    };
    outcome.map_err(|error| ProviderError {
        // Whoever looks on may have answered in place of the world, and what that stands for has left.
        untouched: !tapped && guard.nothing_left(),
        ..error
    })
}

async fn perform<T: Answer>(
    bound: &Arc<Bound>,
    call: Call,
    guard: Arc<Guard>,
    context: &Arc<CallContext>,
    log: &GuestLog,
    secrecy: Arc<Secrecy>,
    body: impl for<'a> FnOnce(&'a mut Store<State>, &'a Instance, &'a Bound) -> Outcome<'a, T>,
) -> Result<T::Checked, ProviderError> {
    let failures = Failures {
        context,
        log,
        secrecy: &secrecy,
    };
    let allowed = call.deadline;
    let deadline = (!allowed.is_zero()).then(|| Instant::now() + allowed);
    let meter = Meter::default();
    let bounds = Bounds {
        deadline: deadline.map(|at| (at, allowed)),
        compute: bound.limits.compute,
        meter: meter.clone(),
    };
    let running = bound.engine.run();
    let running = running
        .map_err(|e| failures.host("cannot start the thread that interrupts plugins", &e))?;
    let mut state = State::new(
        bound,
        context.clone(),
        guard,
        running,
        log,
        deadline,
        call.tapped,
    )
    .map_err(|e| failures.not_prepared(&e))?;
    state.target = call.target;
    state.subject = call.subject;
    state.secrecy = secrecy.clone();
    let mut store = new_store(bound, state, bounds);

    let guest = meter.measure(async {
        let instance = bound.component.instantiate(&mut store).await?;
        body(&mut store, &instance, bound).await
    });
    let outcome = match deadline {
        None => guest.await,
        Some(at) => match timeout_at(at, guest).await {
            Ok(outcome) => outcome,
            Err(_passed) => Err(DeadlinePassed(allowed).into()),
        },
    };
    report_dropped(store.data());
    let outcome = match store.data().http.take_over() {
        Some(over) => Err(over),
        None => outcome,
    };

    let size = match &outcome {
        Err(_) => 0,
        Ok(Ok(answer)) => answer.size(),
        Ok(Err(error)) => answer::error_size(error),
    };
    if size as u64 > bound.limits.answer {
        return Err(failures.oversized(size, bound.limits.answer));
    }
    match outcome {
        Err(error) => Err(failures.ended(&error)),
        Ok(Err(error)) => Err(failures.answered(error)),
        Ok(Ok(answer)) => match answer.check(bound.rights()) {
            Ok(checked) => Ok(T::discreet(checked, &secrecy)),
            Err(bad) => Err(failures.bad_answer(bad)),
        },
    }
}

/// When a guest is interrupted for good.
struct Bounds {
    deadline: Option<(Instant, Duration)>,
    compute: Duration,
    meter: Meter,
}

/// A store with every limit set before anything of the guest's is in it.
fn new_store(bound: &Bound, state: State, bounds: Bounds) -> Store<State> {
    let limits = &bound.limits;
    let mut store = Store::new(&bound.engine.wasmtime, state);
    store.limiter(|state| &mut state.limiter);
    store.set_max_component_handles(limits.handles as usize);
    store.set_hostcall_fuel(usize::try_from(limits.answer.max(LEAST_FUEL)).unwrap_or(usize::MAX));
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |store| bounds.interrupt(store.data()));
    store
}

impl Bounds {
    /// Called in the middle of guest code, at the first check after each tick.
    fn interrupt(&self, state: &State) -> wasmtime::Result<UpdateDeadline> {
        if let Some(over) = state.http.take_over() {
            return Err(over);
        }
        if let Some((at, allowed)) = self.deadline
            && Instant::now() >= at
        {
            return Err(DeadlinePassed(allowed).into());
        }
        if self.meter.used() > self.compute {
            let allowed = seconds(self.compute);
            let what = format!("the plugin computed for more than {allowed}");
            return Err(LimitHit::trap("compute", what, allowed));
        }
        // tokio's own yield lets timers and other tasks run first; a bare wake-up would not.
        let others = Box::pin(tokio::task::yield_now());
        Ok(UpdateDeadline::YieldCustom(1, others))
    }
}

/// Says how many messages were over the limit, once.
fn report_dropped(state: &State) {
    let dropped = state.used.log_dropped;
    if dropped > 0 {
        let message = format!("{dropped} messages were over the limit `log` and dropped");
        super::imports::log::deliver(state, super::LogLevel::Warn, &message);
    }
}

/// Ends the task when the caller no longer waits for it.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
