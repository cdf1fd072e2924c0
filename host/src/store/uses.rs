//! What components really used of their rights: one row per source, component and right, however often.

use runner_core::id::Timestamp;

use super::{Result, Tx};

/// A right and its use.
#[derive(Clone, Debug)]
pub struct UseRow {
    pub source: String,
    /// Of the component.
    pub digest: String,
    pub plugin: String,
    pub version: String,
    /// `program`, `http`, ….
    pub kind: String,
    pub what: String,
    pub uses: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

impl Tx<'_> {
    /// Adds a use to what is known of it.
    pub fn add_use(&self, used: &UseRow) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO plugin_uses VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE \
                 SET uses = uses + excluded.uses, last_at = max(last_at, excluded.last_at)",
            )?
            .execute((
                &used.source,
                &used.digest,
                &used.plugin,
                &used.version,
                &used.kind,
                &used.what,
                used.uses,
                used.first_at.0,
                used.last_at.0,
            ))?;
        Ok(())
    }

    /// What a source's components used.
    pub fn uses(&self, source: &str) -> Result<Vec<UseRow>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT source, digest, plugin, version, kind, what, uses, first_at, last_at FROM plugin_uses \
             WHERE source = ?1 ORDER BY digest, kind, what",
        )?;
        let uses = statement
            .query_map([source], |row| {
                Ok(UseRow {
                    source: row.get(0)?,
                    digest: row.get(1)?,
                    plugin: row.get(2)?,
                    version: row.get(3)?,
                    kind: row.get(4)?,
                    what: row.get(5)?,
                    uses: row.get(6)?,
                    first_at: Timestamp(row.get(7)?),
                    last_at: Timestamp(row.get(8)?),
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(uses)
    }
}
