//! How each source did lately: what the planner's turns and pauses are decided by.

use runner_core::id::{SourceName, Timestamp};
use runner_core::plan::Health;
use rusqlite::OptionalExtension as _;

use super::{Result, Tx};

/// The record of a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealthRow {
    /// Failures since the last success.
    pub failures: u32,
    pub left_out_until: Option<Timestamp>,
    pub last_start: Option<Timestamp>,
    pub last_success: Option<Timestamp>,
    pub last_error: Option<String>,
    /// Moving averages, the newest with a weight of 0.2; the time (in seconds) only of those that succeeded.
    pub success_rate: Option<f64>,
    pub start_time: Option<f64>,
}

impl HealthRow {
    /// What the planner weighs of it.
    pub fn for_plan(&self) -> Health {
        Health {
            failures: self.failures,
            left_out_until: self.left_out_until,
            last_start: self.last_start,
        }
    }

    /// Counts an outcome in.
    pub fn average(&mut self, success: bool, seconds: f64) {
        let mix = |old: Option<f64>, new: f64| Some(old.map_or(new, |old| old * 0.8 + new * 0.2));
        self.success_rate = mix(self.success_rate, if success { 1.0 } else { 0.0 });
        if success {
            self.start_time = mix(self.start_time, seconds);
        }
    }
}

impl Tx<'_> {
    /// The record of a source; empty when nothing was ever made.
    pub fn health(&self, source: &SourceName) -> Result<HealthRow> {
        let row = self
            .connection
            .prepare_cached(
                "SELECT failures, left_out_until, last_start, last_success, last_error, success_rate, start_time \
                 FROM source_health WHERE source = ?1",
            )?
            .query_row([source.as_str()], |row| {
                Ok(HealthRow {
                    failures: row.get(0)?,
                    left_out_until: row.get::<_, Option<i64>>(1)?.map(Timestamp),
                    last_start: row.get::<_, Option<i64>>(2)?.map(Timestamp),
                    last_success: row.get::<_, Option<i64>>(3)?.map(Timestamp),
                    last_error: row.get(4)?,
                    success_rate: row.get(5)?,
                    start_time: row.get(6)?,
                })
            })
            .optional()?;
        Ok(row.unwrap_or_default())
    }

    /// Writes the record of a source.
    pub fn set_health(&self, source: &SourceName, health: &HealthRow) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO source_health (source, failures, left_out_until, last_start, last_success, \
                 last_error, success_rate, start_time) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                source.as_str(),
                health.failures,
                health.left_out_until.map(|at| at.0),
                health.last_start.map(|at| at.0),
                health.last_success.map(|at| at.0),
                &health.last_error,
                health.success_rate,
                health.start_time,
            ))?;
        Ok(())
    }

    /// Notes that one is being started.
    pub fn started(&self, source: &SourceName, now: Timestamp) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO source_health (source, last_start) VALUES (?1, ?2) \
                 ON CONFLICT DO UPDATE SET last_start = excluded.last_start",
            )?
            .execute((source.as_str(), now.0))?;
        Ok(())
    }

    /// Keeps what was measured on an instance of this make.
    pub fn learn_facts(&self, source: &SourceName, shape: &str, facts: &str) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR IGNORE INTO source_facts (source, shape, facts) VALUES (?1, ?2, ?3)",
            )?
            .execute((source.as_str(), shape, facts))?;
        Ok(())
    }

    /// What was ever measured on instances of this make.
    pub fn learned_facts(&self, source: &SourceName, shape: &str) -> Result<Vec<String>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT facts FROM source_facts WHERE source = ?1 AND shape = ?2")?;
        let facts = statement
            .query_map((source.as_str(), shape), |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(facts)
    }
}
