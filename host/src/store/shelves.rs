//! Named, owned places for instances between two uses.

use runner_core::id::{ShelfId, Timestamp};
use runner_core::plan::ShelfRoom;
use rusqlite::OptionalExtension as _;

use super::{Result, Tx};

/// A shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShelfRow {
    pub id: ShelfId,
    pub name: String,
    /// Who may use it; see the engine's `Owner`.
    pub owner: String,
    pub capacity: u32,
    pub enabled: bool,
    pub created_at: Timestamp,
}

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<ShelfRow> {
    Ok(ShelfRow {
        id: ShelfId(row.get(0)?),
        name: row.get(1)?,
        owner: row.get(2)?,
        capacity: row.get(3)?,
        enabled: row.get(4)?,
        created_at: Timestamp(row.get(5)?),
    })
}

const COLUMNS: &str = "id, name, owner, capacity, enabled, created_at";

impl Tx<'_> {
    /// Makes a shelf; none when the name is taken.
    pub fn create_shelf(
        &self,
        name: &str,
        owner: &str,
        capacity: u32,
        now: Timestamp,
    ) -> Result<Option<ShelfRow>> {
        let made = self
            .connection
            .prepare_cached(&format!(
                "INSERT INTO shelves (name, owner, capacity, enabled, created_at) VALUES (?1, ?2, ?3, 1, ?4) \
                 ON CONFLICT DO NOTHING RETURNING {COLUMNS}"
            ))?
            .query_row((name, owner, capacity, now.0), from_row)
            .optional()?;
        Ok(made)
    }

    /// The shelf with this name.
    pub fn shelf(&self, name: &str) -> Result<Option<ShelfRow>> {
        Ok(self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM shelves WHERE name = ?1"))?
            .query_row([name], from_row)
            .optional()?)
    }

    /// The shelf with this key; none when it was deleted.
    pub fn shelf_by_id(&self, id: ShelfId) -> Result<Option<ShelfRow>> {
        Ok(self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM shelves WHERE id = ?1"))?
            .query_row([id.0], from_row)
            .optional()?)
    }

    /// All shelves, by name.
    pub fn shelves(&self) -> Result<Vec<ShelfRow>> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM shelves ORDER BY name"))?;
        let shelves = statement
            .query_map([], from_row)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(shelves)
    }

    /// Writes name, capacity and switch back. `false`: another shelf has that name.
    pub fn update_shelf(&self, shelf: &ShelfRow) -> Result<bool> {
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE OR IGNORE shelves SET name = ?2, capacity = ?3, enabled = ?4 WHERE id = ?1",
            )?
            .execute((shelf.id.0, &shelf.name, shelf.capacity, shelf.enabled))?;
        Ok(changed == 1)
    }

    /// Removes the shelf itself. Its instances keep the key, and so are never handed out under another one.
    pub fn delete_shelf(&self, id: ShelfId) -> Result<()> {
        self.connection
            .prepare_cached("DELETE FROM shelves WHERE id = ?1")?
            .execute([id.0])?;
        Ok(())
    }

    /// How full a shelf is; a deleted one has no room.
    pub fn shelf_room(&self, id: ShelfId) -> Result<ShelfRoom> {
        let Some(shelf) = self.shelf_by_id(id)? else {
            return Ok(ShelfRoom {
                enabled: false,
                capacity: 0,
                shelved: 0,
            });
        };
        let shelved = self
            .connection
            .prepare_cached("SELECT count(*) FROM instances WHERE shelf = ?1 AND state = 'ready'")?
            .query_row([id.0], |row| row.get(0))?;
        Ok(ShelfRoom {
            enabled: shelf.enabled,
            capacity: shelf.capacity,
            shelved,
        })
    }
}
