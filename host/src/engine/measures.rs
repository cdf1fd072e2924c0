//! Everything that is counted or measured, in one consistent look: for `metrics`, `status` and `top`.

use std::collections::BTreeMap;

use runner_core::id::{SourceName, TicketId, Timestamp};
use runner_core::plan;
use serde::Serialize;

use super::round::Scope;
use super::{Engine, Orphan, Owner, Result, ShelfStatus, SourceStatus, parse};
use crate::store::{Metric, StoreError};

/// What monitoring wants to know.
#[derive(Clone, Debug)]
pub struct Measures {
    /// Pools left out: their instances are their sources'.
    pub sources: Vec<SourceStatus>,
    pub shelves: Vec<ShelfStatus>,
    /// By source.
    pub orphans: BTreeMap<SourceName, u32>,
    /// When each of the tickets that wait was opened.
    pub waiting: Vec<Timestamp>,
    /// What was ever counted.
    pub counters: Vec<Metric>,
    /// A `runner serve` works on this state.
    pub served: bool,
    pub now: Timestamp,
}

/// A ticket that waits.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Waiting {
    pub ticket: TicketId,
    pub asked: Option<SourceName>,
    pub tags: Vec<String>,
    pub count: u32,
    pub priority: i32,
    pub owner: Owner,
    pub opened: Timestamp,
    /// How many come before it.
    pub ahead: u32,
    /// What stands in its way, in one line.
    pub why: String,
}

impl Engine {
    /// Everything that is counted.
    pub fn measures(&self) -> Result<Measures> {
        let mut sources = self.numbers(&[])?;
        sources.retain(|source| source.pool.is_none());
        let mut orphans = BTreeMap::new();
        for Orphan { source, .. } in self.orphans()? {
            *orphans.entry(source).or_default() += 1;
        }
        let (waiting, counters) = self
            .store()
            .read::<_, StoreError>(|tx| Ok((tx.tickets(false)?, tx.metrics()?)))?;
        Ok(Measures {
            sources,
            shelves: self.shelves(true)?,
            orphans,
            waiting: waiting
                .into_iter()
                .filter(|ticket| ticket.state == crate::store::TicketState::Waiting)
                .map(|ticket| ticket.opened_at)
                .collect(),
            counters,
            served: self.server().is_some(),
            now: self.now(),
        })
    }

    /// The tickets that wait, in the order in which they were opened, and why.
    pub fn queue(&self) -> Result<Vec<Waiting>> {
        let sources = self
            .store()
            .read::<_, StoreError>(|tx| tx.wanted_sources())?;
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        let loaded = self.look(&Scope {
            sources,
            ..Scope::default()
        })?;
        let plan = plan::plan(&loaded.world, self.now());
        let mut queue = Vec::new();
        for row in loaded.tickets {
            let report = plan.report(row.id);
            queue.push(Waiting {
                ticket: row.id,
                tags: parse(&row.tags, "ticket")?,
                owner: parse(&row.owner, "owner")?,
                asked: row.asked,
                count: row.wanted,
                priority: row.priority,
                opened: row.opened_at,
                ahead: report.map_or(0, |report| report.ahead),
                why: match report {
                    None => "can be served now".to_owned(),
                    Some(report) if report.underway >= report.wanted => {
                        "what it wants is being made".to_owned()
                    }
                    Some(report) => {
                        let texts: Vec<String> =
                            report.declines.iter().map(ToString::to_string).collect();
                        texts.join("; ")
                    }
                },
            });
        }
        queue.sort_by_key(|waiting| waiting.ticket);
        Ok(queue)
    }
}
