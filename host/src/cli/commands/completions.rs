//! `runner completions`: scripts for shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::args::Cli;
use crate::cli::console::Console;
use crate::cli::error::Outcome;
use crate::cli::exit_code;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner completions bash > ~/.local/share/bash-completion/completions/runner
  runner completions fish > ~/.config/fish/completions/runner.fish")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// The script.
fn script(args: &Completions) -> String {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "runner", &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Prints the script.
pub(crate) fn run(args: &Completions, console: &Console) -> Outcome {
    console.print(&script(args))?;
    Ok(exit_code::OK)
}
