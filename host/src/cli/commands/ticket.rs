//! `runner ticket`: places in the queue that outlive the command that took them.

use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use runner_core::id::TicketId;

use super::{acquire, release};
use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::grant_dialog::Dialog;
use crate::cli::signals::Signals;
use crate::cli::wants::{LeaseArgs, WantArgs, patience};
use crate::cli::{exit_code, values};
use crate::clock::{Clock as _, SystemClock};
use crate::config::SourceArgument;
use crate::engine::{Engine, FailureKind, Holder, TicketStatus, Wait};
use crate::report::tickets;

/// Queue for instances, and come back for them later
///
/// A ticket is a request with a number, which waits in the queue also when no command does: what becomes idle is
/// handed to it. What must be made for it is made by `runner serve`, or else by whoever waits for it (`ticket wait`).
/// Served, it holds the instances until they are released or it is closed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ticket=$(runner ticket open -s web 2)
  ids=$(runner ticket wait $ticket) && runner run ${ids%% *} make
  runner ticket close $ticket

See `runner help exit-codes`: `check` and `wait` end with 4 while the ticket waits.")]
pub(crate) struct Ticket {
    #[command(subcommand)]
    pub verb: TicketVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TicketVerb {
    Open(Box<Open>),
    /// Print the state of a ticket: `waiting`, `served ID…`, `failed REASON` or `closed`
    ///
    /// Ends with 0 when it is served, 4 while it waits, 3 when it failed or is closed.
    Check {
        /// The number of the ticket
        #[arg(value_name = "TICKET", value_parser = values::ticket)]
        ticket: TicketId,

        /// Print `ID@FENCE` instead of `ID`
        #[arg(long)]
        fenced: bool,
    },
    /// Wait until a ticket is served, and print the ids
    ///
    /// Ends with 0 when it is served, 3 when it fails or is closed, 4 when the time is over before; then, and when a
    /// signal ends the wait, the ticket keeps its place.
    Wait {
        /// The number of the ticket
        #[arg(value_name = "TICKET", value_parser = values::ticket)]
        ticket: TicketId,

        /// Wait at most this long
        #[arg(long, value_name = "DURATION", value_parser = values::duration)]
        timeout: Option<Duration>,

        /// Print `ID@FENCE` instead of `ID`
        #[arg(long)]
        fenced: bool,
    },
    /// Take tickets out of the queue, and release what they hold
    Close {
        /// The numbers of the tickets
        #[arg(value_name = "TICKET", num_args = 1.., required = true, value_parser = values::ticket)]
        tickets: Vec<TicketId>,
    },
    /// List the tickets that wait or hold something
    List {
        /// Those that have ended, too
        #[arg(long)]
        all: bool,
    },
}

/// Put a request into the queue and print its number
///
/// Prints the number and nothing else on stdout; with `--wait` the ids on a second line, once it is served. A ticket
/// that can never be served fails at once and says why.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner ticket open -s web
  runner ticket open --tag x86_64 --requires 'memory >= 8G' --priority 5 2
  runner ticket open -s web --deadline 1h --wait=10m")]
pub(crate) struct Open {
    #[command(flatten)]
    pub wants: WantArgs,

    #[command(flatten)]
    pub lease: LeaseArgs,

    /// The leases end with this process of this machine
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub holder_pid: Option<u32>,

    /// The ticket fails when it is not served within this time
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub deadline: Option<Duration>,

    /// Wait until it is served and print the ids, at most this long if a duration is given; the ticket stays
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, value_parser = values::duration)]
    #[expect(
        clippy::option_option,
        reason = "clap's form of an option with an optional value"
    )]
    pub wait: Option<Option<Duration>>,

    /// Print `ID@FENCE` instead of `ID`
    #[arg(long)]
    pub fenced: bool,

    /// How many
    #[arg(value_name = "COUNT", default_value = "1", value_parser = values::count)]
    pub count: u32,
}

impl Ticket {
    /// Where `open` keeps its `-s`.
    pub(crate) fn source(&mut self) -> Option<&mut Option<SourceArgument>> {
        match &mut self.verb {
            TicketVerb::Open(open) => Some(&mut open.wants.source),
            _ => None,
        }
    }
}

/// Carries out one of the verbs.
pub(crate) fn run(args: Ticket, context: &Context) -> Outcome {
    match args.verb {
        TicketVerb::Open(open) => opened(*open, context),
        TicketVerb::Check { ticket, fenced } => check(ticket, fenced, context),
        TicketVerb::Wait {
            ticket,
            timeout,
            fenced,
        } => {
            let patience = timeout.map_or(Wait::Forever, Wait::For);
            let engine = context.engine()?;
            context.block_on(async {
                let mut signals = Signals::ending()?;
                wait(engine, ticket, patience, fenced, &mut signals, context).await
            })
        }
        TicketVerb::Close { tickets } => close(&tickets, context),
        TicketVerb::List { all } => list(all, context),
    }
}

