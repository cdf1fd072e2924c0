//! One worker's way through its jobs: which script is next, and what follows from how the last one ended.
//!
//! Driven from outside: [`Worker::step`] says what to do, [`Worker::ended`] is told how it went. What that means for the
//! results comes out of [`Worker::verdicts`].

use std::collections::{BTreeSet, VecDeque};

/// Whose scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Project,
    Backend,
    Suite,
    Task,
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    Prepare,
    Execute,
    Restore,
    Debug,
}

/// What to do next. Every step has the job whose environment it runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Take a job from the queue, keeping out of [`Worker::without`], and tell with [`Worker::taken`].
    Take,
    /// May it be left out? Answer `Skip` or `Passed`.
    Check { level: Level, job: usize },
    /// Run a script; one that is empty has passed.
    Script {
        level: Level,
        verb: Verb,
        job: usize,
    },
    /// Fetch what the level says.
    Artifacts { level: Level, job: usize },
    /// The worker has nothing more to do.
    Done,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Failed,
    /// Of a check: leave it out.
    Skip,
    /// The machine is gone, or must not be touched any more: nothing else can be run on it.
    Lost,
}

/// What happened to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A round of the job worked.
    Succeeded { job: usize },
    /// An attempt failed in this script; another one follows, and none of this counts.
    Retried { verb: Verb, job: usize },
    /// It was left out on purpose.
    Skipped { job: usize },
    /// Its turn came, and it could not be run.
    Aborted { job: usize },
    /// A script failed. `Task` with `Execute`: the job did.
    Failed {
        level: Level,
        verb: Verb,
        job: usize,
    },
}

/// What is different from an ordinary run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// Only restore scripts.
    pub restore_only: bool,
    /// Stop where the first failure happens, and leave everything as it is.
    pub abend: bool,
    /// So many more rounds of each job that works.
    pub repeat: u32,
    /// So many more attempts at each job that fails, from its prepare on, once it is restored.
    pub retries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    Untouched,
    /// Its prepare was begun: it must be restored.
    Entered,
}

/// See the module.
#[derive(Debug)]
pub struct Worker {
    mode: Mode,
    agenda: VecDeque<Step>,
    /// What `step` last said.
    current: Option<Step>,
    project: Ground,
    backend: Ground,
    /// The suite where it is, the last job of it, and whether it was entered.
    suite: Option<(usize, usize, Ground)>,
    /// A job whose way is not begun yet: its suite.
    waiting: Option<(usize, usize)>,
    /// The job that is under way has failed somewhere, and was debugged.
    failed: bool,
    rounds_left: u32,
    retries_left: u32,
    /// The script and the job that failed, while the job is restored for its next attempt.
    again: Option<(Verb, usize)>,
    stopping: bool,
    closing: bool,
    over: bool,
    without: BTreeSet<usize>,
    skipped: BTreeSet<usize>,
    last_job: Option<usize>,
    verdicts: Vec<Verdict>,
}

