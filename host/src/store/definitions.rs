//! What instances were made by.

use runner_core::id::SourceName;
use rusqlite::OptionalExtension as _;

use super::{Result, Tx};

/// A definition as it is stored; only `app` knows what the body means.
#[derive(Clone, Debug)]
pub struct DefinitionRow {
    pub id: i64,
    pub shape: String,
    pub body: String,
}

impl Tx<'_> {
    /// The key of this definition, stored now if it is new.
    pub fn keep_definition(&self, source: &SourceName, shape: &str, body: &str) -> Result<i64> {
        let known = self
            .connection
            .prepare_cached("SELECT id FROM definitions WHERE source = ?1 AND body = ?2")?
            .query_row((source.as_str(), body), |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(id);
        }
        self.connection
            .prepare_cached("INSERT INTO definitions (source, shape, body) VALUES (?1, ?2, ?3)")?
            .execute((source.as_str(), shape, body))?;
        Ok(self.connection.last_insert_rowid())
    }

    /// The definition with this key.
    pub fn definition(&self, id: i64) -> Result<DefinitionRow> {
        let row = self
            .connection
            .prepare_cached("SELECT id, shape, body FROM definitions WHERE id = ?1")?
            .query_row([id], |row| {
                Ok(DefinitionRow {
                    id: row.get(0)?,
                    shape: row.get(1)?,
                    body: row.get(2)?,
                })
            })?;
        Ok(row)
    }

    /// What the instances that exist were made by.
    pub fn definitions_in_use(&self) -> Result<Vec<DefinitionRow>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, shape, body FROM definitions WHERE EXISTS \
             (SELECT 1 FROM instances WHERE definition = definitions.id AND state <> 'discarded')",
        )?;
        let rows = statement
            .query_map([], |row| {
                Ok(DefinitionRow {
                    id: row.get(0)?,
                    shape: row.get(1)?,
                    body: row.get(2)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    /// What the newest live instance of a source was made by.
    pub fn newest_definition(&self, source: &SourceName) -> Result<Option<DefinitionRow>> {
        let id = self
            .connection
            .prepare_cached(
                "SELECT definition FROM instances WHERE source = ?1 AND state <> 'discarded' ORDER BY id DESC LIMIT 1",
            )?
            .query_row([source.as_str()], |row| row.get(0))
            .optional()?;
        id.map(|id| self.definition(id)).transpose()
    }
}
