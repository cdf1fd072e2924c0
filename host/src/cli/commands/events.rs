//! `runner events`: what happened, one JSON object per line.

use std::os::fd::AsFd as _;
use std::time::Duration;

use clap::Args;
use runner_core::id::{InstanceName, TicketId};

use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::{exit_code, values};
use crate::config::SourceArgument;
use crate::engine::{EventFilter, Rung};
use crate::report::{events as report, json};

/// Print what happened, one JSON object per line
///
/// Each line is an object with these fields, `null` where they do not apply: `id` (a number that grows), `at` (UTC), `event`,
/// `source`, `instance`, `ticket` (a number), `shelf`, `detail` (a text for people). `event` is one of
/// `instance.STATE` (what it became: allocating, provisioning, ready, leased, releasing, broken, discarding, discarded),
/// `instance.dead`, `ticket.waiting|served|failed|closed`, `lease.renewed|expired|holder-gone`,
/// `shelf.created|changed|stored|deleted`, `check.failed|recovered`, `orphan.found|destroyed`,
/// `source.added|changed|removed|kept|unusable`, `serve.started|reloaded|problems|stopped`, `clock.set`;
/// more may be added. The newest line comes last.
///
/// `--follow` goes on with what happens from then on, until the reader goes away. How long events are kept says
/// `history` under `[fleet]` of `config.toml`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner events -n 20
  runner events --follow --source web
  runner events --since 1041            what is later than the event with this number
  runner events --follow | jq 'select(.event == \"instance.dead\")'")]
pub(crate) struct Events {
    /// Go on with what happens from now on
    #[arg(short, long)]
    pub follow: bool,

    /// Only what is later than the event with this number
    #[arg(long, value_name = "EVENT")]
    pub since: Option<i64>,

    /// Only what concerns this source
    #[arg(short, long, value_name = "SOURCE", value_parser = values::source())]
    pub source: Option<SourceArgument>,

    /// Only what concerns this instance
    #[arg(long, value_name = "ID")]
    pub instance: Option<String>,

    /// Only what concerns this ticket
    #[arg(long, value_name = "TICKET")]
    pub ticket: Option<i64>,

    /// At most this many of the past, the newest [default: 50, or all with `--since`]
    #[arg(short = 'n', long = "number", value_name = "N")]
    pub number: Option<u32>,
}

/// Where the kernel says nothing (a network file system), this often is enough.
const TICK: Duration = Duration::from_secs(1);

/// Reads and prints, and again for as long as somebody reads.
pub(crate) fn run(args: Events, context: &Context) -> Outcome {
    let source = match args.source {
        None => None,
        Some(SourceArgument::Named(name)) => Some(name),
        Some(SourceArgument::File { path, .. }) => {
            return Err(Failure::bad_option(format!(
                "`events` takes the name of a source, not the file `{}`",
                path.display()
            )));
        }
    };
    let engine = context.engine()?;
    let mut filter = EventFilter {
        after: args.since.unwrap_or(0),
        source,
        instance: args.instance.map(InstanceName::typed),
        ticket: args.ticket.map(TicketId),
        last: args.number.or_else(|| args.since.is_none().then_some(50)),
    };
    // Before the first look: what happens after it rings.
    let news = args.follow.then(|| engine.news()).transpose()?;
    loop {
        let newest = engine.newest_event()?;
        let events = engine.events(&filter)?;
        if !events.is_empty() {
            let mut lines = String::new();
            for event in &events {
                lines.push_str(&json::compact(&report::as_json(event)));
                lines.push('\n');
            }
            context.console.print(&lines)?;
        }
        let Some(news) = &news else {
            return Ok(exit_code::OK);
        };
        let seen = events.last().map_or(0, |event| event.id);
        filter.after = filter.after.max(newest).max(seen);
        filter.last = None;
        let stdout = std::io::stdout();
        let rung = news
            .wait(&[(stdout.as_fd(), false)], TICK)
            .map_err(|error| Failure::io("cannot wait for news", &error))?;
        if matches!(rung, Rung::Other(_)) {
            return Err(Failure::reader_gone());
        }
    }
}
