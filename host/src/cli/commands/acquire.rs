//! `runner acquire`: leases instances and prints their ids.

use std::io::Read as _;

use clap::Args;
use runner_core::id::{InstanceName, TicketId};
use serde_json::{Value, json};

use crate::cli::console::Console;
use crate::cli::context::{Context, Drawn};
use crate::cli::error::{Failure, Outcome};
use crate::cli::signals::{self, Signals};
use crate::cli::wants::DrawArgs;
use crate::cli::{exit_code, values};
use crate::engine::{Destination, Engine, EngineError, FailureKind, HeldInstance, Holder};
use crate::report::{instances, leases};

/// Lease instances and print their ids
///
/// Prints the ids on one line, separated by blanks, and nothing else on stdout. It is all or nothing: either as many
/// as asked are leased, or none. An exhausted source fails at once and names the limit; `--wait` waits for room, in a
/// queue that is fair by priority and age. If the ids cannot be printed, the instances are given back.
///
/// A lease lasts until it is released, or until its time is over (`--ttl`, or the source's `lease_ttl`) and nobody has
/// renewed it: every running `run` does, and `runner lease renew`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner acquire                        one instance of the source `local`
  runner acquire -s web 3               three of the source `web`
  runner acquire -s web --wait=5m       wait up to five minutes for room
  runner acquire -s ./box.wasm:image=debian,memory=2G
  runner acquire -s web -o memory=4G    one key of its configuration changed
  runner acquire --tag x86_64 --requires 'cpus >= 4'
  runner acquire -s web --shelf mine    one that I used before, if there is one
  runner acquire -s web --holder-pid $$ until this shell ends

See `runner ticket` for a place in the queue that outlives this command.")]
pub(crate) struct Acquire {
    #[command(flatten)]
    pub draw: DrawArgs,

    /// The lease ends with this process of this machine
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "hold")]
    pub holder_pid: Option<u32>,

    /// Keep the leases, and renew them, until standard input ends or a signal comes; then give them back
    ///
    /// Standard output is closed once the ids are printed. When this process is killed, the next command ends the leases.
    #[arg(long)]
    pub hold: bool,

    /// Print `ID@FENCE` instead of `ID`
    ///
    /// It goes wherever an id goes, and means this lease only: once it has ended, `run`, `cp`, `release` and the others
    /// refuse, whoever holds the instance then.
    #[arg(long)]
    pub fenced: bool,

    /// How many
    #[arg(value_name = "COUNT", default_value = "1", value_parser = values::count)]
    pub count: u32,
}

/// Leases, prints, and only then confirms: who cannot be told does not hold anything.
pub(crate) fn run(args: Acquire, context: &Context) -> Outcome {
    let Drawn { draw, mut ask } = context.draw(args.draw)?;
    let engine = context.engine()?;
    ask.count = args.count;
    ask.holder = match args.holder_pid {
        Some(pid) => Some(Holder::process(pid)?),
        None if args.hold => Some(engine.own_holder()?),
        None => None,
    };
    context.block_on(async {
        let mut signals = Signals::ending()?;
        let acquired = signals.guard(engine, engine.acquire(&draw, &ask)).await?;
        let held = acquired.held();
        let told = if context.console.json {
            let object = object(acquired.ticket(), &held, args.fenced);
            context.console.print_json(&object)
        } else {
            context.console.print(&ids(&held, args.fenced))
        };
        if let Err(mut failure) = told {
            acquired.give_back().await?;
            // Nobody reads: that is an ordinary end elsewhere, but here it cost somebody an instance.
            failure.silent = false;
            failure.code = exit_code::FAILED;
            return Err(failure.hint("the instances were given back"));
        }
        acquired.confirm()?;
        if args.hold {
            return hold(engine, held, &mut signals, &context.console).await;
        }
        Ok(exit_code::OK)
    })
}

/// The ids on a line.
pub(super) fn ids(held: &[HeldInstance], fenced: bool) -> String {
    format!("{}\n", instances::ids(&names(held, fenced)))
}

fn names(held: &[HeldInstance], fenced: bool) -> Vec<InstanceName> {
    let name = |one: &HeldInstance| {
        if fenced {
            one.fenced()
        } else {
            one.name.clone()
        }
    };
    held.iter().map(name).collect()
}

fn object(ticket: Option<TicketId>, held: &[HeldInstance], fenced: bool) -> Value {
    let mut ids: Vec<String> = names(held, fenced)
        .iter()
        .map(ToString::to_string)
        .collect();
    ids.sort_by(|one, two| instances::natural(one, two));
    json!({
        "instances": ids,
        "ticket": ticket.map(|ticket| ticket.0),
        "leases": leases::held_json(held),
    })
}

/// Keeps the leases until somebody ends that. A lease that somebody else ended is told; when none is left, there is
/// nothing to hold.
async fn hold(
    engine: &Engine,
    mut held: Vec<HeldInstance>,
    signals: &mut Signals,
    console: &Console,
) -> Outcome {
    close_output();
    let mut ended = end_of_input();
    let mut signalled = false;
    loop {
        let lost = tokio::select! {
            lost = engine.keep(&mut held) => lost?,
            _ = &mut ended => break,
            _ = signals.next() => {
                signalled = true;
                break;
            }
        };
        let told = format!("the lease of `{}` has ended", lost.name);
        if held.is_empty() {
            return Err(Failure::new(FailureKind::NotLeased.word(), told)
                .hint("somebody released or discarded it: `runner log` says who"));
        }
        console.warning(&told);
    }
    let releasing = give_back(engine, &held, console);
    tokio::pin!(releasing);
    loop {
        tokio::select! {
            released = &mut releasing => return released.map(|()| exit_code::OK),
            arrived = signals.next() => {
                if signalled {
                    // Who does not want to wait for the end leaves it to the next command.
                    signals::die_of(arrived.number);
                    return Err(signals::interrupted(arrived));
                }
                // Ctrl-C ends whoever feeds our standard input, too: that is one end, told twice.
                signalled = true;
            }
        }
    }
}

async fn give_back(
    engine: &Engine,
    held: &[HeldInstance],
    console: &Console,
) -> Result<(), Failure> {
    let names = names(held, true);
    let released = match engine.release(&names, &Destination::Usual).await {
        // In this moment somebody ended one of them: the others are released one by one.
        Err(error) if error.kind == FailureKind::NotLeased => {
            one_by_one(engine, &names, console).await?
        }
        released => released?,
    };
    super::release::tell(released, console);
    Ok(())
}

async fn one_by_one(
    engine: &Engine,
    names: &[InstanceName],
    console: &Console,
) -> Result<Vec<crate::engine::Released>, EngineError> {
    let mut ended = Vec::new();
    for name in names {
        match engine
            .release(std::slice::from_ref(name), &Destination::Usual)
            .await
        {
            Ok(released) => ended.extend(released),
            Err(error) if error.kind == FailureKind::NotLeased => {
                console.warning(&error.message);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(ended)
}

/// Resolves when standard input ends. On a thread of its own: what is read may be a terminal, a pipe or a file.
fn end_of_input() -> tokio::sync::oneshot::Receiver<()> {
    let (sender, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        let mut input = std::io::stdin().lock();
        loop {
            match input.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        // Nobody waits any more when a signal was first.
        let _ended_otherwise = sender.send(());
    });
    ended
}

/// Whoever reads the ids up to their end shall not wait for ours.
fn close_output() {
    if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
        // It stays open then, which only makes a reader wait.
        let _stays_open = rustix::stdio::dup2_stdout(&null);
    }
}
