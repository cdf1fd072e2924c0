//! A clock that is set must not end leases or skip waits: what was due in five minutes still is.
//!
//! The wall clock is compared with the time since the boot, which nobody sets. When they have drifted apart, somebody set
//! the wall clock, and everything that is due is moved by as much.

use runner_core::id::Timestamp;

use super::{Engine, Result};
use crate::store::{Durability, NewEvent, StoreError};

/// Less than this is drift, or one process reading two clocks one after the other; milliseconds.
const NOTICEABLE: i64 = 3_000;

impl Engine {
    /// Notices that the clock was set since anybody looked.
    pub(super) fn heed_the_clock(&self) -> Result<()> {
        let Some((boot, steady)) = self.0.clock.steady() else {
            return Ok(());
        };
        let wall = self.now();
        let known = self.store().read::<_, StoreError>(|tx| tx.clocks(&boot))?;
        let set_by = |(then, at): (i64, Timestamp)| (wall.0 - at.0) - (steady - then);
        let fresh = known.is_some_and(|known| {
            set_by(known).abs() < NOTICEABLE && (steady - known.0) < 60 * NOTICEABLE
        });
        if fresh {
            return Ok(());
        }
        let durability = Durability::Process;
        self.store().write::<_, StoreError>(durability, |tx| {
            // Somebody else may have noticed meanwhile.
            let known = tx.clocks(&boot)?;
            if let Some(by) = known.map(set_by).filter(|by| by.abs() >= NOTICEABLE) {
                tracing::warn!(
                    "the clock was set by {} s: everything that is due is moved by as much",
                    by / 1000
                );
                tx.shift_deadlines(by)?;
                let detail = format!("{} s", by / 1000);
                tx.note(&NewEvent {
                    detail: Some(&detail),
                    ..NewEvent::new("clock", "set", wall)
                })?;
            }
            tx.set_clocks(&boot, steady, wall)
        })?;
        Ok(())
    }
}
