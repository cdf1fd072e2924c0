//! The options of `runner test`, which are those of spread and ours; and what they say together.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use runner_core::matrix::Dialect;

use super::{lint, schema};
use crate::cli::error::Failure;
use crate::cli::exit_code;
use crate::jobs::{Action, Shard, Style, TestOptions};

const JOBS: &str = "Which jobs";
const RUNNING: &str = "How they are run";
const SYSTEMS: &str = "Systems";
const INSIDE: &str = "Looking inside";
const TOLD: &str = "What is told";

/// Where what a test installs or configures lies, if nobody says otherwise.
const LEAKY: [&str; 2] = ["/etc", "/usr/local"];

/// Run the tasks of a spread project, or list them
///
/// The project is the nearest `spread.yaml` or `.spread.yaml`, from the current directory upwards. Its jobs are named
/// BACKEND:SYSTEM:SUITE/TASK[:VARIANT][#SAMPLE]. Options may be written as in spread, with one dash; the program called under the
/// name `spread` takes only those, and only before the first filter.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Filters:
  lxd  tests/main/  lxd:ubuntu-24.04-64:tests/main/apt   a component, a suite, a job; `:` may skip components
  ubuntu-...  .../apt-...                                `...` is any letters within a component
  tests/main/apt#2..5                                    samples
  (tests/a|tests/b)                                      otherwise a regular expression
  A job is meant if one filter means it. Without any, everything is meant that is not `manual`.

The order of a list is that of the bytes of the names; samples are ordered by number, and variants within each sample.

Examples:
  runner test -list                       every job
  runner test -list ubuntu-...:tests/     those of a suite on some systems
  runner test -list --not :slow --shard 2/4
  runner test lint                        what is wrong or odd

Exit codes: 0 nothing failed, 1 a job failed or was aborted or nothing can be run, 2 a bad option."
)]
pub(crate) struct Test {
    #[command(subcommand)]
    pub what: Option<What>,

    /// Which jobs: any that one of these means
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,

    /// Print the names of the jobs, one per line, and run nothing
    #[arg(long, help_heading = JOBS)]
    pub list: bool,

    /// Leave out the jobs that this filter means; may be repeated
    #[arg(long = "not", value_name = "FILTER", help_heading = JOBS)]
    pub without: Vec<String>,

    /// Only tasks with this tag (`tags:` of the task or its suite); several are alternatives
    #[arg(long = "tag", value_name = "TAG", help_heading = JOBS)]
    pub tags: Vec<String>,

    /// No tasks with this tag
    #[arg(long = "not-tag", value_name = "TAG", help_heading = JOBS)]
    pub without_tags: Vec<String>,

    /// Only tasks whose files, or whose suite's or project's files, changed since this revision of git
    #[arg(long, value_name = "REV", help_heading = JOBS)]
    pub changed_since: Option<String>,

    /// Only what failed, was aborted or could not be restored in the last recorded run of this project
    ///
    /// When nothing did, nothing is run, and the answer is 0.
    #[arg(long, help_heading = JOBS)]
    pub failed: bool,

    /// Only part I of N; all parts together are everything, on every machine alike
    #[arg(long, value_name = "I/N", value_parser = shard, help_heading = JOBS)]
    pub shard: Option<Shard>,

    /// Balance the parts by the durations in this report, as `-json FILE` writes it; `history`: by those that are recorded
    ///
    /// All machines that run a part must have the same report, or the same history.
    #[arg(long, value_name = "FILE", help_heading = JOBS)]
    pub durations: Option<PathBuf>,

    /// Leave out what this list has in quarantine until a date; may be repeated
    ///
    /// TOML: `[[quarantine]]` with `job` (a filter), `reason`, and `until` (the last day, as in 2026-12-31).
    #[arg(long, value_name = "FILE", help_heading = JOBS)]
    pub quarantine: Vec<PathBuf>,

    /// Run in the order in which the filters match, a job several times if several match; priorities do not count
    #[arg(long, help_heading = JOBS)]
    pub order: bool,

    /// How the project is read: `spread` or `plus` [env: RUNNER_SPREAD_DIALECT] [default: the project's comment, or spread]
    #[arg(long, value_name = "DIALECT", help_heading = JOBS)]
    pub dialect: Option<Dialect>,

    /// Run the host commands of all jobs, as spread does, and not only of those that are selected
    #[arg(long, help_heading = JOBS)]
    pub all_host_commands: bool,

    /// This many workers for each system, whatever the project says
    #[arg(long, value_name = "N", value_parser = integer, help_heading = RUNNING)]
    pub workers: Option<i64>,

    /// The seed of the order of jobs; 0 is a new one
    #[arg(long, value_name = "N", value_parser = integer, default_value = "0", hide_default_value = true, help_heading = RUNNING)]
    pub seed: i64,

    /// Run each job up to this many times more, until its first failure
    #[arg(long, value_name = "N", value_parser = integer, default_value = "0", hide_default_value = true, help_heading = RUNNING)]
    pub repeat: i64,

