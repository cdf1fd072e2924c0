//! `runner debug`: what tests of this program need to know of it. Not part of the manual.

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::cli::error::Outcome;
use crate::cli::exit_code;
use crate::cli::wants::DrawArgs;
use crate::engine::fault;

/// For tests of runner itself
#[derive(Debug, Args)]
#[command(hide = true)]
pub(crate) struct Debug {
    #[command(subcommand)]
    pub what: What,
}

/// What to show.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// The points at which `RUNNER_FAULT=NAME` kills the process, one per line
    FaultPoints,
    /// What a source's provider says exists, one token per line
    Inventory(Box<DrawArgs>),
}

/// Shows it.
pub(crate) fn run(args: Debug, context: &Context) -> Outcome {
    match args.what {
        What::FaultPoints => {
            context
                .console
                .print(&format!("{}\n", fault::POINTS.join("\n")))?;
        }
        What::Inventory(args) => {
            let drawn = context.draw(*args)?;
            for listed in context.block_on(context.app.inventory(&drawn.draw))? {
                context.console.print(&format!("{}\n", listed.token))?;
            }
        }
    }
    Ok(exit_code::OK)
}
