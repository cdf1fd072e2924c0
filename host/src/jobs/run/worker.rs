//! A worker: its machine, its jobs, step by step as `runner_core::schedule` says.

use std::rc::Rc;

use runner_core::matrix;
use runner_core::schedule::{Level, Outcome, Step, Verb, Verdict, Worker};

use super::leaks::{self, Look};
use super::shop::Shop;
use super::station::Station;
use super::{allocate, artifacts, end_of, script, shell};
use crate::jobs::events::{JobNumber, Scene, ShellWhy, What, WorkerNumber};
use crate::jobs::server::Piece;

/// See the module. Returns when it has nothing more to do and its machine is given back.
pub(super) async fn work(shop: Rc<Shop>, number: WorkerNumber, system: usize) {
    shop.stream().emit(What::WorkerStarted {
        worker: number,
        system: shop.system_name(system),
    });
    let opened = allocate::open(&shop, number, system).await;
    let (station, error) = match opened {
        Ok(Some(station)) => (Some(station), None),
        Ok(None) => (None, None),
        Err(error) => (None, Some(error)),
    };
    let Some(station) = station else {
        shop.leave(number);
        shop.stream().emit(What::WorkerEnded {
            worker: number,
            error,
        });
        return;
    };
    let mut hands = Hands {
        shop: &shop,
        station,
        skipped: String::new(),
        cause: String::new(),
        attempt: 1,
        failed_attempt: None,
        before: None,
    };
    let mut worker = Worker::new(shop.mode());
    loop {
        if shop.stopping().is_some() {
            worker.stop();
        }
        match worker.step() {
            Step::Done => break,
            Step::Take => worker.taken(shop.take(number, &worker)),
            step => {
                let outcome = hands.carry_out(step).await;
                worker.ended(outcome);
            }
        }
        for verdict in worker.verdicts() {
            hands.record(verdict);
        }
    }
    // Others may take what it leaves while its machine goes.
    shop.leave(number);
    let station = hands.station;
    end_of::close(&shop, station, system).await;
    shop.stream().emit(What::WorkerEnded {
        worker: number,
        error: None,
    });
}

/// What carries out steps.
struct Hands<'a> {
    shop: &'a Shop,
    station: Station,
    /// Why the last thing was skipped, and why the last job could not be run.
    skipped: String,
    cause: String,
    /// At which attempt the job under way is.
    attempt: u32,
    /// The same, if that one failed and there will be another.
    failed_attempt: Option<u32>,
    /// What there was before the job under way, where leaks are looked for.
    before: Option<Look>,
}

