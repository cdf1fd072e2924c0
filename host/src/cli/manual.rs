//! The reference page `host/CLI.md`: every command's manual in one file, written from the argument types.
//!
//! A test compares the page with this text; `RUNNER_UPDATE=1 cargo test -p runner reference_page` rewrites it.

use clap::{Command, CommandFactory};

use super::args::Cli;
use super::exit_code;

/// The page.
pub(super) fn page() -> String {
    let mut out = String::from(
        "# `runner`: the command line\n\n\
         Written from the program's own help by a test (`host/src/cli/manual.rs`); do not edit.\n",
    );
    let mut root = Cli::command().term_width(100);
    root.build();
    push(&mut out, &mut root, "runner");
    out.push_str("\n## Exit codes\n\n```text\n");
    out.push_str(&exit_code::topic());
    out.push_str("```\n");
    out
}

fn push(out: &mut String, command: &mut Command, path: &str) {
    let help = command.render_long_help().to_string();
    out.push_str(&format!("\n## {path}\n\n```text\n"));
    for line in help.trim_end().lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push_str("```\n");
    for verb in command
        .get_subcommands_mut()
        .filter(|verb| !verb.is_hide_set())
    {
        let path = format!("{path} {}", verb.get_name());
        push(out, verb, &path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/CLI.md");
        if std::env::var_os("RUNNER_UPDATE").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page(),
            "host/CLI.md is stale: run `RUNNER_UPDATE=1 cargo test -p runner reference_page` and commit it"
        );
    }
}
