//! The tap that writes down. What it keeps in memory is as it passed; secrets are taken out when the cassette is made,
//! so that what is learned late (a token in an answer) is gone from what came early as well.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::redact::replaced;
use super::{Cassette, Exchange, Header, Recorded, Redactor};
use crate::plugin::{Ask, Tap, Verdict};

/// What a recording may hold. Above it nothing more is kept, and it cannot be made a cassette.
const LARGEST: usize = 192 << 20;

/// Stands for the directory of all instances' directories, which is another one wherever a cassette is played.
pub const WORK: &str = "{{work}}";

/// Writes down.
#[derive(Debug)]
pub struct Recorder {
    /// The directory that [`WORK`] stands for.
    work: String,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    redactor: Redactor,
    calls: Vec<Recorded>,
    size: usize,
}

/// There was too much.
#[derive(Debug, thiserror::Error)]
#[error("the recording has more than {} MiB", LARGEST >> 20)]
pub struct TooLarge;

impl Recorder {
    /// A recorder that takes out what `redactor` knows, and writes [`WORK`] for `work`.
    pub fn new(redactor: Redactor, work: impl Into<String>) -> Self {
        Self {
            work: work.into(),
            kept: Mutex::new(Kept {
                redactor,
                calls: Vec::new(),
                size: 0,
            }),
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was recorded up to now, without secrets. The header's configuration is cleaned, its secrets are named.
    pub fn cassette(&self, mut header: Header) -> Result<Cassette, TooLarge> {
        let kept = self.kept();
        if kept.size > LARGEST {
            return Err(TooLarge);
        }
        let clean = |value: &Value| {
            let value = kept.redactor.clean(value);
            match self.work.is_empty() {
                true => value,
                false => replaced(&value, &|text| text.replace(&self.work, WORK)),
            }
        };
        header.secrets = kept.redactor.names();
        if let Value::Object(config) = clean(&Value::Object(header.config)) {
            header.config = config;
        } else {
            header.config = serde_json::Map::new();
        }
        header.grant = clean(&header.grant);
        let calls = kept
            .calls
            .iter()
            .map(|call| Recorded {
                call: call.call,
                verb: call.verb.clone(),
                args: clean(&call.args),
                exchanges: call
                    .exchanges
                    .iter()
                    .map(|exchange| Exchange {
                        import: exchange.import.clone(),
                        request: clean(&exchange.request),
                        told: exchange.told.as_ref().map(clean),
                    })
                    .collect(),
                outcome: call.outcome.as_ref().map(clean),
            })
            .collect();
        Ok(Cassette { header, calls })
    }
}

/// About as many bytes as it has.
fn size_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size_of).sum(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| key.len() + size_of(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

impl Kept {
    /// Counts, and says whether there is room.
    fn counts(&mut self, value: &Value) -> bool {
        self.size = self.size.saturating_add(64 + size_of(value));
        self.size <= LARGEST
    }

    fn call(&mut self, call: u64) -> Option<&mut Recorded> {
        let index = usize::try_from(call.checked_sub(1)?).ok()?;
        self.calls.get_mut(index)
    }
}

impl Tap for Recorder {
    fn begin(&self, verb: &'static str, args: &Value) -> u64 {
        let mut kept = self.kept();
        let call = kept.calls.len() as u64 + 1;
        kept.counts(args);
        kept.calls.push(Recorded {
            call,
            verb: verb.to_owned(),
            args: args.clone(),
            exchanges: Vec::new(),
            outcome: None,
        });
        call
    }

    fn ask(&self, ask: &Ask) -> Verdict {
        let mut kept = self.kept();
        if kept.counts(&ask.request)
            && let Some(call) = kept.call(ask.call)
        {
            call.exchanges.push(Exchange {
                import: ask.import.to_owned(),
                request: ask.request.clone(),
                told: None,
            });
        }
        Verdict::Perform
    }

    fn told(&self, ask: &Ask, told: &Value) {
        let mut kept = self.kept();
        kept.redactor.learn_exchange(ask.import, &ask.request, told);
        if kept.counts(told)
            && let Some(call) = kept.call(ask.call)
            && let Ok(number) = usize::try_from(ask.number)
            && let Some(exchange) = call.exchanges.get_mut(number)
        {
            exchange.told = Some(told.clone());
        }
    }

    fn end(&self, call: u64, outcome: &Value) {
        let mut kept = self.kept();
        kept.counts(outcome);
        if let Some(call) = kept.call(call) {
            call.outcome = Some(outcome.clone());
        }
    }

    fn keeps_content(&self) -> bool {
        true
    }
}
