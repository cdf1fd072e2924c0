//! Leases as a table and as JSON.

use jiff::tz::TimeZone;
use runner_core::id::{InstanceName, Timestamp};
use runner_core::instance::State;
use serde_json::{Value, json};

use super::table::Table;
use super::{instances, status, time};
use crate::engine::{HeldInstance, InstanceStatus, LooseEnd, Owner, SourceStatus};

/// Who holds it: what it calls itself, and where it came from.
pub(super) fn owner(owner: &Owner) -> String {
    match &owner.label {
        Some(label) => format!("{label}, {}", status::holder(owner)),
        None => status::holder(owner),
    }
}

/// The same of a lease that may be over.
fn holder(one: &InstanceStatus) -> String {
    let holder = one.owner.as_ref().map(owner).unwrap_or_default();
    match one.loose_end.and_then(status::ended) {
        Some(word) => format!("{holder}: {word}"),
        None => holder,
    }
}

/// The same for programs.
pub(super) fn owner_json(owner: &Owner) -> Value {
    json!({ "user": owner.user, "host": owner.host, "pid": owner.pid, "label": owner.label })
}

/// When a lease ends by itself, and how far that is.
pub(super) fn until(expires: Option<Timestamp>, now: Timestamp, zone: &TimeZone) -> String {
    match expires {
        None => "never".to_owned(),
        Some(at) if at <= now => "now".to_owned(),
        Some(at) => format!("{} ({})", time::local(at, zone), time::span(now, at)),
    }
}

/// What is leased, each once, by name: a pool lists its sources' instances again.
fn leased(sources: &[SourceStatus]) -> Vec<&InstanceStatus> {
    let mut all: Vec<&InstanceStatus> = sources
        .iter()
        .flat_map(|source| &source.instances)
        .filter(|one| one.state == State::Leased)
        .collect();
    all.sort_by(|one, two| instances::natural(one.name.as_str(), two.name.as_str()));
    all.dedup_by(|one, two| one.name == two.name);
    all
}

/// Every lease.
pub fn table(sources: &[SourceStatus], now: Timestamp, zone: &TimeZone) -> String {
    let mut table = Table::new(["instance", "fence", "ticket", "shelf", "ends", "holder"]);
    for one in leased(sources) {
        table.row([
            one.name.to_string(),
            one.fence
                .map(|fence| fence.0.to_string())
                .unwrap_or_default(),
            one.ticket
                .map(|ticket| ticket.to_string())
                .unwrap_or_default(),
            one.shelf.clone().unwrap_or_default(),
            until(one.expires, now, zone),
            holder(one),
        ]);
    }
    table.render()
}

/// Every lease, times in UTC.
pub fn as_json(sources: &[SourceStatus]) -> Value {
    let leases: Vec<Value> = leased(sources)
        .into_iter()
        .map(|one| {
            json!({
                "instance": one.name.as_str(),
                "fence": one.fence.map(|fence| fence.0),
                "ticket": one.ticket.map(|ticket| ticket.0),
                "shelf": one.shelf,
                "expires": one.expires.map(time::rfc3339),
                "owner": one.owner.as_ref().map(owner_json),
                "loose-end": one.loose_end.map(LooseEnd::word),
            })
        })
        .collect();
    json!({ "leases": leases })
}

/// What a ticket holds.
pub fn held_json(held: &[HeldInstance]) -> Value {
    let mut held: Vec<&HeldInstance> = held.iter().collect();
    held.sort_by(|one, two| instances::natural(one.name.as_str(), two.name.as_str()));
    let object = |one: &HeldInstance| {
        json!({
            "instance": one.name.as_str(),
            "fence": one.fence.0,
            "expires": one.expires.map(time::rfc3339),
        })
    };
    held.into_iter().map(object).collect()
}

/// What was renewed, and until when.
pub fn renewed_json(renewed: &[(InstanceName, Option<Timestamp>)]) -> Value {
    let leases: Vec<Value> = renewed
        .iter()
        .map(|(name, expires)| {
            json!({ "instance": name.as_str(), "expires": expires.map(time::rfc3339) })
        })
        .collect();
    json!({ "leases": leases })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends() {
        let until = |at: Option<i64>| until(at.map(Timestamp), Timestamp(1000), &TimeZone::UTC);
        assert_eq!(until(None), "never");
        assert_eq!(until(Some(900)), "now");
        assert_eq!(until(Some(91_000)), "1970-01-01 00:01:31 (1m30s)");
    }

    #[test]
    fn owners() {
        let mut one = Owner {
            user: "ann".into(),
            host: "desk".into(),
            pid: 7,
            label: None,
        };
        assert_eq!(owner(&one), "ann@desk (7)");
        one.label = Some("ci".into());
        assert_eq!(owner(&one), "ci, ann@desk (7)");
        assert_eq!(owner_json(&one)["label"], "ci");
    }
}
