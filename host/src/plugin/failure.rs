//! How a call can end badly, and what the engine is told: every failure carries plugin, version, source,
//! instance and call, the limit's name if it was one, and the last lines that the guest printed.

use std::time::Duration;

use wasmtime::Trap;
use wasmtime::component::ResourceTableError;
use wasmtime_wasi::I32Exit;

use super::answer::Bad;
use super::bindings::types;
use super::guest_log::GuestLog;
use super::limiter::LimitHit;
use super::secrecy::Secrecy;
use super::{convert, text};
use crate::provider::{CallContext, ErrorKind, ProviderError};

/// Characters of a message that are kept.
const LONGEST_MESSAGE: usize = 4000;

/// The wall-clock deadline passed.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {}", seconds(*.0))]
pub(crate) struct DeadlinePassed(pub(crate) Duration);

/// Where failures of one call are made.
pub(crate) struct Failures<'a> {
    pub(crate) context: &'a CallContext,
    pub(crate) log: &'a GuestLog,
    pub(crate) secrecy: &'a Secrecy,
}

impl Failures<'_> {
    fn error(&self, kind: ErrorKind, message: String, remedy: Option<String>) -> ProviderError {
        ProviderError {
            kind,
            message: self.secrecy.text(message),
            remedy: remedy.map(|remedy| self.secrecy.text(remedy)),
            context: self.context.clone(),
            guest_log: self.log.quote(|printed| self.secrecy.text(printed)),
            untouched: false,
        }
    }

    /// What the guest itself answered.
    pub(crate) fn answered(&self, error: types::Error) -> ProviderError {
        let (kind, message, remedy) = convert::error_parts(error);
        // As it was written: what is escaped or cut is not found any more.
        let message = self.secrecy.text(message);
        let remedy = remedy.map(|remedy| self.secrecy.text(remedy));
        let message = match text::printable_cut(&message, LONGEST_MESSAGE) {
            empty if empty.trim().is_empty() => "the plugin gave no reason".to_owned(),
            message => message,
        };
        let remedy = remedy
            .map(|remedy| text::printable_cut(&remedy, LONGEST_MESSAGE))
            .filter(|remedy| !remedy.trim().is_empty());
        self.error(kind, message, remedy)
    }

    /// An answer that is not used.
    pub(crate) fn bad_answer(&self, bad: Bad) -> ProviderError {
        self.error(bad.kind, bad.message, bad.remedy)
    }

    /// An answer over the limit.
    pub(crate) fn oversized(&self, bytes: usize, allowed: u64) -> ProviderError {
        let message =
            format!("the plugin's answer has {bytes} bytes, and `limits.answer` allows {allowed}");
        self.error(
            ErrorKind::LimitReached { limit: "answer" },
            message,
            Some(raise("answer")),
        )
    }

    /// The deadline of the call passed.
    pub(crate) fn deadline(&self, allowed: Duration) -> ProviderError {
        let message = format!("the plugin did not answer within {}", seconds(allowed));
        let key = self.limit_key();
        self.error(ErrorKind::Deadline, message, Some(raise(key)))
    }

    /// A panic of our own, contained.
    pub(crate) fn panicked(&self, panic: &(dyn std::any::Any + Send)) -> ProviderError {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        let message = format!(
            "runner itself panicked during the call: {}",
            text::printable_cut(said, LONGEST_MESSAGE)
        );
        let remedy =
            Some("this is a bug in runner, not in the plugin: please report it".to_owned());
        self.error(ErrorKind::Failed, message, remedy)
    }

    /// Something of the machine's failed.
    pub(crate) fn host(&self, what: &str, error: &dyn std::fmt::Display) -> ProviderError {
        self.error(ErrorKind::Failed, format!("{what}: {error}"), None)
    }

    /// What was granted is not there.
    pub(crate) fn not_prepared(&self, error: &wasmtime::Error) -> ProviderError {
        self.error(ErrorKind::Invalid, causes(error), None)
    }

    /// wasmtime gave up on the guest: trap, limit, exit, or a host function that ended the call.
    pub(crate) fn ended(&self, error: &wasmtime::Error) -> ProviderError {
        if let Some(DeadlinePassed(allowed)) = error.downcast_ref() {
            return self.deadline(*allowed);
        }
        if let Some(hit) = error.downcast_ref::<LimitHit>() {
            let kind = ErrorKind::LimitReached { limit: hit.limit };
            return self.error(kind, hit.to_string(), Some(raise(hit.limit)));
        }
        if let Some(limit) = wasmtime_limit(error) {
            let message = format!("the plugin went over its limit: {}", root(error));
            return self.error(
                ErrorKind::LimitReached { limit },
                message,
                Some(raise(limit)),
            );
        }
        if error.downcast_ref::<I32Exit>().is_some() {
            // Its code is lost: WASI tells only success from failure.
            let message = "the plugin exited instead of answering".to_owned();
            return self.error(ErrorKind::Trapped, message, None);
        }
        tracing::debug!(context = %self.context, "trap: {}", text::printable_cut(&format!("{error:#}"), LONGEST_MESSAGE));
        let message = match error.downcast_ref::<Trap>() {
            Some(Trap::UnreachableCodeReached) => "the plugin gave up (panic or abort)".to_owned(),
            Some(trap) => format!("the plugin crashed: {trap}"),
            None => format!("the call was broken off: {}", causes(error)),
        };
        self.error(ErrorKind::Trapped, message, None)
    }

    /// The configuration key of this call's deadline.
    fn limit_key(&self) -> &'static str {
        match self.context.call {
            "on-event" => "hook",
            call => call,
        }
    }
}

/// Limits that are wasmtime's own. Two of its errors have no type that we could ask for: their texts are compared whole,
/// so that a function name in a backtrace cannot pass for one.
fn wasmtime_limit(error: &wasmtime::Error) -> Option<&'static str> {
    if let Some(Trap::StackOverflow) = error.downcast_ref() {
        return Some("stack");
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return Some("handles");
    }
    error
        .chain()
        .find_map(|cause| match cause.to_string().as_str() {
            "cannot allocate another handle: store handle limit exceeded"
            | "cannot lend resource: store handle limit exceeded" => Some("handles"),
            text if text
                .starts_with("too much data is being copied between the host and the guest") =>
            {
                Some("answer")
            }
            text if text.starts_with("resource limit exceeded: ") => Some("tables"),
            _ => None,
        })
}

/// The innermost cause, escaped: what stands above it is where, not what.
fn root(error: &wasmtime::Error) -> String {
    let root = error.chain().last().map(ToString::to_string);
    text::printable_cut(&root.unwrap_or_default(), LONGEST_MESSAGE)
}

/// All causes but the backtrace, escaped.
fn causes(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error
        .chain()
        .map(ToString::to_string)
        .filter(|cause| !cause.starts_with("error while executing at wasm backtrace"))
        .collect();
    text::printable_cut(&causes.join(": "), LONGEST_MESSAGE)
}

/// How to allow more.
pub(crate) fn raise(key: &str) -> String {
    format!("if the plugin is right to need more, raise `{key}` in the `[limits]` of its source")
}

pub(crate) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
