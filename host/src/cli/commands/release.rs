//! `runner release`: ends leases.

use clap::Args;
use runner_core::id::InstanceName;

use crate::cli::console::Console;
use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::exit_code;
use crate::engine::{Destination, ReleaseEnd, Released};

/// Give leased instances back
///
/// The source decides whether an instance is kept for the next holder or discarded. If any of the ids is unknown,
/// nothing is touched. Releasing what is not leased any more is no error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner release local-0
  runner release $(runner acquire -s web 3)
  runner release --shelf mine web-3     kept there, for whoever owns the shelf
  runner release --no-shelf web-3       destroyed, even if it could be kept")]
pub(crate) struct Release {
    /// The instances; `ID@FENCE` for one of a certain lease
    #[arg(value_name = "ID", num_args = 1.., required = true)]
    pub ids: Vec<String>,

    /// Put them on this shelf
    ///
    /// What was acquired under a shelf goes back there without this, and to no other. A shelf that is full or disabled
    /// keeps nothing: then the instance is destroyed.
    #[arg(long, value_name = "SHELF", conflicts_with = "no_shelf")]
    pub shelf: Option<String>,

    /// Keep them nowhere: destroy them
    #[arg(long)]
    pub no_shelf: bool,
}

/// Ends the leases. A discard that has to be repeated is the host's concern, not a failure of this verb.
pub(crate) fn run(args: &Release, context: &Context) -> Outcome {
    let names = names(&args.ids);
    let to = match &args.shelf {
        Some(shelf) => Destination::Shelf(shelf.clone()),
        None if args.no_shelf => Destination::Nowhere,
        None => Destination::Usual,
    };
    let engine = context.engine()?;
    tell(
        context.block_on(engine.release(&names, &to))?,
        &context.console,
    );
    Ok(exit_code::OK)
}

/// Warns of what is released and not gone yet.
pub(crate) fn tell(released: Vec<Released>, console: &Console) {
    for released in released {
        if let ReleaseEnd::Pending(error) = released.end {
            let mut failure = Failure::from(error);
            failure.message = format!(
                "`{}` is released, but not gone yet, which is tried again later: {}",
                released.name, failure.message
            );
            console.warn_of(&failure);
        }
    }
}

/// The ids as typed; whether they exist is for the engine to say.
pub(crate) fn names(ids: &[String]) -> Vec<InstanceName> {
    ids.iter().map(InstanceName::typed).collect()
}
