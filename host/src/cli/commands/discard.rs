//! `runner discard`: destroys instances, leased or not.

use clap::Args;

use super::release;
use crate::cli::console::Console;
use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::exit_code;
use crate::engine::{ReleaseEnd, Released};

/// Destroy instances, leased or not
///
/// Ends the lease if there is one, and has the provider destroy the instance even if the source would keep it. Waits
/// until the provider has confirmed it. If any of the ids is unknown, nothing is touched.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner discard local-0
  runner discard --forget gone-7     its provider is gone for good")]
pub(crate) struct Discard {
    /// The instances
    #[arg(value_name = "ID", num_args = 1.., required = true)]
    pub ids: Vec<String>,

    /// Strike an instance off the books even though its provider cannot confirm that it is gone
    ///
    /// For a provider that does not exist any more. What is left at the backend is then nobody's: look for it.
    #[arg(long)]
    pub forget: bool,
}

/// Destroys. What the provider did not confirm is a failure here: somebody may still pay for it.
pub(crate) fn run(args: &Discard, context: &Context) -> Outcome {
    let names = release::names(&args.ids);
    let engine = context.engine()?;
    let ended = context.block_on(engine.discard(&names, args.forget))?;
    Ok(tell(ended, &context.console))
}

/// Tells what is not gone yet. Answers the exit code.
pub(crate) fn tell(ended: Vec<Released>, console: &Console) -> u8 {
    let mut code = exit_code::OK;
    for released in ended {
        match released.end {
            ReleaseEnd::Pending(error) => {
                let mut failure = Failure::from(error);
                failure.message =
                    format!("`{}` is not gone yet: {}", released.name, failure.message);
                if failure.hint.is_none() {
                    failure = failure.hint(
                        "it is tried again by the next commands; `runner discard --forget` gives up on it",
                    );
                }
                console.fail(&failure);
                code = exit_code::FAILED;
            }
            ReleaseEnd::Kept | ReleaseEnd::Discarded | ReleaseEnd::Already => {}
        }
    }
    code
}
