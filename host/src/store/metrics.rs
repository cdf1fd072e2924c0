//! Counters that survive every restart, because they are rows.

use super::{Result, Tx};

/// A counter's value.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// As Prometheus will see it, without the prefix.
    pub name: String,
    /// The value of its one label (a source or a shelf); empty when it has none.
    pub label: String,
    pub value: f64,
}

impl Tx<'_> {
    /// Adds to a counter, as part of what it counts.
    pub fn count(&self, name: &str, label: &str, by: f64) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO metrics (name, label, value) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO UPDATE SET value = value + excluded.value",
            )?
            .execute((name, label, by))?;
        Ok(())
    }

    /// A shelf was renamed: its counters go with it.
    pub fn relabel(&self, prefix: &str, from: &str, to: &str) -> Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE OR REPLACE metrics SET label = ?3 WHERE label = ?2 AND name LIKE ?1 || '%'",
            )?
            .execute((prefix, from, to))?;
        Ok(())
    }

    /// Every counter, by name and label.
    pub fn metrics(&self) -> Result<Vec<Metric>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name, label, value FROM metrics ORDER BY name, label")?;
        let metrics = statement
            .query_map([], |row| {
                Ok(Metric {
                    name: row.get(0)?,
                    label: row.get(1)?,
                    value: row.get(2)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(metrics)
    }
}
