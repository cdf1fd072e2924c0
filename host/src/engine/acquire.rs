//! `acquire`: opens a ticket and works on it until it is served: idle instances first, then new ones; all that were asked
//! for, or none.

use std::time::Duration;

use runner_core::id::{InstanceName, TicketId, Token};
use runner_core::instance::State;
use runner_core::plan::{FailedBy, Report, Why};
use runner_core::policy::Limit;
use tokio::time::Instant;

use super::round::{Own, Scope, Work};
use super::tickets::Prepared;
use super::wait::Bell;
use super::{Ask, Draw, Engine, EngineError, FailureKind, HeldInstance, Result, Wait, fault};
use crate::provider::{ErrorKind, HookPoint};
use crate::store::{Durability, InstanceRow, StoreError, TicketState};

/// Instances that were handed out. Tell the user their names, then call [`Acquired::confirm`]: until then the next
/// command takes them back if this process dies.
pub struct Acquired {
    engine: Engine,
    rows: Vec<InstanceRow>,
    ticket: Option<TicketId>,
}

impl Acquired {
    /// The names, by source and number.
    pub fn names(&self) -> Vec<InstanceName> {
        self.rows.iter().map(|row| row.name.clone()).collect()
    }

    /// What their backends know them by, in the same order.
    pub fn tokens(&self) -> Vec<Token> {
        self.rows.iter().map(|row| row.token.clone()).collect()
    }

    /// The instances with their leases, by source and number.
    pub fn held(&self) -> Vec<HeldInstance> {
        self.rows.iter().filter_map(HeldInstance::of).collect()
    }

    /// The ticket that was served.
    pub fn ticket(&self) -> Option<TicketId> {
        self.ticket
    }

    /// The user knows: the leases are theirs.
    pub fn confirm(mut self) -> Result<()> {
        fault::point("acquire:printed");
        let now = self.engine.now();
        // Not synced to the disk: after a loss of power nobody is left who knows the names.
        self.engine
            .store()
            .write::<_, StoreError>(Durability::Process, |tx| {
                for row in &mut self.rows {
                    row.worker = None;
                    if let Some(lease) = &mut row.lease {
                        lease.confirmed = true;
                    }
                    tx.save(row, None, now)?;
                }
                if let Some(ticket) = self.ticket {
                    tx.detach_ticket(ticket)?;
                }
                Ok(())
            })?;
        fault::point("acquire:confirmed");
        Ok(())
    }

    /// The user could not be told: ends the leases.
    pub async fn give_back(self) -> Result<()> {
        self.engine.release_rows(self.rows).await.map(drop)
    }

    /// They were made for a shelf, not for use: there they go, as if never used.
    pub(super) fn into_rows(self) -> Vec<InstanceRow> {
        self.rows
    }
}

impl Engine {
    /// Gets what is asked for. Everything is given back when not all can be had.
    pub async fn acquire(&self, draw: &Draw, ask: &Ask) -> Result<Acquired> {
        self.repair().await?;
        let prepared = self.prepare_ticket(draw, ask).await?;
        let mut attempt = Attempt {
            engine: self,
            draw,
            ask,
            prepared,
            ticket: None,
            deadline: match ask.wait {
                Wait::For(duration) => Some(Instant::now() + duration),
                Wait::No | Wait::Forever => None,
            },
            failure: None,
        };
        match attempt.collect().await {
            Ok(rows) => {
                fault::point("acquire:served");
                Ok(Acquired {
                    engine: self.clone(),
                    rows,
                    ticket: attempt.ticket.take(),
                })
            }
            Err(error) => {
                attempt.give_back().await?;
                Err(error)
            }
        }
    }
}

/// One `acquire` on its way.
struct Attempt<'a> {
    engine: &'a Engine,
    draw: &'a Draw,
    ask: &'a Ask,
    prepared: Prepared,
    ticket: Option<TicketId>,
    deadline: Option<Instant>,
    failure: Option<EngineError>,
}

