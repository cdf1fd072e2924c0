//! What is kept for plugins: this state's id, what a source's plugin remembers, and the secrets that belong to an instance. All of it
//! is bounded by whoever calls; a secret is gone when its instance is (a trigger of the schema).

use runner_core::id::Token;
use rusqlite::OptionalExtension as _;

use super::{Result, Tx};

/// Why something was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Yes,
    /// There would be too many of them.
    TooMany,
    /// Together they would be too large.
    TooLarge,
}

/// How many things there may be, and of how many bytes together.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub entries: u64,
    pub bytes: u64,
}

impl Bounds {
    fn admit(self, (entries, bytes): (u64, u64), more: u64) -> Kept {
        if entries + 1 > self.entries {
            Kept::TooMany
        } else if bytes.saturating_add(more) > self.bytes {
            Kept::TooLarge
        } else {
            Kept::Yes
        }
    }
}

impl Tx<'_> {
    /// The random id of this state.
    pub fn state_id(&self) -> Result<String> {
        let mut statement = self.connection.prepare_cached("SELECT id FROM identity")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// What a source's plugin remembers under a key.
    pub fn plugin_value(&self, source: &str, plugin: &str, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT value FROM plugin_values WHERE source = ?1 AND plugin = ?2 AND key = ?3",
            )?
            .query_row((source, plugin, key), |row| row.get(0))
            .optional()?)
    }

    /// Sets it, if there is room.
    pub fn put_plugin_value(
        &self,
        source: &str,
        plugin: &str,
        key: &str,
        value: &[u8],
        bounds: Bounds,
    ) -> Result<Kept> {
        let others = self
            .connection
            .prepare_cached(
                "SELECT count(*), coalesce(sum(length(CAST(key AS BLOB)) + length(value)), 0) FROM plugin_values \
                 WHERE source = ?1 AND plugin = ?2 AND key <> ?3",
            )?
            .query_row((source, plugin, key), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let admitted = bounds.admit(others, (key.len() + value.len()) as u64);
        if admitted == Kept::Yes {
            self.connection
                .prepare_cached("INSERT OR REPLACE INTO plugin_values VALUES (?1, ?2, ?3, ?4)")?
                .execute((source, plugin, key, value))?;
        }
        Ok(admitted)
    }

    /// Forgets it.
    pub fn drop_plugin_value(&self, source: &str, plugin: &str, key: &str) -> Result<()> {
        self.connection
            .prepare_cached(
                "DELETE FROM plugin_values WHERE source = ?1 AND plugin = ?2 AND key = ?3",
            )?
            .execute((source, plugin, key))?;
        Ok(())
    }

    /// The keys that begin with `prefix`, sorted.
    pub fn plugin_keys(&self, source: &str, plugin: &str, prefix: &str) -> Result<Vec<String>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT key FROM plugin_values WHERE source = ?1 AND plugin = ?2 \
             AND substr(key, 1, length(?3)) = ?3 ORDER BY key",
        )?;
        let keys = statement
            .query_map((source, plugin, prefix), |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(keys)
    }

    /// A secret of an instance.
    pub fn kept_secret(&self, token: &Token, name: &str) -> Result<Option<String>> {
        Ok(self
            .connection
            .prepare_cached("SELECT value FROM kept_secrets WHERE token = ?1 AND name = ?2")?
            .query_row((token.as_str(), name), |row| row.get(0))
            .optional()?)
    }

    /// All secrets of an instance: names and values.
    pub fn kept_secrets(&self, token: &Token) -> Result<Vec<(String, String)>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name, value FROM kept_secrets WHERE token = ?1")?;
        let all = statement
            .query_map([token.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(all)
    }

    /// Keeps one, if there is room. Nothing is kept for an instance that is gone.
    pub fn keep_secret(
        &self,
        token: &Token,
        name: &str,
        value: &str,
        bounds: Bounds,
    ) -> Result<Kept> {
        let others = self
            .connection
            .prepare_cached(
                "SELECT count(*), coalesce(sum(length(CAST(value AS BLOB))), 0) FROM kept_secrets \
                 WHERE token = ?1 AND name <> ?2",
            )?
            .query_row((token.as_str(), name), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let admitted = bounds.admit(others, value.len() as u64);
        if admitted == Kept::Yes {
            self.connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO kept_secrets SELECT ?1, ?2, ?3 WHERE EXISTS \
                     (SELECT 1 FROM instances WHERE token = ?1 AND state <> 'discarded')",
                )?
                .execute((token.as_str(), name, value))?;
        }
        Ok(admitted)
    }

    /// The start of an instance's system, as it was last seen.
    pub fn boot(&self, token: &Token) -> Result<Option<String>> {
        Ok(self
            .connection
            .prepare_cached("SELECT boot FROM instance_boots WHERE token = ?1")?
            .query_row([token.as_str()], |row| row.get(0))
            .optional()?)
    }

    /// Notes it, for an instance that is there.
    pub fn put_boot(&self, token: &Token, boot: &str) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO instance_boots SELECT ?1, ?2 WHERE EXISTS \
                 (SELECT 1 FROM instances WHERE token = ?1 AND state <> 'discarded')",
            )?
            .execute((token.as_str(), boot))?;
        Ok(())
    }

    /// Whether a stranger with this token is in quarantine.
    pub fn is_orphan(&self, source: &str, token: &Token) -> Result<bool> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM orphans WHERE source = ?1 AND token = ?2)",
            )?
            .query_row((source, token.as_str()), |row| row.get(0))?)
    }
}
