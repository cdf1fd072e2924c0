//! The command line's grammar: global options and the list of verbs. Each verb's own arguments are in its file.
//!
//! The doc comments here and there are the manual (`runner help`, `host/CLI.md`).

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};

use super::commands::{
    acquire, completions, config, cp, debug, discard, events, exec, forward, help, import, lease,
    list, log, metrics, plugin, reboot, release, results, run, serve, shelf, source, status, test,
    ticket, top, why,
};
use super::values;
use crate::config::SourceArgument;

/// Get, use, keep and give back compute
///
/// An instance is one thing that can run commands: a directory of this machine, a host, a chroot, a container.
/// Sources make instances; without any configuration there is one, `local`. `acquire` leases an instance and prints
/// its id, `run` uses it, `release` gives it back.
#[derive(Debug, Parser)]
#[command(
    name = "runner",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "\
Examples:
  id=$(runner acquire)          lease an instance of the source `local`
  runner run $id uname -a       run a command in it
  runner cp results $id:        copy into it, or out of it
  runner release $id            give it back
  runner exec -- make test      all of it in one

Exit codes:
  0 it worked, 1 unknown command or wrong arguments, 2 bad option or value, 3 it failed;
  `run` and `exec`: the command's own, 128+N for signal N, 125 if runner itself failed.
  `runner help exit-codes` has them all."
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub globals: Globals,

    /// The source to draw on, for the verbs that take one; it may stand after the verb as well
    #[arg(short, long, value_name = "SOURCE", value_parser = values::source())]
    pub source: Option<SourceArgument>,

    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// Options of every verb, accepted before and after it.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Globals {
    /// Print no progress, notes or warnings
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,

    /// Say more: `status` shows the instances, other verbs what is done (-vv, -vvv: even more)
    #[arg(short, long, global = true, help_heading = "Global options", action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Print results as JSON on stdout, and errors as one JSON object on stderr
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,

    /// Do everything as if started in this directory
    #[arg(
        short = 'd',
        long,
        global = true,
        help_heading = "Global options",
        value_name = "DIR"
    )]
    pub here: Option<PathBuf>,

    /// Who you are to leases, tickets and shelves, instead of the user [env: RUNNER_OWNER]
    ///
    /// What somebody holds who says who it is, nobody who says to be somebody else can use or give back.
    #[arg(long, global = true, help_heading = "Global options", value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub owner: Option<String>,
}

/// The verbs, in the order of the help.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    Acquire(acquire::Acquire),
    Run(run::Run),
    Cp(cp::Cp),
    Release(release::Release),
    Exec(exec::Exec),
    Discard(discard::Discard),
    Forward(forward::Forward),
    Reboot(reboot::Reboot),
    Ticket(ticket::Ticket),
    Lease(lease::Lease),
    Shelf(shelf::Shelf),
    Status(status::Status),
    Top(top::Top),
    Why(why::Why),
    Events(events::Events),
    Metrics(metrics::Metrics),
    Serve(serve::Serve),
    Log(log::Log),
    Source(source::Source),
    Plugin(plugin::Plugin),
    Config(config::Config),
    Test(Box<test::Test>),
    Results(results::Results),
    Import(import::Import),
    Completions(completions::Completions),
    Commands(list::Commands),
    Help(help::Help),
    Debug(debug::Debug),
}

impl Verb {
    /// Where this verb keeps its own `-s`, if it takes one.
    pub(super) fn source(&mut self) -> Option<&mut Option<SourceArgument>> {
        match self {
            Self::Acquire(verb) => Some(&mut verb.draw.wants.source),
            Self::Exec(verb) => Some(&mut verb.draw.wants.source),
            Self::Log(verb) => Some(&mut verb.source),
            Self::Events(verb) => Some(&mut verb.source),
            Self::Plugin(verb) => verb.source(),
            Self::Ticket(verb) => verb.source(),
            Self::Shelf(verb) => verb.source(),
            Self::Run(_)
            | Self::Cp(_)
            | Self::Release(_)
            | Self::Discard(_)
            | Self::Forward(_)
            | Self::Reboot(_)
            | Self::Lease(_)
            | Self::Status(_)
            | Self::Top(_)
            | Self::Why(_)
            | Self::Metrics(_)
            | Self::Serve(_)
            | Self::Source(_)
            | Self::Config(_)
            | Self::Test(_)
            | Self::Results(_)
            | Self::Import(_)
            | Self::Completions(_)
            | Self::Commands(_)
            | Self::Help(_)
            | Self::Debug(_) => None,
        }
    }

    /// The word that was typed for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Acquire(_) => "acquire",
            Self::Run(_) => "run",
            Self::Cp(_) => "cp",
            Self::Release(_) => "release",
            Self::Exec(_) => "exec",
            Self::Discard(_) => "discard",
            Self::Forward(_) => "forward",
            Self::Reboot(_) => "reboot",
            Self::Ticket(_) => "ticket",
            Self::Lease(_) => "lease",
            Self::Shelf(_) => "shelf",
            Self::Status(_) => "status",
            Self::Top(_) => "top",
            Self::Why(_) => "why",
            Self::Events(_) => "events",
            Self::Metrics(_) => "metrics",
            Self::Serve(_) => "serve",
            Self::Log(_) => "log",
            Self::Source(_) => "source",
            Self::Plugin(_) => "plugin",
            Self::Config(_) => "config",
            Self::Test(_) => "test",
            Self::Results(_) => "results",
            Self::Import(_) => "import",
            Self::Completions(_) => "completions",
            Self::Commands(_) => "commands",
            Self::Help(_) => "help",
            Self::Debug(_) => "debug",
        }
    }
}
