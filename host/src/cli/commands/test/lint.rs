//! `runner test lint`: what is wrong with a project, and what is odd.

use clap::Args;
use runner_core::matrix::Dialect;
use serde_json::json;

use super::{problems, refused, with_kinds};
use crate::cli::context::Context;
use crate::cli::error::Outcome;
use crate::cli::exit_code;
use crate::jobs::lint::{self, ShellcheckOutcome};

/// Look for what is wrong or odd in a spread project
///
/// Wrong types and names, as a run would tell them; then unknown keys, keys that are given twice, names in lists that match
/// nothing, variants that no job has, tasks without jobs, missing files; and every script through shellcheck, where it is
/// installed. Ends with 1 if there is anything to tell.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// How the project is read: `spread` or `plus` [env: RUNNER_SPREAD_DIALECT] [default: the project's comment, or spread]
    #[arg(long, value_name = "DIALECT")]
    pub dialect: Option<Dialect>,

    /// Leave shellcheck out
    #[arg(long, conflicts_with = "shellcheck")]
    pub no_shellcheck: bool,

    /// Fail if shellcheck is not installed
    #[arg(long)]
    pub shellcheck: bool,
}

/// Prints one finding a line, as `FILE:LINE:COLUMN: warning: …`.
pub(super) fn run(args: &Lint, dialect: Option<Dialect>, context: &Context) -> Outcome {
    let directory = &context.app.environment().directory;
    let console = &context.console;
    let dialect = args.dialect.or(dialect);
    let found = with_kinds(&[], context, |kinds| {
        lint::lint(directory, dialect, kinds, !args.no_shellcheck)
    });
    let found = found.map_err(|found| problems::told(&found.0, console, directory))?;
    match found.shellcheck {
        ShellcheckOutcome::NotInstalled if args.shellcheck => {
            return Err(refused("shellcheck is not installed"));
        }
        ShellcheckOutcome::NotInstalled => {
            console.note("shellcheck is not installed: the scripts were not looked at");
        }
        ShellcheckOutcome::Checked(_) | ShellcheckOutcome::NotWanted => {}
    }
    if console.json {
        let all = found
            .findings
            .iter()
            .map(|one| problems::object(one, directory));
        console
            .print_json(&json!({ "tasks": found.tasks, "findings": all.collect::<Vec<_>>() }))?;
    } else {
        let mut text = String::new();
        for one in &found.findings {
            text.push_str(&problems::one_line(one, directory));
        }
        console.print(&text)?;
    }
    Ok(if found.findings.is_empty() {
        exit_code::OK
    } else {
        exit_code::UNSUCCESSFUL
    })
}
