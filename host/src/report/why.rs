//! The answer of `why`.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::table::Table;
use super::{escape, events};
use crate::engine::Explained;

/// The answer first, then what it rests on.
pub fn text(explained: &Explained, zone: &TimeZone) -> String {
    let mut out = format!("{}\n", escape::line(&explained.answer));
    if !explained.considered.is_empty() {
        let heading = match explained.kind {
            "pool" => "how it does",
            _ => "why it does not serve",
        };
        let mut table = Table::new(["source", heading]);
        for one in &explained.considered {
            // The table says already which source it is.
            let own = format!("source `{}` ", one.source);
            let why = one.why.strip_prefix(&own).unwrap_or(&one.why);
            table.row([one.source.as_str(), why]);
        }
        out.push('\n');
        out.push_str(&table.render());
    }
    if !explained.unblocks.is_empty() {
        out.push_str("\nwhat would help:\n");
        for one in &explained.unblocks {
            out.push_str(&format!("  - {}\n", escape::line(one)));
        }
    }
    if let Some(seconds) = explained.estimate {
        let what = match explained.kind {
            "source" | "pool" => "one start takes",
            _ => "it may take",
        };
        out.push_str(&format!("\n{what} about {}, as lately\n", span(seconds)));
    }
    if !explained.history.is_empty() {
        out.push_str("\nwhat happened:\n");
        for event in &explained.history {
            out.push_str(&format!("  {}\n", events::line(event, zone)));
        }
    }
    out
}

fn span(seconds: f64) -> String {
    let milliseconds = runner_core::id::Timestamp((seconds * 1000.0) as i64);
    super::time::span(runner_core::id::Timestamp(0), milliseconds)
}

/// Everything, as one object.
pub fn as_json(explained: &Explained) -> Value {
    let considered: Vec<Value> = explained
        .considered
        .iter()
        .map(|one| json!({ "source": one.source.as_str(), "why": one.why }))
        .collect();
    let history: Vec<Value> = explained.history.iter().map(events::as_json).collect();
    json!({
        "subject": explained.subject,
        "kind": explained.kind,
        "answer": explained.answer,
        "ahead": explained.ahead,
        "considered": considered,
        "unblocks": explained.unblocks,
        "estimate": explained.estimate,
        "history": history,
    })
}

#[cfg(test)]
mod tests {
    use runner_core::id::SourceName;

    use super::*;
    use crate::engine::Considered;

    #[test]
    fn people_read_the_answer_first() {
        let explained = Explained {
            subject: "7".into(),
            kind: "ticket",
            answer: "ticket 7 waits".into(),
            ahead: Some(0),
            considered: vec![Considered {
                source: SourceName::new("web").unwrap(),
                why: "source `web` is at its maximum of 2 (2 exist)".into(),
            }],
            unblocks: vec!["a release".into()],
            estimate: Some(12.4),
            history: Vec::new(),
        };
        assert_eq!(
            text(&explained, &TimeZone::UTC),
            "ticket 7 waits\n\n\
             source  why it does not serve\n\
             ------  ----------------------------------\n\
             web     is at its maximum of 2 (2 exist)\n\n\
             what would help:\n  - a release\n\n\
             it may take about 12s, as lately\n"
                .replace(
                    "----------------------------------",
                    "--------------------------------"
                )
        );
        assert_eq!(as_json(&explained)["considered"][0]["source"], "web");
    }
}
