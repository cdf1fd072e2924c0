//! What becomes of one call: drawn from the seed, or as a test orders it for one call by its number.

use std::time::Duration;

use runner::provider::{CallContext, ErrorKind, ProviderError};

use super::chance::Chance;

/// The calls of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Allocate,
    Discard,
    Check,
    List,
    Clean,
    Probe,
    Run,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Well,
    /// Nothing is done.
    Error(ErrorKind),
    /// It is done, and the answer is an error.
    Lost(ErrorKind),
    /// An error; later, when nobody expects it any more, it is done.
    Late(ErrorKind),
    /// The answer is that of another call (`allocate`), or of a while ago (`list`).
    Wrong,
    /// The caller dies and nothing is done.
    DieBefore,
    /// It is done and the caller dies.
    DieAfter,
}

/// How hard a history is, in percent of the calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    pub errors: u64,
    pub lost: u64,
    pub late: u64,
    pub wrong: u64,
    pub deaths: u64,
    /// Milliseconds.
    pub slowest: u64,
}

/// A call that did not go well.
pub fn error(kind: ErrorKind, call: Call) -> ProviderError {
    ProviderError {
        kind,
        message: "the model says no".into(),
        remedy: None,
        context: CallContext {
            plugin: "model".into(),
            call: match call {
                Call::Allocate => "allocate",
                Call::Discard => "discard",
                Call::Check => "check",
                Call::List => "list",
                Call::Clean => "clean",
                Call::Probe => "probe",
                Call::Run => "run",
            },
            ..CallContext::default()
        },
        guest_log: Vec::new(),
        untouched: false,
    }
}

/// Any kind that does not lie: `gone` is left to those who know.
fn kind(chance: &mut Chance) -> ErrorKind {
    let retry_after = chance.percent(30).then_some(Duration::from_secs(2));
    match chance.below(24) {
        0 => ErrorKind::Invalid,
        1 => ErrorKind::Denied,
        2..=6 => ErrorKind::Exhausted { retry_after },
        7..=13 => ErrorKind::Unavailable { retry_after },
        14..=17 => ErrorKind::Failed,
        18 => ErrorKind::Trapped,
        19..=20 => ErrorKind::Deadline,
        21 => ErrorKind::LimitReached { limit: "memory" },
        22 => ErrorKind::Malformed,
        _ => ErrorKind::Load,
    }
}

/// Draws one.
pub fn draw(trouble: &Trouble, chance: &mut Chance) -> Fate {
    let mut mark = chance.below(100);
    let kind = kind(chance);
    let mut falls = |rate: u64| {
        let hit = mark < rate;
        mark = mark.wrapping_sub(rate);
        hit
    };
    if falls(trouble.errors) {
        Fate::Error(kind)
    } else if falls(trouble.lost) {
        Fate::Lost(kind)
    } else if falls(trouble.late) {
        Fate::Late(ErrorKind::Deadline)
    } else if falls(trouble.wrong) {
        Fate::Wrong
    } else if falls(trouble.deaths) {
        if chance.percent(50) {
            Fate::DieBefore
        } else {
            Fate::DieAfter
        }
    } else {
        Fate::Well
    }
}
