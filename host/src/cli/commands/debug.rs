//! `runner debug`: what tests of this program need to know of it. Not part of the manual.

use clap::{Args, Subcommand};

use crate::cli::console::Console;
use crate::cli::error::Outcome;
use crate::cli::exit_code;
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
}

/// Shows it.
pub(crate) fn run(args: &Debug, console: &Console) -> Outcome {
    match args.what {
        What::FaultPoints => console.print(&format!("{}\n", fault::POINTS.join("\n")))?,
    }
    Ok(exit_code::OK)
}
