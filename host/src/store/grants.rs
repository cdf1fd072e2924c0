//! What the user permits: per source and component, never per name alone.

use runner_core::id::{SourceName, Timestamp};
use rusqlite::OptionalExtension as _;

use super::{Result, Tx};

/// A permission as it is stored; only `app` and `plugin` know what the capabilities mean.
#[derive(Clone, Debug)]
pub struct GrantRow {
    pub source: String,
    /// Of the component.
    pub digest: String,
    pub plugin: String,
    pub version: String,
    pub capabilities: String,
    pub granted_at: Timestamp,
    pub granted_by: String,
    pub revoked_at: Option<Timestamp>,
}

const COLUMNS: &str =
    "source, digest, plugin, version, capabilities, granted_at, granted_by, revoked_at";

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<GrantRow> {
    Ok(GrantRow {
        source: row.get(0)?,
        digest: row.get(1)?,
        plugin: row.get(2)?,
        version: row.get(3)?,
        capabilities: row.get(4)?,
        granted_at: Timestamp(row.get(5)?),
        granted_by: row.get(6)?,
        revoked_at: row.get::<_, Option<i64>>(7)?.map(Timestamp),
    })
}

impl Tx<'_> {
    /// Records a permission, instead of an older one for the same component.
    pub fn put_grant(&self, grant: &GrantRow) -> Result<()> {
        self.connection
            .prepare_cached(&format!("INSERT OR REPLACE INTO grants ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)"))?
            .execute((
                &grant.source,
                &grant.digest,
                &grant.plugin,
                &grant.version,
                &grant.capabilities,
                grant.granted_at.0,
                &grant.granted_by,
            ))?;
        Ok(())
    }

    /// The permission of this component for this source, revoked or not.
    pub fn grant(&self, source: &SourceName, digest: &str) -> Result<Option<GrantRow>> {
        let grant = self
            .connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM grants WHERE source = ?1 AND digest = ?2"
            ))?
            .query_row((source.as_str(), digest), from_row)
            .optional()?;
        Ok(grant)
    }

    /// All permissions of a source, or of all, newest first.
    pub fn grants(&self, source: Option<&SourceName>) -> Result<Vec<GrantRow>> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM grants WHERE ?1 IS NULL OR source = ?1 ORDER BY granted_at DESC, source, digest"
        ))?;
        let grants = statement
            .query_map([source.map(SourceName::as_str)], from_row)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(grants)
    }

    /// Takes back every permission of a source; answers how many that were.
    pub fn revoke_grants(&self, source: &SourceName, now: Timestamp) -> Result<usize> {
        let count = self
            .connection
            .prepare_cached(
                "UPDATE grants SET revoked_at = ?2 WHERE source = ?1 AND revoked_at IS NULL",
            )?
            .execute((source.as_str(), now.0))?;
        Ok(count)
    }
}
