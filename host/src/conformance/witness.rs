//! The tap that only looks: what a plugin was refused, and which of its calls ended as no call should.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::plugin::{Ask, Tap, Verdict};

/// Looks on, and passes everything to whoever is behind.
pub struct Witness {
    behind: Option<Arc<dyn Tap>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    calls: u64,
    asked: u64,
    denied: BTreeSet<String>,
    bad_ends: BTreeSet<String>,
    log: Vec<String>,
}

/// Lines of a plugin's messages that are kept, for a bundle.
const LOG: usize = 10_000;

impl Witness {
    /// In front of `behind`.
    pub fn new(behind: Option<Arc<dyn Tap>>) -> Self {
        Self {
            behind,
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls made, and imports used by them.
    pub fn counts(&self) -> (u64, u64) {
        let seen = self.seen();
        (seen.calls, seen.asked)
    }

    /// What was refused for want of a grant, each once.
    pub fn denied(&self) -> Vec<String> {
        self.seen().denied.iter().cloned().collect()
    }

    /// Takes back what was refused since then: it was meant to be.
    pub(super) fn only_denied(&self, then: Vec<String>) {
        self.seen().denied = then.into_iter().collect();
    }

    /// Calls that crashed, ran into a limit or answered what the contract does not allow, each once.
    pub fn bad_ends(&self) -> Vec<String> {
        self.seen().bad_ends.iter().cloned().collect()
    }

    /// What the plugin wrote for the operator.
    pub fn log(&self) -> String {
        self.seen().log.join("\n")
    }
}

impl Tap for Witness {
    fn begin(&self, verb: &'static str, args: &Value) -> u64 {
        let number = {
            let mut seen = self.seen();
            seen.calls += 1;
            seen.calls
        };
        match &self.behind {
            Some(behind) => behind.begin(verb, args),
            None => number,
        }
    }

    fn ask(&self, ask: &Ask) -> Verdict {
        {
            let mut seen = self.seen();
            seen.asked += 1;
            if ask.import == "log.write" && seen.log.len() < LOG {
                let line = format!("{} {}: {}", ask.call, ask.verb, ask.request);
                seen.log.push(line);
            }
        }
        match &self.behind {
            Some(behind) => behind.ask(ask),
            None => Verdict::Perform,
        }
    }

    fn told(&self, ask: &Ask, told: &Value) {
        let denied = &told["error"]["denied"]["message"];
        if let Some(message) = denied.as_str() {
            let line = format!("`{}` in `{}`: {message}", ask.import, ask.verb);
            self.seen().denied.insert(line);
        }
        if let Some(behind) = &self.behind {
            behind.told(ask, told);
        }
    }

    fn end(&self, call: u64, outcome: &Value) {
        let error = &outcome["error"];
        let kind = error["kind"].as_str().unwrap_or_default();
        if matches!(
            kind,
            "trapped" | "deadline" | "limit" | "malformed" | "load"
        ) {
            let message = error["message"].as_str().unwrap_or_default();
            // Whom we killed did not crash.
            if !message.contains("the guest was killed at") {
                self.seen().bad_ends.insert(format!("{kind}: {message}"));
            }
        }
        if let Some(behind) = &self.behind {
            behind.end(call, outcome);
        }
    }

    fn keeps_content(&self) -> bool {
        self.behind
            .as_ref()
            .is_some_and(|behind| behind.keeps_content())
    }
}
