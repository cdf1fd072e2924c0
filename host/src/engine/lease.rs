//! Leases: who may use an instance, for how long, and what ends that.

use std::convert::Infallible;
use std::time::Duration;

use runner_core::id::{InstanceName, Timestamp};
use runner_core::instance::State;
use runner_core::policy::Millis;

use super::{
    Engine, EngineError, FailureKind, HeldInstance, Holder, Owner, Reference, Result, parse,
};
use crate::store::{Durability, InstanceRow, Lease, NewEvent, StoreError};

/// Renewed this often within its time.
const BEATS: u32 = 3;
/// No more often than this.
const FASTEST_BEAT: Duration = Duration::from_millis(50);
/// How often a holder looks whether somebody else ended its lease.
const GLANCE: Duration = Duration::from_millis(500);

impl Engine {
    /// The row behind a name, if whoever names it may: the lease of the fencing number still lasts, and it is not
    /// somebody else's.
    pub(super) fn check_reference(&self, reference: &Reference, row: &InstanceRow) -> Result<()> {
        if let Some(fence) = reference.fence {
            match &row.lease {
                Some(lease) if lease.fence == fence => {}
                _ => {
                    return Err(EngineError::new(
                        FailureKind::NotLeased,
                        format!("lease {} of `{}` has ended", fence.0, row.name),
                    )
                    .hint(
                        "whoever held it cannot use the instance any more: acquire another one",
                    ));
                }
            }
        }
        match &row.lease {
            Some(lease) => self.may_use(&lease.owner, &format!("instance `{}`", row.name)),
            None => Ok(()),
        }
    }

    /// Refuses when a holder says who it is and the owner is somebody else who says so.
    pub(super) fn may_use(&self, owner: &str, what: &str) -> Result<()> {
        let Some(label) = &self.0.identity.owner.label else {
            return Ok(());
        };
        let owner: Owner = parse(owner, "owner")?;
        match owner.label {
            Some(other) if other != *label => Err(EngineError::new(
                FailureKind::NotLeased,
                format!("{what} is held by `{other}`, not by `{label}`"),
            )
            .hint("`--owner` (or RUNNER_OWNER) says who you are")),
            _ => Ok(()),
        }
    }

    /// Renews leases, for their own time to live or another one. All of them last, or none is renewed.
    pub async fn renew(
        &self,
        names: &[InstanceName],
        ttl: Option<Millis>,
    ) -> Result<Vec<(InstanceName, Option<Timestamp>)>> {
        self.repair().await?;
        let rows = self.find_all(names)?;
        let now = self.now();
        self.store().write(Durability::Full, |tx| {
            let mut renewed = Vec::new();
            for (name, row) in rows {
                let Some(mut row) = row.filter(|row| row.state == State::Leased) else {
                    return Err(not_leased(&name));
                };
                self.check_reference(&Reference::parse(name.as_str()), &row)?;
                let mut expires = None;
                if let Some(lease) = &mut row.lease {
                    lease.ttl = ttl.or(lease.ttl);
                    lease.expires_at = lease.ttl.map(|ttl| ttl.after(now));
                    expires = lease.expires_at;
                }
                tx.save(&mut row, None, now)?;
                tx.note(&NewEvent {
                    instance: Some(&row.name),
                    source: Some(&row.source),
                    ticket: row.ticket,
                    ..NewEvent::new("lease", "renewed", now)
                })?;
                renewed.push((row.name.clone(), expires));
            }
            Ok(renewed)
        })
    }

    /// Renews a lease again and again, for as long as the future lives.
    pub(super) async fn heartbeat(&self, row: &InstanceRow) -> Infallible {
        let Some(Lease {
            ttl: Some(ttl),
            fence,
            ..
        }) = row.lease
        else {
            return std::future::pending().await;
        };
        let beat = (Duration::from_millis(ttl.0) / BEATS).max(FASTEST_BEAT);
        loop {
            let renewed = self
                .store()
                .write::<_, StoreError>(Durability::Process, |tx| {
                    let mut row = tx.instance_by_id(row.id)?;
                    let now = self.now();
                    let Some(lease) = row.lease.as_mut().filter(|lease| lease.fence == fence)
                    else {
                        return Ok(false);
                    };
                    lease.expires_at = Some(ttl.after(now));
                    tx.save(&mut row, None, now)?;
                    Ok(true)
                });
            match renewed {
                Ok(true) => {}
                Ok(false) => return std::future::pending().await,
                Err(error) => tracing::warn!(%error, "cannot renew the lease of `{}`", row.name),
            }
            tokio::time::sleep(beat).await;
        }
    }

