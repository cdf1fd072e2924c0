//! What the workers of a run share.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use runner_core::matrix::{BackendId, JobView, SystemId};
use runner_core::schedule::{Item, Mode, Order, Queue, Seat, Worker};
use tokio::sync::{Mutex, Notify, watch};

use super::end::Results;
use super::layout::{facts, items, quarantined, weights, workers};
use super::{Login, RunError, Setup};
use crate::jobs::events::{JobNumber, Stream, Summary, What, WorkerNumber};
use crate::jobs::options::Action;
use crate::jobs::pack::{self, Archive};
use crate::jobs::reuse::{self, Entry, ReuseFile};
use crate::jobs::server::{Piece, script};

/// A system of a backend.
pub(super) type Place = (BackendId, SystemId);

/// The archive, once it is there, or why there is none.
pub(super) type Packed = Option<Result<Arc<Archive>, String>>;

/// What is exported, as pieces of a script.
pub(super) type Environment = Result<Rc<Vec<Piece>>, String>;

/// See the module.
pub(super) struct Shop {
    pub(super) setup: Setup,
    queue: RefCell<Queue>,
    items: Vec<Item>,
    places: Vec<Place>,
    /// Rung whenever a job is taken, and when the run shall end.
    bell: Notify,
    stopping: RefCell<Option<String>>,
    /// Something is wrong with the run as a whole.
    error: RefCell<Option<String>>,
    packed: watch::Receiver<Packed>,
    results: RefCell<Results>,
    reuse: RefCell<Option<ReuseFile>>,
    /// The machines that workers have, by name, and where they are.
    machines: RefCell<BTreeMap<WorkerNumber, (String, String)>>,
    started: Cell<usize>,
    /// There is one terminal: whoever opens a shell on it waits for the others.
    pub(super) terminal: Mutex<()>,
    turns: RefCell<HashMap<usize, usize>>,
    /// A machine was being made when it was not needed any more.
    cut_off: Cell<bool>,
    prelude: Piece,
    environments: RefCell<HashMap<(usize, String), Environment>>,
    seats: RefCell<HashMap<usize, Seat>>,
    /// What the reuse file had of each system when the run began, and nobody uses yet; by names.
    kept: RefCell<HashMap<(String, String), Vec<Entry>>>,
}

impl Shop {
    /// Prepares everything that workers share, and begins to pack.
    pub(super) async fn open(setup: Setup) -> Result<Self, RunError> {
        if let Some(directory) = &setup.options.artifacts {
            std::fs::create_dir_all(directory)
                .map_err(|error| RunError::Artifacts(directory.clone(), error))?;
        }
        let (items, places) = items(&setup);
        let order = if setup.options.order {
            Order::AsListed
        } else if setup.options.seed == 0 {
            Order::Seed(setup.seed)
        } else {
            Order::Seed(setup.options.seed)
        };
        let weights = weights(&setup);
        let workers: usize = workers(&setup, &places)
            .iter()
            .map(|(_, count)| count)
            .sum();
        setup.stream.emit(What::RunStarted {
            project: setup.project.name.clone(),
            jobs: setup.jobs.iter().map(|job| facts(&setup, job)).collect(),
            workers,
            seed: match order {
                // What is known of durations decides, too: the seed alone says nothing.
                Order::Seed(_) if weights.is_some() => None,
                Order::Seed(seed) => Some(seed),
                Order::AsListed => None,
            },
            ordered: setup.jobs.len() > workers,
            quarantined: quarantined(&setup),
        });
        let reuse = open_reuse(&setup).await?;
        let mut kept: HashMap<(String, String), Vec<Entry>> = HashMap::new();
        for (backend, systems) in reuse.entries() {
            for (system, entry) in systems {
                let of = (backend.clone(), system.clone());
                kept.entry(of).or_default().push(entry.clone());
            }
        }
        // A random one is nobody's secret, until somebody sees it.
        setup.stream.mask(&setup.password);
        if !setup.options.reuse {
            setup.stream.emit(What::Recoverable { pid: setup.pid });
        }
        let (sender, packed) = watch::channel(None);
        let (spec, stream) = (setup.pack.clone(), setup.stream.clone());
        tokio::spawn(async move {
            let made = tokio::task::spawn_blocking(move || pack::pack(&spec)).await;
            let made = match made {
                Ok(Ok(archive)) => {
                    stream.emit(What::Packed {
                        bytes: archive.bytes(),
                        warnings: archive.warnings.clone(),
                    });
                    Ok(Arc::new(archive))
                }
                Ok(Err(error)) => Err(chain(&error)),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = &made {
                stream.emit(What::PackFailed {
                    error: error.clone(),
                });
            }
            // Nobody waits any more.
            let _over = sender.send(Some(made));
        });
        Ok(Self {
            queue: RefCell::new(match weights {
                Some(weights) => Queue::new(items.clone(), order).longest_first(weights),
                None => Queue::new(items.clone(), order),
            }),
            results: RefCell::new(Results::new(setup.jobs.len())),
            setup,
            items,
            places,
            bell: Notify::new(),
            stopping: RefCell::new(None),
            error: RefCell::new(None),
            packed,
            reuse: RefCell::new(Some(reuse)),
            machines: RefCell::default(),
            started: Cell::new(0),
            terminal: Mutex::new(()),
            turns: RefCell::default(),
            cut_off: Cell::new(false),
            prelude: script::prelude(),
            environments: RefCell::default(),
            seats: RefCell::default(),
            kept: RefCell::new(kept),
        })
    }

    /// Every worker takes its seat before any of them begins, so that the seed alone decides who does what.
    pub(super) fn begin(&self) -> Vec<(WorkerNumber, usize)> {
        let mut begun = Vec::new();
        for (system, count) in workers(&self.setup, &self.places) {
            for _ in 0..count {
                let number = WorkerNumber(begun.len());
                let seat = self.queue.borrow_mut().join(system);
                self.seats.borrow_mut().insert(number.0, seat);
                begun.push((number, system));
            }
        }
        begun
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.setup.stream
    }

    pub(super) fn place(&self, system: usize) -> Place {
        self.places[system]
    }

    /// `BACKEND:SYSTEM`.
    pub(super) fn system_name(&self, system: usize) -> String {
        let (backend, system) = self.places[system];
        let backend = self.setup.project.backend(backend);
        format!("{}:{}", backend.name, backend.system(system).name)
    }

    pub(super) fn view(&self, job: usize) -> JobView<'_> {
        self.setup.project.view(&self.setup.jobs[job])
    }

