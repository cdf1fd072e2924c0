//! `runner plugin canary`: another component makes a part of a source's new instances.

use std::path::PathBuf;

use clap::Args;
use jiff::tz::TimeZone;
use runner_core::id::SourceName;
use runner_core::policy::Millis;
use serde_json::Value;

use super::plugin::show;
use crate::app::Consent;
use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::grant_dialog::{Dialog, Lasting};
use crate::cli::values;
use crate::clock::{Clock as _, SystemClock};
use crate::engine::{CanaryStatus, Try};
use crate::report::canary as report;

/// Try another component for a part of a source's new instances
///
/// Without a FILE, shows how the trial goes. Instances stay with the component that made them until they are gone, whatever becomes of
/// the trial. What was made, used through the plugin, found dead or destroyed counts as an outcome, unless the backend had no room. An
/// instance that the candidate cannot make is made by the other component, without an error.
///
/// The trial returns by itself when the candidate has enough outcomes and fails more often than the other component, by more than an
/// accident (Fisher's exact test, one-sided, p < 0.01), or when it always fails and the other one never does.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner plugin canary web ./web-2.wasm --percent 5
  runner plugin canary web
  runner plugin canary web --promote")]
pub(crate) struct Canary {
    /// The configured source
    #[arg(value_name = "SOURCE")]
    pub source: String,

    /// The component to try
    #[arg(value_name = "FILE", conflicts_with_all = ["promote", "abort"])]
    pub file: Option<PathBuf>,

    /// How much of what is new it makes, evenly spread
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100), default_value_t = 5)]
    pub percent: u8,

    /// Outcomes that are older do not count
    #[arg(long, value_name = "DURATION", value_parser = values::span, default_value = "24h")]
    pub window: Millis,

    /// So many outcomes of the candidate are needed to judge it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), default_value_t = 5)]
    pub samples: u32,

    /// Grant the candidate what it asks for, without a question
    #[arg(long, requires = "file")]
    pub grant: bool,

    /// Make everything that is new of the candidate from now on
    ///
    /// Until the configuration names another component than now, or `--abort`.
    #[arg(long, conflicts_with = "abort")]
    pub promote: bool,

    /// End the trial, or take a promotion back
    #[arg(long)]
    pub abort: bool,
}

/// Begins, ends or shows a trial.
pub(crate) fn run(args: &Canary, context: &Context) -> Outcome {
    let source = SourceName::new(args.source.as_str()).map_err(|_| {
        Failure::bad_option(format!(
            "`{}` is not the name of a source: only configured ones are made by others as well",
            args.source.escape_debug()
        ))
    })?;
    let engine = context.engine()?;
    let status = if let Some(file) = &args.file {
        let consent: &dyn Consent = if args.grant { &Lasting } else { &Dialog };
        let how = Try {
            percent: args.percent,
            window: args.window,
            samples: args.samples,
        };
        Some(context.app.canary_start(&source, file, &how, consent)?)
    } else if args.promote {
        Some(engine.promote_canary(&source)?)
    } else if args.abort {
        Some(engine.abort_canary(&source)?)
    } else {
        engine.canary(&source)?
    };
    show(
        context,
        &status.as_ref().map_or(Value::Null, report::as_json),
        || told(&source, status.as_ref()),
    )
}

fn told(source: &SourceName, status: Option<&CanaryStatus>) -> String {
    match status {
        Some(status) => report::text(status, SystemClock.now(), &TimeZone::system()),
        None => format!("no other component was ever tried for source `{source}`\n"),
    }
}
