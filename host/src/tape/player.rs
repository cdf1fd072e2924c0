//! The tap that answers from a cassette: nothing reaches the world. A call is matched with the first recorded one of the
//! same verb and arguments that is not played yet; within it, the guest must ask for the same things in the same order.
//! What differs is noted with its place and answered with an error, never with a guess.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::apart::apart;
use super::redact::{replaced, without_headers};
use super::{Cassette, Recorded, WORK};
use crate::plugin::{Ask, Tap, Verdict};

/// A difference between what was recorded and what was asked.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Difference {
    /// The call's number on the cassette; none: there is no such call.
    pub call: Option<u64>,
    pub verb: String,
    /// Which of its requests, from 0; none: the call itself.
    pub n: Option<u64>,
    pub what: String,
    /// Where in it; empty: all of it.
    pub at: String,
    pub recorded: Value,
    pub seen: Value,
}

impl Difference {
    /// Two values that should be the same; what is shown is where they part.
    fn between(
        place: (Option<u64>, &str, Option<u64>),
        what: &str,
        was: &Value,
        is: &Value,
    ) -> Self {
        let (call, verb, n) = place;
        let (at, recorded, seen) = apart(was, is);
        Self {
            call,
            verb: verb.to_owned(),
            n,
            what: what.to_owned(),
            at,
            recorded,
            seen,
        }
    }
}

/// Answers from a cassette.
#[derive(Debug)]
pub struct Player {
    /// The directory that `{{work}}` stands for here; empty: it stands for itself.
    work: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    recorded: Vec<Recorded>,
    played: Vec<bool>,
    /// Calls in the order of their beginning.
    calls: Vec<Playing>,
    differences: Vec<Difference>,
}

#[derive(Debug)]
struct Playing {
    verb: &'static str,
    /// Where it is on the cassette.
    at: Option<usize>,
    next: usize,
    /// It already went another way: one difference is enough.
    strayed: bool,
}

/// Imports that only say something, and those that a real value can stand in for.
fn is_told(import: &str) -> bool {
    import == "log.write" || import.starts_with("process.write-")
}

fn is_value(import: &str) -> bool {
    import.contains("clock.") || import.contains("random.")
}

