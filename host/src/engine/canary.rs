//! Trials of another component for a source: whose turn it is, how each side did, and the end of a trial.
//!
//! A trial changes nothing of what exists: instances stay with the component that made them. The decisions are
//! `core::canary`'s; here they meet the books. A candidate that cannot make an instance costs its ticket nothing but time: the ticket is
//! served by what is there.

use std::collections::HashMap;

use runner_core::canary::{self, Tally, Verdict};
use runner_core::id::{SourceName, TicketId, Timestamp};
use runner_core::policy::Millis;
use serde::Serialize;

use super::{Definition, Engine, EngineError, FailureKind, Result};
use crate::provider::{ErrorKind, ProviderError};
use crate::store::{
    CanaryRow, CanaryState, Durability, InstanceRow, NewCanary, NewEvent, StoreError, Tx,
};

/// What to try, and how.
#[derive(Clone, Debug)]
pub struct Try {
    pub percent: u8,
    /// Older outcomes do not count.
    pub window: Millis,
    /// So many outcomes of the candidate, before it is judged.
    pub samples: u32,
}

/// One side of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Side {
    pub outcomes: u64,
    pub failed: u64,
    /// From 0 to 1.
    pub error_rate: Option<f64>,
}

impl From<Tally> for Side {
    fn from(tally: Tally) -> Self {
        Self {
            outcomes: tally.total(),
            failed: tally.failed,
            error_rate: tally.rate(),
        }
    }
}

/// A trial, for people.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CanaryStatus {
    pub source: String,
    /// `running`, `promoted`, `returned`, `aborted` or `replaced`.
    pub state: &'static str,
    /// Of the candidate.
    pub plugin: String,
    pub version: String,
    pub digest: String,
    /// The component that it is compared with.
    pub stable_digest: String,
    pub percent: u8,
    /// Milliseconds.
    pub window: u64,
    pub samples: u32,
    /// Instances that were begun since, of both sides.
    pub begun: u64,
    /// Instances of the candidate that exist.
    pub live: u32,
    pub stable: Side,
    pub candidate: Side,
    pub started: Timestamp,
    pub started_by: String,
    pub ended: Option<Timestamp>,
    pub reason: Option<String>,
}

/// The answer of what happens inside of a transaction.
type Stored<T> = std::result::Result<T, StoreError>;

/// Candidates that were looked up, or why that was not possible.
pub(super) type Candidates = HashMap<SourceName, std::result::Result<Definition, String>>;

impl Engine {
    /// Begins a trial, in the place of one that runs.
    pub fn start_canary(&self, new: &NewCanary<'_>) -> Result<CanaryStatus> {
        self.store().write(Durability::Full, |tx| {
            if let Some(running) = tx.running_canary(new.source)? {
                let reason = Some("another trial took its place");
                tx.end_canary(running.id, CanaryState::Replaced, reason, new.now)?;
            }
            let row = tx.start_canary(new)?;
            let detail = format!(
                "`{}` {} makes {} % of what is new",
                row.plugin, row.version, row.percent
            );
            note(tx, new.source, "started", &detail, new.now)?;
            self.canary_status_of(tx, row)
        })
    }

    /// The last trial of a source.
    pub fn canary(&self, source: &SourceName) -> Result<Option<CanaryStatus>> {
        self.store().read(|tx| {
            let row = tx.last_canary(source)?;
            row.map(|row| self.canary_status_of(tx, row)).transpose()
        })
    }

    /// Makes everything that is new of the candidate from now on.
    pub fn promote_canary(&self, source: &SourceName) -> Result<CanaryStatus> {
        let now = self.now();
        self.store().write(Durability::Full, |tx| {
            let Some(running) = tx.running_canary(source)? else {
                return Err(no_trial(source));
            };
            if let Some(earlier) = tx.promotion(source)? {
                let reason = Some("another component was promoted");
                tx.end_canary(earlier.id, CanaryState::Replaced, reason, now)?;
            }
            let reason = "by the operator";
            tx.end_canary(running.id, CanaryState::Promoted, Some(reason), now)?;
            self.ended(tx, source, running.id, "promoted", reason, now)
        })
    }

