//! Everything that is due at some time, moved together when somebody sets the clock.

use runner_core::id::Timestamp;
use rusqlite::OptionalExtension as _;

use super::{Result, Tx};

impl Tx<'_> {
    /// What the clocks said when they were last compared, in this boot: a steady one (milliseconds), and the wall clock.
    pub fn clocks(&self, boot: &str) -> Result<Option<(i64, Timestamp)>> {
        Ok(self
            .connection
            .prepare_cached("SELECT steady, wall FROM clock WHERE boot = ?1")?
            .query_row([boot], |row| Ok((row.get(0)?, Timestamp(row.get(1)?))))
            .optional()?)
    }

    /// Notes what the clocks say.
    pub fn set_clocks(&self, boot: &str, steady: i64, wall: Timestamp) -> Result<()> {
        self.connection
            .prepare_cached("DELETE FROM clock WHERE boot <> ?1")?
            .execute([boot])?;
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO clock (boot, steady, wall) VALUES (?1, ?2, ?3)",
            )?
            .execute((boot, steady, wall.0))?;
        Ok(())
    }

    /// The wall clock was set by this many milliseconds: what was due in five minutes still is.
    pub fn shift_deadlines(&self, by: i64) -> Result<()> {
        let columns = [
            ("instances", "lease_expires_at"),
            ("instances", "check_due_at"),
            ("instances", "retry_at"),
            ("instances", "created_at"),
            ("instances", "changed_at"),
            ("instances", "first_leased_at"),
            ("tickets", "deadline"),
            ("tickets", "opened_at"),
            ("source_health", "left_out_until"),
            ("source_health", "last_start"),
            ("orphans", "first_seen"),
        ];
        for (table, column) in columns {
            let live = match table {
                "instances" => "AND state <> 'discarded'",
                "tickets" => "AND ended_at IS NULL",
                _ => "",
            };
            self.connection
                .prepare_cached(&format!(
                    "UPDATE {table} SET {column} = {column} + ?1 WHERE {column} IS NOT NULL {live}"
                ))?
                .execute([by])?;
        }
        Ok(())
    }
}
