//! `runner source`: what is configured, and where.

use clap::{Args, Subcommand};
use runner_core::id::SourceName;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::exit_code;
use crate::config::{PluginPath, SourceConfig, SourceKind};
use crate::engine::{EngineError, FailureKind};
use crate::report::plugins;
use crate::report::settings::{self, SourceRow};

/// List and explain the configured sources
#[derive(Debug, Args)]
pub(crate) struct Source {
    #[command(subcommand)]
    pub verb: SourceVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourceVerb {
    /// List the sources, what gives their instances and where they are defined
    List,
    /// Show one source: its settings with their origin, its plugin, what that asks for and what it was granted
    Show {
        /// The source
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Carries out one of the verbs.
pub(crate) fn run(args: &Source, context: &Context) -> Outcome {
    match &args.verb {
        SourceVerb::List => list(context),
        SourceVerb::Show { name } => show(name, context),
    }
}

/// Every source. A broken one is in the list, with a warning that says what is wrong.
fn list(context: &Context) -> Outcome {
    let (config, console) = (context.app.config(), &context.console);
    let mut rows = Vec::new();
    for listing in config.listing() {
        let config = match config.source(&listing.name) {
            Ok(Some(config)) => Ok(config),
            // It was there when it was listed.
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        rows.push(SourceRow { listing, config });
    }
    if console.json {
        console.print_json(&settings::sources_json(&rows))?;
        return Ok(exit_code::OK);
    }
    console.print(&settings::sources(&rows))?;
    for row in &rows {
        if let Err(error) = &row.config {
            console.warning(&error.to_string());
        }
        for shadowed in settings::shadowed(&row.listing) {
            console.note(&shadowed);
        }
    }
    for problem in config.problems() {
        console.warning(&problem.to_string());
    }
    for ignored in config.ignored() {
        console.warning(&format!(
            "`{}` is not used: {}",
            ignored.path.display(),
            ignored.reason
        ));
    }
    Ok(exit_code::OK)
}

/// One source, from its settings to its grants.
fn show(name: &str, context: &Context) -> Outcome {
    let source = named(name, context)?;
    let console = &context.console;
    let explained = settings::source(&source);
    let name = &source.name;
    let component = match &source.kind {
        SourceKind::Pool { .. } => None,
        SourceKind::Provider { plugin } => Some(match plugin {
            PluginPath::Name(name) => context.app.plugin_inspect(name)?,
            PluginPath::File(path) => context.app.plugin_inspect(&path.to_string_lossy())?,
        }),
    };
    let grants = context.app.grants(Some(name))?;
    if console.json {
        console.print_json(&json!({
            "source": name.as_str(),
            "settings": settings::as_json(&explained),
            "plugin": component.as_ref().map(plugins::description_json),
            "grants": plugins::grants_json(&grants)["grants"],
        }))?;
        return Ok(exit_code::OK);
    }
    let mut text = settings::table(&explained);
    if let Some(component) = &component {
        text.push('\n');
        text.push_str(&plugins::description(component));
    }
    text.push_str("\ngrants\n");
    if grants.is_empty() {
        text.push_str(match &component {
            Some(component)
                if component.reference.embedded
                    && component.manifest.requests.commands.is_empty() =>
            {
                "  what it asks for, because it is part of runner\n"
            }
            _ => "  none\n",
        });
    }
    for grant in &grants {
        let taken = if grant.revoked_at.is_some() {
            " (taken back)"
        } else {
            ""
        };
        text.push_str(&format!("  component {}{taken}\n", grant.digest));
        let sentences = grant.capabilities.explain();
        text.push_str(&plugins::sentences(&sentences, "nothing"));
    }
    console.print(&text)?;
    Ok(exit_code::OK)
}

/// The source of this name, or the failure that there is none.
pub(crate) fn named(name: &str, context: &Context) -> Result<SourceConfig, Failure> {
    let name = SourceName::new(name)
        .map_err(|error| Failure::new(FailureKind::UnknownSource.word(), error.to_string()))?;
    let config = context.app.config();
    match config.source(&name).map_err(EngineError::from)? {
        Some(source) => Ok(source),
        None => {
            let problem = config.unknown(&name);
            let mut failure = Failure::new(FailureKind::UnknownSource.word(), problem.message);
            failure.hint = problem.hint;
            Err(failure)
        }
    }
}
