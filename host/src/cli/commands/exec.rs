//! `runner exec`: acquire, run and release in one.

use std::ffi::OsString;

use clap::Args;

use super::run::{HowArgs, without_separator};
use super::{acquire, release};
use crate::cli::args::DrawArgs;
use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::execution::{self, Plan};
use crate::cli::signals::{self, Signals};
use crate::engine::Destination;

/// Lease an instance, run a command in it, and give it back
///
/// The instance is released on every way out, also when a signal ends the command or `runner`. Streams, arguments
/// and exit codes are those of `run`. Without a command an interactive shell is started.
#[derive(Debug, Args)]
#[command(
    override_usage = "runner exec [OPTIONS] [--] [CMD [ARG]...]",
    after_help = "\
Examples:
  runner exec -- make test
  runner exec -s web --wait -- ./deploy.sh --fast
  runner exec -s ./box.wasm:image=debian        a shell in a fresh box"
)]
pub(crate) struct Exec {
    #[command(flatten)]
    pub draw: DrawArgs,

    #[command(flatten)]
    pub how: HowArgs,

    /// The command and its arguments
    #[arg(value_name = "CMD", trailing_var_arg = true)]
    pub words: Vec<OsString>,
}

/// Leases, runs, releases. The lease is never confirmed: should we die on the way, the next command of anybody's takes
/// the instance back.
pub(crate) fn run(args: Exec, prepare: impl FnOnce() -> Result<Context, Failure>) -> Outcome {
    execution::answer(args.how.status_fd, || {
        let context = prepare()?;
        let draw = context.draw(args.draw)?;
        let plan = Plan::new(args.how, without_separator(&args.words));
        let engine = context.engine()?;
        context.block_on(async {
            let mut signals = Signals::passed_on()?;
            let acquired = acquire::interruptible(engine, &draw, 1, &mut signals).await?;
            let names = acquired.names();
            let ended = match names.first() {
                Some(name) => plan.run(engine, name, &mut signals).await,
                None => Err(Failure::new("state", "no instance was handed out")),
            };
            let released = tokio::select! {
                released = engine.release(&names, &Destination::Usual) => released?,
                // Who does not want to wait for the end leaves it to the next command.
                arrived = signals.next() => {
                    signals::die_of(arrived.number);
                    return Err(signals::interrupted(arrived));
                }
            };
            release::tell(released, &context.console);
            ended
        })
    })
}
