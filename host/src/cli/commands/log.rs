//! `runner log`: who did what to which instance, when, and how it ended.

use clap::Args;
use jiff::tz::TimeZone;
use runner_core::id::InstanceName;

use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::{exit_code, values};
use crate::config::SourceArgument;
use crate::engine::OperationFilter;
use crate::report::operations as report;

/// Show who did what to which instance, when, and how it ended
///
/// The newest operation comes last. An operation without an end is still running, unless its process is gone: then
/// its outcome is `interrupted`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner log
  runner log web-3
  runner log --source web -n 5 --json")]
pub(crate) struct Log {
    /// Only what concerns this instance
    #[arg(value_name = "ID")]
    pub id: Option<String>,

    /// Only what concerns this source
    #[arg(short, long, value_name = "SOURCE", value_parser = values::source())]
    pub source: Option<SourceArgument>,

    /// At most this many, the newest
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 50)]
    pub number: u32,
}

/// Reads and prints.
pub(crate) fn run(args: Log, context: &Context) -> Outcome {
    let source = match args.source {
        None => None,
        Some(SourceArgument::Named(name)) => Some(name),
        Some(SourceArgument::File { path, .. }) => {
            return Err(Failure::bad_option(format!(
                "`log` takes the name of a source, not the file `{}`",
                path.display()
            )));
        }
    };
    let filter = OperationFilter {
        instance: args.id.map(InstanceName::typed),
        source,
        last: Some(args.number),
    };
    let operations = context.engine()?.operations(&filter)?;
    if context.console.json {
        context.console.print_json(&report::as_json(&operations))?;
    } else {
        let zone = TimeZone::system();
        context.console.print(&report::table(&operations, &zone))?;
    }
    Ok(exit_code::OK)
}
