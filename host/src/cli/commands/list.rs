//! `runner commands`: the verbs as a table, for people and scripts, as crcache has it.

use clap::{Args, CommandFactory};

use crate::cli::args::Cli;
use crate::cli::console::Console;
use crate::cli::error::Outcome;
use crate::cli::exit_code;
use crate::report::table::Table;

/// List the commands
#[derive(Debug, Args)]
pub(crate) struct Commands {}

/// The table, sorted by name.
fn table() -> String {
    let cli = Cli::command();
    let mut rows: Vec<(String, String)> = cli
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
        .map(|verb| {
            let about = verb.get_about().map(ToString::to_string);
            (verb.get_name().to_owned(), about.unwrap_or_default())
        })
        .collect();
    rows.sort();
    let mut table = Table::new(["command", "description"]);
    for (name, about) in rows {
        table.row([name, about]);
    }
    table.render()
}

/// Prints the table.
pub(crate) fn run(console: &Console) -> Outcome {
    console.print(&table())?;
    Ok(exit_code::OK)
}
