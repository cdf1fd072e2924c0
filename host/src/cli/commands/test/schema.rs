//! `runner test schema`: JSON schemas of the files, for editors.

use clap::{Args, ValueEnum};

use crate::cli::context::Context;
use crate::cli::error::Outcome;
use crate::cli::exit_code;
use crate::jobs::schema;

/// Print the JSON schema of `spread.yaml` or `task.yaml`, for editors
///
/// For the YAML language server, put `# yaml-language-server: $schema=PATH` at the top of a file, or name the schema in the
/// editor's settings for all of them.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Of which file
    #[arg(value_enum, default_value_t = File::Project)]
    pub file: File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum File {
    /// `spread.yaml`
    Project,
    /// `task.yaml`
    Task,
}

/// Prints it.
pub(super) fn run(args: &Schema, context: &Context) -> Outcome {
    let schema = match args.file {
        File::Project => schema::project(),
        File::Task => schema::task(),
    };
    context.console.print_json(&schema)?;
    Ok(exit_code::OK)
}
