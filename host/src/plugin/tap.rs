//! The seam between a guest and its imports. Every import goes through here, so that whoever taps a plugin can write
//! down what passes (`tape::Recorder`), answer in the world's place (`tape::Player`), or spoil it (`tape::Faults`).
//!
//! ```text
//! guest ── import ── ask ─┬─ perform ── the grant, the world ── told ── guest
//!                         ├─ answer  ── a recorded or invented answer ── guest
//!                         └─ kill    ── the call ends as if the process had died
//! ```
//!
//! What an import may do is not decided here: an import that is performed looks at its grant as always. Without a tap
//! nothing is converted, kept or counted.

mod copier;
mod files;
mod wasi;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::bindings::types::Error;
use super::imports::Answer;
use super::state::State;
use crate::provider::wire::{Wire, tagged};

pub(crate) use copier::{Copier, Ran, play};
pub(crate) use files::Given;
pub(crate) use wasi::tap_wasi;

/// Looks on while a plugin's guests call their imports. Called from any thread, in the middle of calls that may run side
/// by side: it must not wait.
pub trait Tap: Send + Sync {
    /// A call of the plugin begins; answers a number for it.
    fn begin(&self, verb: &'static str, args: &Value) -> u64;

    /// The guest asks for something.
    fn ask(&self, ask: &Ask) -> Verdict;

    /// What it was told: `{"ok": …}`, `{"error": …}`, or `{"end": …}` when that ended the call.
    fn told(&self, ask: &Ask, told: &Value);

    /// How the call ended, as the host sees it.
    fn end(&self, call: u64, outcome: &Value);

    /// What passes on the streams of commands, and what is in granted directories, is wanted as well, at the price of
    /// copying it.
    fn keeps_content(&self) -> bool {
        false
    }
}

/// One use of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// As `begin` answered.
    pub call: u64,
    pub verb: &'static str,
    /// From 0, in each call.
    pub number: u64,
    /// Interface and function, such as `http.fetch`.
    pub import: &'static str,
    pub request: Value,
}

/// What is to happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// What the guest asked for.
    Perform,
    /// The same, but the guest hears this instead of the answer.
    PerformBut(Value),
    /// Nothing; the guest hears this.
    Answer(Value),
    /// The guest ends here, before anything was done.
    Kill,
    /// What it asked for is done, and the guest ends without hearing of it.
    PerformAndKill,
}

/// The call was ended from outside.
#[derive(Debug, thiserror::Error)]
#[error("the guest was killed at `{import}`")]
pub(crate) struct Killed {
    import: &'static str,
}

/// What the tap says does not have the shape of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the recorded answer to `{import}` cannot be used: {why}")]
pub(crate) struct Unusable {
    import: &'static str,
    why: String,
}

/// A tap on one call.
pub(crate) struct Tapped {
    tap: Arc<dyn Tap>,
    call: u64,
    verb: &'static str,
    asked: AtomicU64,
}

impl Tapped {
    pub(crate) fn begin(tap: Arc<dyn Tap>, verb: &'static str, args: &Value) -> Arc<Self> {
        let call = tap.begin(verb, args);
        Arc::new(Self {
            tap,
            call,
            verb,
            asked: AtomicU64::new(0),
        })
    }

    pub(crate) fn end(&self, outcome: &Value) {
        self.tap.end(self.call, outcome);
    }

    fn ask(&self, import: &'static str, request: Value) -> Ask {
        Ask {
            call: self.call,
            verb: self.verb,
            number: self.asked.fetch_add(1, Ordering::Relaxed),
            import,
            request,
        }
    }

    /// A value that cannot fail, such as the time.
    fn value<T: Wire>(&self, import: &'static str, request: Value, real: impl FnOnce() -> T) -> T {
        let ask = self.ask(import, request);
        if let Verdict::Answer(told) = self.tap.ask(&ask)
            && let Ok(Ok(value)) = Result::<T, Value>::from_json(&told)
        {
            self.tap.told(&ask, &told);
            return value;
        }
        let value = real();
        self.tap.told(&ask, &tagged("ok", value.to_json()));
        value
    }
}

/// An import that is about to be performed, with somebody looking on.
pub(crate) struct Pending {
    ask: Ask,
    /// What the guest hears in place of the answer.
    instead: Option<Value>,
    kill: bool,
}

/// Where an import goes from here.
pub(crate) enum Step<T> {
    Answered(Result<T, Error>),
    Perform(Option<Pending>),
}

