//! `runner metrics`: everything that is counted, for Prometheus.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::error::Outcome;
use crate::cli::exit_code;
use crate::report::metrics as report;

/// Print counters and gauges in the text format of Prometheus
///
/// Per shelf, per source, and for the queue. Counters are rows of the state database: they survive every restart, and what
/// never happened is 0. Pools are left out, because their instances are counted with their sources. A source without a
/// limit has the maximum `+Inf`.
///
/// Nothing listens on a port: let a timer write the output to a file of the textfile collector, or have a web server of yours
/// call this.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner metrics
  runner metrics > runner.prom.new && mv runner.prom.new /var/lib/node_exporter/runner.prom")]
pub(crate) struct Metrics {}

/// Reads and prints.
pub(crate) fn run(context: &Context) -> Outcome {
    let measures = context.engine()?.measures()?;
    context.console.print(&report::text(&measures))?;
    Ok(exit_code::OK)
}
