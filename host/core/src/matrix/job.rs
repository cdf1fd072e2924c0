//! One job, and what a worker asks about it.

use std::fmt;
use std::sync::Arc;

use super::environment::{self, Variable};
use super::{
    Backend, BackendId, Limits, Project, Script, Suite, System, SystemId, Task, TaskId, Timeouts,
};

/// A task on a system, once: the numbers of its parts. The project it belongs to tells the rest, see [`JobView`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    pub backend: BackendId,
    pub system: SystemId,
    pub task: TaskId,
    /// None where the task has no variants.
    pub variant: Option<Arc<str>>,
    /// From 1.
    pub sample: u32,
}

/// The levels that have scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    Project,
    Backend,
    Suite,
    Task,
}

/// A job within its project: everything that running it needs to know, looked up and not copied.
#[derive(Clone, Copy, Debug)]
pub struct JobView<'a> {
    pub project: &'a Project,
    pub job: &'a Job,
}

impl Project {
    /// What this project says about one of its jobs.
    pub fn view<'a>(&'a self, job: &'a Job) -> JobView<'a> {
        JobView { project: self, job }
    }
}

impl<'a> JobView<'a> {
    pub fn backend(self) -> &'a Backend {
        self.project.backend(self.job.backend)
    }

    pub fn system(self) -> &'a System {
        self.backend().system(self.job.system)
    }

    pub fn task(self) -> &'a Task {
        self.project.task(self.job.task)
    }

    pub fn suite(self) -> &'a Suite {
        self.project.suite(self.task().suite)
    }

    /// The variant; empty where there is none.
    pub fn variant(self) -> &'a str {
        self.job.variant.as_deref().unwrap_or_default()
    }

    /// `BACKEND:SYSTEM:SUITE/TASK[:VARIANT][#SAMPLE]`; the sample only where there are several.
    pub fn name(self) -> JobName<'a> {
        JobName(self)
    }

    /// How log lines name the work of a level: `BACKEND:SYSTEM` for projects and backends, `BACKEND:SYSTEM:SUITE/`, or the job.
    pub fn label(self, level: Level) -> String {
        let (backend, system) = (&self.backend().name, &self.system().name);
        match level {
            Level::Project | Level::Backend => format!("{backend}:{system}"),
            Level::Suite => format!("{backend}:{system}:{}", self.suite().name),
            Level::Task => self.name().to_string(),
        }
    }

    /// The first that is given: task, suite, system, backend. Larger goes first.
    pub fn priority(self) -> i64 {
        let given = self.task().priority.or(self.suite().priority);
        let given = given.or(self.system().priority);
        given.or(self.backend().priority).unwrap_or(0)
    }

    /// What is exported before each script of the job, and before the scripts of the levels above that the job triggered
    /// (they see the variant and the task of that job): the `SPREAD_*` variables, then project, backend, system, suite and
    /// task in the order of their files, a name that a later level gives again at the later place.
    ///
    /// Values are as written: host commands, `$(HOST:…)`, are not expanded (`host/src/jobs/load` does that), and
    /// everything else is for the remote shell.
    pub fn environment(self) -> Vec<Variable<'a>> {
        environment::of(self)
    }

    /// When to warn about, and when to kill, a script of this level.
    pub fn limits(self, level: Level) -> Limits {
        let levels: [&Timeouts; 4] = [
            &self.task().timeouts,
            &self.suite().timeouts,
            &self.backend().timeouts,
            &self.project.timeouts,
        ];
        let from = match level {
            Level::Task => 0,
            Level::Suite => 1,
            Level::Backend => 2,
            Level::Project => 3,
        };
        Limits::resolve(levels[from..].iter().copied())
    }

    /// Where the scripts of a level are run on the system: those of project and backend at its top, those of suite and task
    /// in the task's directory (also the suite's `prepare`, which sees the first task's).
    pub fn directory(self, level: Level) -> String {
        match level {
            Level::Project | Level::Backend => self.project.path.clone(),
            Level::Suite | Level::Task => {
                let path = self.project.path.trim_end_matches('/');
                format!("{path}/{}", self.task().name)
            }
        }
    }

    /// The scripts that make one: the `prepare-each` of project, backend and suite, then the task's `prepare`. Empty ones
    /// are left out; each is to run in a subshell of its own.
    pub fn prepare(self) -> Vec<&'a Script> {
        present([
            &self.project.scripts.prepare_each,
            &self.backend().scripts.prepare_each,
            &self.suite().scripts.prepare_each,
            &self.task().prepare,
        ])
    }

    /// The scripts that make one: the task's `restore`, then the `restore-each` of suite, backend and project.
    pub fn restore(self) -> Vec<&'a Script> {
        present([
            &self.task().restore,
            &self.suite().scripts.restore_each,
            &self.backend().scripts.restore_each,
            &self.project.scripts.restore_each,
        ])
    }

    /// The scripts that make one, after a failure of the task: its `debug`, then the `debug-each` of suite, backend and
    /// project. For failures of the levels above, their own `debug` alone.
    pub fn debug(self) -> Vec<&'a Script> {
        present([
            &self.task().debug,
            &self.suite().scripts.debug_each,
            &self.backend().scripts.debug_each,
            &self.project.scripts.debug_each,
        ])
    }
}

fn present(scripts: [&Script; 4]) -> Vec<&Script> {
    let mut scripts = scripts.to_vec();
    scripts.retain(|script| !script.is_empty());
    scripts
}

/// The name of a job, written without building it.
#[derive(Clone, Copy, Debug)]
pub struct JobName<'a>(JobView<'a>);

impl fmt::Display for JobName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = self.0;
        let task = view.task();
        // Piece by piece: `write!` with four arguments costs more than all of it, and there are many jobs.
        f.write_str(&view.backend().name)?;
        f.write_str(":")?;
        f.write_str(&view.system().name)?;
        f.write_str(":")?;
        f.write_str(&task.name)?;
        if let Some(variant) = &view.job.variant {
            f.write_str(":")?;
            f.write_str(variant)?;
        }
        if task.samples > 1 {
            write!(f, "#{}", view.job.sample)?;
        }
        Ok(())
    }
}
