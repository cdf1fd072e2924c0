//! Small views by index: counts, and what a release is decided by.

use runner_core::id::{SourceName, Timestamp};
use runner_core::plan::{Counts, ReleaseView};
use runner_core::policy::Policy;

use super::{InstanceRow, Result, Tx};

impl Tx<'_> {
    /// What the planner needs to decide over a released instance.
    pub fn release_view(
        &self,
        row: &InstanceRow,
        source: Option<(Policy, String)>,
        pool: Option<Policy>,
        now: Timestamp,
    ) -> Result<ReleaseView> {
        let made_by = self.definition(row.definition)?.shape;
        let tried = self.canary_shape(&row.source)?;
        let pool = match (&row.pool, pool) {
            (Some(name), Some(policy)) => Some((policy, self.pool_staying(name)?)),
            _ => None,
        };
        Ok(ReleaseView {
            live: self.counts(&row.source)?.staying(),
            pool,
            stale: source
                .as_ref()
                .is_some_and(|(_, shape)| *shape != made_by && tried.as_ref() != Some(&made_by)),
            source: source.map(|(policy, _)| policy),
            shelf: row.shelf.map(|shelf| self.shelf_room(shelf)).transpose()?,
            uses: row.uses,
            created: row.created_at,
            first_leased: row.first_leased_at,
            now,
        })
    }

    /// How many instances of a source are where.
    pub fn counts(&self, source: &SourceName) -> Result<Counts> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT state, count FROM instance_counts WHERE source = ?1")?;
        let mut counts = Counts::default();
        let rows = statement.query_map([source.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?))
        })?;
        for row in rows {
            let (state, count) = row?;
            match state.as_str() {
                "ready" => counts.ready += count,
                "leased" => counts.leased += count,
                "releasing" => counts.releasing += count,
                "broken" => counts.broken += count,
                "discarding" => counts.discarding += count,
                _ => counts.starting += count,
            }
        }
        Ok(counts)
    }

    /// Of a source's usable instances: how many are idle on shelves, and how many failed their last check.
    pub fn asides(&self, source: &SourceName) -> Result<(u32, u32)> {
        let asides = self
            .connection
            .prepare_cached(
                "SELECT coalesce(sum(state = 'ready' AND shelf IS NOT NULL), 0), coalesce(sum(check_failures > 0), 0) \
                 FROM instances WHERE source = ?1 AND state IN ('ready', 'leased')",
            )?
            .query_row([source.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(asides)
    }

    /// The sources that tickets wait for.
    pub fn wanted_sources(&self) -> Result<Vec<SourceName>> {
        self.source_names(
            "SELECT DISTINCT source FROM ticket_sources JOIN tickets ON tickets.id = ticket WHERE state = 'waiting'",
        )
    }

    /// The names of all sources that have instances.
    pub fn populated_sources(&self) -> Result<Vec<SourceName>> {
        self.source_names("SELECT DISTINCT source FROM instance_counts WHERE count > 0 ORDER BY 1")
    }

    /// The names that a query without parameters answers.
    pub(super) fn source_names(&self, sql: &str) -> Result<Vec<SourceName>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut sources = Vec::new();
        for name in names {
            // Only valid names were ever stored; another one would be shown by `live_instances` as corrupt.
            sources.extend(SourceName::new(name?).ok());
        }
        Ok(sources)
    }

    /// Instances that carry a pool's name, whatever their state.
    pub(super) fn pool_live(&self, pool: &SourceName) -> Result<u32> {
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
}
