//! `acquire`: idle instances first, then new ones; all that were asked for, or none.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use runner_core::id::{InstanceName, SourceName, Token};
use runner_core::instance::Event;
use runner_core::plan::{self, Refusal};
use runner_core::policy::Limit;

use super::wait::Bell;
use super::{
    Definition, Draw, Engine, EngineError, FailureKind, Result, Wait, fault, random_bytes,
};
use crate::provider::{ErrorKind, ProviderError};
use crate::store::{
    DrawQuery, Durability, InstanceRow, Lease, NewInstance, OperationId, SourceQuery, StoreError,
    TicketId,
};

/// How long to leave a backend alone that has no capacity and gives no advice.
const BACKEND_PAUSE: Duration = Duration::from_secs(5);

/// Instances that were handed out. Tell the user their names, then call [`Acquired::confirm`]: until then the next
/// command takes them back if this process dies.
pub struct Acquired {
    engine: Engine,
    rows: Vec<InstanceRow>,
}

impl Acquired {
    /// The names, by source and number.
    pub fn names(&self) -> Vec<InstanceName> {
        self.rows.iter().map(|row| row.name.clone()).collect()
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
                Ok(())
            })?;
        fault::point("acquire:confirmed");
        Ok(())
    }

    /// The user could not be told: ends the leases.
    pub async fn give_back(self) -> Result<()> {
        self.engine.release_rows(self.rows).await.map(drop)
    }
}

/// What one round of planning led to.
enum Round {
    /// These are ours now; the second list is still to be made.
    Served {
        taken: Vec<InstanceRow>,
        new: Vec<(InstanceRow, OperationId)>,
    },
    /// Outdated idle instances must go first.
    Evict(Vec<InstanceRow>),
    /// Not now.
    Refused(Refusal),
}

