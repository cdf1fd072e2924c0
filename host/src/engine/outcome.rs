//! What is learned from each attempt to make an instance: how the source does, and what its ticket must know.

use std::time::Duration;

use runner_core::id::{SourceName, TicketId, Timestamp};
use runner_core::policy::{Backoff, Millis};

use super::acquire::{for_the_operator, passing, retry_after};
use super::provision::chain;
use super::{Definition, Engine, EngineError, parse_definition};
use crate::store::{InstanceRow, StoreError, Tx};

impl Engine {
    /// It was made.
    pub(super) fn note_success(
        &self,
        tx: &Tx<'_>,
        row: &InstanceRow,
        definition: &Definition,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.count_outcome(tx, row, true, now)?;
        let mut health = tx.health(&row.source)?;
        if health.failures > 0 {
            tx.hasten_discards(&row.source, now)?;
        }
        let seconds = (now.0 - row.created_at.0).max(0) as f64 / 1000.0;
        health.average(true, seconds);
        health.failures = 0;
        health.left_out_until = None;
        health.last_success = Some(now);
        tx.set_health(&row.source, &health)?;
        tx.count("source_started_total", row.source.as_str(), 1.0)?;
        tx.count("source_start_seconds_total", row.source.as_str(), seconds)?;
        if let Some(facts) = &row.facts {
            tx.learn_facts(&row.source, &definition.shape, facts)?;
        }
        Ok(())
    }

    /// It could not be made: the source is left alone for a while, and its ticket looks elsewhere. Answers whether the ticket was
    /// spared, because a component that is only tried is to blame.
    pub(super) fn note_failure(
        &self,
        tx: &Tx<'_>,
        row: &InstanceRow,
        error: &EngineError,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.blame_candidate(tx, row, error, now)? {
            tx.count("source_failures_total", row.source.as_str(), 1.0)?;
            return Ok(true);
        }
        let definition = tx.definition(row.definition)?;
        let backoff = parse_definition(&definition)
            .map_or_else(|_| Backoff::default(), |it| it.policy.backoff);
        let mut health = tx.health(&row.source)?;
        health.average(false, 0.0);
        health.failures = health.failures.saturating_add(1);
        let pause = pause(backoff, health.failures, retry_after(error));
        health.left_out_until = Some(pause.after(now));
        health.last_error = Some(chain(error));
        tx.set_health(&row.source, &health)?;
        tx.count("source_failures_total", row.source.as_str(), 1.0)?;
        let Some(ticket) = row.ticket else {
            return Ok(false);
        };
        let Some(waiting) = tx.ticket(ticket)? else {
            return Ok(false);
        };
        if for_the_operator(error) {
            self.note_failed(tx, ticket, &chain(error), now)?;
        } else if !passing(error) || !waiting.patient {
            tx.source_failed(ticket, &row.source, &chain(error), passing(error))?;
        }
        Ok(false)
    }

    /// Nothing can be made of a source: its configuration is broken, its component does not load, a grant is missing.
    pub(super) fn note_unusable(
        &self,
        tx: &Tx<'_>,
        source: &SourceName,
        ticket: Option<TicketId>,
        text: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut health = tx.health(source)?;
        health.failures = health.failures.saturating_add(1);
        health.left_out_until = Some(pause(Backoff::default(), health.failures, None).after(now));
        health.last_error = Some(text.to_owned());
        tx.set_health(source, &health)?;
        match ticket {
            Some(ticket) => tx.source_failed(ticket, source, text, false),
            None => Ok(()),
        }
    }
}

fn pause(backoff: Backoff, failures: u32, advice: Option<Duration>) -> Millis {
    let doubled = backoff
        .first
        .0
        .saturating_mul(1 << failures.saturating_sub(1).min(20))
        .min(backoff.longest.0);
    let advice = advice.map_or(0, |advice| advice.as_millis() as u64);
    Millis(doubled.max(advice))
}
