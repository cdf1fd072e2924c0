//! `runner shelf`: named places where instances stay between two uses of the same owner.

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

use super::{discard, release};
use crate::cli::context::Context;
use crate::cli::error::Outcome;
use crate::cli::grant_dialog::Dialog;
use crate::cli::signals::Signals;
use crate::cli::wants::{WaitArgs, WantArgs};
use crate::cli::{exit_code, values};
use crate::clock::{Clock as _, SystemClock};
use crate::config::SourceArgument;
use crate::engine::{DEFAULT_CAPACITY, Finding, ReleaseEnd, ShelfChange, ShelfStatus};
use crate::report::{instances, shelves};

/// Keep instances on named shelves between two uses
///
/// A shelf belongs to its owner (`--owner`, else the user), and so does what was acquired under it: it is never
/// handed to another owner, nor to a request without that shelf. What is taken from a shelf is decided by source,
/// configuration, tags and `--requires`, never by name alone. What is released goes back while there is room, and is
/// destroyed otherwise. Without a shelf nothing changes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner shelf create mine --capacity 4
  id=$(runner acquire -s web --shelf mine)
  runner release $id                    back on the shelf
  runner shelf fill mine 4 -s web       ready before they are needed
  runner shelf guests mine")]
pub(crate) struct Shelf {
    #[command(subcommand)]
    pub verb: ShelfVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ShelfVerb {
    /// Make a shelf; names are unique over all owners
    Create {
        /// Its name
        #[arg(value_name = "SHELF")]
        name: String,

        /// How many idle instances it keeps
        #[arg(long, value_name = "N", default_value_t = DEFAULT_CAPACITY)]
        capacity: u32,
    },
    /// List your shelves
    List {
        /// Those of all owners
        #[arg(long)]
        all: bool,
    },
    /// Show one shelf: its owner, its capacity, and how much is on it and in use under it
    Show {
        /// The shelf
        #[arg(value_name = "SHELF")]
        name: String,
    },
    /// Let a shelf keep what is released, or change its capacity
    ///
    /// What is on it stays there, also above a lowered capacity.
    Enable {
        /// The shelf
        #[arg(value_name = "SHELF")]
        name: String,

        /// How many idle instances it keeps from now on
        #[arg(long, value_name = "N")]
        capacity: Option<u32>,
    },
    /// Let a shelf keep nothing more: what is released is destroyed, what is on it is still handed out
    Disable {
        /// The shelf
        #[arg(value_name = "SHELF")]
        name: String,
    },
    /// Give a shelf another name; what is on it and in use under it stays with it
    Rename {
        /// The shelf
        #[arg(value_name = "OLD")]
        old: String,

        /// Its new name
        #[arg(value_name = "NEW")]
        new: String,
    },
    /// Remove a shelf: what is idle on it is destroyed at once, what is in use under it when it is released
    Delete {
        /// The shelf
        #[arg(value_name = "SHELF")]
        name: String,
    },
    /// List what is on a shelf, and what is in use under it
    Guests {
        /// The shelf
        #[arg(value_name = "SHELF")]
        name: String,
    },
    /// Put instances on a shelf: leased ones are released to it, idle ones of no shelf go there at once
    ///
    /// Refused when there is no room for all of them.
    Add {
        /// The shelf
        #[arg(value_name = "SHELF")]
        name: String,

        /// The instances
        #[arg(value_name = "ID", num_args = 1.., required = true)]
        ids: Vec<String>,
    },
    /// Check now whether what is idle on a shelf still lives; what failed too often is destroyed
    ///
    /// Ends with 3 when a check failed.
    Check {
        /// The shelf
        #[arg(value_name = "SHELF")]
        name: String,
    },
    /// Destroy what is idle on a shelf
    Discard {
        /// The shelf
        #[arg(value_name = "SHELF")]
        name: String,

        /// The instances
        #[arg(
            value_name = "ID",
            required_unless_present = "all",
            conflicts_with = "all"
        )]
        ids: Vec<String>,

        /// All of them
        #[arg(long)]
        all: bool,
    },
    Fill(Box<Fill>),
}

/// Make new instances and put them on a shelf, ready for their first use
///
/// All of them or none, like `acquire`; prints their ids.
#[derive(Debug, Args)]
pub(crate) struct Fill {
    /// The shelf
    #[arg(value_name = "SHELF")]
    pub name: String,

    /// How many
    #[arg(value_name = "COUNT", value_parser = values::count)]
    pub count: u32,

    #[command(flatten)]
    pub wants: WantArgs,

    #[command(flatten)]
    pub wait: WaitArgs,
}

impl Shelf {
    /// Where `fill` keeps its `-s`.
    pub(crate) fn source(&mut self) -> Option<&mut Option<SourceArgument>> {
        match &mut self.verb {
            ShelfVerb::Fill(fill) => Some(&mut fill.wants.source),
            _ => None,
        }
    }
}