impl Engine {
    /// Gets `count` instances. Everything is given back when not all can be had.
    pub async fn acquire(&self, draw: &Draw, count: u32, wait: Wait) -> Result<Acquired> {
        self.repair().await?;
        let mut attempt = Attempt::new(self, draw, wait);
        match attempt.collect(count).await {
            Ok(()) => {
                fault::point("acquire:served");
                let rows = std::mem::take(&mut attempt.held);
                Ok(Acquired {
                    engine: self.clone(),
                    rows,
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
    wait: Wait,
    deadline: Option<Instant>,
    held: Vec<InstanceRow>,
    ticket: Option<TicketId>,
    /// Sources that could not make one for this request.
    tried: HashSet<SourceName>,
    failure: Option<EngineError>,
}

impl<'a> Attempt<'a> {
    fn new(engine: &'a Engine, draw: &'a Draw, wait: Wait) -> Self {
        let deadline = match wait {
            Wait::For(duration) => Some(Instant::now() + duration),
            Wait::No | Wait::Forever => None,
        };
        Self {
            engine,
            draw,
            wait,
            deadline,
            held: Vec::new(),
            ticket: None,
            tried: HashSet::new(),
            failure: None,
        }
    }

    async fn collect(&mut self, count: u32) -> Result<()> {
        let mut bell = None;
        loop {
            let missing = count - self.held.len() as u32;
            if missing == 0 {
                self.close_ticket()?;
                return Ok(());
            }
            match self.round(missing)? {
                Round::Served { taken, new } => {
                    self.held.extend(taken);
                    self.make(new).await?;
                }
                Round::Evict(rows) => {
                    for row in rows {
                        self.engine.discard_row(row).await?;
                    }
                }
                Round::Refused(refusal) => {
                    if self.bury_dead_tickets()? {
                        continue;
                    }
                    if self.wait == Wait::No || refusal.never {
                        return Err(self.refused(&refusal));
                    }
                    if !self.held.is_empty() {
                        // Holding some while waiting for more is how two requests lock each other out.
                        self.give_back().await?;
                        continue;
                    }
                    if self.ticket.is_none() {
                        bell = Some(self.queue(count)?);
                        continue;
                    }
                    self.pause(bell.as_ref(), &refusal).await?;
                }
            }
        }
    }

    /// Decides and records, in one transaction.
    fn round(&self, missing: u32) -> Result<Round> {
        let engine = self.engine;
        let worker = engine.worker()?.id().clone();
        let now = engine.now();
        let query = DrawQuery {
            asked: self.draw.asked.clone(),
            pool: self.draw.pool,
            sources: self
                .draw
                .sources
                .iter()
                .map(|source| self.query(source))
                .collect(),
            wanted: missing,
            ticket: self.ticket,
        };
        let lease = Lease {
            owner: engine.owner_json(),
            since: now,
            confirmed: false,
        };
        let round = engine.store().write(Durability::Full, |tx| {
            let plan = match plan::acquire(&tx.draw_view(&query)?, missing) {
                Ok(plan) => plan,
                Err(refusal) => return Ok(Round::Refused(refusal)),
            };
            if !plan.evict.is_empty() {
                let mut rows = Vec::new();
                for id in plan.evict {
                    let mut row = tx.instance_by_id(id)?;
                    row.worker = Some(worker.clone());
                    tx.save(&mut row, Some(Event::Doomed), now)?;
                    rows.push(row);
                }
                return Ok(Round::Evict(rows));
            }
            let mut taken = Vec::new();
            for id in plan.take {
                let mut row = tx.instance_by_id(id)?;
                row.worker = Some(worker.clone());
                row.lease = Some(lease.clone());
                row.pool = (self.draw.asked != row.source)
                    .then(|| self.draw.asked.clone())
                    .or(row.pool);
                tx.save(&mut row, Some(Event::Assigned), now)?;
                let operation = engine.begin(tx, "acquire", &row, Some("idle instance"))?;
                tx.end_operation(operation, "ok", None, now)?;
                taken.push(row);
            }
            let mut new = Vec::new();
            for (index, count) in plan.grow {
                let definition = &self.draw.sources[index];
                let body = serde_json::to_string(definition).map_err(|error| {
                    EngineError::new(
                        FailureKind::State,
                        "cannot store the definition of the source",
                    )
                    .because(error)
                })?;
                let key = tx.keep_definition(&definition.source, &definition.shape, &body)?;
                for _ in 0..count {
                    let token = Token::from_bytes(random_bytes()?);
                    let row = tx.insert_intent(NewInstance {
                        asked: &self.draw.asked,
                        source: &definition.source,
                        definition: key,
                        workdir: definition
                            .workdir
                            .then(|| engine.0.work.join(token.as_str())),
                        token,
                        worker: &worker,
                        now,
                    })?;
                    let operation = engine.begin(tx, "acquire", &row, Some("new instance"))?;
                    new.push((row, operation));
                }
            }
            if new.first().is_some_and(|(row, _)| row.id.0 % 256 == 0) {
                tx.prune(now)?;
            }
            Ok::<_, EngineError>(Round::Served { taken, new })
        })?;
        fault::point("acquire:intended");
        Ok(round)
    }

    fn query(&self, definition: &Definition) -> SourceQuery {
        SourceQuery {
            name: definition.source.clone(),
            policy: definition.policy,
            shape: definition.shape.clone(),
            tried: self.tried.contains(&definition.source),
        }
    }

    /// Makes the instances that were recorded, side by side. A source that fails is not asked again while others can be.
    async fn make(&mut self, new: Vec<(InstanceRow, OperationId)>) -> Result<()> {
        let mut tasks = tokio::task::JoinSet::new();
        for (row, operation) in new {
            let engine = self.engine.clone();
            tasks.spawn(async move {
                let source = row.source.clone();
                (source, engine.provision(row, operation).await)
            });
        }
        let mut operators = None;
        while let Some(finished) = tasks.join_next().await {
            let (source, made) = finished.map_err(|error| {
                EngineError::new(
                    FailureKind::Provider,
                    "making an instance ended unexpectedly",
                )
                .because(error)
            })?;
            match made {
                Ok(row) => self.held.push(row),
                Err(error) if for_the_operator(&error) => operators = Some(error),
                Err(error) => {
                    self.tried.insert(source);
                    self.failure = Some(error);
                }
            }
        }
        // Going elsewhere would hide what only the operator can put right.
        if let Some(error) = operators {
            return Err(error);
        }
        let others = self
            .draw
            .sources
            .iter()
            .any(|source| !self.tried.contains(&source.source));
        match self.failure.take() {
            Some(error) if !others && (self.wait == Wait::No || !passing(&error)) => Err(error),
            failure => {
                self.failure = failure;
                Ok(())
            }
        }
    }

    fn queue(&mut self, count: u32) -> Result<Bell> {
        let engine = self.engine;
        let worker = engine.worker()?;
        let bell = Bell::listen(worker.bell()).map_err(|error| {
            EngineError::new(FailureKind::Io, "cannot wait for a free instance").because(error)
        })?;
        let sources: Vec<_> = self
            .draw
            .sources
            .iter()
            .map(|source| source.source.clone())
            .collect();
        let now = engine.now();
        let ticket = engine
            .store()
            .write::<_, StoreError>(Durability::Process, |tx| {
                tx.open_ticket(&self.draw.asked, &sources, count, worker.id(), now)
            })?;
        fault::point("acquire:ticket-opened");
        self.ticket = Some(ticket);
        Ok(bell)
    }

    /// Waits until something may have changed, or the deadline has passed.
    async fn pause(&mut self, bell: Option<&Bell>, refusal: &Refusal) -> Result<()> {
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            let mut error = self.refused(refusal);
            error.kind = FailureKind::TimedOut;
            error.message = format!("waited in vain: {}", error.message);
            return Err(error);
        }
        let left = self
            .deadline
            .map_or(Duration::MAX, |deadline| deadline - Instant::now());
        if self.tried.is_empty() {
            if let Some(bell) = bell {
                bell.wait(left).await.map_err(|error| {
                    EngineError::new(FailureKind::Io, "cannot wait for a free instance")
                        .because(error)
                })?;
            }
        } else {
            // A backend without capacity does not ring.
            let advice = self
                .failure
                .as_ref()
                .and_then(retry_after)
                .unwrap_or(BACKEND_PAUSE);
            tokio::time::sleep(left.min(advice)).await;
            self.tried.clear();
        }
        self.engine.repair().await.map(drop)
    }

    /// A process that died while it waited must not hold up those behind it. `true`: there was one.
    fn bury_dead_tickets(&self) -> Result<bool> {
        let store = self.engine.store();
        let mut buried = false;
        for source in &self.draw.sources {
            let tickets = store.read(|tx| tx.tickets_for(&source.source))?;
            let ahead = tickets
                .into_iter()
                .take_while(|ticket| Some(ticket.id) != self.ticket);
            for ticket in ahead.filter(|ticket| !store.workers().is_alive(&ticket.worker)) {
                store
                    .write::<_, StoreError>(Durability::Process, |tx| tx.close_ticket(ticket.id))?;
                buried = true;
            }
        }
        Ok(buried)
    }

    fn close_ticket(&mut self) -> Result<()> {
        if let Some(ticket) = self.ticket.take() {
            self.engine
                .store()
                .write::<_, StoreError>(Durability::Process, |tx| tx.close_ticket(ticket))?;
            // There may be room for the next one too.
            for source in &self.draw.sources {
                self.engine.wake_waiters(&source.source);
            }
        }
        Ok(())
    }

    async fn give_back(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.engine.release_rows(held).await?;
        }
        Ok(())
    }

    fn refused(&mut self, refusal: &Refusal) -> EngineError {
        let asked = &self.draw.asked;
        let few = |count: u32| {
            if count == 1 {
                "one instance".to_owned()
            } else {
                format!("{count} instances")
            }
        };
        let mut reasons: Vec<String> = refusal.declines.iter().map(ToString::to_string).collect();
        if let Some(Limit::At(maximum)) = refusal.pool_maximum {
            reasons.insert(0, format!("pool `{asked}` is limited to {maximum}"));
        }
        let wanted = few(refusal.wanted + self.held.len() as u32);
        let mut error = EngineError::new(
            FailureKind::Exhausted,
            format!(
                "source `{asked}` cannot give {wanted} now: {}",
                reasons.join("; ")
            ),
        );
        error.hint = Some(if refusal.never {
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
        if let Err(error) = self.close_ticket() {
            tracing::warn!(%error, "cannot take the request out of the queue");
        }
    }
}

/// Trying again later may help.
/// The configuration is wrong, or a right is missing.
fn for_the_operator(error: &EngineError) -> bool {
    matches!(
        provider_kind(error),
        Some(ErrorKind::Invalid | ErrorKind::Denied)
    )
}

fn passing(error: &EngineError) -> bool {
    matches!(
        provider_kind(error),
        Some(ErrorKind::Exhausted { .. } | ErrorKind::Unavailable { .. })
    )
}

fn retry_after(error: &EngineError) -> Option<Duration> {
    match provider_kind(error)? {
        ErrorKind::Exhausted { retry_after } | ErrorKind::Unavailable { retry_after } => {
            *retry_after
        }
        _ => None,
    }
}

fn provider_kind(error: &EngineError) -> Option<&ErrorKind> {
    let source = error.source.as_ref()?;
    source
        .downcast_ref::<ProviderError>()
        .map(|error| &error.kind)
}
