//! Picking up what dead processes left behind. Not a special mode: every verb that changes things begins here, and it
//! costs one look at an index that is nearly always empty.

use std::collections::{BTreeMap, HashMap};

use runner_core::id::{InstanceName, SourceName};
use runner_core::instance::{Event, State};
use runner_core::plan::RowId;
use tokio::task::JoinSet;

use super::provision::chain;
use super::{Engine, EngineError, FailureKind, Result, fault};
use crate::store::{Durability, InstanceRow, StoreError, WorkerId};

/// What was found and done.
#[derive(Debug, Default)]
pub struct RepairReport {
    /// Taken from a dead process and finished.
    pub finished: Vec<InstanceName>,
    /// Not finished yet: tried again later.
    pub pending: Vec<(InstanceName, SourceName, EngineError)>,
}

impl RepairReport {
    /// Says what is not finished, once for each source: a backend that is down can hold up many.
    pub(super) fn tell(&self) {
        let mut sources: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, source, error) in &self.pending {
            sources.entry(source).or_default().push((name, error));
        }
        for (source, pending) in sources {
            let Some((name, error)) = pending.first() else {
                continue;
            };
            let what = match pending.len() {
                1 => format!("`{name}` cannot be cleaned up now, and is"),
                count => {
                    format!("{count} instances of `{source}` cannot be cleaned up now, and are")
                }
            };
            tracing::warn!("{what} tried again: {}", chain(error));
        }
    }
}

/// One thing to put right. They have nothing to do with each other: whose provider hangs holds up nobody else.
pub(super) enum Chore {
    /// A lease that is over, and why.
    EndLease(InstanceRow, &'static str),
    /// What nobody works on.
    TakeOver(InstanceRow),
}

impl Chore {
    /// The row that it is about.
    pub(super) fn row(&self) -> RowId {
        match self {
            Self::EndLease(row, _) | Self::TakeOver(row) => row.id,
        }
    }
}

impl Engine {
    /// Finishes or cleans up what no living process is working on, and retries discards that are due.
    pub async fn repair(&self) -> Result<RepairReport> {
        // What failed before may fail for as long as a provider is patient: that is work for who has the time.
        let retries = self.server().is_none();
        let mut report = RepairReport::default();
        loop {
            let before = report.finished.len();
            report.pending.clear();
            self.repair_once(retries, &mut report).await?;
            // A backend that confirms one again is asked for the others at once.
            if report.finished.len() == before {
                break;
            }
        }
        report.tell();
        Ok(report)
    }

    async fn repair_once(&self, retries: bool, report: &mut RepairReport) -> Result<()> {
        let mut tasks = JoinSet::new();
        for chore in self.chores(retries)? {
            let engine = self.clone();
            tasks.spawn(async move {
                let mut report = RepairReport::default();
                let done = engine.attend(chore, &mut report).await;
                done.map(|()| report)
            });
        }
        while let Some(done) = tasks.join_next().await {
            let done = done.map_err(|error| {
                EngineError::new(FailureKind::Provider, "a call ended unexpectedly").because(error)
            })??;
            report.finished.extend(done.finished);
            report.pending.extend(done.pending);
        }
        Ok(())
    }

    /// What is to be put right now. `retries`: also what could not be destroyed before.
    pub(super) fn chores(&self, retries: bool) -> Result<Vec<Chore>> {
        self.heed_the_clock()?;
        let mut chores: Vec<Chore> = self
            .ended_leases()?
            .into_iter()
            .map(|(row, why)| Chore::EndLease(row, why))
            .collect();
        let mut alive = HashMap::new();
        let at_work = self.store().read::<_, StoreError>(|tx| tx.at_work())?;
        let abandoned = at_work.iter().any(|worker| match worker {
            Some(worker) => !self.alive(worker, &mut alive),
            None => retries,
        });
        if !abandoned {
            return Ok(chores);
        }
        let mut died = false;
        let now = self.now();
        for row in self.store().read::<_, StoreError>(|tx| tx.unfinished())? {
            let nobody = match &row.worker {
                Some(worker) => !self.alive(worker, &mut alive),
                None => retries && row.retry_at.is_none_or(|at| at <= now),
            };
            if nobody {
                died |= row.worker.is_some();
                chores.push(Chore::TakeOver(row));
            }
        }
        if died {
            // What is freed must not go to the request of the very process that died.
            self.bury_dead_tickets()?;
        }
        Ok(chores)
    }

    /// Does one of them.
    pub(super) async fn attend(&self, chore: Chore, report: &mut RepairReport) -> Result<()> {
        match chore {
            Chore::EndLease(row, why) => self.end_lease(row, why).await,
            Chore::TakeOver(row) => {
                self.take_over(row, report).await;
                Ok(())
            }
        }
    }

    /// Cleans up what this very process began and will not finish, after its futures were dropped.
    pub async fn abandon(&self) -> Result<RepairReport> {
        let own = self.worker()?.id().clone();
        let mut report = RepairReport::default();
        for row in self.store().read(|tx| tx.unfinished())? {
            if row.worker.as_ref() == Some(&own) {
                self.take_over(row, &mut report).await;
            }
        }
        report.tell();
        for (ticket, worker) in self
            .store()
            .read::<_, StoreError>(|tx| tx.waiting_workers())?
        {
            if worker == own {
                self.withdraw_ticket(ticket).await?;
            }
        }
        Ok(report)
    }

    fn alive(&self, worker: &WorkerId, known: &mut HashMap<WorkerId, bool>) -> bool {
        if let Some(alive) = known.get(worker) {
            return *alive;
        }
        let alive = self.store().workers().is_alive(worker);
        known.insert(worker.clone(), alive);
        alive
    }

    async fn take_over(&self, row: InstanceRow, report: &mut RepairReport) {
        let (name, source) = (row.name.clone(), row.source.clone());
        match self.finish(row).await {
            Ok(true) => report.finished.push(name),
            Ok(false) => {}
            Err(error) => report.pending.push((name, source, error)),
        }
    }

    /// Brings one row to rest. `false`: somebody else was faster.
    pub(super) async fn finish(&self, mut row: InstanceRow) -> Result<bool> {
        let worker = self.worker()?.id().clone();
        let now = self.now();
        let state = row.state;
        let claimed = self.store().write::<_, StoreError>(Durability::Full, |tx| {
            row.worker = Some(worker);
            match state {
                // The provider was asked and nobody knows what it did.
                State::Allocating | State::Provisioning => {
                    row.trouble = Some("the process that made it ended before it was done".into());
                    tx.save(&mut row, Some(Event::Failed), now)
                }
                _ => tx.save(&mut row, None, now),
            }
        });
        match claimed {
            Ok(()) => {}
            Err(StoreError::Stale { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        fault::point("repair:claimed");
        if row.state == State::Leased {
            // Handed out, but the holder was never told.
            for released in self.release_rows(vec![row]).await? {
                if let super::ReleaseEnd::Pending(error) = released.end {
                    return Err(error);
                }
            }
            return Ok(true);
        }
        self.discard_row(row).await?;
        Ok(true)
    }
}