impl Attempt<'_> {
    async fn collect(&mut self) -> Result<Vec<InstanceRow>> {
        let engine = self.engine;
        let worker = engine.worker()?.id().clone();
        let (mut bell, mut looked, mut helped) = (None, None, false);
        loop {
            let work = {
                let new = engine.new_ticket(self.draw, self.ask, &self.prepared, Some(&worker));
                let scope = Scope {
                    own: Some(Own {
                        draw: self.draw,
                        id: self.ticket,
                        new: &new,
                        sources: &self.prepared.sources,
                    }),
                    ..Scope::default()
                };
                engine.round(&scope)?
            };
            if work.own.is_some() && self.ticket.is_none() {
                self.ticket = work.own;
                fault::point("acquire:ticket-opened");
            }
            let progress = Progress::of(&work);
            // Served by one round, as with idle instances: there is nothing to read again.
            let whole = work.served && work.own_rows.len() as u32 == self.ask.count;
            let at_once = whole.then(|| work.own_rows.clone());
            let failures = engine.carry_out(work).await;
            for (ticket, error) in failures {
                if ticket == self.ticket && ticket.is_some() {
                    if for_the_operator(&error) {
                        return Err(error);
                    }
                    self.failure = Some(error);
                }
            }
            if let Some(end) = progress.failed {
                if engine.bury_dead_tickets()? || !helped && self.help(&progress).await? {
                    helped = true;
                    // What stood in the way was a request of a process that is gone.
                    self.ticket = None;
                    continue;
                }
                return Err(self.not_served(end, progress.report));
            }
            let held = match at_once {
                Some(rows) => Some(rows),
                None => self.state()?,
            };
            if let Some(rows) = held {
                match self.accept(rows).await? {
                    Some(rows) => return Ok(rows),
                    None => continue,
                }
            }
            if progress.busy
                || engine.bury_now_and_then(&mut looked)?
                || self.help(&progress).await?
            {
                continue;
            }
            if bell.is_none() {
                let listening = Bell::listen(engine.worker()?.bell());
                bell = Some(listening.map_err(|error| {
                    EngineError::new(FailureKind::Io, "cannot wait for a free instance")
                        .because(error)
                })?);
                continue;
            }
            if self
                .deadline
                .is_some_and(|deadline| deadline <= Instant::now())
            {
                return Err(self.not_served(FailedBy::Deadline, progress.report));
            }
            if let Some(bell) = &bell {
                self.pause(bell, &progress).await?;
            }
        }
    }

    /// Serves those that wait before this ticket without a process of their own: nobody else may do it. Answers whether there was
    /// something to do.
    async fn help(&self, progress: &Progress) -> Result<bool> {
        let behind = |report: &Report| report.ahead > 0;
        if !progress.report.as_ref().is_some_and(behind) {
            return Ok(false);
        }
        let sources = self.prepared.sources.iter();
        let work = self.engine.round(&Scope {
            sources: sources.map(|one| one.source.clone()).collect(),
            help: true,
            ..Scope::default()
        })?;
        let busy = work.is_busy();
        for (_, error) in self.engine.carry_out(work).await {
            tracing::warn!("{}", super::provision::chain(&error));
        }
        Ok(busy)
    }

    /// What the ticket holds, once it is served.
    fn state(&self) -> Result<Option<Vec<InstanceRow>>> {
        let Some(id) = self.ticket else {
            return Ok(None);
        };
        self.engine.store().read(|tx| {
            let row = tx
                .ticket(id)?
                .ok_or_else(|| EngineError::unknown_ticket(id))?;
            match row.state {
                TicketState::Waiting => Ok(None),
                TicketState::Served => {
                    let mut rows = tx.of_ticket(id)?;
                    rows.retain(|row| row.state == State::Leased);
                    Ok(Some(rows))
                }
                TicketState::Failed | TicketState::Closed => {
                    let why = row.reason.unwrap_or_else(|| "it was closed".into());
                    Err(EngineError::new(
                        FailureKind::Exhausted,
                        format!("ticket {id} ended without being served: {why}"),
                    )
                    .hint(format!("`runner why {id}` says more")))
                }
            }
        })
    }

    /// The hooks have their say over what was handed out. What they refuse is destroyed, and the ticket waits again.
    async fn accept(&self, rows: Vec<InstanceRow>) -> Result<Option<Vec<InstanceRow>>> {
        let engine = self.engine;
        let mut accepted = Vec::new();
        let mut refused = None;
        for row in rows {
            let definition = engine.definition(&row)?;
            match engine.tell(HookPoint::Acquire, &definition, &row).await {
                Ok(()) => accepted.push(row),
                Err(error) => {
                    tracing::error!(
                        "{}; `{}` is discarded",
                        super::provision::chain(&error),
                        row.name
                    );
                    engine.condemn(row, &error).await?;
                    refused = Some(error);
                }
            }
        }
        let Some(error) = refused else {
            return Ok(Some(accepted));
        };
        let Some(id) = self.ticket.filter(|_| self.ask.wait != Wait::No) else {
            return Err(error);
        };
        engine
            .store()
            .write::<_, StoreError>(Durability::Full, |tx| {
                tx.reopen_ticket(id, &self.prepared.sources)
            })?;
        Ok(None)
    }

    /// Waits until something may have changed.
    async fn pause(&self, bell: &Bell, progress: &Progress) -> Result<()> {
        let mut longest = self.engine.until(progress.next);
        if let Some(deadline) = self.deadline {
            longest = longest.min(deadline - Instant::now());
        }
        bell.wait(longest).await.map_err(|error| {
            EngineError::new(FailureKind::Io, "cannot wait for a free instance").because(error)
        })?;
        self.engine.repair().await.map(drop)
    }

    async fn give_back(&mut self) -> Result<()> {
        let Some(id) = self.ticket.take() else {
            return Ok(());
        };
        self.engine.withdraw_ticket(id).await
    }

    fn not_served(&mut self, end: FailedBy, report: Option<Report>) -> EngineError {
        let Some(report) = report else {
            return EngineError::new(FailureKind::Exhausted, "the request ended unexpectedly");
        };
        // Where nothing else stood in the way, the failure itself says it best.
        let only_failures = report
            .declines
            .iter()
            .all(|decline| matches!(decline.why, Why::Failed(_)));
        if only_failures && let Some(failure) = self.failure.take() {
            return failure;
        }
        let mut error = self.refused(&report);
        if end == FailedBy::Deadline {
            error.kind = FailureKind::TimedOut;
            error.message = format!("waited in vain: {}", error.message);
        }
        error
    }

    fn refused(&mut self, report: &Report) -> EngineError {
        let asked = match &self.draw.asked {
            Some(asked) => format!("source `{asked}`"),
            None => format!("no source with the tags `{}`", self.draw.tags.join("`, `")),
        };
        let few = |count: u32| {
            if count == 1 {
                "one instance".to_owned()
            } else {
                format!("{count} instances")
            }
        };
        let mut reasons: Vec<String> = report.declines.iter().map(ToString::to_string).collect();
        if let Some(Limit::At(maximum)) = report.pool_maximum {
            let pool = self.draw.asked.as_ref().map_or("", |asked| asked.as_str());
            reasons.insert(0, format!("pool `{pool}` is limited to {maximum}"));
        }
        let verb = if self.draw.asked.is_some() {
            "cannot"
        } else {
            "can"
        };
        let wanted = few(report.wanted);
        let mut error = EngineError::new(
            FailureKind::Exhausted,
            format!("{asked} {verb} give {wanted} now: {}", reasons.join("; ")),
        );
        let unmet = |why: &Why| matches!(why, Why::RuledOut(_) | Why::Failed(_));
        let unfit = !self.ask.requires.is_empty()
            && !report.declines.is_empty()
            && report.declines.iter().all(|decline| unmet(&decline.why));
        let behind = |why: &Why| matches!(why, Why::Ahead { .. });
        error.hint = Some(if report.declines.iter().any(|one| behind(&one.why)) {
            "others asked before: `runner ticket list` shows who waits, and `runner ticket close N` takes a request out of the queue"
                .into()
        } else if unfit && report.pool_maximum.is_none() {
            "waiting does not help: require less (`--requires`), or ask another source".into()
        } else if report.never {
            "it never can: ask for fewer, or raise `maximum` in the source's configuration".into()
        } else {
            "`--wait` waits for one; `runner status -v` shows who holds them; `maximum` is set in the source's \
             configuration"
                .into()
        });
        if let Some(failure) = self.failure.take() {
            return EngineError {
                source: Some(Box::new(failure)),
                ..error
            };
        }
        error
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        // An abandoned wait must not hold up others for as long as this process lives.
        if let Some(id) = self.ticket.take()
            && let Err(error) = self.engine.drop_ticket(id)
        {
            tracing::warn!(%error, "cannot take the request out of the queue");
        }
    }
}

