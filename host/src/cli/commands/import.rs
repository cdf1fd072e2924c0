//! `runner import`: sources out of other programs' configuration.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::exit_code;
use crate::config::resalloc::{self, Import as Read, ImportedPool, Reach};
use crate::engine::{EngineError, FailureKind};

/// Turn another program's configuration into sources
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(subcommand)]
    pub from: From,
}

#[derive(Debug, Subcommand)]
pub(crate) enum From {
    Resalloc(Resalloc),
}

/// Write a source for each pool of resalloc's `pools.yaml`
///
/// The sources are of the type `command` and call the same hooks with the same variables. What will not behave as it did is
/// said for each pool. Nothing is made or granted: `runner plugin grant SOURCE` shows what a source would run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner import resalloc /etc/resallocserver/pools.yaml
  runner import resalloc pools.yaml --into .runner/sources --user root")]
pub(crate) struct Resalloc {
    /// The file
    #[arg(value_name = "POOLS.YAML")]
    pub file: PathBuf,

    /// Where to put the folders, one per source [default: `sources` in the user's configuration]
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,

    /// Overwrite the settings of sources that are there
    #[arg(long)]
    pub force: bool,

    /// How commands run on the machines: over ssh to the host that `cmd_new` prints, or not at all
    #[arg(long, value_enum, default_value_t = Access::Ssh)]
    pub access: Access,

    /// The user to log in as
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Access {
    Ssh,
    None,
}

/// Reads all of it, and only then writes.
pub(crate) fn run(args: Import, context: &Context) -> Outcome {
    let From::Resalloc(args) = args.from;
    let reach = Reach {
        none: args.access == Access::None,
        user: args.user,
    };
    let read = resalloc::import(&args.file, &reach).map_err(|error| {
        let message = format!("`{}` cannot be imported", args.file.display());
        EngineError::new(FailureKind::Invalid, message).because(error)
    })?;
    let into = match args.into {
        Some(into) => into,
        None => context.app.environment().user_config.join("sources"),
    };
    let folders: Vec<PathBuf> = read
        .pools
        .iter()
        .map(|pool| into.join(pool.source.as_str()))
        .collect();
    if !args.force {
        untouched(&folders)?;
    }
    for (pool, folder) in read.pools.iter().zip(&folders) {
        write(folder, &pool.text).map_err(|error| {
            let message = format!(
                "cannot write the source `{}` to `{}`",
                pool.source,
                folder.display()
            );
            Failure::io(message, &error)
        })?;
    }
    tell(&read, &folders, context)
}

/// None of the folders is there: all or nothing.
fn untouched(folders: &[PathBuf]) -> Result<(), Failure> {
    let there: Vec<String> = folders
        .iter()
        .filter(|folder| folder.symlink_metadata().is_ok())
        .map(|folder| format!("`{}`", folder.display()))
        .collect();
    if there.is_empty() {
        return Ok(());
    }
    let message = format!("there is already {}: nothing was written", there.join(", "));
    Err(Failure::new(FailureKind::Invalid.word(), message)
        .hint("`--force` overwrites their settings, `--into DIR` puts the sources elsewhere"))
}

/// Whole, or not at all: a half-written source would be a broken one.
fn write(folder: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let part = folder.join(".source.toml.part");
    fs::write(&part, text)?;
    fs::rename(&part, folder.join("source.toml"))
}

fn tell(read: &Read, folders: &[PathBuf], context: &Context) -> Outcome {
    let console = &context.console;
    let written = || read.pools.iter().zip(folders);
    for warning in &read.warnings {
        console.warning(&warning.to_string());
    }
    if console.json {
        let sources: Vec<_> = written()
            .map(|(pool, folder)| {
                json!({
                    "pool": pool.pool, "source": pool.source.as_str(),
                    "file": folder.join("source.toml"), "differences": pool.notes,
                })
            })
            .collect();
        let warnings: Vec<_> = read.warnings.iter().map(ToString::to_string).collect();
        console.print_json(&json!({ "sources": sources, "warnings": warnings }))?;
        return Ok(exit_code::OK);
    }
    let mut text = String::new();
    for (pool, folder) in written() {
        text.push_str(&format!("{}\n", folder.join("source.toml").display()));
        for note in &pool.notes {
            text.push_str(&format!("  - {note}\n"));
        }
    }
    text.push_str(&general(&read.pools));
    console.print(&text)?;
    Ok(exit_code::OK)
}

/// What holds for all of them.
fn general(pools: &[ImportedPool]) -> String {
    let grants: Vec<String> = pools
        .iter()
        .map(|pool| format!("  runner plugin grant {}\n", pool.source))
        .collect();
    format!(
        "\nwhat differs from resalloc everywhere:\n\
         \x20 - `delete` is repeated until it succeeds, and is run after a `new` that failed; `delete_ignores_exit = true` ends that\n\
         \x20 - the commands have time limits (`[limits]`), run in `/`, and one that `list` names and nobody knows is deleted \
         after two looks\n\
         \x20 - what `new` prints must name a host, unless `access = \"none\"` (`--access none`): commands are run there\n\
         \x20 - the number of a machine (`RESALLOC_ID`) does not count up from 1\n\
         \nnothing runs before it is granted:\n{}",
        grants.concat()
    )
}
