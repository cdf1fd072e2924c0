//! `runner run`: a command in a leased instance, connected to our streams.

use std::ffi::OsString;

use clap::Args;
use runner_core::id::InstanceName;

use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::execution::{self, Plan};
use crate::cli::signals::Signals;
use crate::cli::values::{self, Variable};

/// Run a command in a leased instance
///
/// The command gets our stdin, stdout and stderr, byte for byte, and its arguments exactly as given here; nothing is
/// interpreted by a shell on the way. Options of `runner` end at the resource id: everything behind it belongs to the
/// command. A `--` may stand before or after the id. Without a command an interactive shell is started.
///
/// The exit code is the command's, 128+N if it died of signal N, and 125 if `runner` itself failed. Ctrl-C reaches
/// the command; `runner` waits for it and reports how it ended.
#[derive(Debug, Args)]
#[command(
    override_usage = "runner run [OPTIONS] [--] ID [--] [CMD [ARG]...]",
    after_help = "\
Examples:
  runner run local-0 ls -l /tmp
  runner run local-0 sh -c 'echo $HOME'      the instance's HOME
  runner run --env CI=1 --cwd src local-0 make
  tar c . | runner run local-0 tar x         streams are bytes
  runner run local-0                         an interactive shell
  runner run -t local-0 top                  a program that needs a terminal

See `runner help exit-codes` for the exit codes and `--status-fd`."
)]
pub(crate) struct Run {
    #[command(flatten)]
    pub how: HowArgs,

    /// The instance, then the command and its arguments
    #[arg(value_names = ["ID", "CMD"], num_args = 1.., required = true, trailing_var_arg = true)]
    pub words: Vec<OsString>,
}

/// What `run` and `exec` have in common: how the command is started.
#[derive(Debug, Args)]
pub(crate) struct HowArgs {
    /// Set an environment variable of the command (may be repeated)
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = values::variable())]
    pub env: Vec<Variable>,

    /// Start the command in this directory of the instance
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<OsString>,

    /// Give the command a terminal of its own (an interactive shell gets one anyway)
    #[arg(short, long)]
    pub tty: bool,

    /// Write one line of JSON to this descriptor that tells how it ended
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub status_fd: Option<i32>,
}

/// Drops the one `--` that may separate the command from what stands before it.
pub(crate) fn without_separator(words: &[OsString]) -> &[OsString] {
    match words {
        [first, rest @ ..] if first == "--" => rest,
        words => words,
    }
}

/// Runs the command on the instance.
pub(crate) fn run(args: Run, prepare: impl FnOnce() -> Result<Context, Failure>) -> Outcome {
    execution::answer(args.how.status_fd, || {
        let context = prepare()?;
        let (id, words) = args
            .words
            .split_first()
            .ok_or_else(|| Failure::usage("the instance is missing"))?;
        // An id that is not text is the id of no instance.
        let name = InstanceName::typed(id.to_string_lossy());
        let plan = Plan::new(args.how, without_separator(words));
        let engine = context.engine()?;
        context.block_on(async {
            let mut signals = Signals::passed_on()?;
            plan.run(engine, &name, &mut signals).await
        })
    })
}
