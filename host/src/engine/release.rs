//! `release`: the lease ends first; then the host decides what becomes of the instance.

use std::collections::HashMap;

use runner_core::id::InstanceName;
use runner_core::instance::{Event, State};
use runner_core::plan::{self, Verdict};

use super::{Engine, EngineError, FailureKind, ReleaseEnd, Released, Result, fault};
use crate::store::{Durability, InstanceRow};

impl Engine {
    /// Ends the leases of these instances. All names are known, or nothing is touched. Those that are not leased are
    /// left as they are.
    pub async fn release(&self, names: &[InstanceName]) -> Result<Vec<Released>> {
        self.repair().await?;
        let mut ended = Vec::new();
        let mut leased = Vec::new();
        for (name, row) in self.find_all(names)? {
            match row.filter(|row| row.state == State::Leased) {
                Some(row) if !leased.iter().any(|other: &InstanceRow| other.id == row.id) => {
                    leased.push(row)
                }
                _ => ended.push(Released {
                    name,
                    end: ReleaseEnd::Already,
                }),
            }
        }
        ended.extend(self.release_rows(leased).await?);
        Ok(ended)
    }

    /// Ends these leases, and keeps or destroys each instance.
    pub(super) async fn release_rows(&self, rows: Vec<InstanceRow>) -> Result<Vec<Released>> {
        let worker = self.worker()?.id().clone();
        let mut policies = HashMap::new();
        for row in &rows {
            if !policies.contains_key(&row.source) {
                // A source whose configuration is broken or gone keeps nothing.
                let current = self.catalogue().current(&row.source).unwrap_or_else(|error| {
                    tracing::warn!(%error, "source `{}` is not usable now: its instances are not kept", row.source);
                    None
                });
                policies.insert(row.source.clone(), current);
            }
        }
        let now = self.now();
        let decided = self.store().write(Durability::Full, |tx| {
            let mut decided = Vec::new();
            for mut row in rows {
                row.worker = Some(worker.clone());
                row.lease = None;
                tx.save(&mut row, Some(Event::Released), now)?;
                let pool = row
                    .pool
                    .as_ref()
                    .and_then(|pool| self.catalogue().pool(pool));
                let source = policies.get(&row.source).cloned().flatten();
                let verdict = plan::release(tx.release_view(&row, source, pool)?);
                if verdict == Verdict::Keep {
                    row.worker = None;
                    tx.save(&mut row, Some(Event::Kept), now)?;
                } else {
                    tx.save(&mut row, Some(Event::Doomed), now)?;
                }
                let detail = if verdict == Verdict::Keep {
                    "kept"
                } else {
                    "to be discarded"
                };
                let operation = self.begin(tx, "release", &row, Some(detail))?;
                tx.end_operation(operation, "ok", None, now)?;
                decided.push((row, verdict));
            }
            Ok::<_, EngineError>(decided)
        })?;
        fault::point("release:decided");

        let mut ended = Vec::new();
        let mut tasks = tokio::task::JoinSet::new();
        for (row, verdict) in decided {
            let name = row.name.clone();
            if verdict == Verdict::Keep {
                self.wake_waiters(&row.source);
                ended.push(Released {
                    name,
                    end: ReleaseEnd::Kept,
                });
            } else {
                let engine = self.clone();
                tasks.spawn(async move { (name, engine.discard_row(row).await) });
            }
        }
        while let Some(finished) = tasks.join_next().await {
            let (name, discarded) = finished.map_err(|error| {
                EngineError::new(
                    FailureKind::Provider,
                    "discarding an instance ended unexpectedly",
                )
                .because(error)
            })?;
            let end = match discarded {
                Ok(()) => ReleaseEnd::Discarded,
                Err(error) => ReleaseEnd::Pending(error),
            };
            ended.push(Released { name, end });
        }
        Ok(ended)
    }
}