/// Carries out one of the verbs.
pub(crate) fn run(args: Shelf, context: &Context) -> Outcome {
    let (engine, console) = (context.engine()?, &context.console);
    let change = |name: &str, change: ShelfChange| {
        engine.change_shelf(name, &change)?;
        Ok(exit_code::OK)
    };
    match args.verb {
        ShelfVerb::Create { name, capacity } => {
            engine.create_shelf(&name, capacity)?;
            Ok(exit_code::OK)
        }
        ShelfVerb::List { all } => shown(&engine.shelves(all)?, context),
        ShelfVerb::Show { name } => shown(&[engine.shelf(&name)?], context),
        ShelfVerb::Enable { name, capacity } => change(
            &name,
            ShelfChange {
                enabled: Some(true),
                capacity,
                name: None,
            },
        ),
        ShelfVerb::Disable { name } => change(
            &name,
            ShelfChange {
                enabled: Some(false),
                ..ShelfChange::default()
            },
        ),
        ShelfVerb::Rename { old, new } => change(
            &old,
            ShelfChange {
                name: Some(new),
                ..ShelfChange::default()
            },
        ),
        ShelfVerb::Delete { name } => {
            let ended = context.block_on(async {
                let mut signals = Signals::ending()?;
                signals.guard(engine, engine.delete_shelf(&name)).await
            })?;
            release::tell(ended, console);
            Ok(exit_code::OK)
        }
        ShelfVerb::Guests { name } => {
            let guests = engine.shelf_guests(&name)?;
            if console.json {
                console.print_json(&shelves::guests_json(&guests))?;
            } else {
                let now = SystemClock.now();
                console.print(&shelves::guests(&guests, now, &TimeZone::system()))?;
            }
            Ok(exit_code::OK)
        }
        ShelfVerb::Add { name, ids } => {
            let names = release::names(&ids);
            let mut ended = context.block_on(async {
                let mut signals = Signals::ending()?;
                signals.guard(engine, engine.shelve(&name, &names)).await
            })?;
            for one in &ended {
                if matches!(one.end, ReleaseEnd::Discarded) {
                    console.warning(&format!(
                        "`{}` was destroyed: the shelf had no room any more, or the source's limits forbid to use it again",
                        one.name
                    ));
                }
            }
            ended.retain(|one| matches!(one.end, ReleaseEnd::Pending(_)));
            release::tell(ended, console);
            Ok(exit_code::OK)
        }
        ShelfVerb::Check { name } => check(&name, context),
        ShelfVerb::Discard { name, ids, all } => {
            let names = release::names(&ids);
            let names = (!all).then_some(names.as_slice());
            let ended = context.block_on(async {
                let mut signals = Signals::ending()?;
                signals
                    .guard(engine, engine.discard_shelved(&name, names))
                    .await
            })?;
            Ok(discard::tell(ended, console))
        }
        ShelfVerb::Fill(fill) => filled(&fill, context),
    }
}

fn shown(all: &[ShelfStatus], context: &Context) -> Outcome {
    let console = &context.console;
    if console.json {
        console.print_json(&shelves::as_json(all))?;
    } else {
        console.print(&shelves::table(all))?;
    }
    Ok(exit_code::OK)
}

/// Asks everything that is idle on the shelf, and tells what came of it.
fn check(name: &str, context: &Context) -> Outcome {
    let (engine, console) = (context.engine()?, &context.console);
    let idle: Vec<_> = engine
        .shelf_guests(name)?
        .into_iter()
        .filter(|guest| guest.owner.is_none())
        .map(|guest| guest.name)
        .collect();
    let found = context.block_on(async {
        let mut signals = Signals::ending()?;
        signals.guard(engine, engine.check_all(&idle)).await
    })?;
    if console.json {
        console.print_json(&shelves::findings_json(&found))?;
    } else {
        console.print(&shelves::findings(&found))?;
    }
    let bad = |finding: &Finding| matches!(finding, Finding::Failed { .. } | Finding::Dead(_));
    Ok(if found.iter().any(|(_, finding)| bad(finding)) {
        exit_code::FAILED
    } else {
        exit_code::OK
    })
}

fn filled(args: &Fill, context: &Context) -> Outcome {
    let draw = context.wanted(&args.wants, &[], &Dialog)?;
    let mut ask = args.wants.ask(args.wait.wait());
    ask.count = args.count;
    let (engine, console) = (context.engine()?, &context.console);
    let names = context.block_on(async {
        let mut signals = Signals::ending()?;
        signals
            .guard(engine, engine.fill_shelf(&args.name, &draw, &ask))
            .await
    })?;
    if console.json {
        console.print_json(&shelves::filled_json(&names))?;
    } else {
        console.print(&format!("{}\n", instances::ids(&names)))?;
    }
    Ok(exit_code::OK)
}
