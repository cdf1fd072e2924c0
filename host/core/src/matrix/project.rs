//! The parts of a project, as a loader filled them: checked, with defaults applied, nothing expanded that needs a shell.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{
    Dialect, Environment, NameList, Place, Script, Scripts, Size, Skip, Spot, Timeout, Timeouts,
};

/// Keys and values as written, with their YAML types. What a provider does not find among the typed fields is here.
pub type Settings = serde_json::Map<String, serde_json::Value>;

/// An index into [`Project::backends`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendId(pub u16);

/// An index into [`Backend::systems`] of the backend it is used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemId(pub u16);

/// An index into [`Project::suites`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SuiteId(pub u32);

/// An index into [`Project::tasks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u32);

/// A project: the file `spread.yaml` and every task below its suites.
#[derive(Clone, Debug)]
pub struct Project {
    pub name: String,
    pub dialect: Dialect,
    /// The project file.
    pub file: Arc<Path>,
    /// The local top of the tree: the project file's directory joined with `reroot`. Suites are looked for below it, it is
    /// what is packed and sent, and host scripts are run in it.
    pub directory: PathBuf,
    /// Where the tree is put on a system (`path`): absolute, clean, not `/`; host commands are expanded.
    pub path: String,
    pub environment: Environment,
    /// What is packed; empty is every entry of the directory but the reuse files. Variables and host commands in these
    /// three are expanded from the project's environment when they are used.
    pub include: Vec<String>,
    pub include_spot: Spot,
    pub exclude: Vec<String>,
    /// Transform expressions of tar.
    pub rename: Vec<String>,
    pub repack: Script,
    pub scripts: Scripts,
    pub timeouts: Timeouts,
    /// Fetched at the end of each worker, relative to `path`.
    pub artifacts: Vec<String>,
    /// More jobs than this are not started.
    pub tasks_limit: Option<u64>,
    /// In byte order of their names.
    pub backends: Vec<Backend>,
    /// In byte order of their names.
    pub suites: Vec<Suite>,
    /// In byte order of their names.
    pub tasks: Vec<Task>,
}

/// Where systems come from.
#[derive(Clone, Debug)]
pub struct Backend {
    pub name: String,
    /// The key `type`, by default the name.
    pub kind: String,
    pub spot: Spot,
    /// A credential; may hold host commands, expanded when the backend is used.
    pub key: String,
    /// `adhoc` only: host scripts.
    pub allocate: Script,
    pub discard: Script,
    pub memory: Option<Size>,
    pub storage: Option<Size>,
    pub plan: String,
    pub location: String,
    pub account: String,
    pub endpoint: String,
    pub networks: Vec<String>,
    pub groups: Vec<String>,
    pub halt_timeout: Timeout,
    pub wait_timeout: Timeout,
    pub environment: Environment,
    pub variants: NameList,
    pub scripts: Scripts,
    pub timeouts: Timeouts,
    pub priority: Option<i64>,
    pub manual: bool,
    /// In byte order of their names.
    pub systems: Vec<System>,
    /// Every key of the backend but `systems`.
    pub settings: Settings,
}

/// A kind of machine of a backend. What is empty here and set in the backend (`storage`, `plan`, `networks`, `groups`) is
/// already inherited. Systems have neither scripts nor timeouts.
#[derive(Clone, Debug)]
pub struct System {
    pub name: String,
    pub spot: Spot,
    /// By default the name.
    pub image: String,
    pub kernel: String,
    /// May hold host commands and variables, as may `password`; expanded when the system is used.
    pub username: String,
    /// Expanded only when all of it is one reference: passwords may contain `$`.
    pub password: String,
    /// At least 1.
    pub workers: u32,
    pub storage: Option<Size>,
    pub plan: String,
    pub networks: Vec<String>,
    pub groups: Vec<String>,
    pub secure_boot: bool,
    pub bios: String,
    pub cpu_family: String,
    /// A private key to log in with, instead of a password.
    pub ssh_rsa_key: String,
    pub ssh_key_pass: String,
    pub queue: String,
    pub reserve_key: String,
    pub wait_timeout: Timeout,
    pub environment: Environment,
    pub variants: NameList,
    pub priority: Option<i64>,
    pub manual: bool,
    /// Every key of the system.
    pub settings: Settings,
}

/// A directory of tasks.
#[derive(Clone, Debug)]
pub struct Suite {
    /// With a `/` at the end.
    pub name: String,
    pub spot: Spot,
    pub summary: String,
    pub backends: NameList,
    pub systems: NameList,
    pub variants: NameList,
    pub environment: Environment,
    pub scripts: Scripts,
    pub timeouts: Timeouts,
    pub artifacts: Vec<String>,
    /// Asked when a worker enters the suite.
    pub skip: Vec<Skip>,
    pub tags: Vec<String>,
    pub priority: Option<i64>,
    pub manual: bool,
}

/// A file `task.yaml`.
#[derive(Clone, Debug)]
pub struct Task {
    /// The suite's name and one more.
    pub name: String,
    pub suite: SuiteId,
    pub file: Arc<Path>,
    pub summary: String,
    pub details: String,
    pub backends: NameList,
    pub systems: NameList,
    pub variants: NameList,
    pub environment: Environment,
    /// How many times each variant is run; none when negative.
    pub samples: u32,
    pub prepare: Script,
    /// Without one the job succeeds.
    pub execute: Script,
    pub restore: Script,
    pub debug: Script,
    /// Relative to the task's directory; clean, globs unexpanded.
    pub artifacts: Vec<String>,
    pub skip: Vec<Skip>,
    pub tags: Vec<String>,
    pub timeouts: Timeouts,
    pub priority: Option<i64>,
    pub manual: bool,
}

impl Project {
    /// The backend of this number.
    pub fn backend(&self, id: BackendId) -> &Backend {
        &self.backends[usize::from(id.0)]
    }

    /// The suite of this number.
    pub fn suite(&self, id: SuiteId) -> &Suite {
        &self.suites[id.0 as usize]
    }

    /// The task of this number.
    pub fn task(&self, id: TaskId) -> &Task {
        &self.tasks[id.0 as usize]
    }

    /// A spot of the project file.
    pub fn place(&self, spot: Spot) -> Place {
        Place {
            file: Arc::clone(&self.file),
            spot,
        }
    }
}

impl Backend {
    /// The system of this number.
    pub fn system(&self, id: SystemId) -> &System {
        &self.systems[usize::from(id.0)]
    }

    /// How messages name it.
    pub fn context(&self) -> String {
        format!("backend {:?}", self.name)
    }
}

impl Task {
    /// A spot of its file.
    pub fn place(&self, spot: Spot) -> Place {
        Place {
            file: Arc::clone(&self.file),
            spot,
        }
    }
}
