//! Trials of another component for a source: a line for `status`, a text for `plugin canary`, JSON for programs.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use runner_core::id::Timestamp;
use serde_json::{Value, json};

use super::{escape, time};
use crate::engine::{CanaryStatus, Side};

/// One line, as `status` shows it.
pub fn line(canary: &CanaryStatus) -> String {
    let who = format!(
        "`{}` {}",
        escape::line(&canary.plugin),
        escape::line(&canary.version)
    );
    let source = escape::line(&canary.source);
    match canary.state {
        "running" => format!(
            "source {source}: {who} makes {} % of what is new; {} of its {} outcomes failed, and {} of {} of the others\n",
            canary.percent,
            canary.candidate.failed,
            canary.candidate.outcomes,
            canary.stable.failed,
            canary.stable.outcomes
        ),
        "promoted" => format!(
            "source {source}: {who} was promoted, and makes what is new in the place of the component that is configured\n"
        ),
        state => format!(
            "source {source}: the trial of {who} was {state}{}\n",
            because(canary)
        ),
    }
}

/// All of it, and what can be done.
pub fn text(canary: &CanaryStatus, now: Timestamp, zone: &TimeZone) -> String {
    let mut text = line(canary);
    // Writing to a `String` cannot fail.
    let mut row = |name: &str, value: &str| {
        let _infallible = writeln!(text, "  {name:<10} {value}");
    };
    row("candidate", &escape::line(&canary.digest));
    row("other", &escape::line(&canary.stable_digest));
    row(
        "outcomes",
        &format!(
            "candidate {}; other {}; of the last {}",
            side(canary.candidate),
            side(canary.stable),
            time::span(
                Timestamp(0),
                Timestamp(i64::try_from(canary.window).unwrap_or(i64::MAX))
            )
        ),
    );
    row(
        "instances",
        &format!(
            "{} begun since, of both; {} of the candidate exist",
            canary.begun, canary.live
        ),
    );
    row(
        "begun",
        &format!(
            "{} by {} ({} ago)",
            time::local(canary.started, zone),
            escape::line(&canary.started_by),
            time::span(canary.started, now)
        ),
    );
    let next = match canary.state {
        "running" => format!(
            "it returns by itself when the candidate is worse, after {} outcomes; `--promote` or `--abort` end it",
            canary.samples
        ),
        "promoted" => {
            "`--abort` goes back; a configuration that names another component does as well"
                .to_owned()
        }
        _ => "what it made stays with it until it is gone".to_owned(),
    };
    row("next", &next);
    text
}

/// As a program reads it.
pub fn as_json(canary: &CanaryStatus) -> Value {
    let side = |side: Side| json!({ "outcomes": side.outcomes, "failed": side.failed, "error-rate": side.error_rate });
    json!({
        "source": canary.source,
        "state": canary.state,
        "plugin": canary.plugin,
        "version": canary.version,
        "digest": canary.digest,
        "stable-digest": canary.stable_digest,
        "percent": canary.percent,
        "window": canary.window,
        "samples": canary.samples,
        "begun": canary.begun,
        "live": canary.live,
        "candidate": side(canary.candidate),
        "stable": side(canary.stable),
        "started": time::rfc3339(canary.started),
        "started-by": canary.started_by,
        "ended": canary.ended.map(time::rfc3339),
        "reason": canary.reason,
    })
}

fn because(canary: &CanaryStatus) -> String {
    let reason = canary.reason.as_deref().map(escape::line);
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

fn side(side: Side) -> String {
    match side.error_rate {
        None => "none".to_owned(),
        Some(rate) => format!(
            "{} of {} failed ({:.1} %)",
            side.failed,
            side.outcomes,
            rate * 100.0
        ),
    }
}
