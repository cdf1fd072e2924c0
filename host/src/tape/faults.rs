//! The tap that spoils: one fault, at the n-th import of a call, once. The rest of the call, and all other calls, see the
//! world as it is.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::plugin::{Ask, Tap, Verdict};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The backend refuses: this HTTP status; a program or a command ends with code 1. Nothing was done.
    Status(u16),
    /// No answer in time. Nothing was done.
    TimeOut,
    /// The connection broke. Nothing was done.
    Reset,
    /// It was done, and the answer is lost.
    LostReply,
    /// The answer is the one that the same request had before.
    Stale,
    /// The guest ends before anything is done.
    Killed,
    /// It was done, and the guest ends without hearing of it.
    KilledAfter,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::TimeOut => f.write_str("time-out"),
            Self::Reset => f.write_str("reset"),
            Self::LostReply => f.write_str("lost-reply"),
            Self::Stale => f.write_str("stale"),
            Self::Killed => f.write_str("killed"),
            Self::KilledAfter => f.write_str("killed-after"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "time-out" => Self::TimeOut,
            "reset" => Self::Reset,
            "lost-reply" => Self::LostReply,
            "stale" => Self::Stale,
            "killed" => Self::Killed,
            "killed-after" => Self::KilledAfter,
            status => match status.parse() {
                Ok(status @ 400..=599) => Self::Status(status),
                _ => {
                    return Err(format!(
                        "`{text}` is no fault: it is an HTTP status from 400 to 599, `time-out`, `reset`, `lost-reply`, `stale`, `killed` or `killed-after`"
                    ));
                }
            },
        })
    }
}

/// Where it goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    pub verb: String,
    /// Which import of the call, from 0. Clocks, random numbers, secrets, messages and the caller's own streams do not
    /// count: nothing of the world can fail there.
    pub at: u64,
    pub fault: Fault,
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}={}", self.verb, self.at, self.fault)
    }
}

impl FromStr for Injection {
    type Err = String;

    /// `VERB:N=FAULT`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('=')
            .and_then(|(place, fault)| Some((place.split_once(':')?, fault)));
        let Some(((verb, at), fault)) = parts else {
            return Err(format!("`{text}` is not `VERB:N=FAULT`"));
        };
        let at = at.parse().map_err(|_| format!("`{at}` is no number"))?;
        Ok(Self {
            verb: verb.to_owned(),
            at,
            fault: fault.parse()?,
        })
    }
}

/// Spoils one import. What is behind it (a recorder) sees what the guest hears.
pub struct Faults {
    behind: Option<Arc<dyn Tap>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    armed: Option<Injection>,
    /// What was spoiled, and in which import.
    fired: Option<&'static str>,
    calls: u64,
    /// Imports counted in each call.
    counted: HashMap<u64, u64>,
    /// The most that a call of each verb asked for.
    most: HashMap<&'static str, u64>,
    places: HashMap<(String, u64), &'static str>,
    /// The first answer to each request.
    before: HashMap<(&'static str, String), Value>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("armed", &self.state().armed)
            .finish_non_exhaustive()
    }
}

/// Whether something of the world can fail there.
fn counts(import: &str) -> bool {
    let quiet = [
        "log.",
        "files.",
        "secrets.",
        "process.write-",
        "process.read-",
    ];
    !quiet.iter().any(|start| import.starts_with(start))
        && !import.contains("clock.")
        && !import.contains("random.")
}

impl Faults {
    /// No fault yet.
    pub fn new(behind: Option<Arc<dyn Tap>>) -> Self {
        Self {
            behind,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Arms one fault, in place of any other.
    pub fn arm(&self, injection: Injection) {
        let mut state = self.state();
        state.armed = Some(injection);
        state.fired = None;
    }

    /// Disarms; answers the import that was spoiled, if any was.
    pub fn disarm(&self) -> Option<&'static str> {
        let mut state = self.state();
        state.armed = None;
        state.fired.take()
    }

    /// Which import the last call of this verb that got so far asked for at this place.
    pub fn import_at(&self, verb: &str, at: u64) -> Option<&'static str> {
        self.state().places.get(&(verb.to_owned(), at)).copied()
    }

    /// How many imports a call of this verb asked for, at most, up to now.
    pub fn most(&self, verb: &str) -> u64 {
        self.state().most.get(verb).copied().unwrap_or(0)
    }
}

