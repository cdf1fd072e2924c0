//! Forgetting what is long over: discarded instances, old operations, old records. What is live is never touched.

use runner_core::id::Timestamp;
use runner_core::policy::Millis;

use super::{Result, Tx};

/// Rows per call: pruning must not make anybody wait.
const BATCH: u32 = 500;

impl Tx<'_> {
    /// Removes some of what is older than the history that is kept; none: it is kept for ever.
    pub fn prune(&self, now: Timestamp, keep: Option<Millis>) -> Result<()> {
        let Some(keep) = keep else { return Ok(()) };
        let before = now
            .0
            .saturating_sub(i64::try_from(keep.0).unwrap_or(i64::MAX));
        self.connection
            .prepare_cached(
                "DELETE FROM instances WHERE id IN \
                 (SELECT id FROM instances WHERE state = 'discarded' AND changed_at < ?1 LIMIT ?2)",
            )?
            .execute((before, BATCH))?;
        self.connection
            .prepare_cached(
                "DELETE FROM operations WHERE id IN (SELECT id FROM operations ORDER BY id LIMIT ?2) AND started_at < ?1",
            )?
            .execute((before, BATCH))?;
        self.connection
            .prepare_cached(
                "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?2) AND at < ?1",
            )?
            .execute((before, BATCH))?;
        self.connection
            .prepare_cached(
                "DELETE FROM tickets WHERE id IN (SELECT id FROM tickets WHERE ended_at < ?1 LIMIT ?2)",
            )?
            .execute((before, BATCH))?;
        // With everything that hangs on them; far fewer, because that is much.
        self.connection
            .prepare_cached(
                "DELETE FROM records WHERE id IN (SELECT id FROM records WHERE ended_at < ?1 ORDER BY id LIMIT 5)",
            )?
            .execute([before])?;
        // The newest stays, so that its key is never used again.
        self.connection
            .prepare_cached(
                "DELETE FROM definitions WHERE id NOT IN (SELECT definition FROM instances) \
                 AND id < (SELECT max(id) FROM definitions)",
            )?
            .execute([])?;
        Ok(())
    }
}
