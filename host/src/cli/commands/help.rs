//! `runner help`: the manual, whole or of one command.

use clap::{Args, Command, CommandFactory};

use crate::cli::args::Cli;
use crate::cli::console::Console;
use crate::cli::error::{Failure, Outcome};
use crate::cli::exit_code;

/// Show the manual of a command, or a topic (`exit-codes`)
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner help run
  runner help plugin grant
  runner help exit-codes")]
pub(crate) struct Help {
    /// The command, or `exit-codes`
    #[arg(value_name = "CMD")]
    pub topic: Vec<String>,
}

/// The text, or the word that names no command.
fn text(args: &Help) -> Result<clap::builder::StyledStr, String> {
    if args.topic == ["exit-codes"] {
        return Ok(exit_code::topic().into());
    }
    let mut root = Cli::command();
    root.build();
    let mut command: &mut Command = &mut root;
    for word in &args.topic {
        command = command
            .find_subcommand_mut(word)
            .ok_or_else(|| word.clone())?;
    }
    Ok(if args.topic.is_empty() {
        command.render_help()
    } else {
        command.render_long_help()
    })
}

/// Prints the manual.
pub(crate) fn run(args: &Help, console: &Console) -> Outcome {
    match text(args) {
        Ok(text) => {
            console.print(&text.to_string())?;
            Ok(exit_code::OK)
        }
        Err(word) => Err(Failure::usage(format!("there is no command `{word}`"))
            .hint("`runner help` lists the commands")),
    }
}
