//! The part of the world that a decision needs, read by index: never the whole fleet.

use runner_core::id::SourceName;
use runner_core::plan::{DrawView, PoolView, ReleaseView, RowId, SourceView};
use runner_core::policy::Policy;

use super::{InstanceRow, Result, TicketId, Tx};

/// A source of a request.
#[derive(Clone, Debug)]
pub struct SourceQuery {
    pub name: SourceName,
    pub policy: Policy,
    /// What an idle instance must have been made by.
    pub shape: String,
    /// Growth failed for this request.
    pub tried: bool,
}

/// A request.
#[derive(Clone, Debug)]
pub struct DrawQuery {
    pub asked: SourceName,
    pub pool: Option<Policy>,
    pub sources: Vec<SourceQuery>,
    pub wanted: u32,
    /// Its place in the queue, if it waits already.
    pub ticket: Option<TicketId>,
}

/// How many instances of a source are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub cached: u32,
    pub in_use: u32,
    /// Being made or destroyed.
    pub other: u32,
    /// Of the others, those on their way out.
    pub leaving: u32,
}

impl Counts {
    /// Everything that exists.
    pub fn live(self) -> u32 {
        self.cached + self.in_use + self.other
    }

    /// What will still exist when everything that is being destroyed is gone.
    pub fn staying(self) -> u32 {
        self.live() - self.leaving
    }
}

impl Tx<'_> {
    /// What the planner needs to serve a request.
    pub fn draw_view(&self, query: &DrawQuery) -> Result<DrawView> {
        let pool = match query.pool {
            None => None,
            Some(policy) => Some(PoolView {
                policy,
                live: self.pool_live(&query.asked)?,
            }),
        };
        let mut sources = Vec::with_capacity(query.sources.len());
        for source in &query.sources {
            sources.push(SourceView {
                name: source.name.clone(),
                policy: source.policy,
                live: self.counts(&source.name)?.live(),
                ahead: self.tickets_ahead(&source.name, query.ticket)?,
                fitting: self.ready(&source.name, &source.shape, true, query.wanted)?,
                stale: self.ready(&source.name, &source.shape, false, query.wanted)?,
                tried: source.tried,
            });
        }
        Ok(DrawView { pool, sources })
    }

    /// What the planner needs to decide over a released instance.
    pub fn release_view(
        &self,
        row: &InstanceRow,
        source: Option<(Policy, String)>,
        pool: Option<Policy>,
    ) -> Result<ReleaseView> {
        let made_by = self.definition(row.definition)?.shape;
        let pool = match (&row.pool, pool) {
            (Some(name), Some(policy)) => Some((policy, self.pool_staying(name)?)),
            _ => None,
        };
        Ok(ReleaseView {
            live: self.counts(&row.source)?.staying(),
            pool,
            stale: source.as_ref().is_some_and(|(_, shape)| *shape != made_by),
            source: source.map(|(policy, _)| policy),
        })
    }

    /// How many instances of a source are where.
    pub fn counts(&self, source: &SourceName) -> Result<Counts> {
        let mut statement = self.connection.prepare_cached(
            "SELECT state, count(*) FROM instances WHERE source = ?1 AND state <> 'discarded' GROUP BY state",
        )?;
        let mut counts = Counts::default();
        let rows = statement.query_map([source.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?))
        })?;
        for row in rows {
            let (state, count) = row?;
            match state.as_str() {
                "ready" => counts.cached += count,
                "leased" | "releasing" => counts.in_use += count,
                "broken" | "discarding" => {
                    counts.other += count;
                    counts.leaving += count;
                }
                _ => counts.other += count,
            }
        }
        Ok(counts)
    }

    /// The names of all sources that have instances.
    pub fn populated_sources(&self) -> Result<Vec<SourceName>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT DISTINCT source FROM instances WHERE state <> 'discarded' ORDER BY 1",
        )?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut sources = Vec::new();
        for name in names {
            // Only valid names were ever stored; another one would be shown by `live_instances` as corrupt.
            sources.extend(SourceName::new(name?).ok());
        }
        Ok(sources)
    }

    fn pool_live(&self, pool: &SourceName) -> Result<u32> {
        let live = self
            .connection
            .prepare_cached(
                "SELECT count(*) FROM instances WHERE pool = ?1 AND state <> 'discarded'",
            )?
            .query_row([pool.as_str()], |row| row.get(0))?;
        Ok(live)
    }

    fn pool_staying(&self, pool: &SourceName) -> Result<u32> {
        let staying = self
            .connection
            .prepare_cached(
                "SELECT count(*) FROM instances WHERE pool = ?1 \
                 AND state NOT IN ('broken', 'discarding', 'discarded')",
            )?
            .query_row([pool.as_str()], |row| row.get(0))?;
        Ok(staying)
    }

    fn ready(
        &self,
        source: &SourceName,
        shape: &str,
        fitting: bool,
        limit: u32,
    ) -> Result<Vec<RowId>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT instances.id FROM instances JOIN definitions ON definitions.id = definition \
             WHERE instances.source = ?1 AND state = 'ready' AND (definitions.shape = ?2) = ?3 \
             ORDER BY changed_at, instances.id LIMIT ?4",
        )?;
        let ids = statement
            .query_map((source.as_str(), shape, fitting, limit), |row| {
                row.get(0).map(RowId)
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(ids)
    }
}
