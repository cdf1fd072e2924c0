//! What the rooms below have to tell on stderr: warnings and errors that end no verb, and with `-v` or `RUNNER_LOG`
//! what is done.

use std::fmt;

use crate::clock::{Clock as _, SystemClock};
use crate::report::{escape, time};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FmtSpan, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, layer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts telling. `filter` is the value of `RUNNER_LOG`; it wins over `-v`, and both over `quiet`.
pub(super) fn start(verbose: u8, filter: Option<&str>, colour: bool, quiet: bool) {
    let level = match verbose {
        0 => None,
        1 => Some("runner=info"),
        2 => Some("runner=debug"),
        _ => Some("runner=trace"),
    };
    let Some(filter) = filter.filter(|filter| !filter.is_empty()).or(level) else {
        if !quiet {
            let lines = layer().with_writer(std::io::stderr).event_format(Plain);
            let warnings = Targets::new().with_target("runner", Level::WARN);
            let started = tracing_subscriber::registry().with(lines).with(warnings);
            drop(started.try_init());
        }
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

/// Starts telling what a service does: line by line, with the time, or with the priority if the journal reads it.
pub(super) fn start_service(verbose: u8, filter: Option<&str>, quiet: bool, journal: bool) {
    let level = match verbose {
        0 if quiet => "runner=warn",
        0 => "runner=info",
        1 => "runner=debug",
        _ => "runner=trace",
    };
    let filter = filter.filter(|filter| !filter.is_empty()).unwrap_or(level);
    let lines = layer()
        .with_writer(std::io::stderr)
        .event_format(Lines { journal });
    let started = tracing_subscriber::registry()
        .with(lines)
        .with(EnvFilter::new(filter));
    drop(started.try_init());
}

/// A line of a service's log. Text of plugins cannot break out of it.
struct Lines {
    journal: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (priority, word) = match *event.metadata().level() {
            Level::ERROR => (3, "error"),
            Level::WARN => (4, "warning"),
            Level::INFO => (6, "info"),
            _ => (7, "debug"),
        };
        if self.journal {
            write!(writer, "<{priority}>")?;
        } else {
            let now = time::rfc3339(SystemClock.now());
            write!(writer, "{now} {word}: ")?;
        }
        let mut text = String::new();
        context
            .field_format()
            .format_fields(Writer::new(&mut text), event)?;
        writeln!(writer, "{}", escape::line(&text))
    }
}

/// A line as the verbs themselves write it: `warning: …`, `error: …`.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let word = match *event.metadata().level() {
            Level::ERROR => "error:",
            _ => "warning:",
        };
        write!(writer, "{word} ")?;
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