    /// Try a job that fails up to this many times more; one that then succeeds is told as flaky
    ///
    /// Each attempt begins with the job's prepare, after the restore of the one before.
    #[arg(long, value_name = "N", value_parser = integer, default_value = "0", hide_default_value = true, help_heading = RUNNING)]
    pub retries: i64,

    /// Stop a worker at its first failure, without restoring anything
    #[arg(long, help_heading = RUNNING)]
    pub abend: bool,

    /// Run only the restore scripts
    #[arg(long, help_heading = RUNNING)]
    pub restore: bool,

    /// Tell what a task changed on the system and did not restore: processes, mounts, listening sockets, files
    ///
    /// Looked at before the task's prepare and after its restore. Whoever else works on the system meanwhile is seen, too. It is
    /// told, and fails nothing.
    #[arg(long, alias = "leak-check", help_heading = RUNNING)]
    pub check_leaks: bool,

    /// A directory on the system whose files are looked at for that, instead of /etc and /usr/local; may be repeated
    #[arg(long = "leak-directory", value_name = "DIR", help_heading = RUNNING)]
    pub leak_directories: Vec<String>,

    /// Start however many jobs there are
    #[arg(long, help_heading = RUNNING)]
    pub yes: bool,

    /// Grant what the plugins of the project's backends ask for, for this call only
    #[arg(long, help_heading = SYSTEMS)]
    pub grant: bool,

    /// Take the systems of this backend from a source of runner
    #[arg(long = "source", value_name = "BACKEND=SOURCE", value_parser = replacement, help_heading = SYSTEMS)]
    pub sources: Vec<(String, String)>,

    /// The password for systems that have none of their own; by default a random one
    #[arg(long = "pass", value_name = "TEXT", help_heading = SYSTEMS)]
    pub password: Option<String>,

    /// Keep the systems, and use those that were kept
    #[arg(long, help_heading = SYSTEMS)]
    pub reuse: bool,

    /// Use the systems of a run with this process number that was killed
    #[arg(long, value_name = "PID", value_parser = integer, help_heading = SYSTEMS)]
    pub reuse_pid: Option<i64>,

    /// Send the project to reused systems anew
    #[arg(long, help_heading = SYSTEMS)]
    pub resend: bool,

    /// Discard the systems that were kept, and run nothing
    #[arg(long, help_heading = SYSTEMS)]
    pub discard: bool,

    /// Have each backend collect what was left over, and run nothing
    #[arg(long, help_heading = SYSTEMS)]
    pub gc: bool,

    /// Open a shell after each script that fails
    #[arg(long, help_heading = INSIDE)]
    pub debug: bool,

    /// Open a shell instead of running each task
    #[arg(long, help_heading = INSIDE)]
    pub shell: bool,

    /// Open a shell before running each task
    #[arg(long, help_heading = INSIDE)]
    pub shell_before: bool,

    /// Open a shell after running each task
    #[arg(long, help_heading = INSIDE)]
    pub shell_after: bool,

    /// Print what scripts say while they run, each line with its job in front
    #[arg(long, help_heading = TOLD)]
    pub live: bool,

    /// Put the time since its script began in front of each line of output; without `--live` or `--logs` all output is printed then
    #[arg(long, help_heading = TOLD)]
    pub perf: bool,

    /// Put what debug scripts print into a file below `--logs`, or nowhere
    #[arg(long, help_heading = TOLD)]
    pub no_debug_output: bool,

    /// Fetch the artifacts of jobs into this directory
    #[arg(long, value_name = "DIR", help_heading = TOLD)]
    pub artifacts: Option<PathBuf>,

    /// Write what each script says to a file of its own in this directory, as JOB.PHASE.log
    #[arg(long, value_name = "DIR", help_heading = TOLD)]
    pub logs: Option<PathBuf>,

    /// Write the JSON report of spread-plus; `-json FILE`, with one dash, is the same
    #[arg(long = "json-report", value_name = "FILE", help_heading = TOLD)]
    pub json_report: Option<PathBuf>,

    /// Write a report in JUnit's XML
    #[arg(long, value_name = "FILE", help_heading = TOLD)]
    pub junit: Option<PathBuf>,

    /// Write a page with everything in it: systems and tasks, durations, what scripts said
    #[arg(long, value_name = "FILE", help_heading = TOLD)]
    pub html: Option<PathBuf>,

    /// Write a line of JSON for each thing that happens, as it happens; `-` is standard output, where nothing else is then
    #[arg(long, value_name = "FILE", help_heading = TOLD)]
    pub events: Option<PathBuf>,

    /// Print annotations for GitHub Actions and write its step summary; without it, where GITHUB_ACTIONS is set
    #[arg(long, help_heading = TOLD)]
    pub github: bool,

    /// Under which name the program was called.
    #[arg(skip)]
    pub style: Style,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    Lint(lint::Lint),
    Schema(schema::Schema),
}

