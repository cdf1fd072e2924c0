//! `runner serve`: the same rounds, without an end, over everything.
//!
//! Nothing depends on it: what it leaves when it is killed, the next command or the next `serve` picks up by the ordinary way.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use runner_core::id::{SourceName, Timestamp};
use runner_core::plan::RowId;
use runner_core::policy::Millis;
use tokio::task::JoinSet;

use super::provision::chain;
use super::round::Scope;
use super::wait::Bell;
use super::{Engine, EngineError, FailureKind, Result};
use crate::store::{Durability, InstanceRow, NewEvent, StoreError};

/// How the loop is asked to go on, or to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Run,
    /// Begin nothing new, finish what is in flight, then end.
    Drain,
}

/// The knobs of the loop.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// How long an orphan is only reported.
    pub orphan_grace: Millis,
    /// Checks that run at the same time.
    pub checks_at_once: u32,
    /// How long ended things are kept.
    pub history: Millis,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            orphan_grace: Millis::seconds(600),
            checks_at_once: 8,
            history: Millis::seconds(30 * 24 * 3600),
        }
    }
}

/// The shortest time between two looks at everything that is idle.
const TEND: Duration = Duration::from_secs(1);
/// The loop looks at everything at most for this part of the time.
const SHARE: u32 = 20;
/// Without any news.
const IDLE: Duration = Duration::from_secs(1);
/// Old rows are removed this often.
const PRUNE: Duration = Duration::from_secs(60);

impl Engine {
    /// Serves until it is ordered to drain and everything in flight has come to rest. `reload` answers whether the configuration
    /// was read anew since it was last asked.
    pub async fn serve(
        &self,
        options: ServeOptions,
        mut orders: tokio::sync::watch::Receiver<Order>,
        mut reload: impl FnMut() -> bool,
    ) -> Result<()> {
        let serving = self.become_server()?;
        let bell = Bell::listen(self.worker()?.bell()).map_err(|error| {
            EngineError::new(FailureKind::Io, "cannot listen for news").because(error)
        })?;
        self.note_serving("started")?;
        let mut service = Service::new(self, options);
        while *orders.borrow() == Order::Run {
            if reload() {
                service.forget_configuration();
            }
            let pause = match service.turn().await {
                Ok(pause) => pause,
                Err(error) => {
                    // A full disk, a locked file: nothing is lost, and it may pass.
                    tracing::error!("{}", chain(&error));
                    IDLE
                }
            };
            tokio::select! {
                rung = bell.wait(pause) => rung.map_err(|error| {
                    EngineError::new(FailureKind::Io, "cannot listen for news").because(error)
                })?,
                changed = orders.changed() => if changed.is_err() { break },
                Some(()) = service.finished() => {}
            }
        }
        tracing::info!("draining: nothing new is begun");
        while service.finished().await.is_some() {}
        self.note_serving("stopped")?;
        drop(serving);
        Ok(())
    }

    fn note_serving(&self, what: &str) -> Result<()> {
        let now = self.now();
        let detail = self.worker()?.id().to_string();
        self.store()
            .write::<_, StoreError>(Durability::Process, |tx| {
                tx.note(&NewEvent {
                    detail: Some(&detail),
                    ..NewEvent::new("serve", what, now)
                })
            })?;
        Ok(())
    }
}

/// The loop's own memory: only of what is in flight, and of when it did what.
struct Service<'a> {
    engine: &'a Engine,
    options: ServeOptions,
    tasks: JoinSet<Done>,
    work: JoinSet<std::result::Result<(), (Option<runner_core::id::TicketId>, EngineError)>>,
    checking: HashSet<RowId>,
    sweeping: HashSet<SourceName>,
    swept: std::collections::HashMap<SourceName, Instant>,
    repairing: bool,
    tended: Option<(Instant, Duration)>,
    tend_at: Option<Timestamp>,
    pruned: Option<Instant>,
    scheduled: bool,
}

/// What came to its end.
enum Done {
    Check(RowId),
    Sweep(SourceName),
    Repair,
}

impl<'a> Service<'a> {
    fn new(engine: &'a Engine, options: ServeOptions) -> Self {
        Self {
            engine,
            options,
            tasks: JoinSet::new(),
            work: JoinSet::new(),
            checking: HashSet::new(),
            sweeping: HashSet::new(),
            swept: std::collections::HashMap::new(),
            repairing: false,
            tended: None,
            tend_at: None,
            pruned: None,
            scheduled: false,
        }
    }

    fn forget_configuration(&mut self) {
        self.tended = None;
        self.scheduled = false;
    }