    pub(super) fn mode(&self) -> Mode {
        let options = &self.setup.options;
        Mode {
            restore_only: options.action == Action::Restore,
            abend: options.abend,
            repeat: options.repeat,
            retries: options.retries,
        }
    }

    /// The next job of a worker and its suite.
    pub(super) fn take(&self, number: WorkerNumber, worker: &Worker) -> Option<(usize, usize)> {
        let seat = *self.seats.borrow().get(&number.0)?;
        let taken = self.queue.borrow_mut().take(seat, worker.without());
        self.bell.notify_waiters();
        taken.map(|job| (job, self.items[job].suite))
    }

    /// The worker takes no more.
    pub(super) fn leave(&self, number: WorkerNumber) {
        if let Some(seat) = self.seats.borrow().get(&number.0) {
            self.queue.borrow_mut().leave(*seat);
        }
        self.bell.notify_waiters();
    }

    /// Resolves when nothing is left that a new worker of this system could do.
    pub(super) async fn nothing_left(&self, system: usize) {
        loop {
            let rung = self.bell.notified();
            let left = self.queue.borrow().left_of(system);
            if left == 0 || self.stopping().is_some() {
                return;
            }
            rung.await;
        }
    }

    /// Stops because the run as a whole cannot succeed any more.
    pub(super) fn fail(&self, error: &str) {
        self.error
            .borrow_mut()
            .get_or_insert_with(|| error.to_owned());
        self.stop(error);
    }

    /// Nothing new is begun.
    pub(super) fn stop(&self, reason: &str) {
        if self.stopping.borrow().is_some() {
            return;
        }
        *self.stopping.borrow_mut() = Some(reason.to_owned());
        self.stream().emit(What::Stopping {
            reason: reason.to_owned(),
        });
        self.bell.notify_waiters();
    }

    pub(super) fn stopping(&self) -> Option<String> {
        self.stopping.borrow().clone()
    }

    /// The archive, as soon as it is there.
    pub(super) async fn archive(&self) -> Result<Arc<Archive>, String> {
        let mut packed = self.packed.clone();
        let there = packed.wait_for(Option::is_some).await;
        match there.ok().and_then(|made| made.clone()) {
            Some(made) => made,
            None => Err("packing ended unexpectedly".into()),
        }
    }

    /// In which place of how many a job is executed; each attempt in the place of the first.
    pub(super) fn count(&self, job: usize, attempt: u32) -> (usize, usize) {
        let mut turns = self.turns.borrow_mut();
        let known = turns.get(&job).filter(|_| attempt > 1).copied();
        let turn = known.unwrap_or_else(|| {
            self.started.set(self.started.get() + 1);
            self.started.get()
        });
        turns.insert(job, turn);
        (turn, self.setup.jobs.len())
    }

