//! What no living process looks after any more, told before anything is done about it: leases whose holder is gone, work whose
//! process died, and discards that were not confirmed. `repair` is who puts it right.

use std::collections::HashMap;

use runner_core::id::{SourceName, Timestamp};
use runner_core::instance::State;

use super::{Engine, InstanceStatus, Result};
use crate::store::{InstanceRow, StoreError, WorkerId};

/// Why an instance is not what it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LooseEnd {
    /// What its lease ends with, a process or a connection, is gone.
    HolderGone,
    /// The time of its lease is over.
    Expired,
    /// Whoever asked for it died before it was told the name.
    NeverTold,
    /// The process that made, cleaned or destroyed it died.
    WorkerGone,
    /// The backend was asked for its end in vain.
    NotDestroyed,
    /// The same, of one that may never have been made.
    Uncertain,
}

impl LooseEnd {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::HolderGone => "holder-gone",
            Self::Expired => "expired",
            Self::NeverTold => "never-told",
            Self::WorkerGone => "worker-gone",
            Self::NotDestroyed => "not-destroyed",
            Self::Uncertain => "uncertain",
        }
    }
}

/// Which processes live, asked once of each.
#[derive(Default)]
pub(super) struct Living(HashMap<WorkerId, bool>);

impl Engine {
    /// What nobody looks after, of these sources or of all. Read by index: usually there is nothing.
    pub fn loose_ends(&self, sources: &[SourceName]) -> Result<Vec<InstanceStatus>> {
        let mut rows: Vec<InstanceRow> = self
            .ended_leases()?
            .into_iter()
            .map(|(row, _)| row)
            .collect();
        for row in self.store().read::<_, StoreError>(|tx| tx.unfinished())? {
            if !rows.iter().any(|other| other.id == row.id) {
                rows.push(row);
            }
        }
        let (now, mut living) = (self.now(), Living::default());
        rows.retain(|row| {
            (sources.is_empty() || sources.contains(&row.source))
                && self.loose_end(row, now, &mut living).is_some()
        });
        self.store().read(|tx| {
            rows.into_iter()
                .map(|row| self.instance_status(tx, row))
                .collect()
        })
    }

    pub(super) fn loose_end(
        &self,
        row: &InstanceRow,
        now: Timestamp,
        living: &mut Living,
    ) -> Option<LooseEnd> {
        let dead = row.worker.as_ref().is_some_and(|worker| {
            let known = living.0.entry(worker.clone());
            !*known.or_insert_with(|| self.store().workers().is_alive(worker))
        });
        match row.state {
            State::Ready | State::Discarded => None,
            State::Leased => {
                let lease = row.lease.as_ref()?;
                if !lease.confirmed && dead {
                    return Some(LooseEnd::NeverTold);
                }
                if lease.expires_at.is_some_and(|at| at <= now) {
                    return Some(LooseEnd::Expired);
                }
                (!self.holder_lives(row)).then_some(LooseEnd::HolderGone)
            }
            State::Discarding if row.attempts > 0 && (row.worker.is_none() || dead) => {
                Some(match row.is_uncertain() {
                    true => LooseEnd::Uncertain,
                    false => LooseEnd::NotDestroyed,
                })
            }
            State::Allocating
            | State::Provisioning
            | State::Releasing
            | State::Broken
            | State::Discarding => dead.then_some(LooseEnd::WorkerGone),
        }
    }
}
