//! Whether a `runner serve` works on this state, and how the others leave the long work to it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use runner_core::id::{SourceName, TicketId, Timestamp};
use rustix::fs::{FlockOperation, flock};
use tokio::task::JoinSet;

use super::round::{Scope, Work};
use super::{Engine, EngineError, FailureKind, Owner, Result};
use crate::store::{Durability, InstanceRow, StoreError, TicketState, WorkerId};

/// The longest sleep of somebody who waits: whoever should have rung may have died between its commit and the bell.
const TICK: Duration = Duration::from_millis(500);

/// The file in which the server says what it makes.
const MAKES: &str = "serve.sources";

/// The right to be the one server of a state directory.
pub struct Serving {
    _lock: File,
    /// What the server makes, a line for each source: its name and its shape.
    makes: PathBuf,
}

impl Serving {
    /// Tells the commands what they can leave to this process: sources as it knows them. From nothing, they do everything
    /// themselves.
    pub(super) fn announce(&self, sources: &[(SourceName, String)]) -> Result<()> {
        let mut text = String::new();
        for (source, shape) in sources {
            text.push_str(&format!("{source} {shape}\n"));
        }
        let draft = self.makes.with_extension("draft");
        let written = std::fs::write(&draft, text);
        written
            .and_then(|()| std::fs::rename(&draft, &self.makes))
            .map_err(|error| {
                EngineError::new(
                    FailureKind::Io,
                    format!("cannot write `{}`", self.makes.display()),
                )
                .because(error)
            })
    }
}