    pub(super) fn results(&self) -> std::cell::RefMut<'_, Results> {
        self.results.borrow_mut()
    }

    pub(super) fn reuse(&self) -> std::cell::RefMut<'_, Option<ReuseFile>> {
        self.reuse.borrow_mut()
    }

    /// A machine of an earlier run for a worker of this system. None: there never was one. Some(None): others have them all.
    pub(super) fn claim(&self, backend: &str, system: &str) -> Option<Option<Entry>> {
        let mut kept = self.kept.borrow_mut();
        let of = kept.get_mut(&(backend.to_owned(), system.to_owned()))?;
        Some((!of.is_empty()).then(|| of.remove(0)))
    }

    /// Jobs that no worker is left for are over.
    pub(super) fn bury(&self) {
        let cause = self
            .stopping()
            .unwrap_or_else(|| "no worker is left for its system".into());
        let orphaned = self.queue.borrow_mut().orphaned(|_| true);
        for job in orphaned {
            let name = self.view(job).name().to_string();
            self.results()
                .abort(self.stream(), JobNumber(job), name, None, &cause);
        }
    }

    /// A worker has this machine from now on.
    pub(super) fn holds(&self, worker: WorkerNumber, machine: &str, address: &str) {
        let machine = (machine.to_owned(), address.to_owned());
        self.machines.borrow_mut().insert(worker, machine);
    }

    /// What becomes of a worker's machine is settled.
    pub(super) fn holds_none(&self, worker: WorkerNumber) {
        self.machines.borrow_mut().remove(&worker);
    }

    /// What was being made for a worker is not needed.
    pub(super) fn cut_off(&self) {
        self.cut_off.set(true);
    }

    /// Destroys what was being made when it was not needed any more.
    pub(super) async fn clean_up(&self) {
        if self.cut_off.get()
            && let Err(error) = self.setup.engine.abandon().await
        {
            self.stream().emit(What::Note {
                text: format!("cannot clean up: {}", crate::engine::chain(&error)),
            });
        }
    }

    /// The summary, once all workers are gone.
    pub(super) fn finish(&self) -> Summary {
        self.bury();
        if let Some(file) = self.reuse().take()
            && let Err(error) = file.remove_if_empty()
        {
            self.stream().emit(What::Note {
                text: chain(&error),
            });
        }
        let summary = self.results().summary(self.error.borrow().clone());
        self.stream().emit(What::RunEnded {
            summary: summary.clone(),
        });
        summary
    }

    /// The end now, with what is known: jobs that have not ended are aborted, and everybody who listens hears that it is over.
    pub(super) fn break_off(&self, reason: &str) {
        let open = self.results().open();
        for job in open {
            let name = self.view(job).name().to_string();
            self.results()
                .abort(self.stream(), JobNumber(job), name, None, reason);
        }
        for (worker, (machine, address)) in self.machines.take() {
            self.stream().emit(What::LeftBehind {
                worker,
                machine,
                address,
            });
        }
        let mut summary = self.results().summary(Some(reason.to_owned()));
        summary.interrupted = true;
        self.stream().emit(What::RunEnded { summary });
    }

    /// What is exported for a job on a machine whose paths begin with `root`.
    pub(super) fn environment(&self, job: usize, root: &str) -> Environment {
        let of = (job, root.to_owned());
        if let Some(known) = self.environments.borrow().get(&of) {
            return known.clone();
        }
        let made = self.setup.expand.environment(self.view(job)).map(|all| {
            for secret in self.setup.expand.secrets(self.view(job), &all) {
                self.stream().mask(&secret);
            }
            let mut pieces = vec![self.prelude.clone()];
            for (name, value) in all {
                let own = name == "SPREAD_PATH" && !root.is_empty();
                let value = if own { format!("{root}{value}") } else { value };
                pieces.push(script::export(&name, &value).into());
            }
            Rc::new(pieces)
        });
        let mut environments = self.environments.borrow_mut();
        // Only those of jobs that are under way are asked for again.
        if environments.len() > 4 * self.seats.borrow().len().max(8) {
            environments.clear();
        }
        environments.insert(of, made.clone());
        made
    }

    /// How to log in to the machines of a system.
    pub(super) fn login(&self, system: usize) -> Result<Login, String> {
        let (backend, system) = self.place(system);
        let backend = self.setup.project.backend(backend);
        let system = backend.system(system);
        let (username, own, key) = self.setup.expand.login(backend, system)?;
        if key != backend.key {
            self.stream().mask(&key);
        }
        let session = own.is_empty();
        if own != system.password {
            self.stream().mask(&own);
        }
        Ok(Login {
            username,
            password: if session {
                self.setup.password.clone()
            } else {
                own
            },
            session,
            invented: session && self.setup.options.password.is_none(),
            key,
        })
    }
}

/// The whole story of an error.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let told = next.to_string();
        if !text.ends_with(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = next.source();
    }
    text
}

/// Waits for whoever has it locked.
pub(super) async fn open_reuse(setup: &Setup) -> Result<ReuseFile, RunError> {
    let options = &setup.options;
    let pid = match options.reuse_pid {
        Some(pid) => Some(pid.unsigned_abs()),
        None if options.reuse => None,
        None => Some(setup.pid),
    };
    let path = reuse::path(&setup.project.directory, pid);
    let mut tries = 0_u32;
    loop {
        if let Some(file) = ReuseFile::try_open(&path)? {
            return Ok(file);
        }
        tries += 1;
        if tries == 30 {
            setup.stream.emit(What::Note {
                text: "Waiting for another process to release reuse lock.".into(),
            });
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
