//! `runner config`: each setting with the file that it came from.

use clap::{Args, Subcommand};
use serde_json::json;

use super::source;
use crate::cli::context::Context;
use crate::cli::error::Outcome;
use crate::cli::exit_code;
use crate::engine::EngineError;
use crate::report::settings;

/// Show the settings and where they come from
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Show each setting with its value and the file it came from
    Show {
        /// Only this source
        #[arg(value_name = "SOURCE")]
        source: Option<String>,
    },
}

/// Reads and prints.
pub(crate) fn run(args: &Config, context: &Context) -> Outcome {
    let ConfigVerb::Show { source } = &args.verb;
    let (config, console) = (context.app.config(), &context.console);
    if let Some(name) = source {
        let explained = settings::source(&source::named(name, context)?);
        if console.json {
            console.print_json(
                &json!({ "source": name, "settings": settings::as_json(&explained) }),
            )?;
        } else {
            console.print(&settings::table(&explained))?;
        }
        return Ok(exit_code::OK);
    }
    let general = settings::general(config).map_err(EngineError::from)?;
    let mut sources = Vec::new();
    let mut code = exit_code::OK;
    for name in config.source_names() {
        match config.source(&name) {
            Ok(Some(source)) => sources.push((name, settings::source(&source))),
            Ok(None) => {}
            Err(error) => {
                // The others are shown all the same.
                console.fail(&EngineError::from(error).into());
                code = exit_code::FAILED;
            }
        }
    }
    if console.json {
        let sources: serde_json::Map<String, serde_json::Value> = sources
            .iter()
            .map(|(name, explained)| (name.to_string(), settings::as_json(explained)))
            .collect();
        console
            .print_json(&json!({ "settings": settings::as_json(&general), "sources": sources }))?;
        return Ok(code);
    }
    let mut all = general;
    for (name, explained) in sources {
        all.extend(explained.into_iter().map(|one| settings::Explained {
            key: format!("sources.{name}.{}", one.key),
            ..one
        }));
    }
    console.print(&settings::table(&all))?;
    Ok(code)
}
