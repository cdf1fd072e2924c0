//! `runner status`: how many instances there are, of which source.

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use runner_core::id::SourceName;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::Outcome;
use crate::cli::exit_code;
use crate::clock::{Clock as _, SystemClock};
use crate::report::{fleet, loose, status as report};

/// Show how many instances are idle and in use, per source
///
/// `cached` counts the idle instances, `in-use` the leased ones, `max` is the limit (0: none). With `-v` a second table names the leased
/// instances; with `-vv` it names everything that exists, with state and holder.
///
/// With `--json` all of it is printed, together with the tickets that wait and why, what was found at backends and is in no
/// book (`orphans`), and who serves.
///
/// What nobody looks after any more is told on the error stream, with what can be done about it: leases whose holder is gone, and
/// instances whose end a backend does not confirm (`loose-end` in JSON).
///
/// Without arguments it shows every configured source and every source that still has instances.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner status
  runner status -v web
  runner status --wide
  runner status web --query available    one number, for scripts
  runner status --json")]
pub(crate) struct Status {
    /// Only these sources; names that do not exist are ignored
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,

    /// Every number: what is starting, ready, leased, checking, shelved, broken, discarding, and who waits
    ///
    /// `checking` counts the idle and leased instances whose last check failed: they are asked again, and the idle ones are not
    /// handed out before they answer well. `shelved` counts the idle ones on shelves, `waiting` the tickets.
    #[arg(short, long)]
    pub wide: bool,

    /// Print one number, the sum over the sources; `available` is `unlimited` where there is no limit
    #[arg(long, value_enum)]
    pub query: Option<Query>,
}

/// The numbers that can be asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Query {
    /// Idle instances
    Cached,
    /// Leased instances
    InUse,
    /// The limit, 0 for none
    Max,
    /// How many can still be had, or `unlimited`
    Available,
}

impl From<Query> for report::Query {
    fn from(query: Query) -> Self {
        match query {
            Query::Cached => Self::Cached,
            Query::InUse => Self::InUse,
            Query::Max => Self::Max,
            Query::Available => Self::Available,
        }
    }
}

/// Reads and prints; nothing is asked of a provider.
pub(crate) fn run(args: &Status, context: &Context) -> Outcome {
    let console = &context.console;
    // A text that is no name is the name of no source.
    let names: Vec<SourceName> = args
        .sources
        .iter()
        .filter_map(|name| SourceName::new(name.as_str()).ok())
        .collect();
    let detail = context.verbose > 0 || console.json;
    let sources = if names.is_empty() && !args.sources.is_empty() {
        Vec::new()
    } else {
        let engine = context.engine()?;
        if args.wide && !detail {
            engine.numbers(&names)?
        } else {
            engine.status(&names, detail)?
        }
    };
    if let Some(query) = args.query {
        let value = report::query(&sources, query.into());
        if console.json {
            let value = value
                .parse::<u64>()
                .map_or_else(|_| json!(value), |number| json!(number));
            console.print_json(&value)?;
        } else {
            console.print(&format!("{value}\n"))?;
        }
        return Ok(exit_code::OK);
    }
    if console.json {
        let engine = context.engine()?;
        let mut value = report::as_json(&sources);
        let waiting = engine.queue()?;
        value["waiting"] = waiting.iter().map(fleet::waiting_json).collect();
        let orphans = engine.orphans()?;
        value["orphans"] = orphans.iter().map(fleet::orphan_json).collect();
        value["served-by"] = fleet::server_json(engine.served_by().as_ref());
        console.print_json(&value)?;
        return Ok(exit_code::OK);
    }
    let mut text = if args.wide {
        fleet::wide(&sources)
    } else {
        report::sources(&sources)
    };
    match context.verbose {
        0 => {}
        1 => {
            text.push('\n');
            text.push_str(&report::checked_out(&sources));
        }
        _ => {
            text.push('\n');
            let now = SystemClock.now();
            text.push_str(&report::everything(&sources, now, &TimeZone::system()));
        }
    }
    text.push_str(&report::canaries(&sources));
    console.print(&text)?;
    // Whose names are all unknown asked for nothing.
    if names.is_empty() == args.sources.is_empty() {
        for warning in loose::warnings(&context.engine()?.loose_ends(&names)?) {
            console.warning(&warning);
        }
    }
    if context.verbose == 1 {
        for trouble in report::troubles(&sources) {
            console.warning(&trouble);
        }
    }
    Ok(exit_code::OK)
}
