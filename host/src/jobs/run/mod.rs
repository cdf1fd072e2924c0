//! Running the jobs of a project: workers that get machines, and take them through prepare, execute and restore.
//!
//! ```text
//! run ── one worker per system and number ──► open a machine ──► steps of core::schedule::Worker ──► close it
//!   │                                          (allocate, connect, send)      (script, artifacts, shell)
//!   └── pack, meanwhile
//! ```
//!
//! All workers live on one thread and share a [`Shop`]. What follows from what is decided in `runner_core::schedule`; what
//! happens is told to the [`Stream`](super::events::Stream) and nobody else.

mod allocate;
mod artifacts;
mod discard;
mod end;
mod end_of;
mod layout;
mod leaks;
mod resend;
mod script;
mod send;
mod shell;
mod shop;
mod station;
mod watch;
mod worker;

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use runner_core::matrix::{Backend, Job, JobView, Project, System};
use tokio::task::{JoinSet, LocalSet};

use super::events::{Stream, Summary, What};
use super::options::{Action, TestOptions};
use super::pack::PackSpec;
use super::reuse::{Entry, ReuseError};
use crate::engine::{Draw, Engine, EngineError};
use shop::Shop;

/// What one system needs to be drawn on.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    pub backend: &'a Backend,
    pub system: &'a System,
    pub login: Login,
    /// It exists already: this is how a reuse file describes it, and whether it shall be destroyed in the end.
    pub known: Option<(&'a Entry, bool)>,
}

/// As whom, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// Empty: root.
    pub username: String,
    pub password: String,
    /// The password is the run's, not the system's own.
    pub session: bool,
    /// Nobody chose the password: no image can know it.
    pub invented: bool,
    /// The backend's credential; empty: it has none.
    pub key: String,
}

/// Where machines come from; `app` knows.
pub trait Machines: Send + Sync {
    /// What a system of a backend is drawn on.
    fn draw(&self, wish: &Wish<'_>) -> Result<Draw, EngineError>;

    /// The machines of this backend go back to where they came from instead of being destroyed.
    fn gives_back(&self, backend: &Backend) -> bool;
}

/// What needs commands of this machine; the loader knows.
pub trait Expand {
    /// Everything that is exported for a job, in order, host commands expanded.
    fn environment(&self, view: JobView<'_>) -> Result<Vec<(String, String)>, String>;

    /// Which of the values of a job nobody should see.
    fn secrets(&self, view: JobView<'_>, exported: &[(String, String)]) -> Vec<String>;

    /// A system's user and password, and its backend's key.
    fn login(&self, backend: &Backend, system: &System)
    -> Result<(String, String, String), String>;
}

/// All that a run needs.
pub struct Setup {
    pub project: Arc<Project>,
    /// In the order in which they were selected.
    pub jobs: Vec<Job>,
    /// Left out, each for a reason.
    pub quarantined: Vec<(Job, String)>,
    /// Milliseconds that jobs usually take, by name, if the longest shall come first.
    pub durations: Option<HashMap<String, u64>>,
    pub options: TestOptions,
    pub pack: PackSpec,
    pub expand: Box<dyn Expand>,
    pub machines: Arc<dyn Machines>,
    pub engine: Engine,
    pub stream: Stream,
    /// Of this process, for the name of the reuse file.
    pub pid: u32,
    /// Now in seconds, for an order that nobody asked for.
    pub seed: i64,
    /// For systems without one of their own.
    pub password: String,
}

/// Somebody wants a run to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// In order: what is begun is finished and restored, and nothing new is begun.
    Stop(String),
    /// Now: whoever comes next finds the machines by their leases.
    Now(String),
}

/// What ended a run before its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the reuse file cannot be used")]
    Reuse(#[from] ReuseError),
    #[error("cannot make the artifacts directory `{}`", .0.display())]
    Artifacts(PathBuf, #[source] std::io::Error),
    #[error("{0}")]
    Interrupted(String),
}

/// Runs. `interrupts` resolves each time somebody wants it to end. After [`RunError::Interrupted`] the process should end, too:
/// what was under way is left as it is.
pub async fn run(
    setup: Setup,
    mut interrupts: impl AsyncFnMut() -> Interrupt,
) -> Result<Summary, RunError> {
    let begun = match setup.options.action {
        Action::Discard => Begun::Other(Box::pin(discard::discard(setup))),
        Action::CollectGarbage => Begun::Other(Box::pin(discard::collect(setup))),
        Action::Run | Action::Restore | Action::List => Begun::Work(Box::new(setup)),
    };
    match begun {
        Begun::Work(setup) => work(*setup, interrupts).await,
        // Both can be done again, so that there is nothing to be put in order.
        Begun::Other(other) => unless(other, &mut interrupts).await?,
    }
}

/// What a run is.
enum Begun {
    Work(Box<Setup>),
    Other(Pin<Box<dyn Future<Output = Result<Summary, RunError>>>>),
}

/// Waits for something that may just as well not be done.
async fn unless<T>(
    what: impl Future<Output = T>,
    interrupts: &mut impl AsyncFnMut() -> Interrupt,
) -> Result<T, RunError> {
    tokio::select! {
        done = what => Ok(done),
        Interrupt::Stop(reason) | Interrupt::Now(reason) = interrupts() => Err(RunError::Interrupted(reason)),
    }
}

async fn work(
    setup: Setup,
    mut interrupts: impl AsyncFnMut() -> Interrupt,
) -> Result<Summary, RunError> {
    // Another run may have the reuse file for hours.
    let shop = Rc::new(unless(Shop::open(setup), &mut interrupts).await??);
    let local = LocalSet::new();
    let ended = local
        .run_until(async {
            let mut workers = JoinSet::new();
            for (number, system) in shop.begin() {
                workers.spawn_local(worker::work(Rc::clone(&shop), number, system));
            }
            loop {
                tokio::select! {
                    ended = workers.join_next() => match ended {
                        None => return Ok(()),
                        Some(Ok(())) => shop.bury(),
                        Some(Err(error)) => {
                            shop.stream().emit(What::Note { text: format!("a worker ended unexpectedly: {error}") });
                            shop.fail("a worker ended unexpectedly");
                        }
                    },
                    interrupt = interrupts() => match interrupt {
                        Interrupt::Stop(reason) => shop.stop(&reason),
                        Interrupt::Now(reason) => return Err(reason),
                    },
                }
            }
        })
        .await;
    let cleaned = match ended {
        Ok(()) => loop {
            tokio::select! {
                () = shop.clean_up() => break Ok(()),
                interrupt = interrupts() => if let Interrupt::Now(reason) = interrupt {
                    break Err(reason);
                },
            }
        },
        Err(reason) => Err(reason),
    };
    match cleaned {
        Ok(()) => Ok(shop.finish()),
        Err(reason) => {
            // What workers were in the middle of ends here, so that a terminal which one of them had is as it was.
            drop(local);
            shop.break_off(&reason);
            Err(RunError::Interrupted(reason))
        }
    }
}