impl State {
    fn verdict(&mut self, ask: &Ask) -> Option<Verdict> {
        let counted = self.counted.entry(ask.call).or_default();
        let number = *counted;
        *counted += 1;
        let most = self.most.entry(ask.verb).or_default();
        *most = (*most).max(number + 1);
        self.places
            .insert((ask.verb.to_owned(), number), ask.import);
        let armed = self.armed.as_ref()?;
        if self.fired.is_some() || armed.verb != ask.verb || armed.at != number {
            return None;
        }
        let verdict = match armed.fault {
            Fault::Killed => Verdict::Kill,
            Fault::KilledAfter => Verdict::PerformAndKill,
            Fault::LostReply => {
                Verdict::PerformBut(broken("the connection broke after the request was sent"))
            }
            Fault::Reset => Verdict::Answer(broken("connection reset by peer")),
            Fault::TimeOut => Verdict::Answer(broken("no answer in time")),
            Fault::Status(status) => Verdict::Answer(refused(ask.import, status)),
            Fault::Stale => {
                let key = (ask.import, ask.request.to_string());
                Verdict::Answer(self.before.get(&key)?.clone())
            }
        };
        self.fired = Some(ask.import);
        Some(verdict)
    }
}

fn broken(why: &str) -> Value {
    json!({ "error": { "unavailable": { "message": format!("{why} (injected)") } } })
}

/// How a backend says no, where it can be reached.
fn refused(import: &str, status: u16) -> Value {
    match import {
        "http.fetch" => json!({ "ok": {
            "status": status,
            "headers": [["content-type", "application/json"], ["retry-after", "1"]],
            "body": format!("{{\"error\":{{\"code\":{status},\"message\":\"injected\"}}}}"),
        } }),
        "process.output" | "process.exec" | "ssh.output" | "ssh.exec" | "target.run" => {
            json!({ "ok": { "status": { "code": 1 }, "stderr": "refused (injected)\n" } })
        }
        _ => broken(&format!("refused with status {status}")),
    }
}

impl Tap for Faults {
    fn begin(&self, verb: &'static str, args: &Value) -> u64 {
        match &self.behind {
            Some(behind) => behind.begin(verb, args),
            None => {
                let mut state = self.state();
                state.calls += 1;
                state.calls
            }
        }
    }

    fn ask(&self, ask: &Ask) -> Verdict {
        let behind = match &self.behind {
            Some(behind) => behind.ask(ask),
            None => Verdict::Perform,
        };
        if !counts(ask.import) {
            return behind;
        }
        self.state().verdict(ask).unwrap_or(behind)
    }

    fn told(&self, ask: &Ask, told: &Value) {
        if counts(ask.import) && told.get("ok").is_some() {
            let key = (ask.import, ask.request.to_string());
            self.state()
                .before
                .entry(key)
                .or_insert_with(|| told.clone());
        }
        if let Some(behind) = &self.behind {
            behind.told(ask, told);
        }
    }

    fn end(&self, call: u64, outcome: &Value) {
        self.state().counted.remove(&call);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(call: u64, import: &'static str) -> Ask {
        Ask {
            call,
            verb: "allocate",
            number: 0,
            import,
            request: "r".into(),
        }
    }

    #[test]
    fn it_strikes_where_it_was_told_and_once() {
        let faults = Faults::new(None);
        faults.arm("allocate:1=lost-reply".parse().unwrap());
        let call = faults.begin("allocate", &Value::Null);
        assert_eq!(faults.ask(&ask(call, "wall-clock.now")), Verdict::Perform);
        assert_eq!(faults.ask(&ask(call, "http.fetch")), Verdict::Perform);
        assert_eq!(faults.ask(&ask(call, "log.write")), Verdict::Perform);
        assert!(matches!(
            faults.ask(&ask(call, "ssh.output")),
            Verdict::PerformBut(_)
        ));
        let other = faults.begin("allocate", &Value::Null);
        faults.ask(&ask(other, "http.fetch"));
        assert_eq!(faults.ask(&ask(other, "http.fetch")), Verdict::Perform);
        assert_eq!(faults.disarm(), Some("ssh.output"));
        assert_eq!((faults.most("allocate"), faults.most("discard")), (2, 0));
    }

    #[test]
    fn what_is_stale_was_true_once() {
        let faults = Faults::new(None);
        faults.arm("allocate:0=stale".parse().unwrap());
        let call = faults.begin("allocate", &Value::Null);
        assert_eq!(faults.ask(&ask(call, "http.fetch")), Verdict::Perform);
        faults.told(&ask(call, "http.fetch"), &json!({"ok": 1}));
        faults.told(&ask(call, "http.fetch"), &json!({"ok": 2}));
        let call = faults.begin("allocate", &Value::Null);
        assert_eq!(
            faults.ask(&ask(call, "http.fetch")),
            Verdict::Answer(json!({"ok": 1}))
        );
    }

    #[test]
    fn places_are_read_and_written_alike() {
        for text in [
            "allocate:3=429",
            "discard:0=killed-after",
            "list:1=time-out",
        ] {
            assert_eq!(text.parse::<Injection>().unwrap().to_string(), text);
        }
        for text in [
            "allocate",
            "allocate:x=429",
            "allocate:1=200",
            "allocate:1=worse",
        ] {
            assert!(text.parse::<Injection>().is_err(), "{text}");
        }
    }
}
