//! `why`: what was considered, what each source declined and why, and what would help.

use runner_core::id::{InstanceName, SourceName, TicketId, Timestamp};
use runner_core::instance::State;
use runner_core::plan::{self, Why};
use serde::Serialize;

use super::round::Scope;
use super::{Engine, EngineError, FailureKind, Listing, Owner, Result, TicketStatus, parse};
use crate::store::{EventFilter, EventRow, StoreError};

/// The answer of `why`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Explained {
    /// What it is about, as it was asked.
    pub subject: String,
    /// `ticket`, `instance`, `source` or `pool`.
    pub kind: &'static str,
    /// The answer in a sentence.
    pub answer: String,
    /// For a ticket that waits: how many come before it.
    pub ahead: Option<u32>,
    /// For a ticket that waits: each source, and why it does not serve. For a pool: each of its sources, and how it does.
    pub considered: Vec<Considered>,
    /// What would help.
    pub unblocks: Vec<String>,
    /// From history: how long it may take, in seconds.
    pub estimate: Option<f64>,
    /// What happened lately, oldest first.
    pub history: Vec<Happened>,
}

/// A source that was considered.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Considered {
    pub source: SourceName,
    pub why: String,
}

/// One event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Happened {
    pub id: i64,
    pub at: Timestamp,
    /// `KIND.WHAT`.
    pub event: String,
    pub source: Option<String>,
    pub instance: Option<String>,
    pub ticket: Option<TicketId>,
    pub shelf: Option<String>,
    pub detail: Option<String>,
}

impl From<EventRow> for Happened {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            at: row.at,
            event: row.kind,
            source: row.source,
            instance: row.instance,
            ticket: row.ticket,
            shelf: row.shelf,
            detail: row.detail,
        }
    }
}

/// So much of the past is told.
pub(super) const HISTORY: u32 = 20;

impl Engine {
    /// Explains a ticket (its number), an instance or a source.
    pub fn why(&self, subject: &str) -> Result<Explained> {
        if let Ok(number) = subject.parse() {
            return self.why_ticket(TicketId(number));
        }
        let name = super::Reference::parse(subject).name;
        if self
            .store()
            .read::<_, StoreError>(|tx| tx.instance(&name))?
            .is_some()
        {
            return self.why_instance(&name);
        }
        self.why_source(subject)?.ok_or_else(|| {
            EngineError::new(
                FailureKind::UnknownInstance,
                format!("there is no ticket, instance or source `{subject}`"),
            )
            .hint("`runner status -v`, `runner ticket list --all` and `runner source list` show what there is")
        })
    }

    fn why_source(&self, subject: &str) -> Result<Option<Explained>> {
        let Ok(name) = SourceName::new(subject) else {
            return Ok(None);
        };
        let listings = self.catalogue().listings()?;
        let listing = listings.into_iter().find(|listing| listing.name == name);
        match listing {
            Some(Listing {
                children: Some(children),
                policy,
                ..
            }) => Ok(Some(self.explain_pool(&name, policy, &children)?)),
            None if self.standing(&name)?.counts.live() == 0 => Ok(None),
            _ => Ok(Some(self.explain_source(&name)?)),
        }
    }

    /// What happened, oldest first.
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<Happened>> {
        let rows = self.store().read::<_, StoreError>(|tx| tx.events(filter))?;
        Ok(rows.into_iter().map(Happened::from).collect())
    }

    /// The number of the newest event.
    pub fn newest_event(&self) -> Result<i64> {
        Ok(self.store().read::<_, StoreError>(|tx| tx.newest_event())?)
    }

    fn why_ticket(&self, id: TicketId) -> Result<Explained> {
        let ticket = self.check_ticket(id)?;
        let mut explained = Explained {
            subject: id.to_string(),
            kind: "ticket",
            answer: String::new(),
            ahead: None,
            considered: Vec::new(),
            unblocks: Vec::new(),
            estimate: None,
            history: self.events(&EventFilter {
                ticket: Some(id),
                last: Some(HISTORY),
                ..EventFilter::default()
            })?,
        };
        if ticket.state == "waiting" {
            self.why_it_waits(&ticket, &mut explained)?;
        } else {
            let names: Vec<&str> = ticket
                .instances
                .iter()
                .map(|one| one.name.as_str())
                .collect();
            explained.answer = match (ticket.state, &ticket.reason) {
                ("served", _) => format!("ticket {id} is served: it holds {}", names.join(", ")),
                (state, Some(reason)) => format!("ticket {id} {state}: {reason}"),
                (state, None) => format!("ticket {id} is {state}"),
            };
        }
        Ok(explained)
    }