    /// Ends a trial, or takes a promotion back: everything that is new is made of what is configured.
    pub fn abort_canary(&self, source: &SourceName) -> Result<CanaryStatus> {
        let now = self.now();
        self.store().write(Durability::Full, |tx| {
            let running = match tx.running_canary(source)? {
                Some(running) => Some(running),
                None => tx.promotion(source)?,
            };
            let Some(row) = running else {
                return Err(no_trial(source));
            };
            let reason = "by the operator";
            tx.end_canary(row.id, CanaryState::Aborted, Some(reason), now)?;
            self.ended(tx, source, row.id, "aborted", reason, now)
        })
    }

    fn ended(
        &self,
        tx: &Tx<'_>,
        source: &SourceName,
        id: i64,
        what: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<CanaryStatus> {
        note(tx, source, what, reason, now)?;
        let row = tx.canary_by_id(id)?.ok_or_else(|| no_trial(source))?;
        self.canary_status_of(tx, row)
    }

    fn canary_status_of(&self, tx: &Tx<'_>, row: CanaryRow) -> Result<CanaryStatus> {
        let (stable, candidate) = tx.canary_tallies(&row, self.now())?;
        Ok(CanaryStatus {
            live: tx.canary_live(row.id)?,
            source: row.source,
            state: row.state.word(),
            plugin: row.plugin,
            version: row.version,
            digest: row.candidate,
            stable_digest: row.stable,
            percent: row.percent,
            window: row.window.0,
            samples: row.samples,
            begun: row.begun,
            stable: stable.into(),
            candidate: candidate.into(),
            started: row.started_at,
            started_by: row.started_by,
            ended: row.ended_at,
            reason: row.reason,
        })
    }

    /// The trial that `status` tells of: one that has a say about what is made, or that just had.
    pub(super) fn canary_to_show(
        &self,
        tx: &Tx<'_>,
        source: &SourceName,
    ) -> Result<Option<CanaryStatus>> {
        let last = tx.last_canary(source)?;
        let shown = last.filter(|row| {
            matches!(
                row.state,
                CanaryState::Running | CanaryState::Promoted | CanaryState::Returned
            )
        });
        shown.map(|row| self.canary_status_of(tx, row)).transpose()
    }

    /// The trial in which the next instance of this definition is made, if there is one.
    pub(super) fn trial_of(
        &self,
        tx: &Tx<'_>,
        definition: &Definition,
        ticket: Option<TicketId>,
    ) -> Stored<Option<Trial>> {
        let Some(row) = tx.running_canary(&definition.source)? else {
            return Ok(None);
        };
        if row.stable != definition.component {
            let reason = "the source is made of another component now";
            tx.end_canary(row.id, CanaryState::Replaced, Some(reason), self.now())?;
            note(tx, &definition.source, "replaced", reason, self.now())?;
            return Ok(None);
        }
        let spared = match ticket {
            Some(ticket) => tx.failed_in_canary(row.id, ticket)?,
            None => false,
        };
        Ok(Some(Trial { row, spared }))
    }

    /// Counts how an instance's maker did, and ends the trial when that shows that the candidate is worse.
    pub(super) fn count_outcome(
        &self,
        tx: &Tx<'_>,
        row: &InstanceRow,
        well: bool,
        now: Timestamp,
    ) -> Stored<()> {
        let Some((id, candidate)) = tx.canary_of(row.id)? else {
            return Ok(());
        };
        match tx.canary_if_running(id)? {
            Some(trial) => weigh(tx, &row.source, &trial, candidate, well, now),
            None => Ok(()),
        }
    }

    /// An outcome that is written down by itself. Where no trial runs, nothing is written.
    pub(super) fn note_outcome(&self, row: &InstanceRow, error: Option<&ProviderError>) {
        let now = self.now();
        let made = self
            .store()
            .read::<_, StoreError>(|tx| tx.canary_of(row.id));
        if !matches!(made, Ok(Some(_))) || error.is_some_and(blameless) {
            return;
        }
        let counted = self
            .store()
            .write::<_, StoreError>(Durability::Process, |tx| {
                self.count_outcome(tx, row, error.is_none(), now)
            });
        if let Err(error) = counted {
            tracing::warn!(%error, "cannot count an outcome of `{}`", row.name);
        }
    }

    /// The candidate could not make an instance: counted, and whether its ticket is to be served by what is there instead.
    pub(super) fn blame_candidate(
        &self,
        tx: &Tx<'_>,
        row: &InstanceRow,
        error: &EngineError,
        now: Timestamp,
    ) -> Stored<bool> {
        if error.provider_error().is_some_and(blameless) {
            return Ok(false);
        }
        let candidate = tx
            .canary_of(row.id)?
            .is_some_and(|(_, candidate)| candidate);
        self.count_outcome(tx, row, false, now)?;
        if candidate {
            tx.fail_in_canary(row.id)?;
        }
        Ok(candidate && row.ticket.is_some())
    }

    /// The candidate cannot even be set up: that is an outcome as well.
    pub(super) fn blame_setup(
        &self,
        tx: &Tx<'_>,
        source: &SourceName,
        trial: &Trial,
        why: &str,
    ) -> Stored<()> {
        tracing::warn!("the candidate of source `{source}` cannot be used: {why}");
        note(tx, source, "unusable", why, self.now())?;
        match tx.canary_if_running(trial.row.id)? {
            Some(row) => weigh(tx, source, &row, true, false, self.now()),
            None => Ok(()),
        }
    }
}

/// A trial, as a round sees it.
pub(super) struct Trial {
    pub(super) row: CanaryRow,
    /// The candidate failed this ticket before: it gets what is there.
    spared: bool,
}

impl Trial {
    /// Whether the candidate makes the instance that is this many after the next one.
    pub(super) fn chooses(&self, further: u32) -> bool {
        let number = self.row.begun + u64::from(further);
        !self.spared && canary::chooses(number, self.row.percent)
    }
}

/// What says nothing about a component: the backend has no room, or the command went where it was sent and is gone.
fn blameless(error: &ProviderError) -> bool {
    matches!(
        error.kind,
        ErrorKind::Exhausted { .. } | ErrorKind::Gone | ErrorKind::Unsupported
    )
}

fn weigh(
    tx: &Tx<'_>,
    source: &SourceName,
    trial: &CanaryRow,
    candidate: bool,
    well: bool,
    now: Timestamp,
) -> Stored<()> {
    tx.count_canary(trial, candidate, well, now)?;
    if well {
        return Ok(());
    }
    let (stable, tried) = tx.canary_tallies(trial, now)?;
    let reason = match canary::judge(stable, tried, trial.samples) {
        Verdict::Goes => return Ok(()),
        Verdict::AlwaysFails => format!("all its {} outcomes were failures", tried.total()),
        Verdict::Worse { chance } => format!(
            "{} of its {} outcomes were failures, and {} of {} of the other component (p = {chance:.2e})",
            tried.failed,
            tried.total(),
            stable.failed,
            stable.total()
        ),
    };
    tx.end_canary(trial.id, CanaryState::Returned, Some(&reason), now)?;
    tracing::warn!(
        "the trial of `{}` {} for source `{source}` is over: {reason}",
        trial.plugin,
        trial.version
    );
    note(tx, source, "returned", &reason, now)
}

fn note(tx: &Tx<'_>, source: &SourceName, what: &str, detail: &str, now: Timestamp) -> Stored<()> {
    tx.note(&NewEvent {
        source: Some(source),
        detail: Some(detail),
        ..NewEvent::new("canary", what, now)
    })
}

fn no_trial(source: &SourceName) -> EngineError {
    EngineError::new(
        FailureKind::Invalid,
        format!("no other component is tried for source `{source}`"),
    )
    .hint(format!(
        "`runner plugin canary {source} FILE --percent 5` begins a trial"
    ))
}