/// What is left of a round once it is carried out.
struct Progress {
    busy: bool,
    failed: Option<FailedBy>,
    report: Option<Report>,
    next: Option<runner_core::id::Timestamp>,
}

impl Progress {
    fn of(work: &Work) -> Self {
        Self {
            busy: work.is_busy(),
            failed: work.failed,
            report: work.report.clone(),
            next: work.next,
        }
    }
}

/// The configuration is wrong, or a right is missing: going elsewhere would hide what only the operator can put right.
pub(super) fn for_the_operator(error: &EngineError) -> bool {
    matches!(
        provider_kind(error),
        Some(ErrorKind::Invalid | ErrorKind::Denied)
    )
}

/// Trying again later may help.
pub(super) fn passing(error: &EngineError) -> bool {
    matches!(
        provider_kind(error),
        Some(ErrorKind::Exhausted { .. } | ErrorKind::Unavailable { .. } | ErrorKind::Deadline)
    )
}

/// The backend's own advice.
pub(super) fn retry_after(error: &EngineError) -> Option<Duration> {
    match provider_kind(error)? {
        ErrorKind::Exhausted { retry_after } | ErrorKind::Unavailable { retry_after } => {
            *retry_after
        }
        _ => None,
    }
}

fn provider_kind(error: &EngineError) -> Option<&ErrorKind> {
    error.provider_error().map(|error| &error.kind)
}
