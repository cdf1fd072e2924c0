//! `why` of a source or a pool: how many there are of it, how its starts went, and what keeps it from making more.

use runner_core::id::SourceName;
use runner_core::plan::Counts;
use runner_core::policy::Policy;

use super::why::{Considered, Explained, HISTORY};
use super::{Engine, Result};
use crate::store::{EventFilter, HealthRow, StoreError};

/// What the books say of a source.
pub(super) struct Standing {
    pub(super) counts: Counts,
    health: HealthRow,
    /// Tickets that it could serve and that wait.
    waiting: usize,
}

/// The settings of a source in a word or two.
struct Configured {
    policy: String,
    /// What would make it usable.
    unblocks: Option<String>,
}

impl Engine {
    pub(super) fn standing(&self, source: &SourceName) -> Result<Standing> {
        Ok(self.store().read::<_, StoreError>(|tx| {
            Ok(Standing {
                counts: tx.counts(source)?,
                health: tx.health(source)?,
                waiting: tx.waiting_for(source)?.len(),
            })
        })?)
    }

    fn configured(&self, source: &SourceName) -> Configured {
        match self.catalogue().current(source) {
            Ok(Some((policy, _))) => Configured {
                policy: at_most(&policy),
                unblocks: None,
            },
            Ok(None) => Configured {
                policy: "not configured any more".to_owned(),
                unblocks: Some(format!(
                    "the configuration of `{source}`: what is idle is destroyed, nothing is made"
                )),
            },
            Err(error) => Configured {
                policy: format!("not usable: {}", super::provision::chain(&error)),
                unblocks: Some(format!("a configuration of `{source}` that is right")),
            },
        }
    }

    pub(super) fn explain_source(&self, source: &SourceName) -> Result<Explained> {
        let standing = self.standing(source)?;
        let configured = self.configured(source);
        let mut unblocks: Vec<String> = configured.unblocks.into_iter().collect();
        unblocks.extend(self.left_out(source, &standing));
        let mut answer = format!(
            "source `{source}` ({}): {}",
            configured.policy,
            standing.sentence()
        );
        if let Some(canary) = self.canary(source)?.filter(|one| one.ended.is_none()) {
            answer.push_str(&format!(
                "; {} % of what is new is made by `{}` {}, which is tried",
                canary.percent, canary.plugin, canary.version
            ));
        }
        Ok(Explained {
            subject: source.to_string(),
            kind: "source",
            answer,
            ahead: None,
            considered: Vec::new(),
            unblocks,
            estimate: standing.health.start_time,
            history: self.events(&EventFilter {
                source: Some(source.clone()),
                last: Some(HISTORY),
                ..EventFilter::default()
            })?,
        })
    }

    /// A pool is the sum of its sources, within a bound of its own; each of them is told.
    pub(super) fn explain_pool(
        &self,
        pool: &SourceName,
        policy: Policy,
        children: &[SourceName],
    ) -> Result<Explained> {
        let mut unblocks = Vec::new();
        let mut considered = Vec::new();
        let (mut live, mut idle) = (0, 0);
        let mut fastest: Option<f64> = None;
        for source in children {
            let standing = self.standing(source)?;
            let configured = self.configured(source);
            live += standing.counts.live();
            idle += standing.counts.ready;
            let time = standing.health.start_time;
            fastest = match (fastest, time) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            unblocks.extend(configured.unblocks);
            unblocks.extend(self.left_out(source, &standing));
            considered.push(Considered {
                source: source.clone(),
                why: format!("{}: {}", configured.policy, standing.sentence()),
            });
        }
        let names: Vec<String> = children.iter().map(|name| format!("`{name}`")).collect();
        Ok(Explained {
            subject: pool.to_string(),
            kind: "pool",
            answer: format!(
                "pool `{pool}` ({}) draws on {}: {idle} idle of {live} that exist",
                at_most(&policy),
                names.join(", ")
            ),
            ahead: None,
            considered,
            unblocks,
            estimate: fastest,
            history: self.events(&EventFilter {
                source: Some(pool.clone()),
                last: Some(HISTORY),
                ..EventFilter::default()
            })?,
        })
    }

    /// When a source that failed is tried again.
    fn left_out(&self, source: &SourceName, standing: &Standing) -> Option<String> {
        let now = self.now();
        let until = standing
            .health
            .left_out_until
            .filter(|until| *until > now)?;
        let seconds = (until.0 - now.0) / 1000;
        Some(format!("{seconds} s: then `{source}` is tried again"))
    }
}

fn at_most(policy: &Policy) -> String {
    format!("at most {}", policy.maximum)
}

impl Standing {
    /// The numbers, and how its starts went.
    fn sentence(&self) -> String {
        let Counts { ready, .. } = self.counts;
        let mut told = format!(
            "{ready} idle, {} leased, {} starting, {} leaving; {} for it",
            self.counts.leased + self.counts.releasing,
            self.counts.starting,
            self.counts.broken + self.counts.discarding,
            match self.waiting {
                1 => "1 ticket waits".to_owned(),
                count => format!("{count} tickets wait"),
            }
        );
        if self.health.failures > 0 {
            told.push_str(&match self.health.failures {
                1 => "; its last start failed".to_owned(),
                count => format!("; it failed {count} times in a row"),
            });
            if let Some(error) = &self.health.last_error {
                told.push_str(&format!(", lately: {error}"));
            }
        }
        if let Some(rate) = self.health.success_rate {
            told.push_str(&format!("; {:.0} % of its starts succeed", rate * 100.0));
        }
        told
    }
}