impl Worker {
    /// A worker at its beginning.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            agenda: VecDeque::new(),
            current: None,
            project: Ground::Untouched,
            backend: Ground::Untouched,
            suite: None,
            waiting: None,
            failed: false,
            rounds_left: 0,
            retries_left: 0,
            again: None,
            stopping: false,
            closing: false,
            over: false,
            without: BTreeSet::new(),
            skipped: BTreeSet::new(),
            last_job: None,
            verdicts: Vec::new(),
        }
    }

    /// Takes no more jobs: what is under way is finished, then restored.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// The suites whose jobs it cannot run.
    pub fn without(&self) -> &BTreeSet<usize> {
        &self.without
    }

    /// What follows for the results, since this was last asked.
    pub fn verdicts(&mut self) -> Vec<Verdict> {
        std::mem::take(&mut self.verdicts)
    }

    /// What to do next. The same again until it is told how that ended.
    pub fn step(&mut self) -> Step {
        if let Some(step) = self.current {
            return step;
        }
        let step = loop {
            if self.over {
                break Step::Done;
            }
            if let Some(step) = self.agenda.pop_front() {
                break step;
            }
            if let Some((job, suite)) = self.waiting.take() {
                self.begin(job, suite);
            } else if !self.stopping {
                break Step::Take;
            } else if self.closing {
                self.over = true;
            } else {
                self.close();
            }
        };
        self.current = Some(step);
        step
    }

    /// The answer to [`Step::Take`]: a job and its suite, or that none is left.
    pub fn taken(&mut self, job: Option<(usize, usize)>) {
        self.current = None;
        let Some((job, suite)) = job else {
            self.stopping = true;
            return;
        };
        if self.skipped.contains(&suite) {
            self.verdicts.push(Verdict::Skipped { job });
            return;
        }
        if self.suite.is_some_and(|(here, _, _)| here != suite) {
            self.leave_suite();
        }
        self.waiting = Some((job, suite));
    }

    /// The answer to every other step.
    pub fn ended(&mut self, outcome: Outcome) {
        let Some(step) = self.current.take() else {
            return;
        };
        if outcome == Outcome::Lost {
            self.lost(step);
            return;
        }
        match step {
            Step::Take | Step::Done | Step::Artifacts { .. } => {}
            Step::Check { level, job } if outcome == Outcome::Skip => self.skip(level, job),
            Step::Check { .. } => {}
            Step::Script { level, verb, job } if outcome == Outcome::Passed => {
                self.passed(level, verb, job);
            }
            Step::Script { level, verb, job } => self.failure(level, verb, job),
        }
    }

    /// The way of one job, from where the worker stands.
    fn begin(&mut self, job: usize, suite: usize) {
        self.last_job = Some(job);
        self.failed = false;
        self.rounds_left = self.mode.repeat;
        self.retries_left = if self.mode.abend {
            0
        } else {
            self.mode.retries
        };
        if self.mode.restore_only {
            self.project = Ground::Entered;
            self.backend = Ground::Entered;
            self.suite = Some((suite, job, Ground::Entered));
            self.script(Level::Task, Verb::Restore, job);
            return;
        }
        if self.project == Ground::Untouched {
            self.script(Level::Project, Verb::Prepare, job);
        }
        if self.backend == Ground::Untouched {
            self.script(Level::Backend, Verb::Prepare, job);
        }
        match &mut self.suite {
            Some((here, last, Ground::Entered)) if *here == suite => *last = job,
            _ => {
                self.suite = Some((suite, job, Ground::Untouched));
                self.agenda.push_back(Step::Check {
                    level: Level::Suite,
                    job,
                });
                self.script(Level::Suite, Verb::Prepare, job);
            }
        }
        self.agenda.push_back(Step::Check {
            level: Level::Task,
            job,
        });
        self.round(job);
    }

    fn round(&mut self, job: usize) {
        self.script(Level::Task, Verb::Prepare, job);
        self.script(Level::Task, Verb::Execute, job);
        if self.rounds_left == 0 {
            self.artifacts(Level::Task, job);
        }
        self.script(Level::Task, Verb::Restore, job);
    }

    fn script(&mut self, level: Level, verb: Verb, job: usize) {
        self.agenda.push_back(Step::Script { level, verb, job });
    }

    fn artifacts(&mut self, level: Level, job: usize) {
        self.agenda.push_back(Step::Artifacts { level, job });
    }

    /// What was begun is ended, from the inside out.
    fn close(&mut self) {
        self.closing = true;
        self.leave_suite();
        let Some(job) = self.last_job else {
            return;
        };
        if self.backend == Ground::Entered {
            self.script(Level::Backend, Verb::Restore, job);
        }
        if self.project == Ground::Entered {
            if !self.mode.restore_only {
                self.artifacts(Level::Project, job);
            }
            self.script(Level::Project, Verb::Restore, job);
        }
    }

    fn leave_suite(&mut self) {
        if let Some((_, job, Ground::Entered)) = self.suite {
            if !self.mode.restore_only {
                self.artifacts(Level::Suite, job);
            }
            self.script(Level::Suite, Verb::Restore, job);
        }
    }

    fn passed(&mut self, level: Level, verb: Verb, job: usize) {
        match (level, verb) {
            (Level::Project, Verb::Prepare) => self.project = Ground::Entered,
            (Level::Backend, Verb::Prepare) => self.backend = Ground::Entered,
            (Level::Suite, Verb::Prepare) => self.enter_suite(),
            // Left for another one; the last one is left with everything else.
            (Level::Suite, Verb::Restore) => self.suite = None,
            (Level::Task, Verb::Execute) => self.verdicts.push(Verdict::Succeeded { job }),
            (Level::Task, Verb::Restore) if self.again.is_some() => {
                if self.stopping {
                    self.give_up();
                } else {
                    self.again = None;
                    self.failed = false;
                    self.round(job);
                }
            }
            // Asked to stop meanwhile: the rounds that are left are not begun.
            (Level::Task, Verb::Restore)
                if self.rounds_left > 0 && !self.failed && !self.stopping =>
            {
                self.rounds_left -= 1;
                self.round(job);
            }
            _ => {}
        }
    }

    fn enter_suite(&mut self) {
        if let Some((_, _, ground)) = &mut self.suite {
            *ground = Ground::Entered;
        }
    }

    fn failure(&mut self, level: Level, verb: Verb, job: usize) {
        if verb == Verb::Debug {
            return;
        }
        let debugged = level == Level::Task && self.failed;
        let attempted = level == Level::Task && matches!(verb, Verb::Prepare | Verb::Execute);
        if attempted && self.retries_left > 0 && !self.stopping {
            self.retries_left -= 1;
            self.again = Some((verb, job));
            self.verdicts.push(Verdict::Retried { verb, job });
        } else {
            self.give_up();
            self.verdicts.push(Verdict::Failed { level, verb, job });
        }
        match (level, verb) {
            (Level::Task, Verb::Prepare | Verb::Execute) => {
                if verb == Verb::Prepare && self.again.is_none() {
                    self.verdicts.push(Verdict::Aborted { job });
                }
                self.failed = true;
                self.agenda.clear();
                self.artifacts(Level::Task, job);
                self.script(Level::Task, Verb::Restore, job);
            }
            (Level::Task, _) => self.stopping = true,
            (Level::Suite, Verb::Prepare) => {
                self.enter_suite();
                if let Some((suite, _, _)) = self.suite {
                    self.without.insert(suite);
                }
                self.abort(job);
            }
            // On the way to another suite: the job that wanted it cannot be run, and this one is restored once more at the
            // end.
            (Level::Suite, _) if !self.closing => {
                if let Some((job, _)) = self.waiting.take() {
                    self.verdicts.push(Verdict::Aborted { job });
                }
                self.agenda.clear();
                self.stopping = true;
            }
            (Level::Backend, Verb::Prepare) => {
                self.backend = Ground::Entered;
                self.abort(job);
                self.suite = None;
                self.stopping = true;
            }
            (Level::Project, Verb::Prepare) => {
                self.project = Ground::Entered;
                self.abort(job);
                self.suite = None;
                self.stopping = true;
            }
            (Level::Suite | Level::Backend | Level::Project, _) => {}
        }
        if !debugged {
            let debug = Step::Script {
                level,
                verb: Verb::Debug,
                job,
            };
            self.agenda.push_front(debug);
        }
        if self.mode.abend {
            self.stopping = true;
            self.closing = true;
            self.agenda
                .retain(|step| matches!(step, Step::Script { verb, .. } if *verb == Verb::Debug));
        }
    }

    /// There will be no other attempt: the failure of the last one counts.
    fn give_up(&mut self) {
        let Some((verb, job)) = self.again.take() else {
            return;
        };
        let level = Level::Task;
        self.verdicts.push(Verdict::Failed { level, verb, job });
        if verb == Verb::Prepare {
            self.verdicts.push(Verdict::Aborted { job });
        }
    }

    fn abort(&mut self, job: usize) {
        self.agenda.clear();
        self.verdicts.push(Verdict::Aborted { job });
    }

    fn skip(&mut self, level: Level, job: usize) {
        self.agenda.clear();
        self.verdicts.push(Verdict::Skipped { job });
        if let (Level::Suite, Some((suite, _, _))) = (level, self.suite) {
            self.skipped.insert(suite);
            // Never entered: there is nothing to restore.
            self.suite = None;
        }
    }

    /// The step failed, and nothing else can be done here.
    fn lost(&mut self, step: Step) {
        self.give_up();
        match step {
            Step::Script { level, verb, job } if verb != Verb::Debug => {
                self.verdicts.push(Verdict::Failed { level, verb, job });
                if verb == Verb::Prepare {
                    self.verdicts.push(Verdict::Aborted { job });
                }
            }
            Step::Check { job, .. } => self.verdicts.push(Verdict::Aborted { job }),
            _ => {}
        }
        if let Some((job, _)) = self.waiting.take() {
            self.verdicts.push(Verdict::Aborted { job });
        }
        self.agenda.clear();
        self.over = true;
    }
}
