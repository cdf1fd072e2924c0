//! `runner acquire`: leases instances and prints their ids.

use clap::Args;
use runner_core::id::InstanceName;
use serde_json::json;

use crate::cli::args::DrawArgs;
use crate::cli::context::{Context, Drawn};
use crate::cli::error::{Failure, Outcome};
use crate::cli::signals::{self, Signals};
use crate::cli::{exit_code, values};
use crate::engine::{Acquired, Ask, Engine};
use crate::report::instances;

/// Lease instances and print their ids
///
/// Prints the ids on one line, separated by blanks, and nothing else on stdout. It is all or nothing: either as many
/// as asked are leased, or none. An exhausted source fails at once and names the limit; `--wait` waits for room. If
/// the ids cannot be printed, the instances are given back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner acquire                        one instance of the source `local`
  runner acquire -s web 3               three of the source `web`
  runner acquire -s web --wait=5m       wait up to five minutes for room
  runner acquire -s ./box.wasm:image=debian,memory=2G
  runner acquire -s web -o memory=4G    one key of its configuration changed")]
pub(crate) struct Acquire {
    #[command(flatten)]
    pub draw: DrawArgs,

    /// How many
    #[arg(value_name = "COUNT", default_value = "1", value_parser = values::count)]
    pub count: u32,
}

/// Leases, prints, and only then confirms: who cannot be told does not hold anything.
pub(crate) fn run(args: Acquire, context: &Context) -> Outcome {
    let draw = context.draw(args.draw)?;
    let engine = context.engine()?;
    context.block_on(async {
        let mut signals = Signals::ending()?;
        let acquired = interruptible(engine, &draw, args.count, &mut signals).await?;
        let names = acquired.names();
        let told = if context.console.json {
            let mut names: Vec<&str> = names.iter().map(InstanceName::as_str).collect();
            names.sort_by(|one, two| instances::natural(one, two));
            context.console.print_json(&json!({ "instances": names }))
        } else {
            context
                .console
                .print(&format!("{}\n", instances::ids(&names)))
        };
        if let Err(mut failure) = told {
            acquired.give_back().await?;
            // Nobody reads: that is an ordinary end elsewhere, but here it cost somebody an instance.
            failure.silent = false;
            failure.code = exit_code::FAILED;
            return Err(failure.hint("the instances were given back"));
        }
        acquired.confirm()?;
        Ok(exit_code::OK)
    })
}

/// Acquires, unless a signal comes first: then what was begun is cleaned up before anything else. A second signal ends
/// that too; the next command finishes it.
pub(crate) async fn interruptible(
    engine: &Engine,
    draw: &Drawn,
    count: u32,
    signals: &mut Signals,
) -> Result<Acquired, Failure> {
    let ask = Ask {
        count,
        wait: draw.wait,
        ..Ask::default()
    };
    let first = tokio::select! {
        acquired = engine.acquire(&draw.draw, &ask) => return Ok(acquired?),
        arrived = signals.next() => arrived,
    };
    tokio::select! {
        cleaned = engine.abandon() => drop(cleaned?),
        second = signals.next() => signals::die_of(second.number),
    }
    Err(signals::interrupted(first))
}