impl Hands<'_> {
    async fn carry_out(&mut self, step: Step) -> Outcome {
        match step {
            Step::Check { level, job } => self.check(level, job).await,
            Step::Script { level, verb, job } => {
                if (level, verb) == (Level::Task, Verb::Prepare) {
                    self.attempt = self.shop.results().attempt(job);
                    self.look_before().await;
                }
                let outcome = self.script(level, verb, job).await;
                if (level, verb) == (Level::Task, Verb::Restore) && outcome != Outcome::Lost {
                    self.look_after(job).await;
                }
                outcome
            }
            Step::Artifacts { level, job } => self.artifacts(level, job).await,
            Step::Take | Step::Done => Outcome::Passed,
        }
    }

    async fn look_before(&mut self) {
        if let Some(directories) = &self.shop.setup.options.leaks {
            self.before = leaks::look(&mut self.station, directories).await;
        }
    }

    /// Tells what is not as it was.
    async fn look_after(&mut self, job: usize) {
        let (Some(before), Some(directories)) =
            (self.before.take(), &self.shop.setup.options.leaks)
        else {
            return;
        };
        let Some(after) = leaks::look(&mut self.station, directories).await else {
            return;
        };
        let changes = before.until(&after);
        if !changes.is_empty() {
            self.shop.stream().emit(What::Leaked {
                scene: self.scene(Level::Task, Verb::Restore, job),
                changes,
            });
        }
    }

    fn scene(&self, level: Level, verb: Verb, job: usize) -> Scene {
        let view = self.shop.view(job);
        Scene {
            worker: self.station.worker,
            system: self.station.system.clone(),
            machine: self.station.label.clone(),
            level,
            verb,
            name: view.label(of_matrix(level)),
            job: JobNumber(job),
            attempt: if level == Level::Task {
                self.attempt
            } else {
                1
            },
        }
    }

    /// Where the scripts of a level are run.
    fn directory(&self, view: matrix::JobView<'_>, level: Level) -> String {
        format!("{}{}", self.station.root, view.directory(of_matrix(level)))
    }

    fn environment(&mut self, job: usize) -> Result<Rc<Vec<Piece>>, Outcome> {
        self.shop
            .environment(job, &self.station.root)
            .map_err(|error| {
                self.shop.stream().emit(What::Note {
                    text: error.clone(),
                });
                self.cause = error;
                Outcome::Failed
            })
    }

    /// Asks each condition; the first that holds has the thing left out.
    async fn check(&mut self, level: Level, job: usize) -> Outcome {
        let shop = self.shop;
        let view = shop.view(job);
        let skips = match level {
            Level::Suite => &view.suite().skip,
            Level::Task => &view.task().skip,
            Level::Project | Level::Backend => return Outcome::Passed,
        };
        if skips.is_empty() {
            return Outcome::Passed;
        }
        let Ok(environment) = self.environment(job) else {
            return Outcome::Passed;
        };
        let scene = self.scene(level, Verb::Prepare, job);
        shop.stream().emit(What::Checking {
            scene: scene.clone(),
        });
        for skip in skips {
            let order = script::Order {
                scene: scene.clone(),
                environment: &environment,
                directory: self.directory(view, level),
                bodies: vec![&skip.condition.text],
                traced: true,
                limits: view.limits(of_matrix(level)),
                told: false,
            };
            let done = order.run(shop, &mut self.station).await;
            match done.outcome {
                Outcome::Passed => {
                    self.skipped.clone_from(&skip.reason);
                    shop.stream().emit(What::Skipping {
                        scene,
                        reason: skip.reason.clone(),
                    });
                    return Outcome::Skip;
                }
                Outcome::Lost => {
                    self.cause = String::from_utf8_lossy(&done.output).into_owned();
                    self.station.unrestored = true;
                    return Outcome::Lost;
                }
                Outcome::Failed | Outcome::Skip => {}
            }
        }
        Outcome::Passed
    }

    async fn script(&mut self, level: Level, verb: Verb, job: usize) -> Outcome {
        let shop = self.shop;
        let view = shop.view(job);
        let bodies = bodies(view, level, verb);
        let options = &shop.setup.options;
        let executes = (level, verb) == (Level::Task, Verb::Execute);
        let number = executes.then(|| shop.count(job, self.attempt));
        let shells = executes && (options.shell || options.shell_before || options.shell_after);
        if bodies.is_empty() && !shells {
            return Outcome::Passed;
        }
        let scene = self.scene(level, verb, job);
        let environment = match self.environment(job) {
            Ok(environment) => environment,
            Err(outcome) => return outcome,
        };
        let directory = self.directory(view, level);
        if executes && (options.shell || options.shell_before) {
            let why = if options.shell {
                ShellWhy::Instead
            } else {
                ShellWhy::Before
            };
            shell::open(
                shop,
                &mut self.station,
                &scene,
                why,
                view,
                &environment,
                &directory,
            )
            .await;
            if options.shell {
                return Outcome::Passed;
            }
        }
        if bodies.is_empty() {
            return Outcome::Passed;
        }
        shop.stream().emit(What::ScriptStarted {
            scene: scene.clone(),
            number,
        });
        let order = script::Order {
            scene: scene.clone(),
            environment: &environment,
            directory: directory.clone(),
            bodies,
            traced: true,
            limits: view.limits(of_matrix(level)),
            told: true,
        };
        let done = order.run(shop, &mut self.station).await;
        let failed = done.outcome == Outcome::Failed;
        if failed && verb != Verb::Debug {
            self.cause = format!("{} failed", scene.name);
        }
        if done.outcome == Outcome::Lost {
            self.cause = format!("the machine {} was lost", self.station.label);
            self.station.unrestored = true;
        }
        let why = if failed && verb != Verb::Debug && options.debug {
            Some(ShellWhy::Debug)
        } else if options.shell_after && (executes || failed) && verb != Verb::Debug {
            Some(ShellWhy::After)
        } else {
            None
        };
        if let Some(why) = why {
            shell::open(
                shop,
                &mut self.station,
                &scene,
                why,
                view,
                &environment,
                &directory,
            )
            .await;
        }
        done.outcome
    }

    async fn artifacts(&mut self, level: Level, job: usize) -> Outcome {
        let shop = self.shop;
        let view = shop.view(job);
        let (patterns, below) = match level {
            Level::Task => (
                &view.task().artifacts,
                Some(view.label(matrix::Level::Task)),
            ),
            Level::Suite => (
                &view.suite().artifacts,
                Some(view.label(matrix::Level::Suite)),
            ),
            // Straight into the directory, as all workers' are.
            Level::Project => (&view.project.artifacts, None),
            Level::Backend => return Outcome::Passed,
        };
        let directory = match level {
            // Its own, not that of the task that the suite's scripts are run in.
            Level::Suite => format!(
                "{}{}/{}",
                self.station.root,
                view.project.path.trim_end_matches('/'),
                view.suite().name.trim_end_matches('/')
            ),
            Level::Project | Level::Backend | Level::Task => self.directory(view, level),
        };
        let below = match (level, self.failed_attempt.take()) {
            // The next attempt's lie beside it.
            (Level::Task, Some(attempt)) => below.map(|below| format!("{below}.attempt-{attempt}")),
            _ => below,
        };
        let scene = self.scene(level, Verb::Execute, job);
        let name = scene.name.clone();
        let fetched = artifacts::fetch(
            shop,
            &mut self.station,
            scene,
            &directory,
            patterns,
            below.as_deref(),
        );
        if fetched.await.is_err() {
            shop.fail(&format!("cannot fetch artifacts of {name}"));
        }
        Outcome::Passed
    }

    fn record(&mut self, verdict: Verdict) {
        let (shop, worker) = (self.shop, self.station.worker);
        let stream = shop.stream();
        let name = |job| shop.view(job).name().to_string();
        let mut results = shop.results();
        match verdict {
            Verdict::Retried { verb, job } => {
                let attempt = results.retry(job);
                self.failed_attempt = Some(attempt - 1);
                stream.emit(What::Retrying {
                    scene: self.scene(Level::Task, verb, job),
                    attempt,
                    of: shop.setup.options.retries + 1,
                });
            }
            Verdict::Succeeded { job } => {
                results.succeed(stream, JobNumber(job), name(job), worker);
            }
            Verdict::Skipped { job } => {
                results.skip(stream, JobNumber(job), name(job), worker, &self.skipped);
            }
            Verdict::Aborted { job } => {
                results.abort(stream, JobNumber(job), name(job), Some(worker), &self.cause);
            }
            Verdict::Failed { level, verb, job } => {
                // With `-abend` nothing is restored any more.
                self.station.unrestored |= verb == Verb::Restore || shop.setup.options.abend;
                let label = shop.view(job).label(of_matrix(level));
                results.fail(stream, (level, verb), JobNumber(job), label, worker);
            }
        }
    }
}

/// What is run for a level; empty ones are left out.
fn bodies(view: matrix::JobView<'_>, level: Level, verb: Verb) -> Vec<&str> {
    let scripts = match level {
        Level::Project => &view.project.scripts,
        Level::Backend => &view.backend().scripts,
        Level::Suite => &view.suite().scripts,
        Level::Task => {
            let scripts = match verb {
                Verb::Prepare => view.prepare(),
                Verb::Execute => vec![&view.task().execute],
                Verb::Restore => view.restore(),
                Verb::Debug => view.debug(),
            };
            let texts = scripts.into_iter().filter(|script| !script.is_empty());
            return texts.map(|script| &*script.text).collect();
        }
    };
    let script = match verb {
        Verb::Prepare => &scripts.prepare,
        Verb::Restore => &scripts.restore,
        Verb::Debug => &scripts.debug,
        Verb::Execute => return Vec::new(),
    };
    if script.is_empty() {
        Vec::new()
    } else {
        vec![&script.text]
    }
}

fn of_matrix(level: Level) -> matrix::Level {
    match level {
        Level::Project => matrix::Level::Project,
        Level::Backend => matrix::Level::Backend,
        Level::Suite => matrix::Level::Suite,
        Level::Task => matrix::Level::Task,
    }
}