    /// This process, for leases that end with it.
    pub fn own_holder(&self) -> Result<Holder> {
        Ok(Holder::Worker {
            worker: self.worker()?.id().to_string(),
        })
    }

    /// Renews these leases for as long as the future lives. Answers the first that has ended all the same, which is not
    /// among `held` any more.
    pub async fn keep(&self, held: &mut Vec<HeldInstance>) -> Result<HeldInstance> {
        let mut due = std::collections::HashMap::new();
        loop {
            for index in 0..held.len() {
                let name = &held[index].name;
                let row = self.store().read::<_, StoreError>(|tx| tx.instance(name))?;
                let lease = row.as_ref().and_then(|row| row.lease.as_ref());
                let Some(lease) = lease.filter(|lease| lease.fence == held[index].fence) else {
                    return Ok(held.swap_remove(index));
                };
                let beat = lease.ttl.map(|ttl| Millis(ttl.0 / u64::from(BEATS)));
                let now = self.now();
                let is_due = due.get(name).is_none_or(|at| *at <= now);
                if let Some(beat) = beat.filter(|_| is_due) {
                    due.insert(name.clone(), beat.after(now));
                    let fenced = held[index].fenced();
                    match self.renew(&[fenced], None).await {
                        Ok(_) => {}
                        Err(error) if error.kind == FailureKind::NotLeased => {
                            return Ok(held.swap_remove(index));
                        }
                        Err(error) => tracing::warn!(
                            "cannot renew the lease of `{name}`: {}",
                            super::provision::chain(&error)
                        ),
                    }
                }
            }
            let next = due.values().min().map(|at| at.0 - self.now().0);
            let pause = next.map_or(GLANCE, |left| {
                Duration::from_millis(u64::try_from(left).unwrap_or(0)).min(GLANCE)
            });
            tokio::time::sleep(pause.max(FASTEST_BEAT)).await;
        }
    }

    /// The leases that nobody holds any more, and why: their time is over, or their holder is gone.
    pub(super) fn ended_leases(&self) -> Result<Vec<(InstanceRow, &'static str)>> {
        let now = self.now();
        let (over, watched) = self
            .store()
            .read::<_, StoreError>(|tx| Ok((tx.expired(now)?, tx.watched()?)))?;
        let mut ended: Vec<(InstanceRow, &str)> =
            over.into_iter().map(|row| (row, "expired")).collect();
        for row in watched {
            if !ended.iter().any(|(other, _)| other.id == row.id) && !self.holder_lives(&row) {
                ended.push((row, "holder-gone"));
            }
        }
        Ok(ended)
    }

    /// Releases what nobody holds any more.
    pub(super) async fn end_lease(&self, row: InstanceRow, why: &'static str) -> Result<()> {
        let now = self.now();
        let noted = self
            .store()
            .write::<_, StoreError>(Durability::Process, |tx| {
                tx.count("leases_ended_total", why, 1.0)?;
                tx.note(&NewEvent {
                    instance: Some(&row.name),
                    source: Some(&row.source),
                    ticket: row.ticket,
                    ..NewEvent::new("lease", why, now)
                })
            });
        if let Err(error) = noted {
            tracing::warn!(%error, "cannot note that the lease of `{}` ended", row.name);
        }
        match self.release_rows(vec![row]).await {
            // Or renewed or released in this moment by somebody else.
            Err(error) if error.kind == FailureKind::NotLeased => Ok(()),
            released => released.map(drop),
        }
    }

    pub(super) fn holder_lives(&self, row: &InstanceRow) -> bool {
        let holder = row.lease.as_ref().and_then(|lease| lease.holder.as_deref());
        let Some(Ok(holder)) = holder.map(serde_json::from_str::<Holder>) else {
            return true;
        };
        match holder {
            Holder::Process { pid, started, boot } => crate::process::identity::of(pid)
                .is_some_and(|now| (now.started, now.boot.as_str()) == (started, boot.as_str())),
            Holder::Worker { worker } => {
                let worker = crate::store::WorkerId::stored(worker);
                self.store().workers().is_alive(&worker)
            }
        }
    }
}

/// The instance has no lease.
pub(super) fn not_leased(name: &InstanceName) -> EngineError {
    EngineError::new(
        FailureKind::NotLeased,
        format!("instance `{name}` is not leased (any more)"),
    )
    .hint("get one with `runner acquire`")
}
