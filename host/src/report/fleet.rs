//! Every number of every source: the wide table of `status` and `top`, and what JSON has beside the sources.

use runner_core::policy::Limit;
use serde_json::{Value, json};

use super::table::Table;
use super::{status, time};
use crate::engine::{Orphan, Owner, SourceStatus, Waiting};

/// The heads of the wide table.
pub const HEADS: [&str; 10] = [
    "source",
    "starting",
    "ready",
    "leased",
    "checking",
    "shelved",
    "broken",
    "discarding",
    "waiting",
    "max",
];

/// A row of the wide table. No limit is 0 there, as in the narrow one.
pub fn row(source: &SourceStatus) -> [String; 10] {
    let counts = source.counts;
    [
        source.source.to_string(),
        counts.starting.to_string(),
        counts.ready.to_string(),
        (counts.leased + counts.releasing).to_string(),
        source.suspect.to_string(),
        source.shelved.to_string(),
        counts.broken.to_string(),
        counts.discarding.to_string(),
        source.waiting.to_string(),
        match source.maximum {
            Limit::Unlimited => "0".to_owned(),
            Limit::At(bound) => bound.to_string(),
        },
    ]
}

/// The wide table, sorted by source.
pub fn wide(sources: &[SourceStatus]) -> String {
    let mut table = Table::new(HEADS);
    for source in status::sorted(sources) {
        table.row(row(source));
    }
    table.render()
}

/// What JSON says of a source beside what the narrow table shows.
pub(super) fn numbers(source: &SourceStatus) -> [(&'static str, u32); 9] {
    let counts = source.counts;
    [
        ("starting", counts.starting),
        ("ready", counts.ready),
        ("leased", counts.leased),
        ("releasing", counts.releasing),
        ("checking", source.suspect),
        ("shelved", source.shelved),
        ("broken", counts.broken),
        ("discarding", counts.discarding),
        ("waiting", source.waiting),
    ]
}

/// A ticket that waits.
pub fn waiting_json(waiting: &Waiting) -> Value {
    json!({
        "ticket": waiting.ticket.0,
        "asked": waiting.asked.as_ref().map(|asked| asked.as_str()),
        "tags": waiting.tags,
        "count": waiting.count,
        "priority": waiting.priority,
        "owner": status::owner_json(&waiting.owner),
        "opened": time::rfc3339(waiting.opened),
        "ahead": waiting.ahead,
        "why": waiting.why,
    })
}

/// Something at a backend that is not in the books.
pub fn orphan_json(orphan: &Orphan) -> Value {
    json!({
        "source": orphan.source.as_str(),
        "handle": orphan.handle,
        "token": orphan.token.as_str(),
        "first-seen": time::rfc3339(orphan.first_seen),
        "last-seen": time::rfc3339(orphan.last_seen),
        "made-as": orphan.made_as.as_ref().map(|name| name.as_str()),
        "trouble": orphan.trouble,
    })
}

/// Who serves the state; null: nobody.
pub fn server_json(owner: Option<&Owner>) -> Value {
    owner.map_or(Value::Null, status::owner_json)
}