impl Player {
    /// A player of this cassette; `work` as for the recorder.
    pub fn new(cassette: &Cassette, work: impl Into<String>) -> Self {
        Self {
            work: work.into(),
            state: Mutex::new(State {
                played: vec![false; cassette.calls.len()],
                recorded: cassette.calls.clone(),
                calls: Vec::new(),
                differences: Vec::new(),
            }),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What differed up to now.
    pub fn differences(&self) -> Vec<Difference> {
        self.state().differences.clone()
    }

    /// Recorded calls that nobody made.
    pub fn unplayed(&self) -> Vec<(u64, String)> {
        let state = self.state();
        let calls = state.recorded.iter().zip(&state.played);
        calls
            .filter(|(_, played)| !**played)
            .map(|(call, _)| (call.call, call.verb.clone()))
            .collect()
    }

    /// As it would stand on a cassette.
    fn as_recorded(&self, value: &Value) -> Value {
        let value = without_headers(value);
        match self.work.is_empty() {
            true => value,
            false => replaced(&value, &|text| text.replace(&self.work, WORK)),
        }
    }

    /// As it is here.
    fn as_here(&self, value: &Value) -> Value {
        match self.work.is_empty() {
            true => value.clone(),
            false => replaced(value, &|text| text.replace(WORK, &self.work)),
        }
    }
}

/// What a guest hears when the cassette has no answer.
fn nothing_recorded(ask: &Ask) -> Value {
    let message = format!("`{}` has no recorded answer here", ask.import);
    json!({ "error": { "failed": { "message": message } } })
}

impl State {
    fn find(&self, verb: &str, args: &Value) -> Option<usize> {
        let open = |index: &usize| !self.played[*index] && self.recorded[*index].verb == verb;
        let all = || (0..self.recorded.len()).filter(open);
        all()
            .find(|index| self.recorded[*index].args == *args)
            .or_else(|| all().next())
    }
}

impl Tap for Player {
    fn begin(&self, verb: &'static str, args: &Value) -> u64 {
        let args = self.as_recorded(args);
        let mut state = self.state();
        let at = state.find(verb, &args);
        let difference = |call, what: &str, recorded: &Value| {
            Difference::between((call, verb, None), what, recorded, &args)
        };
        match at {
            None => {
                let missing =
                    difference(None, "there is no such call on the cassette", &Value::Null);
                state.differences.push(missing);
            }
            Some(index) => {
                state.played[index] = true;
                let recorded = state.recorded[index].clone();
                if recorded.args != args {
                    let other = difference(Some(recorded.call), "other arguments", &recorded.args);
                    state.differences.push(other);
                }
            }
        }
        state.calls.push(Playing {
            verb,
            at,
            next: 0,
            strayed: at.is_none(),
        });
        state.calls.len() as u64 - 1
    }

    fn ask(&self, ask: &Ask) -> Verdict {
        let request = self.as_recorded(&ask.request);
        let mut state = self.state();
        let State {
            recorded,
            calls,
            differences,
            ..
        } = &mut *state;
        let playing = usize::try_from(ask.call)
            .ok()
            .and_then(|call| calls.get_mut(call));
        let Some(playing) = playing else {
            return Verdict::Answer(nothing_recorded(ask));
        };
        let otherwise = || match is_told(ask.import) || is_value(ask.import) {
            true => Verdict::Perform,
            false => Verdict::Answer(nothing_recorded(ask)),
        };
        let Some(call) = playing.at.map(|at| &recorded[at]) else {
            return otherwise();
        };
        let exchange = call.exchanges.get(playing.next);
        let (what, was) = match exchange {
            None => ("nothing more was asked", Value::Null),
            Some(exchange) if exchange.import != ask.import => (
                "something else was asked",
                json!({ "import": exchange.import, "request": exchange.request }),
            ),
            Some(exchange) if exchange.request != request => (
                "another request",
                json!({ "import": exchange.import, "request": exchange.request }),
            ),
            Some(exchange) => {
                playing.next += 1;
                return match &exchange.told {
                    // It was too much to record.
                    Some(told) if ask.import == "files.directory" && told.get("ok").is_none() => {
                        Verdict::Answer(json!({ "ok": [] }))
                    }
                    _ if is_told(ask.import) => Verdict::Perform,
                    Some(told) => Verdict::Answer(self.as_here(told)),
                    // It was still waiting when the recording, or the guest, ended.
                    None => Verdict::Kill,
                };
            }
        };
        if !playing.strayed {
            playing.strayed = true;
            let place = (Some(call.call), playing.verb, Some(playing.next as u64));
            let is = json!({ "import": ask.import, "request": request });
            differences.push(Difference::between(place, what, &was, &is));
        }
        otherwise()
    }

    fn told(&self, _ask: &Ask, _told: &Value) {}

    fn end(&self, call: u64, outcome: &Value) {
        let outcome = self.as_recorded(outcome);
        let mut state = self.state();
        let State {
            recorded,
            calls,
            differences,
            ..
        } = &mut *state;
        let playing = usize::try_from(call).ok().and_then(|call| calls.get(call));
        let Some((playing, call)) =
            playing.and_then(|playing| Some((playing, &recorded[playing.at?])))
        else {
            return;
        };
        let mut note = |n, what: &str, recorded: Value, seen: Value| {
            let place = (Some(call.call), playing.verb, n);
            differences.push(Difference::between(place, what, &recorded, &seen));
        };
        if playing.strayed {
            return;
        }
        if let Some(left) = call.exchanges.get(playing.next) {
            let was = json!({ "import": left.import, "request": left.request });
            note(
                Some(playing.next as u64),
                "not asked any more",
                was,
                Value::Null,
            );
        }
        // A recording that ended first says nothing about the end.
        if let Some(was) = call.outcome.as_ref().filter(|was| **was != outcome) {
            note(None, "another end", was.clone(), outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Exchange;
    use super::super::cassette::tests::cassette;
    use super::*;

    fn recorded() -> Cassette {
        let exchange = |import: &str, request: Value, told: Value| Exchange {
            import: import.into(),
            request,
            told: Some(told),
        };
        cassette(vec![Recorded {
            call: 1,
            verb: "check".into(),
            args: json!({"workdir": "{{work}}/box-0"}),
            exchanges: vec![
                exchange("wall-clock.now", Value::Null, json!({"ok": 5})),
                exchange(
                    "process.output",
                    json!({"argv": ["test", "{{work}}/box-0"]}),
                    json!({"ok": {"stdout": "in {{work}}"}}),
                ),
            ],
            outcome: Some(json!({"ok": null})),
        }])
    }

    fn ask(call: u64, number: u64, import: &'static str, request: Value) -> Ask {
        Ask {
            call,
            verb: "check",
            number,
            import,
            request,
        }
    }

    #[test]
    fn the_same_requests_get_the_same_answers_wherever_it_is() {
        let player = Player::new(&recorded(), "/other/place");
        let call = player.begin("check", &json!({"workdir": "/other/place/box-0"}));
        let told = player.ask(&ask(call, 0, "wall-clock.now", Value::Null));
        assert_eq!(told, Verdict::Answer(json!({"ok": 5})));
        let request = json!({"argv": ["test", "/other/place/box-0"]});
        let told = player.ask(&ask(call, 1, "process.output", request));
        assert_eq!(
            told,
            Verdict::Answer(json!({"ok": {"stdout": "in /other/place"}}))
        );
        player.end(call, &json!({"ok": null}));
        assert!(player.differences().is_empty() && player.unplayed().is_empty());
    }

    #[test]
    fn what_differs_is_told_by_its_place_and_once() {
        let player = Player::new(&recorded(), "");
        let call = player.begin("check", &json!({"workdir": "{{work}}/box-0"}));
        player.ask(&ask(call, 0, "wall-clock.now", Value::Null));
        for _ in 0..2 {
            let told = player.ask(&ask(call, 1, "process.output", json!({"argv": ["rm"]})));
            assert!(matches!(told, Verdict::Answer(told) if told.get("error").is_some()));
        }
        player.end(call, &json!({"error": {}}));
        let found = player.differences();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].call, found[0].n), (Some(1), Some(1)));
        assert_eq!(found[0].what, "another request");

        let player = Player::new(&recorded(), "");
        let call = player.begin("check", &json!({"workdir": "elsewhere"}));
        player.end(call, &json!({"ok": null}));
        let what: Vec<_> = player
            .differences()
            .into_iter()
            .map(|found| found.what)
            .collect();
        assert_eq!(what, ["other arguments", "not asked any more"]);
        player.begin("check", &Value::Null);
        let last = player.differences().pop().unwrap();
        assert_eq!(
            (last.call, &*last.what),
            (None, "there is no such call on the cassette")
        );
    }
}
