//! What `-v` and `RUNNER_LOG` ask for: lines about what is done, on stderr. Without them nothing is set up.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Starts telling, if somebody wants to know. `filter` is the value of `RUNNER_LOG`; it wins over `-v`.
pub(super) fn start(verbose: u8, filter: Option<&str>, colour: bool) {
    let level = match verbose {
        0 => None,
        1 => Some("runner=info"),
        2 => Some("runner=debug"),
        _ => Some("runner=trace"),
    };
    let Some(filter) = filter.filter(|filter| !filter.is_empty()).or(level) else {
        return;
    };
    // A filter that is not understood says so on stderr by itself and lets the rest through.
    let started = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(verbose > 2)
        .with_span_events(FmtSpan::NONE)
        .without_time()
        .try_init();
    // Only a second start fails, and then the first one tells everything.
    drop(started);
}