impl Test {
    /// What all of it means together. `verbosity` is how often `-v` was given, `dialect` what the environment says.
    pub(super) fn options(
        self,
        verbosity: u8,
        dialect: Option<Dialect>,
    ) -> Result<TestOptions, Failure> {
        let shells = self.shell_before || self.shell_after;
        let exclusive = [self.debug, self.shell, shells, self.abend, self.restore];
        if exclusive.into_iter().filter(|given| *given).count() > 1 {
            return Err(refused(
                "cannot have more than one of -debug, -shell, -shell-before/after, -abend, and -restore",
            ));
        }
        let count = |name: &str, given: i64| {
            u32::try_from(given)
                .map_err(|_| refused(format!("-{name} must not be negative: {given}")))
        };
        let action = if self.list {
            Action::List
        } else if self.discard {
            Action::Discard
        } else if self.gc {
            Action::CollectGarbage
        } else if self.restore {
            Action::Restore
        } else {
            Action::Run
        };
        let reuse_pid = match self.reuse_pid {
            // As spread has it: 0 is no process.
            None | Some(0) => None,
            Some(pid) => Some(
                i32::try_from(pid)
                    .map_err(|_| refused(format!("-reuse-pid is no process: {pid}")))?,
            ),
        };
        let workers = match self.workers {
            None | Some(0) => None,
            Some(workers) => Some(count("workers", workers)?),
        };
        Ok(TestOptions {
            style: self.style,
            action,
            dialect: self.dialect.or(dialect),
            filters: self.filters,
            without: self.without,
            tags: self.tags,
            without_tags: self.without_tags,
            changed_since: self.changed_since,
            failed: self.failed,
            shard: self.shard,
            durations: self.durations,
            quarantine: self.quarantine,
            order: self.order,
            all_host_commands: self.all_host_commands,
            workers,
            seed: self.seed,
            repeat: count("repeat", self.repeat)?,
            retries: count("retries", self.retries)?,
            abend: self.abend,
            leaks: leaks(self.check_leaks, self.leak_directories),
            yes: self.yes,
            grant: self.grant,
            sources: self.sources,
            password: self.password.filter(|password| !password.is_empty()),
            reuse: self.reuse || (self.discard && reuse_pid.is_none()),
            reuse_pid,
            resend: self.resend,
            debug: self.debug,
            shell: self.shell,
            shell_before: self.shell_before,
            shell_after: self.shell_after,
            verbosity: verbosity.min(2),
            live: self.live,
            perf: self.perf,
            no_debug_output: self.no_debug_output,
            artifacts: self.artifacts,
            logs: self.logs,
            json: self.json_report,
            junit: self.junit,
            html: self.html,
            events: self.events,
            github: self.github,
        })
    }
}

/// Where leaks are looked for, if they are.
fn leaks(check: bool, directories: Vec<String>) -> Option<Vec<String>> {
    match (check, directories.is_empty()) {
        (false, true) => None,
        (true, true) => Some(LEAKY.map(str::to_owned).to_vec()),
        (_, false) => Some(directories),
    }
}

/// What spread refuses with its code for that.
pub(super) fn refused(message: impl Into<String>) -> Failure {
    Failure {
        code: exit_code::UNSUCCESSFUL,
        ..Failure::new("usage", message)
    }
}

/// Whole numbers as Go reads them: `10`, `0x1f`, `0b1`, `0o17`, `017`, `1_000`.
fn integer(text: &str) -> Result<i64, String> {
    let error = || "a whole number is needed".to_owned();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase().replace('_', "");
    let (radix, rest) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some(two) if two.starts_with('0') => (8, &lower[1..]),
        _ => (10, &*lower),
    };
    if rest.starts_with(['+', '-']) {
        return Err(error());
    }
    i64::from_str_radix(&format!("{sign}{rest}"), radix).map_err(|_| error())
}

fn shard(text: &str) -> Result<Shard, String> {
    let parts = text.split_once('/');
    let parsed = parts.and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
    match parsed {
        Some((number, of)) if (1..=of).contains(&number) && of <= 10_000 => {
            Ok(Shard { number, of })
        }
        _ => Err("parts are written like 1/4, the first of four".to_owned()),
    }
}

fn replacement(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((backend, source)) if !backend.is_empty() && !source.is_empty() => {
            Ok((backend.to_owned(), source.to_owned()))
        }
        _ => Err("written BACKEND=SOURCE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, wanted) in [
            ("10", Some(10)),
            ("-1", Some(-1)),
            ("0", Some(0)),
            ("0x1F", Some(31)),
            ("-0b11", Some(-3)),
            ("017", Some(15)),
            ("1_000", Some(1000)),
            ("", None),
            ("x", None),
            ("1.5", None),
            ("--1", None),
            ("0x-1", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(integer(text).ok(), wanted, "{text}");
        }
    }

    #[test]
    fn parts() {
        assert_eq!(shard("2/4"), Ok(Shard { number: 2, of: 4 }));
        for bad in ["0/4", "5/4", "4", "a/b", "1/0", "1/", "1/99999"] {
            assert!(shard(bad).is_err(), "{bad}");
        }
    }
}
