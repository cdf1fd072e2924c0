//! What providers list and our books do not know, while nobody has decided over it.

use runner_core::id::{SourceName, Timestamp, Token};

use super::{Result, Tx};

/// A stranger that carries a token of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrphanRow {
    pub source: SourceName,
    pub handle: String,
    pub token: Token,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// Listings that showed it.
    pub sightings: u32,
    /// Why destroying it failed.
    pub trouble: Option<String>,
}

impl Tx<'_> {
    /// Everything in quarantine, of one source or of all.
    pub fn orphans(&self, source: Option<&SourceName>) -> Result<Vec<OrphanRow>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT source, handle, token, first_seen, last_seen, sightings, trouble FROM orphans \
             WHERE ?1 IS NULL OR source = ?1 ORDER BY source, first_seen, handle",
        )?;
        let rows = statement.query_map([source.map(SourceName::as_str)], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get(1)?,
                row.get::<_, String>(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
            ))
        })?;
        let mut orphans = Vec::new();
        for row in rows {
            let (source, handle, token, first, last, sightings, trouble) = row?;
            // Only valid names were ever stored.
            let Ok(source) = SourceName::new(source) else {
                continue;
            };
            orphans.push(OrphanRow {
                source,
                handle,
                token: Token::stored(token),
                first_seen: Timestamp(first),
                last_seen: Timestamp(last),
                sightings,
                trouble,
            });
        }
        Ok(orphans)
    }

    /// Notes a sighting. `true`: it is the first one.
    pub fn sight_orphan(
        &self,
        source: &SourceName,
        handle: &str,
        token: &Token,
        now: Timestamp,
    ) -> Result<bool> {
        let sightings: u32 = self
            .connection
            .prepare_cached(
                "INSERT INTO orphans (source, handle, token, first_seen, last_seen, sightings) \
                 VALUES (?1, ?2, ?3, ?4, ?4, 1) ON CONFLICT DO UPDATE SET \
                 last_seen = excluded.last_seen, sightings = sightings + 1 RETURNING sightings",
            )?
            .query_row((source.as_str(), handle, token.as_str(), now.0), |row| {
                row.get(0)
            })?;
        Ok(sightings == 1)
    }

    /// It is gone, or known after all.
    pub fn forget_orphan(&self, source: &SourceName, handle: &str) -> Result<()> {
        self.connection
            .prepare_cached("DELETE FROM orphans WHERE source = ?1 AND handle = ?2")?
            .execute((source.as_str(), handle))?;
        Ok(())
    }

    /// Why destroying it failed.
    pub fn trouble_with_orphan(
        &self,
        source: &SourceName,
        handle: &str,
        trouble: &str,
    ) -> Result<()> {
        self.connection
            .prepare_cached("UPDATE orphans SET trouble = ?3 WHERE source = ?1 AND handle = ?2")?
            .execute((source.as_str(), handle, trouble))?;
        Ok(())
    }
}