/// The first half of an import: whether it is performed at all.
pub(crate) fn ask<T: Wire>(
    tapped: Option<&Tapped>,
    import: &'static str,
    request: impl FnOnce() -> Value,
) -> wasmtime::Result<Step<T>> {
    let Some(tapped) = tapped else {
        return Ok(Step::Perform(None));
    };
    let ask = tapped.ask(import, request());
    let (instead, kill) = match tapped.tap.ask(&ask) {
        Verdict::Perform => (None, false),
        Verdict::PerformBut(told) => (Some(told), false),
        Verdict::PerformAndKill => (None, true),
        Verdict::Answer(told) => {
            tapped.tap.told(&ask, &told);
            return hears(import, &told).map(Step::Answered);
        }
        Verdict::Kill => {
            tapped.tap.told(&ask, &end_of_call("killed"));
            return Err(Killed { import }.into());
        }
    };
    Ok(Step::Perform(Some(Pending { ask, instead, kill })))
}

/// The second half: what the guest hears of what was done.
pub(crate) fn told<T: Wire>(
    tapped: Option<&Tapped>,
    pending: Option<Pending>,
    answer: Answer<T>,
) -> Answer<T> {
    let (Some(tapped), Some(Pending { ask, instead, kill })) = (tapped, pending) else {
        return answer;
    };
    let answer = answer.inspect_err(|error| {
        tapped
            .tap
            .told(&ask, &end_of_call(&error.root_cause().to_string()));
    })?;
    if kill {
        tapped.tap.told(&ask, &end_of_call("killed"));
        return Err(Killed { import: ask.import }.into());
    }
    let Some(told) = instead else {
        tapped.tap.told(&ask, &answer.to_json());
        return Ok(answer);
    };
    tapped.tap.told(&ask, &told);
    hears(ask.import, &told)
}

fn hears<T: Wire>(import: &'static str, told: &Value) -> Answer<T> {
    if let Some(why) = told.get("end").and_then(Value::as_str) {
        return Err(wasmtime::Error::msg(why.to_owned()));
    }
    Result::from_json(told).map_err(|why| Unusable { import, why }.into())
}

impl State {
    /// `ask` for an import of this call.
    pub(crate) fn ask<T: Wire>(
        &self,
        import: &'static str,
        request: impl FnOnce() -> Value,
    ) -> wasmtime::Result<Step<T>> {
        ask(self.tapped.as_deref(), import, request)
    }

    /// `told` for an import of this call.
    pub(crate) fn told<T: Wire>(&self, pending: Option<Pending>, answer: Answer<T>) -> Answer<T> {
        told(self.tapped.as_deref(), pending, answer)
    }

    /// Something that the guest says and nobody answers.
    pub(crate) fn said(&self, import: &'static str, what: impl FnOnce() -> Value) {
        if let Some(tapped) = &self.tapped {
            let ask = tapped.ask(import, what());
            let _nothing_to_decide = tapped.tap.ask(&ask);
            tapped.tap.told(&ask, &tagged("ok", Value::Null));
        }
    }

    /// Whether the streams of commands are to be copied.
    pub(crate) fn keeps_content(&self) -> bool {
        self.tapped
            .as_ref()
            .is_some_and(|tapped| tapped.tap.keeps_content())
    }
}

fn end_of_call(why: &str) -> Value {
    tagged("end", why.into())
}

/// One import through the seam: its name, what the tap sees of the request, and what it does.
macro_rules! through {
    ($state:ident, $import:literal, $request:expr, $perform:expr) => {
        match $state.ask($import, || $request)? {
            $crate::plugin::tap::Step::Answered(answer) => Ok(answer),
            $crate::plugin::tap::Step::Perform(pending) => {
                let answer = $perform.await;
                $state.told(pending, answer)
            }
        }
    };
}
pub(crate) use through;

/// The same for a command that is connected to its caller: its streams are the tap's to see, and to play.
macro_rules! through_connected {
    ($state:ident, $import:literal, $request:expr, $stdio:ident, $perform:expr) => {
        match $state.ask::<$crate::plugin::tap::Ran>($import, || $request)? {
            $crate::plugin::tap::Step::Answered(Ok(ran)) => {
                let _quiet = $state.running.pause();
                Ok(Ok($crate::plugin::tap::play(ran, $stdio).await))
            }
            $crate::plugin::tap::Step::Answered(Err(error)) => Ok(Err(error)),
            $crate::plugin::tap::Step::Perform(None) => $perform.await,
            $crate::plugin::tap::Step::Perform(pending) => {
                let (copier, $stdio) = match $state.keeps_content() {
                    true => $crate::plugin::tap::Copier::new($stdio)?,
                    false => ($crate::plugin::tap::Copier::default(), $stdio),
                };
                let (answer, streams) = copier.beside($perform).await;
                let answer = answer.map(|answer| answer.map(|status| streams.of(status)));
                Ok($state.told(pending, answer)?.map(|ran| ran.status))
            }
        }
    };
}
pub(crate) use through_connected;
