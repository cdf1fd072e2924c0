//! `runner exec`: acquire, run and release in one.

use std::ffi::OsString;

use clap::Args;

use super::release;
use super::run::{HowArgs, without_separator};
use crate::cli::context::{Context, Drawn};
use crate::cli::error::{Failure, Outcome};
use crate::cli::execution::{self, Plan};
use crate::cli::signals::{self, Signals};
use crate::cli::wants::DrawArgs;
use crate::engine::{Destination, EngineError, FailureKind, HeldInstance, Released};

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
        let Drawn { draw, ask } = context.draw(args.draw)?;
        let plan = Plan::new(args.how, without_separator(&args.words));
        let engine = context.engine()?;
        context.block_on(async {
            let mut signals = Signals::passed_on()?;
            let acquired = signals.guard(engine, engine.acquire(&draw, &ask)).await?;
            let held = acquired.held();
            let ended = match held.first() {
                Some(one) => plan.run(engine, &one.name, &mut signals).await,
                None => Err(Failure::new("state", "no instance was handed out")),
            };
            // Should the lease have ended meanwhile, the name may be somebody else's by now.
            let names: Vec<_> = held.iter().map(HeldInstance::fenced).collect();
            let released = tokio::select! {
                released = engine.release(&names, &Destination::Usual) => released_or_lost(released)?,
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

/// A lease that somebody ended is no failure of the command that ran under it; that has told by itself.
fn released_or_lost(
    released: Result<Vec<Released>, EngineError>,
) -> Result<Vec<Released>, Failure> {
    match released {
        Err(error) if error.kind == FailureKind::NotLeased => Ok(Vec::new()),
        released => Ok(released?),
    }
}
