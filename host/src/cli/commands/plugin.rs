//! `runner plugin`: which components there are, what they ask for, and what they were granted.

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::plugin_tape::{self, Record, Replay};
use super::plugin_test::{self, Test};
use super::{author, canary, distribution};
use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::{exit_code, values};
use crate::config::{SourceArgument, SourceConfig};
use crate::report::{audit, plugins as report};

/// List, inspect and install plugins, and grant them what they ask for
#[derive(Debug, Args)]
pub(crate) struct Plugin {
    #[command(subcommand)]
    pub verb: PluginVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginVerb {
    /// List the plugins that are built in or installed; with `-v`, also what was granted
    List,
    /// Show what a plugin says about itself, without running it
    ///
    /// Name, version, settings, the interfaces it imports, and what it asks for.
    Inspect {
        /// A component file (`PATH.wasm`) or the name of a plugin
        #[arg(value_name = "FILE|NAME")]
        plugin: String,
    },
    /// Grant a source's plugin what it asks for
    ///
    /// Running this command is the consent: it prints what was granted. A grant holds for one source and for exactly
    /// this component; a changed component, or a larger request, needs a new one.
    #[command(after_help = "\
Examples:
  runner plugin grant web
  runner plugin grant --source ./box.wasm:image=debian")]
    Grant(GrantArgs),
    /// Take back what a source's plugin was granted
    ///
    /// Its instances cannot be used any more, but they can still be released and discarded.
    Revoke(RevokeArgs),
    /// Show what a source's plugins were granted beside what they really used
    ///
    /// And the grant that would have been enough. Rights that were used are counted since the component first served the source;
    /// which of its directories it opened is not seen.
    Audit {
        #[command(flatten)]
        which: Which,
    },
    Canary(canary::Canary),
    #[command(flatten)]
    Distribution(distribution::Distribution),
    Test(Box<Test>),
    Record(Record),
    Replay(Replay),
    New(author::New),
    Pack(author::Pack),
}

/// Which source is meant: by its name, or as `--source`.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The source: a configured name, or a component file with its settings
    #[arg(value_name = "SOURCE", value_parser = values::source())]
    pub name: Option<SourceArgument>,

    /// The same as an option
    #[arg(short, long, value_name = "SOURCE", value_parser = values::source())]
    pub source: Option<SourceArgument>,
}

#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    #[command(flatten)]
    pub which: Which,

    /// Set a key of the source's configuration: what a plugin asks for can depend on it (may be repeated)
    #[arg(short, long = "option", value_name = "KEY=VALUE", value_parser = values::option)]
    pub options: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    pub which: Which,
}

impl Plugin {
    /// Where `-s` before the verb goes.
    pub(crate) fn source(&mut self) -> Option<&mut Option<SourceArgument>> {
        match &mut self.verb {
            PluginVerb::Grant(args) => Some(&mut args.which.source),
            PluginVerb::Revoke(args) => Some(&mut args.which.source),
            PluginVerb::Audit { which } => Some(&mut which.source),
            PluginVerb::List
            | PluginVerb::Inspect { .. }
            | PluginVerb::Canary(_)
            | PluginVerb::Distribution(_)
            | PluginVerb::Test(_)
            | PluginVerb::Record(_)
            | PluginVerb::Replay(_)
            | PluginVerb::New(_)
            | PluginVerb::Pack(_) => None,
        }
    }
}

/// Carries out one of the verbs.
pub(crate) fn run(args: Plugin, context: &Context) -> Outcome {
    match args.verb {
        PluginVerb::List => list(context),
        PluginVerb::Inspect { plugin } => {
            let component = context.app.plugin_inspect(&plugin)?;
            show(context, &report::description_json(&component), || {
                report::description(&component)
            })
        }
        PluginVerb::Grant(args) => {
            let source = args.which.get("grant")?;
            let granted = context.app.plugin_grant(&source, &args.options)?;
            show(context, &report::grants_json(&granted), || {
                report::granted(&granted)
            })
        }
        PluginVerb::Revoke(args) => revoke(args, context),
        PluginVerb::Audit { which } => {
            let audits = context.app.plugin_audit(&which.get("audit")?)?;
            show(context, &audit::as_json(&audits), || {
                audit::text(&audits, &TimeZone::system())
            })
        }
        PluginVerb::Canary(args) => canary::run(&args, context),
        PluginVerb::Distribution(verb) => distribution::run(verb, context),
        PluginVerb::Test(args) => plugin_test::run(&args, context),
        PluginVerb::Record(args) => plugin_tape::record(&args, context),
        PluginVerb::Replay(args) => plugin_tape::replay(&args, context),
        PluginVerb::New(args) => author::new(&args, context),
        PluginVerb::Pack(args) => author::pack(&args, context),
    }
}

pub(super) fn show(context: &Context, value: &Value, text: impl FnOnce() -> String) -> Outcome {
    if context.console.json {
        context.console.print_json(value)?;
    } else {
        context.console.print(&text())?;
    }
    Ok(exit_code::OK)
}

/// The plugins, and with `-v` the grants.
fn list(context: &Context) -> Outcome {
    let plugins = context.app.plugin_list();
    if context.console.json {
        let mut value = report::list_json(&plugins);
        let grants = report::grants_json(&context.app.grants(None)?);
        if let (Value::Object(value), Value::Object(grants)) = (&mut value, grants) {
            value.extend(grants);
        }
        context.console.print_json(&value)?;
        return Ok(exit_code::OK);
    }
    let mut text = report::table(&plugins);
    if context.verbose > 0 {
        text.push('\n');
        text.push_str(&report::grants(
            &context.app.grants(None)?,
            &TimeZone::system(),
        ));
    }
    context.console.print(&text)?;
    Ok(exit_code::OK)
}

/// Takes back everything that a source was granted.
fn revoke(args: RevokeArgs, context: &Context) -> Outcome {
    let name = match args.which.get("revoke")? {
        SourceArgument::Named(name) => name,
        SourceArgument::File { path, .. } => SourceConfig::adhoc(&path, &[]).name,
    };
    let taken = context.app.plugin_revoke(&name)?;
    show(
        context,
        &json!({ "source": name.as_str(), "revoked": taken }),
        || match taken {
            0 => format!("source `{name}` was granted nothing\n"),
            1 => format!("took back the grant of source `{name}`\n"),
            many => format!("took back {many} grants of source `{name}`\n"),
        },
    )
}

impl Which {
    /// The one that was given.
    fn get(self, verb: &str) -> Result<SourceArgument, Failure> {
        match (self.name, self.source) {
            (Some(one), Some(other)) if one != other => Err(Failure::bad_option(
                "the source is given twice, with different values",
            )),
            (Some(source), _) | (None, Some(source)) => Ok(source),
            (None, None) => Err(
                Failure::usage(format!("`plugin {verb}` needs a source")).hint(format!(
                    "`runner plugin {verb} NAME`, or `--source FILE.wasm`"
                )),
            ),
        }
    }
}
