//! What `runner test` was asked to do, whichever way it was called.

use std::path::PathBuf;

use runner_core::matrix::Dialect;

/// Under which name the program was called, and so how it talks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// `runner test`.
    #[default]
    Native,
    /// `spread`: the ancestor's arguments, log lines and summary.
    Spread,
}

/// The one thing that is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Prepare, execute, restore.
    #[default]
    Run,
    /// Print the names of the jobs.
    List,
    /// Restore scripts only, of every job and every level.
    Restore,
    /// Discard the systems that a reuse file names.
    Discard,
    /// Collect what backends have left over.
    CollectGarbage,
}

/// One of several equal parts of the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub number: u32,
    pub of: u32,
}

/// Everything that the options and arguments say. Those that exclude each other are already refused.
#[derive(Clone, Debug, Default)]
pub struct TestOptions {
    pub style: Style,
    pub action: Action,
    /// Forced; otherwise the project's own comment decides.
    pub dialect: Option<Dialect>,

    // Which jobs.
    /// Any of these; none is everything that is not manual.
    pub filters: Vec<String>,
    /// None of these.
    pub without: Vec<String>,
    pub tags: Vec<String>,
    pub without_tags: Vec<String>,
    /// Only tasks whose files changed since this revision.
    pub changed_since: Option<String>,
    /// Only what failed or was aborted in the last run.
    pub failed: bool,
    pub shard: Option<Shard>,
    /// A report of an earlier run that shards are balanced by.
    pub durations: Option<PathBuf>,
    /// Lists of what is known to fail.
    pub quarantine: Vec<PathBuf>,
    /// Run jobs in the order in which the filters match, several times if several match.
    pub order: bool,
    /// Run the host commands of jobs that are not selected, too.
    pub all_host_commands: bool,

    // How they are run.
    /// Instead of every system's own number.
    pub workers: Option<u32>,
    /// Of the order of jobs; 0 is a new one each time.
    pub seed: i64,
    /// So many times more, until the first failure.
    pub repeat: u32,
    /// A job that fails is tried so many times more.
    pub retries: u32,
    /// Stop a worker at its first failure.
    pub abend: bool,
    /// Tell what a task changed on the system and did not restore, files below these directories included.
    pub leaks: Option<Vec<String>>,
    /// Start without asking however many jobs there are.
    pub yes: bool,

    // Systems.
    /// Systems of this backend come from this source.
    pub sources: Vec<(String, String)>,
    /// Plugins get what they ask for, for this run.
    pub grant: bool,
    /// For systems without a password of their own; none is a random one.
    pub password: Option<String>,
    pub reuse: bool,
    pub reuse_pid: Option<i32>,
    pub resend: bool,

    // Looking inside.
    pub debug: bool,
    pub shell: bool,
    pub shell_before: bool,
    pub shell_after: bool,

    // What is told, and where.
    /// 1: say more. 2: say everything, secrets masked.
    pub verbosity: u8,
    pub live: bool,
    /// Put the time in front of each line of output.
    pub perf: bool,
    pub no_debug_output: bool,
    pub artifacts: Option<PathBuf>,
    pub logs: Option<PathBuf>,
    /// The JSON report of the plus dialect.
    pub json: Option<PathBuf>,
    pub junit: Option<PathBuf>,
    /// The self-contained page.
    pub html: Option<PathBuf>,
    /// One JSON object a line for each thing that happens.
    pub events: Option<PathBuf>,
    /// Annotations and a summary for GitHub Actions, wherever we are.
    pub github: bool,
}
