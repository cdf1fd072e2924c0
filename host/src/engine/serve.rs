//! `runner serve`: the same rounds, without an end, over everything.
//!
//! Nothing depends on it: what it leaves when it is killed, the next command or the next `serve` picks up by the ordinary way.
//! A turn of the loop only reads and writes books; everything that asks a provider runs beside it, so that one that hangs
//! holds up nothing but itself.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use runner_core::id::{SourceName, TicketId, Timestamp};
use runner_core::plan::RowId;
use runner_core::policy::Millis;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::provision::chain;
use super::repair::RepairReport;
use super::round::Scope;
use super::wait::Bell;
use super::{Engine, EngineError, FailureKind, Result, Serving};
use crate::store::{Durability, NewEvent, StoreError};

/// How the loop is asked to go on, or to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Run,
    /// Begin nothing new, finish what is in flight, then end.
    Drain,
}

/// The knobs of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// How long an orphan is only reported.
    pub orphan_grace: Millis,
    /// Checks that run at the same time; of one source half as many.
    pub checks_at_once: u32,
    /// How long ended things are kept; none: for ever.
    pub history: Option<Millis>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            orphan_grace: Millis::seconds(600),
            checks_at_once: 8,
            history: Some(Millis::seconds(30 * 24 * 3600)),
        }
    }
}

/// The shortest time between two looks at everything that is idle.
const TEND: Duration = Duration::from_secs(1);
/// The loop looks at everything at most for this part of the time.
const SHARE: u32 = 20;
/// Without any news.
const IDLE: Duration = Duration::from_secs(1);
/// What is due and cannot be done yet is looked at again after this.
const SOON: Duration = Duration::from_millis(100);
/// What could not be put right is left alone for this long.
const REST: Duration = Duration::from_secs(1);
/// Old rows are removed this often.
const PRUNE: Duration = Duration::from_secs(60);

impl Engine {
    /// Serves until it is ordered to drain and everything in flight has come to rest. `reload` answers the options when the
    /// configuration was read anew since it was last asked.
    pub async fn serve(
        &self,
        serving: Serving,
        options: ServeOptions,
        mut orders: tokio::sync::watch::Receiver<Order>,
        mut reload: impl FnMut() -> Option<ServeOptions>,
    ) -> Result<()> {
        let bell = Bell::listen(self.worker()?.bell()).map_err(|error| {
            EngineError::new(FailureKind::Io, "cannot listen for news").because(error)
        })?;
        let who = format!("process {}", std::process::id());
        self.note_serving("started", None, Some(&who))?;
        let mut service = Service::new(self, &serving, options);
        while *orders.borrow_and_update() == Order::Run {
            if let Some(options) = reload() {
                service.reconfigured(options);
            }
            let pause = match service.turn() {
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
        // Whoever waits goes on by itself, and need not wait for our end.
        serving.announce(&[])?;
        self.wake_waiters();
        while service.finished().await.is_some() {}
        self.note_serving("stopped", None, Some(&who))?;
        drop(serving);
        Ok(())
    }

    /// Notes what happens to the service itself, such as that a source has other settings now.
    pub fn note_serving(
        &self,
        what: &str,
        source: Option<&SourceName>,
        detail: Option<&str>,
    ) -> Result<()> {
        let now = self.now();
        let kind = if source.is_some() { "source" } else { "serve" };
        self.store()
            .write::<_, StoreError>(Durability::Process, |tx| {
                tx.note(&NewEvent {
                    source,
                    detail,
                    ..NewEvent::new(kind, what, now)
                })
            })?;
        Ok(())
    }

    /// Everybody who waits looks for itself.
    fn wake_waiters(&self) {
        let waiting = self.store().read::<_, StoreError>(|tx| tx.tickets(false));
        for ticket in waiting.into_iter().flatten() {
            self.ring(ticket.id);
        }
    }
}

/// The loop's own memory: only of what is in flight, and of when it did what.
struct Service<'a> {
    engine: &'a Engine,
    serving: &'a Serving,
    options: ServeOptions,
    tasks: JoinSet<Done>,
    work: JoinSet<std::result::Result<(), (Option<TicketId>, EngineError)>>,
    checking: HashMap<RowId, SourceName>,
    /// Until when it is left alone; none: somebody is at it.
    mending: HashMap<RowId, Option<Instant>>,
    mended: Option<Instant>,
    sweeping: HashSet<SourceName>,
    swept: HashMap<SourceName, Instant>,
    tended: Option<(Instant, Duration)>,
    tend_at: Option<Timestamp>,
    pruned: Option<Instant>,
    /// What follows from the settings was done.
    settled: bool,
    /// Sources that were configured at some time of this server's life.
    seen: HashSet<SourceName>,
}

/// What came to its end.
enum Done {
    Check(RowId),
    Sweep(SourceName),
    Chore(RowId, bool),
}

impl<'a> Service<'a> {
    fn new(engine: &'a Engine, serving: &'a Serving, options: ServeOptions) -> Self {
        Self {
            engine,
            serving,
            options,
            tasks: JoinSet::new(),
            work: JoinSet::new(),
            checking: HashMap::new(),
            mending: HashMap::new(),
            mended: None,
            sweeping: HashSet::new(),
            swept: HashMap::new(),
            tended: None,
            tend_at: None,
            pruned: None,
            settled: false,
            seen: HashSet::new(),
        }
    }

    fn reconfigured(&mut self, options: ServeOptions) {
        self.options = options;
        self.tended = None;
        self.settled = false;
    }

