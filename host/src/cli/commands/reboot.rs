//! `runner reboot`: an instance's system is started anew.

use clap::Args;

use super::release;
use crate::cli::context::Context;
use crate::cli::error::Outcome;
use crate::cli::exit_code;

/// Reboot leased instances, and wait until they take commands again
///
/// By the provider where it knows how, else over ssh: then the instance has come up anew when its system says so (a new boot
/// id), and not when the old one still answers. How long that may take is the limit `reboot` of the source.
#[derive(Debug, Args)]
pub(crate) struct Reboot {
    /// The instances; `ID@FENCE` for one of a certain lease
    #[arg(value_name = "ID", num_args = 1.., required = true)]
    pub ids: Vec<String>,
}

/// One after the other; the first that fails ends it.
pub(crate) fn run(args: &Reboot, context: &Context) -> Outcome {
    let engine = context.engine()?;
    for name in release::names(&args.ids) {
        context.block_on(engine.reboot(&name))?;
    }
    Ok(exit_code::OK)
}