/// Opens, tells the number, and only then waits, if that is wanted.
fn opened(args: Open, context: &Context) -> Outcome {
    let draw = context.wanted(&args.wants, &[], &Dialog)?;
    let mut ask = args
        .wants
        .ask(args.deadline.map_or(Wait::Forever, Wait::For));
    args.lease.shape(&mut ask);
    ask.count = args.count;
    ask.holder = args.holder_pid.map(Holder::process).transpose()?;
    let (engine, console) = (context.engine()?, &context.console);
    context.block_on(async {
        let mut signals = Signals::ending()?;
        let ticket = signals.guard(engine, engine.open_ticket(&draw, &ask)).await?;
        if ticket.state == "failed" {
            return Err(not_served(&ticket));
        }
        let told = if !console.json {
            console.print(&format!("{}\n", ticket.id))
        } else if args.wait.is_none() {
            console.print_json(&tickets::as_json(&ticket))
        } else {
            Ok(())
        };
        if let Err(mut failure) = told {
            // Nobody knows the number.
            engine.close_ticket(ticket.id).await?;
            failure.silent = false;
            failure.code = exit_code::FAILED;
            return Err(failure.hint("the ticket was closed again"));
        }
        if args.wait.is_some() {
            let patience = patience(args.wait);
            return wait(engine, ticket.id, patience, args.fenced, &mut signals, context).await;
        }
        if ticket.state == "waiting" && !engine.is_served() {
            console.note(&format!(
                "no `runner serve` runs: ticket {0} is handed what becomes idle, but what must be made for it is made only while \
                 somebody waits for it (`runner ticket wait {0}`)",
                ticket.id
            ));
        }
        Ok(exit_code::OK)
    })
}

/// Waits, and prints the ids.
async fn wait(
    engine: &Engine,
    id: TicketId,
    patience: Wait,
    fenced: bool,
    signals: &mut Signals,
    context: &Context,
) -> Outcome {
    let ticket = match signals
        .guard(engine, engine.wait_ticket(id, patience))
        .await
    {
        Err(failure) if failure.kind == FailureKind::TimedOut.word() => {
            return Err(Failure {
                code: exit_code::WAITING,
                ..failure
            });
        }
        ticket => ticket?,
    };
    if ticket.state != "served" {
        return Err(not_served(&ticket));
    }
    let console = &context.console;
    if console.json {
        console.print_json(&tickets::as_json(&ticket))?;
    } else {
        console.print(&acquire::ids(&ticket.instances, fenced))?;
    }
    Ok(exit_code::OK)
}

/// Reads and prints. The state is the answer, so nothing is said on the error stream.
fn check(id: TicketId, fenced: bool, context: &Context) -> Outcome {
    let (engine, console) = (context.engine()?, &context.console);
    let ticket = engine.check_ticket(id)?;
    if console.json {
        console.print_json(&tickets::as_json(&ticket))?;
    } else {
        console.print(&tickets::line(&ticket, fenced))?;
    }
    Ok(match ticket.state {
        "served" => exit_code::OK,
        "waiting" => exit_code::WAITING,
        _ => exit_code::FAILED,
    })
}

/// Why there are no instances, and never will be.
fn not_served(ticket: &TicketStatus) -> Failure {
    let id = ticket.id;
    match &ticket.reason {
        Some(reason) => Failure::new(
            FailureKind::Exhausted.word(),
            format!("ticket {id} failed: {reason}"),
        )
        .hint(format!("`runner why {id}` says more")),
        None => Failure::new(
            FailureKind::NotLeased.word(),
            format!("ticket {id} is {}", ticket.state),
        )
        .hint("what it held is released; open another one"),
    }
}

/// Closes them all, or none if one of the numbers is unknown.
fn close(ids: &[TicketId], context: &Context) -> Outcome {
    let engine = context.engine()?;
    for id in ids {
        engine.check_ticket(*id)?;
    }
    context.block_on(async {
        let mut signals = Signals::ending()?;
        for id in ids {
            let released = signals.guard(engine, engine.close_ticket(*id)).await?;
            release::tell(released, &context.console);
        }
        Ok::<u8, Failure>(exit_code::OK)
    })
}

fn list(all: bool, context: &Context) -> Outcome {
    let (engine, console) = (context.engine()?, &context.console);
    let all = engine.tickets(all)?;
    if console.json {
        console.print_json(&tickets::list_json(&all))?;
    } else {
        let now = SystemClock.now();
        console.print(&tickets::table(&all, now, &TimeZone::system()))?;
    }
    Ok(exit_code::OK)
}
