//! The tap that spoils: one fault, at the n-th import of a call, once. The rest of the call, and all other calls, see the
//! world as it is. Calls about several instances side by side can each have a fault of their own.

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

/// A fault that was armed, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struck {
    pub injection: Injection,
    /// Of the instance whose call it was for, once that is known.
    pub token: Option<String>,
    /// The import that it spoiled, if any.
    pub import: Option<&'static str>,
}

/// A fault that waits for its call.
struct Armed {
    whose: Whose,
    injection: Injection,
    /// Where it struck.
    import: Option<&'static str>,
}

/// Whose calls a fault is for.
#[derive(PartialEq, Eq)]
enum Whose {
    Anybodys,
    /// The first one's that has no other fault.
    TheNext,
    /// The instance's with this token.
    Of(String),
}

#[derive(Default)]
struct State {
    armed: Vec<Armed>,
    calls: u64,
    /// The calls that are going on.
    running: HashMap<u64, Running>,
    /// The most that a call of each verb asked for.
    most: HashMap<&'static str, u64>,
    places: HashMap<(String, u64), &'static str>,
    /// The first answer to each request.
    before: HashMap<(&'static str, String), Value>,
}

#[derive(Default)]
struct Running {
    /// The token of the instance that it is about.
    about: Option<String>,
    /// Its imports so far.
    counted: u64,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("armed", &self.state().struck())
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

    /// Arms one fault, in place of any other: for the first call that gets so far, whomever it is about.
    pub fn arm(&self, injection: Injection) {
        self.state().arm([(Whose::Anybodys, injection)]);
    }

    /// Arms these in place of any others, each for the calls about one instance of its own: the next ones that are asked about.
    pub fn arm_each(&self, injections: &[Injection]) {
        let each = injections.iter().cloned();
        self.state().arm(each.map(|one| (Whose::TheNext, one)));
    }

    /// Arms these in place of any others, each for the calls about the instance with this token.
    pub fn arm_for(&self, injections: impl IntoIterator<Item = (String, Injection)>) {
        let each = injections.into_iter();
        self.state()
            .arm(each.map(|(token, one)| (Whose::Of(token), one)));
    }

    /// Disarms; answers what had been armed, in that order.
    pub fn disarm(&self) -> Vec<Struck> {
        let mut state = self.state();
        let struck = state.struck();
        state.armed.clear();
        struck
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
    fn arm(&mut self, armed: impl IntoIterator<Item = (Whose, Injection)>) {
        let armed = armed.into_iter().map(|(whose, injection)| Armed {
            whose,
            injection,
            import: None,
        });
        self.armed = armed.collect();
    }

    fn struck(&self) -> Vec<Struck> {
        let struck = |one: &Armed| Struck {
            injection: one.injection.clone(),
            token: match &one.whose {
                Whose::Of(token) => Some(token.clone()),
                Whose::Anybodys | Whose::TheNext => None,
            },
            import: one.import,
        };
        self.armed.iter().map(struck).collect()
    }

    /// A call begins: the fault that is for the next one is for the instance that it is about, and for no other from then on.
    fn begin(&mut self, call: u64, verb: &str, args: &Value) {
        let about = args["token"].as_str().map(str::to_owned);
        if let Some(token) = &about {
            let own = |one: &Armed| matches!(&one.whose, Whose::Of(other) if other == token);
            let fits = |one: &&mut Armed| one.injection.verb == verb;
            if !self.armed.iter_mut().filter(fits).any(|one| own(one))
                && let Some(next) = self
                    .armed
                    .iter_mut()
                    .filter(fits)
                    .find(|one| one.whose == Whose::TheNext)
            {
                next.whose = Whose::Of(token.clone());
            }
        }
        self.running.insert(call, Running { about, counted: 0 });
    }

    fn verdict(&mut self, ask: &Ask) -> Option<Verdict> {
        let running = self.running.entry(ask.call).or_default();
        let number = running.counted;
        running.counted += 1;
        let most = self.most.entry(ask.verb).or_default();
        *most = (*most).max(number + 1);
        self.places
            .insert((ask.verb.to_owned(), number), ask.import);
        let about = running.about.as_deref();
        let armed = self.armed.iter_mut().find(|one| {
            let whose = match &one.whose {
                Whose::Anybodys => true,
                Whose::TheNext => false,
                Whose::Of(name) => about == Some(name),
            };
            whose
                && one.import.is_none()
                && one.injection.verb == ask.verb
                && one.injection.at == number
        })?;
        let verdict = match armed.injection.fault {
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
        armed.import = Some(ask.import);
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
            // Whoever heeds it loses no time.
            "headers": [["content-type", "application/json"], ["retry-after", "0"]],
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
        let behind = self.behind.as_ref();
        let call = behind.map(|behind| behind.begin(verb, args));
        let mut state = self.state();
        let call = call.unwrap_or_else(|| {
            state.calls += 1;
            state.calls
        });
        state.begin(call, verb, args);
        call
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
        self.state().running.remove(&call);
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
        assert_eq!(faults.disarm()[0].import, Some("ssh.output"));
        assert_eq!(faults.disarm(), []);
        assert_eq!((faults.most("allocate"), faults.most("discard")), (2, 0));
    }

    #[test]
    fn calls_side_by_side_have_a_fault_each() {
        let faults = Faults::new(None);
        let begin = |verb, name: &str| faults.begin(verb, &json!({ "token": name }));
        let asks = |call, verb| {
            let ask = Ask {
                verb,
                ..ask(call, "http.fetch")
            };
            faults.ask(&ask)
        };
        let injections = ["allocate:0=killed", "allocate:1=killed-after"];
        faults.arm_each(&injections.map(|one| one.parse().unwrap()));
        let (a, b) = (begin("allocate", "a"), begin("allocate", "b"));
        // A second call about the same instance takes nobody else's.
        let again = begin("allocate", "a");
        let third = begin("allocate", "c");
        assert_eq!(asks(b, "allocate"), Verdict::Perform);
        assert_eq!(asks(third, "allocate"), Verdict::Perform);
        assert_eq!(asks(again, "allocate"), Verdict::Kill);
        assert_eq!(asks(a, "allocate"), Verdict::Perform);
        assert_eq!(asks(b, "allocate"), Verdict::PerformAndKill);
        let tokens = |struck: Vec<Struck>| struck.into_iter().map(|one| one.token);
        let tokens: Vec<_> = tokens(faults.disarm()).flatten().collect();
        assert_eq!(tokens, ["a", "b"]);

        faults.arm_for([("b".to_owned(), "discard:0=killed".parse().unwrap())]);
        let (a, b) = (begin("discard", "a"), begin("discard", "b"));
        assert_eq!(asks(a, "discard"), Verdict::Perform);
        assert_eq!(asks(b, "discard"), Verdict::Kill);
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
