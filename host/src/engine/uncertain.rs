//! Instances of which nobody knows whether they exist: their source's backend failed while they were made, and has not confirmed
//! since that they are gone. They stay in the books, because one of them may be a machine that costs money.
//!
//! A backend that is down must not add one with each attempt: of a source that has some, nothing more is asked before one of
//! them is settled. Asking for its end is also the cheapest way to find out whether the backend answers again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runner_core::id::SourceName;
use runner_core::instance::State;

use super::{Engine, EngineError, Result};
use crate::provider::{CallContext, ErrorKind, ProviderError};
use crate::store::{InstanceRow, StoreError};

/// So many of a source are no sign of anything yet.
const FEW: usize = 2;

/// How asking for the end of one went, by source: how often it was asked, and the last answer; none: it was settled.
type Answers = HashMap<SourceName, (u64, Option<ProviderError>)>;

/// Those that are made side by side ask once: who waited for its turn while another asked has its answer.
#[derive(Default)]
pub(super) struct Asked {
    /// By source: one that hangs holds up no other.
    turns: Mutex<HashMap<SourceName, Arc<tokio::sync::Mutex<()>>>>,
    answers: Mutex<Answers>,
}

impl Asked {
    fn turn(&self, source: &SourceName) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(source.clone()).or_default())
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        // Entries are put in whole.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn times(&self, source: &SourceName) -> u64 {
        self.answers().get(source).map_or(0, |(times, _)| *times)
    }
}

impl InstanceRow {
    /// Whether there is anything at the backend is not known, and was asked in vain.
    pub(super) fn is_uncertain(&self) -> bool {
        self.state == State::Discarding && self.handle.is_none() && self.attempts > 0
    }
}

impl Engine {
    /// Before a new instance is asked for: if its source has some that are uncertain, one of them is settled first. The error says
    /// why that did not work, and the new one must not be asked for.
    pub(super) async fn settle_one(&self, new: &InstanceRow) -> Result<()> {
        let source = &new.source;
        if self.uncertain(source)?.len() <= FEW {
            return Ok(());
        }
        let asked = &self.0.asked;
        let before = asked.times(source);
        let turn = asked.turn(source);
        let turn = turn.lock().await;
        let known = asked.answers().get(source).cloned();
        let answer = match known.filter(|(times, _)| *times > before) {
            Some((_, answer)) => answer,
            None => {
                let answer = self.ask_for_one(source).await?;
                let now = (asked.times(source) + 1, answer.clone());
                asked.answers().insert(source.clone(), now);
                answer
            }
        };
        drop(turn);
        let Some(error) = answer else {
            return Ok(());
        };
        let names = self.uncertain(source)?;
        let Some(first) = names.first() else {
            return Ok(());
        };
        let what = format!(
            "source `{source}` has {} instances of which nobody knows whether they exist, such as `{}`, and gets no more before \
             one of them is settled",
            names.len(),
            first.name
        );
        let known = error.remedy.clone();
        Err(EngineError::provider(what, error).hint(known.unwrap_or_else(|| {
            format!(
                "they are asked for again by each command and by `runner serve`; if you know that one does not exist: `runner discard \
                 --forget {}`",
                first.name
            )
        })))
    }

    /// The uncertain ones of a source, oldest first.
    fn uncertain(&self, source: &SourceName) -> Result<Vec<InstanceRow>> {
        let mut rows = self.store().read::<_, StoreError>(|tx| {
            match tx.counts(source)?.discarding as usize > FEW {
                true => tx.live_instances(Some(source)),
                false => Ok(Vec::new()),
            }
        })?;
        rows.retain(InstanceRow::is_uncertain);
        Ok(rows)
    }

    /// Asks for the end of the first that nobody is working on. None: it is settled.
    async fn ask_for_one(&self, source: &SourceName) -> Result<Option<ProviderError>> {
        let mut label = String::new();
        for row in self.uncertain(source)? {
            if label.is_empty() {
                label = self.definition(&row)?.label.clone();
            }
            let workers = self.store().workers();
            if row.worker.as_ref().is_some_and(|one| workers.is_alive(one)) {
                continue;
            }
            match self.finish(row).await {
                Ok(true) => return Ok(None),
                Ok(false) => {}
                // What fails on our side says nothing about the backend.
                Err(error) => return Ok(error.provider_error().cloned()),
            }
        }
        if label.is_empty() {
            return Ok(None);
        }
        let (plugin, version) = label.rsplit_once(' ').unwrap_or((&label, ""));
        Ok(Some(ProviderError {
            kind: ErrorKind::Unavailable { retry_after: None },
            message: "other commands are asking for their end just now".into(),
            remedy: None,
            context: CallContext {
                plugin: plugin.replace('`', ""),
                version: version.to_owned(),
                source: source.to_string(),
                instance: None,
                call: "discard",
            },
            guest_log: Vec::new(),
            untouched: true,
        }))
    }
}