    /// Waits for one of the things in flight; none when there is nothing.
    async fn finished(&mut self) -> Option<()> {
        if self.tasks.is_empty() && self.work.is_empty() {
            return None;
        }
        tokio::select! {
            Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                match done {
                    Ok(Done::Check(row)) => drop(self.checking.remove(&row)),
                    Ok(Done::Sweep(source)) => drop(self.sweeping.remove(&source)),
                    Ok(Done::Repair) => self.repairing = false,
                    Err(error) => {
                        tracing::error!(%error, "a task ended unexpectedly");
                        self.checking.clear();
                        self.sweeping.clear();
                        self.repairing = false;
                    }
                }
            }
            Some(done) = self.work.join_next(), if !self.work.is_empty() => {
                match done {
                    Ok(Ok(())) => {}
                    Ok(Err((_, error))) => tracing::error!("{}", chain(&error)),
                    Err(error) => tracing::error!(%error, "a task ended unexpectedly"),
                }
            }
            else => {}
        }
        Some(())
    }

    /// One turn of the loop. Answers how long to sleep at most.
    async fn turn(&mut self) -> Result<Duration> {
        self.repair();
        self.engine.bury_dead_tickets()?;
        let sources = self.sources()?;
        let tend = self.tend_now();
        let begun = Instant::now();
        let scope = Scope {
            sources: if tend {
                sources.clone()
            } else {
                self.wanted()?
            },
            serve: true,
            tend,
            ..Scope::default()
        };
        let mut next = None;
        if !scope.sources.is_empty() {
            let work = self.engine.round(&scope)?;
            next = work.next;
            self.engine.spawn_work(work, &mut self.work);
        }
        if tend {
            self.tended = Some((Instant::now(), begun.elapsed()));
            self.tend_at = next;
            if !self.scheduled {
                self.engine.schedule_checks(&sources)?;
                self.scheduled = true;
            }
            self.sweep(&sources);
            self.prune()?;
        }
        self.check()?;
        let deadline = self
            .engine
            .store()
            .read::<_, StoreError>(|tx| tx.next_deadline())?;
        let now = self.engine.now();
        let until = [next, self.tend_at, deadline]
            .into_iter()
            .flatten()
            .map(|at| Duration::from_millis((at.0 - now.0).max(10) as u64))
            .min();
        Ok(until.unwrap_or(IDLE).min(IDLE))
    }

    /// Every source that is configured, or that something exists of.
    fn sources(&self) -> Result<Vec<SourceName>> {
        let mut sources: Vec<SourceName> = self
            .engine
            .catalogue()
            .listings()
            .unwrap_or_else(|error| {
                tracing::warn!("{}", chain(&error));
                Vec::new()
            })
            .into_iter()
            .filter(|listing| listing.children.is_none())
            .map(|listing| listing.name)
            .collect();
        let populated = self
            .engine
            .store()
            .read::<_, StoreError>(|tx| tx.populated_sources())?;
        for source in populated {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        Ok(sources)
    }

    /// The sources that tickets wait for.
    fn wanted(&self) -> Result<Vec<SourceName>> {
        Ok(self
            .engine
            .store()
            .read::<_, StoreError>(|tx| tx.wanted_sources())?)
    }

    fn tend_now(&self) -> bool {
        let Some((at, took)) = self.tended else {
            return true;
        };
        at.elapsed() >= TEND.max(took * SHARE)
    }

    fn repair(&mut self) {
        if self.repairing {
            return;
        }
        self.repairing = true;
        let engine = self.engine.clone();
        self.tasks.spawn(async move {
            if let Err(error) = engine.repair().await {
                tracing::error!("{}", chain(&error));
            }
            Done::Repair
        });
    }

    fn check(&mut self) -> Result<()> {
        let free = (self.options.checks_at_once as usize).saturating_sub(self.checking.len());
        if free == 0 {
            return Ok(());
        }
        let most = (free + self.checking.len()) as u32;
        let due: Vec<InstanceRow> = self.engine.due_checks(most)?;
        for row in due
            .into_iter()
            .filter(|row| !self.checking.contains(&row.id))
            .take(free)
            .collect::<Vec<_>>()
        {
            self.checking.insert(row.id);
            let engine = self.engine.clone();
            self.tasks.spawn(async move {
                let id = row.id;
                if let Err(error) = engine.check_row(row).await {
                    tracing::warn!("{}", chain(&error));
                }
                Done::Check(id)
            });
        }
        Ok(())
    }

    /// Each source's backend is listed twice within the time of quarantine.
    fn sweep(&mut self, sources: &[SourceName]) {
        let period =
            Duration::from_millis(self.options.orphan_grace.0 / 2).max(Duration::from_millis(200));
        for source in sources {
            let due = self
                .swept
                .get(source)
                .is_none_or(|at| at.elapsed() >= period);
            if !due || self.sweeping.contains(source) {
                continue;
            }
            self.swept.insert(source.clone(), Instant::now());
            self.sweeping.insert(source.clone());
            let (engine, source) = (self.engine.clone(), source.clone());
            let grace = self.options.orphan_grace;
            self.tasks.spawn(async move {
                if let Err(error) = engine.sweep(&source, grace).await {
                    tracing::warn!("{}", chain(&error));
                }
                Done::Sweep(source)
            });
        }
    }

    fn prune(&mut self) -> Result<()> {
        if self.pruned.is_some_and(|at| at.elapsed() < PRUNE) {
            return Ok(());
        }
        self.pruned = Some(Instant::now());
        let now = self.engine.now();
        self.engine
            .store()
            .write::<_, StoreError>(Durability::Process, |tx| {
                tx.prune(now, Some(self.options.history))
            })?;
        Ok(())
    }
}