    /// Waits for one of the things in flight; none when there is nothing.
    async fn finished(&mut self) -> Option<()> {
        if self.tasks.is_empty() && self.work.is_empty() {
            return None;
        }
        tokio::select! {
            Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => self.done(done),
            Some(done) = self.work.join_next(), if !self.work.is_empty() => worked(done),
            else => {}
        }
        // A turn is worth more than one of them.
        while let Some(done) = self.tasks.try_join_next() {
            self.done(done);
        }
        while let Some(done) = self.work.try_join_next() {
            worked(done);
        }
        Some(())
    }

    fn done(&mut self, done: std::result::Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Check(row)) => drop(self.checking.remove(&row)),
            Ok(Done::Sweep(source)) => drop(self.sweeping.remove(&source)),
            Ok(Done::Chore(row, true)) => drop(self.mending.remove(&row)),
            Ok(Done::Chore(row, false)) => {
                self.mending.insert(row, Some(Instant::now() + REST));
            }
            Err(error) => {
                tracing::error!(%error, "a task ended unexpectedly");
                self.checking.clear();
                self.sweeping.clear();
                self.mending.clear();
            }
        }
    }

    /// One turn of the loop: books only. Answers how long to sleep at most.
    fn turn(&mut self) -> Result<Duration> {
        let mut soon = self.mend()?;
        self.engine.bury_dead_tickets()?;
        let tend = self.tend_now();
        let begun = Instant::now();
        let sources = if tend {
            self.sources()?
        } else {
            self.wanted()?
        };
        if tend && !self.settled {
            self.engine.announce(self.serving, &sources)?;
            self.engine.schedule_checks(&sources)?;
            self.settled = true;
        }
        let mut next = None;
        if !sources.is_empty() {
            let work = self.engine.round(&Scope {
                sources: sources.clone(),
                serve: true,
                tend,
                ..Scope::default()
            })?;
            next = work.next;
            // What is idle may be handed out only now that something else came to rest.
            soon |= work.is_busy();
            self.engine.spawn_work(work, &mut self.work);
        }
        if tend {
            self.tended = Some((Instant::now(), begun.elapsed()));
            self.tend_at = next;
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
            .map(|at| Duration::from_millis((at.0 - now.0).max(0) as u64).max(SOON))
            .min()
            .unwrap_or(IDLE);
        Ok(until.min(if soon { SOON } else { IDLE }))
    }

    /// Every source that is configured, or that something exists of.
    fn sources(&mut self) -> Result<Vec<SourceName>> {
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
        let mut known: HashSet<SourceName> = sources.iter().cloned().collect();
        let populated = self
            .engine
            .store()
            .read::<_, StoreError>(|tx| tx.populated_sources())?;
        self.seen.extend(sources.iter().cloned());
        for source in populated {
            if known.insert(source.clone()) && !self.is_elsewhere(&source)? {
                sources.push(source);
            }
        }
        Ok(sources)
    }

    /// A source of a project that this server does not see from where it was started, and never saw: not its to drain.
    fn is_elsewhere(&self, source: &SourceName) -> Result<bool> {
        if self.seen.contains(source) {
            return Ok(false);
        }
        let newest = self
            .engine
            .store()
            .read::<_, StoreError>(|tx| tx.newest_definition(source))?;
        let definition = newest.as_ref().map(super::parse_definition).transpose()?;
        Ok(definition.is_some_and(|definition| definition.project))
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

    /// Begins to put right what nobody works on. `true`: something was left for the next turn.
    fn mend(&mut self) -> Result<bool> {
        // Whoever is about to end in a burst need not be looked at once for each other one.
        if self.mended.is_some_and(|at| at.elapsed() < SOON) {
            return Ok(true);
        }
        self.mended = Some(Instant::now());
        let now = Instant::now();
        self.mending
            .retain(|_, until| until.is_none_or(|until| until > now));
        for chore in self.engine.chores(true)? {
            let row = chore.row();
            if self.mending.contains_key(&row) {
                continue;
            }
            self.mending.insert(row, None);
            let engine = self.engine.clone();
            self.tasks.spawn(async move {
                let mut report = RepairReport::default();
                let done = engine.attend(chore, &mut report).await;
                report.tell();
                if let Err(error) = &done {
                    tracing::error!("{}", chain(error));
                }
                Done::Chore(row, done.is_ok() && report.pending.is_empty())
            });
        }
        Ok(false)
    }

    /// Begins checks that are due. A source whose checks hang leaves half of the places to the others.
    fn check(&mut self) -> Result<()> {
        let places = self.options.checks_at_once.max(1) as usize;
        let share = places.div_ceil(2);
        if self.checking.len() >= places {
            return Ok(());
        }
        let mut busy: HashMap<SourceName, usize> = HashMap::new();
        for source in self.checking.values() {
            *busy.entry(source.clone()).or_default() += 1;
        }
        for row in self.engine.due_checks(share as u32)? {
            if self.checking.len() >= places {
                break;
            }
            let id = row.id;
            let busy = busy.entry(row.source.clone()).or_default();
            if self.checking.contains_key(&id) || *busy >= share {
                continue;
            }
            *busy += 1;
            self.checking.insert(id, row.source.clone());
            let engine = self.engine.clone();
            self.tasks.spawn(async move {
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
                tx.prune(now, self.options.history)
            })?;
        Ok(())
    }
}

fn worked(
    done: std::result::Result<
        std::result::Result<(), (Option<TicketId>, EngineError)>,
        tokio::task::JoinError,
    >,
) {
    match done {
        Ok(Ok(())) => {}
        Ok(Err((_, error))) => tracing::error!("{}", chain(&error)),
        Err(error) => tracing::error!(%error, "a task ended unexpectedly"),
    }
}
