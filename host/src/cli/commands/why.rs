//! `runner why`: what a ticket waits for, what an instance is doing, how a source does.

use clap::Args;
use jiff::tz::TimeZone;

use crate::cli::context::Context;
use crate::cli::error::Outcome;
use crate::cli::exit_code;
use crate::report::why as report;

/// Explain a ticket, an instance or a source
///
/// For a ticket that waits: its place in the queue, each source that was considered and why it does not serve, what would
/// help, and how long it may take, from what was seen lately. For an instance: its state, its holder, what is wrong with it.
/// For a source: how many there are of it and how its starts went. And what happened last, for each of them.
///
/// Nothing is changed, and no provider is asked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner why 17                         the ticket with this number
  runner why web-3
  runner why web --json")]
pub(crate) struct Why {
    /// The number of a ticket, the id of an instance, or the name of a source
    #[arg(value_name = "TICKET|ID|SOURCE")]
    pub subject: String,
}

/// Reads and prints.
pub(crate) fn run(args: &Why, context: &Context) -> Outcome {
    let explained = context.engine()?.why(&args.subject)?;
    if context.console.json {
        context.console.print_json(&report::as_json(&explained))?;
    } else {
        let text = report::text(&explained, &TimeZone::system());
        context.console.print(&text)?;
    }
    Ok(exit_code::OK)
}