impl Engine {
    /// Becomes the server, or says who is.
    pub fn become_server(&self) -> Result<Serving> {
        let path = self.store().directory().join("serve");
        let failed = |error: std::io::Error| {
            EngineError::new(FailureKind::Io, format!("cannot use `{}`", path.display()))
                .because(error)
        };
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(failed)?;
                let owner = text
                    .lines()
                    .nth(1)
                    .and_then(|line| serde_json::from_str::<Owner>(line).ok());
                let who = owner.map_or_else(
                    || "another process".to_owned(),
                    |owner| format!("process {} of {}@{}", owner.pid, owner.user, owner.host),
                );
                return Err(EngineError::new(
                    FailureKind::State,
                    format!(
                        "{who} already serves `{}`",
                        self.store().directory().display()
                    ),
                )
                .hint("one `runner serve` per state directory; end that one first"));
            }
            Err(error) => return Err(failed(error.into())),
        }
        let serving = Serving {
            makes: self.store().directory().join(MAKES),
            _lock: file.try_clone().map_err(failed)?,
        };
        serving.announce(&[])?;
        file.set_len(0).map_err(failed)?;
        let text = format!("{}\n{}\n", self.worker()?.id(), self.owner_json());
        file.write_all(text.as_bytes()).map_err(failed)?;
        Ok(serving)
    }

    /// Who serves this state, for people.
    pub fn served_by(&self) -> Option<Owner> {
        self.server()?;
        let text = std::fs::read_to_string(self.store().directory().join("serve")).ok()?;
        serde_json::from_str(text.lines().nth(1)?).ok()
    }

    /// The process that serves this state, when it is not this one.
    pub(super) fn server(&self) -> Option<WorkerId> {
        let text = std::fs::read_to_string(self.store().directory().join("serve")).ok()?;
        let id = WorkerId::stored(text.lines().next()?);
        let own = self.worker().ok()?.id();
        (*own != id && self.store().workers().is_alive(&id)).then_some(id)
    }

    /// A `runner serve` works on this state: it makes what tickets wait for.
    pub fn is_served(&self) -> bool {
        self.server().is_some()
    }

    /// Tells the commands what this process makes.
    pub(super) fn announce(&self, serving: &Serving, sources: &[SourceName]) -> Result<()> {
        let known = sources.iter().filter_map(|source| {
            let (_, shape) = self.catalogue().current(source).ok()??;
            Some((source.clone(), shape))
        });
        serving.announce(&known.collect::<Vec<_>>())
    }

    /// Whether the server, if there is one, makes instances of this source as it is known here. It may have been started
    /// where other settings are in force, or be about to end.
    pub(super) fn server_makes(&self, source: &SourceName, shape: &str) -> bool {
        let line = format!("{source} {shape}");
        std::fs::read_to_string(self.store().directory().join(MAKES))
            .is_ok_and(|text| text.lines().any(|one| one == line))
    }

    /// There is news for the server, if there is one.
    pub(super) fn wake_server(&self) {
        if let Some(server) = self.server() {
            self.store().workers().wake(&server);
        }
    }

    /// How long to sleep at most until this instant.
    pub(super) fn until(&self, next: Option<Timestamp>) -> Duration {
        let Some(next) = next else { return TICK };
        let left = (next.0 - self.now().0).max(1) as u64;
        Duration::from_millis(left).min(TICK)
    }

    /// Carries out what a round recorded, side by side. Answers what went wrong, by ticket; it is noted in the books too.
    pub(super) async fn carry_out(&self, work: Work) -> Vec<(Option<TicketId>, EngineError)> {
        let mut tasks = JoinSet::new();
        self.spawn_work(work, &mut tasks);
        let mut failures = Vec::new();
        while let Some(finished) = tasks.join_next().await {
            match finished {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => failures.push(failure),
                Err(error) => failures.push((
                    None,
                    EngineError::new(FailureKind::Provider, "a call ended unexpectedly")
                        .because(error),
                )),
            }
        }
        failures
    }

    /// Starts what a round recorded.
    pub(super) fn spawn_work(
        &self,
        work: Work,
        tasks: &mut JoinSet<std::result::Result<(), (Option<TicketId>, EngineError)>>,
    ) {
        for (row, operation) in work.new {
            let engine = self.clone();
            tasks.spawn(async move {
                let ticket = row.ticket;
                let made = engine.provision(row, operation).await;
                if let Some(ticket) = ticket {
                    engine.ring(ticket);
                }
                let row = made.map_err(|error| (ticket, error))?;
                let accepted = if row.worker.is_some() {
                    engine.confirm_detached(row).await
                } else {
                    Ok(())
                };
                accepted.map_err(|error| (ticket, error))
            });
        }
        for row in work.doomed {
            let engine = self.clone();
            tasks.spawn(async move {
                let discarded = engine.discard_row(row).await;
                discarded.map_err(|error| (None, error))
            });
        }
        for ticket in work.given_back {
            let engine = self.clone();
            tasks.spawn(async move {
                let given = engine.give_back_held(ticket).await;
                given.map_err(|error| (Some(ticket), error))
            });
        }
        for row in work.handed {
            let engine = self.clone();
            tasks.spawn(async move {
                let ticket = row.ticket;
                let accepted = engine.confirm_detached(row).await;
                accepted.map_err(|error| (ticket, error))
            });
        }
    }

    /// Everybody who waits for this ticket looks at it again.
    pub(super) fn ring(&self, ticket: TicketId) {
        let waiting = self.store().read::<_, StoreError>(|tx| {
            let row = tx.ticket(ticket)?;
            Ok((row.and_then(|row| row.worker), tx.ticket_watchers(ticket)?))
        });
        let Ok((worker, watchers)) = waiting else {
            return;
        };
        for worker in worker.iter().chain(&watchers) {
            self.store().workers().wake(worker);
        }
    }

    /// Something of this source became free, or may be made: whoever waits for it is served, or looks for itself.
    pub(super) fn settle_waiters(&self, source: &SourceName) {
        let Ok(waiting) = self
            .store()
            .read::<_, StoreError>(|tx| tx.waiting_for(source))
        else {
            return;
        };
        if waiting.is_empty() {
            self.wake_server();
            return;
        }
        // What is idle is only a matter of books: whoever comes here hands it out.
        let scope = Scope {
            sources: vec![source.clone()],
            ..Scope::default()
        };
        match self.round(&scope) {
            Ok(work) if work.is_busy() => {
                let engine = self.clone();
                // Should this process end before that is done, the next one finishes it.
                drop(tokio::spawn(async move {
                    for (_, error) in engine.carry_out(work).await {
                        tracing::warn!("{}", super::provision::chain(&error));
                    }
                }));
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot serve those who wait for `{source}`");
            }
        }
        self.wake_server();
    }

    /// Takes a ticket that will not be served out of the queue, and releases what it holds.
    pub(super) async fn withdraw_ticket(&self, id: TicketId) -> Result<()> {
        let sources = self.drop_ticket(id)?;
        self.give_back_held(id).await?;
        for source in sources {
            self.settle_waiters(&source);
        }
        Ok(())
    }

    /// Takes a ticket out of the queue. Answers the sources it waited for.
    pub(super) fn drop_ticket(&self, id: TicketId) -> Result<Vec<SourceName>> {
        let now = self.now();
        let sources = self
            .store()
            .write::<_, StoreError>(Durability::Process, |tx| {
                let sources = tx.ticket_sources(id)?;
                tx.end_ticket(id, TicketState::Closed, None, now)?;
                Ok(sources)
            })?;
        Ok(sources.into_iter().map(|source| source.source).collect())
    }

    /// Releases what a ticket holds and cannot complete.
    async fn give_back_held(&self, id: TicketId) -> Result<()> {
        let held: Vec<InstanceRow> = self
            .store()
            .read::<_, StoreError>(|tx| tx.of_ticket(id))?
            .into_iter()
            .filter(|row| row.state == runner_core::instance::State::Leased)
            .collect();
        if held.is_empty() {
            return Ok(());
        }
        self.release_rows(held).await.map(drop)
    }

    /// The same for whoever waits, now and then: what a dead request is given in each plan, nobody makes.
    pub(super) fn bury_now_and_then(
        &self,
        looked: &mut Option<tokio::time::Instant>,
    ) -> Result<bool> {
        if looked.is_some_and(|at| at.elapsed() < TICK) {
            return Ok(false);
        }
        *looked = Some(tokio::time::Instant::now());
        self.bury_dead_tickets()
    }

    /// Ends the tickets of processes that died while they waited. `true`: there was one.
    pub(super) fn bury_dead_tickets(&self) -> Result<bool> {
        let waiting = self
            .store()
            .read::<_, StoreError>(|tx| tx.waiting_workers())?;
        let mut buried = false;
        let mut alive = std::collections::HashMap::new();
        for (ticket, worker) in waiting {
            let lives = *alive
                .entry(worker)
                .or_insert_with_key(|worker| self.store().workers().is_alive(worker));
            if !lives {
                self.drop_ticket(ticket)?;
                buried = true;
            }
        }
        Ok(buried)
    }
}