    fn why_it_waits(&self, ticket: &TicketStatus, explained: &mut Explained) -> Result<()> {
        let id = ticket.id;
        let sources = self
            .store()
            .read::<_, StoreError>(|tx| tx.ticket_sources(id))?;
        let scope = Scope {
            sources: sources.into_iter().map(|source| source.source).collect(),
            ..Scope::default()
        };
        let loaded = self.look(&scope)?;
        let plan = plan::plan(&loaded.world, self.now());
        let Some(report) = plan.report(id) else {
            explained.answer = format!("ticket {id} can be served now, by whoever looks next");
            explained.unblocks.push(format!(
                "`runner ticket wait {id}`, or a running `runner serve`"
            ));
            return Ok(());
        };
        let missing = report.wanted.saturating_sub(report.underway);
        explained.ahead = Some(report.ahead);
        explained.answer = if missing == 0 {
            format!("ticket {id} waits while what it wants is being made")
        } else {
            let place = match report.ahead {
                0 => "first in the queue".to_owned(),
                1 => "behind one other ticket".to_owned(),
                ahead => format!("behind {ahead} other tickets"),
            };
            format!(
                "ticket {id} waits for {missing} of {}, {place}",
                report.wanted
            )
        };
        for decline in &report.declines {
            explained.considered.push(Considered {
                source: decline.source.clone(),
                why: decline.to_string(),
            });
            let source = &decline.source;
            explained.unblocks.extend(match &decline.why {
                Why::Maximum { .. } => Some(format!(
                    "a release of an instance of `{source}`, or a larger `maximum`"
                )),
                Why::Starting { .. } => Some(format!("the end of a start of `{source}`")),
                Why::Delay { until } | Why::LeftOut { until, .. } => {
                    let seconds = (until.0 - self.now().0).max(0) / 1000;
                    Some(format!("{seconds} s: then `{source}` is tried again"))
                }
                Why::Ahead { .. } => Some("the tickets before it being served".to_owned()),
                Why::MakingRoom { .. } => Some("the end of what is being destroyed".to_owned()),
                Why::Failed(_) | Why::RuledOut(_) | Why::Unconfigured => None,
            });
        }
        if let Some(maximum) = report.pool_maximum {
            explained
                .unblocks
                .push(format!("the pool's own `maximum` of {maximum}"));
        }
        if self.server().is_none() {
            explained.unblocks.push(format!(
                "somebody who works on it: no `runner serve` runs, and `runner ticket wait {id}` would do"
            ));
        }
        explained.unblocks.dedup();
        explained.estimate = self.estimate(&scope.sources, missing == 0)?;
        Ok(())
    }

    /// How long it takes to make one, or what tickets waited lately.
    fn estimate(&self, sources: &[SourceName], being_made: bool) -> Result<Option<f64>> {
        self.store().read(|tx| {
            if being_made {
                let mut best: Option<f64> = None;
                for source in sources {
                    if let Some(time) = tx.health(source)?.start_time {
                        best = Some(best.map_or(time, |best| best.min(time)));
                    }
                }
                return Ok(best);
            }
            let metrics = tx.metrics()?;
            let value = |name: &str| {
                metrics
                    .iter()
                    .find(|one| one.name == name)
                    .map(|one| one.value)
            };
            Ok(value("ticket_wait_seconds_total")
                .zip(value("tickets_served_total"))
                .filter(|(_, served)| *served > 0.0)
                .map(|(waited, served)| waited / served))
        })
    }

    fn why_instance(&self, name: &InstanceName) -> Result<Explained> {
        let (row, made_by) = self.store().read(|tx| {
            let row = tx
                .instance(name)?
                .ok_or_else(|| EngineError::unknown_instance(name))?;
            let made_by = self.made_by(tx, &row)?;
            Ok::<_, EngineError>((row, made_by))
        })?;
        let mut answer = format!(
            "`{name}`, made by {}, is {}",
            made_by.plugin,
            row.state.as_str()
        );
        let mut unblocks = Vec::new();
        if let Some(lease) = &row.lease {
            let owner: Owner = parse(&lease.owner, "owner")?;
            answer.push_str(&format!(
                ", held by {} (process {} on {}) under lease {}",
                owner.name(),
                owner.pid,
                owner.host,
                lease.fence.0
            ));
            if let Some(at) = lease.expires_at {
                let left = (at.0 - self.now().0) / 1000;
                answer.push_str(&format!(", which ends in {left} s unless it is renewed"));
            }
        }
        if let Some(ticket) = row.ticket {
            answer.push_str(&format!(", for ticket {ticket}"));
        }
        if row.state == State::Ready && row.check_failures > 0 {
            answer.push_str(", and not handed out: its last check failed");
            unblocks.push("a check that passes".to_owned());
        }
        if let Some(trouble) = &row.trouble {
            answer.push_str(&format!("; {trouble}"));
        }
        if let Some(lost) = made_by.lost.filter(|_| row.state.is_live()) {
            answer.push_str(&format!("; {lost}"));
            unblocks.push(format!(
                "the component `{}`, which alone can use and discard it",
                made_by.digest
            ));
        }
        if row.state == State::Discarding {
            unblocks.push(format!(
                "the provider's confirmation ({} tries so far); `runner discard --forget {name}` gives up on it",
                row.attempts
            ));
        }
        Ok(Explained {
            subject: name.to_string(),
            kind: "instance",
            answer,
            ahead: None,
            considered: Vec::new(),
            unblocks,
            estimate: None,
            history: self.events(&EventFilter {
                instance: Some(name.clone()),
                last: Some(HISTORY),
                ..EventFilter::default()
            })?,
        })
    }
}
