//! Shelves, what is on them, and what their checks found, as tables and as JSON.

use jiff::tz::TimeZone;
use runner_core::id::{InstanceName, Timestamp};
use serde_json::{Value, json};

use super::table::Table;
use super::{leases, status, time};
use crate::engine::{Finding, InstanceStatus, ShelfStatus, chain};

/// These shelves.
pub fn table(shelves: &[ShelfStatus]) -> String {
    let mut table = Table::new(["shelf", "owner", "on-it", "in-use", "capacity", "state"]);
    for one in shelves {
        table.row([
            one.name.clone(),
            one.owner.clone(),
            one.current.to_string(),
            one.in_use.to_string(),
            capacity(one.capacity),
            if one.enabled { "enabled" } else { "disabled" }.to_owned(),
        ]);
    }
    table.render()
}

/// Shelves that came into being by their first use have no bound.
fn capacity(capacity: u32) -> String {
    if capacity == u32::MAX {
        "unlimited".to_owned()
    } else {
        capacity.to_string()
    }
}

/// The same for programs.
pub fn as_json(shelves: &[ShelfStatus]) -> Value {
    let shelves: Vec<Value> = shelves
        .iter()
        .map(|one| {
            json!({
                "shelf": one.name,
                "owner": one.owner,
                "current": one.current,
                "in-use": one.in_use,
                "capacity": if one.capacity == u32::MAX {
                    json!("unlimited")
                } else {
                    json!(one.capacity)
                },
                "enabled": one.enabled,
                "created": time::rfc3339(one.created),
            })
        })
        .collect();
    json!({ "shelves": shelves })
}

/// What is on a shelf and in use under it.
pub fn guests(guests: &[InstanceStatus], now: Timestamp, zone: &TimeZone) -> String {
    let mut table = Table::new([
        "instance", "source", "state", "for", "uses", "created", "holder", "trouble",
    ]);
    for one in guests {
        table.row([
            one.name.to_string(),
            one.source.to_string(),
            status::state(one.state).to_owned(),
            time::span(one.since, now),
            one.uses.to_string(),
            time::local(one.created, zone),
            one.owner.as_ref().map(leases::owner).unwrap_or_default(),
            one.trouble.clone().unwrap_or_default(),
        ]);
    }
    table.render()
}

/// The same for programs.
pub fn guests_json(guests: &[InstanceStatus]) -> Value {
    let guests: Vec<Value> = guests
        .iter()
        .map(|one| {
            json!({
                "instance": one.name.as_str(),
                "source": one.source.as_str(),
                "state": status::state(one.state),
                "since": time::rfc3339(one.since),
                "created": time::rfc3339(one.created),
                "uses": one.uses,
                "owner": one.owner.as_ref().map(leases::owner_json),
                "trouble": one.trouble,
            })
        })
        .collect();
    json!({ "guests": guests })
}

/// A finding in a word, and why.
fn finding(finding: &Finding) -> (&'static str, Option<String>) {
    match finding {
        Finding::Alive => ("alive", None),
        Finding::Unknown => (
            "unknown",
            Some("neither its provider nor its source can check it".to_owned()),
        ),
        Finding::Failed { failures, error } => (
            "failed",
            Some(format!("{failures} in a row: {}", chain(error))),
        ),
        Finding::Dead(error) => ("destroyed", Some(chain(error))),
        Finding::Overtaken => ("changed", None),
    }
}

/// What checks found.
pub fn findings(found: &[(InstanceName, Finding)]) -> String {
    let mut table = Table::new(["instance", "check", "detail"]);
    for (name, one) in found {
        let (word, detail) = finding(one);
        table.row([name.as_str(), word, &detail.unwrap_or_default()]);
    }
    table.render()
}

/// The same for programs.
pub fn findings_json(found: &[(InstanceName, Finding)]) -> Value {
    let checks: Vec<Value> = found
        .iter()
        .map(|(name, one)| {
            let (word, detail) = finding(one);
            json!({ "instance": name.as_str(), "check": word, "detail": detail })
        })
        .collect();
    json!({ "checks": checks })
}

/// What a shelf was filled with.
pub fn filled_json(names: &[InstanceName]) -> Value {
    let names: Vec<&str> = names.iter().map(InstanceName::as_str).collect();
    json!({ "instances": names })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let shelf = |capacity, enabled| ShelfStatus {
            name: "mine".into(),
            owner: "ann".into(),
            capacity,
            enabled,
            created: Timestamp(0),
            current: 2,
            in_use: 1,
        };
        let all = [shelf(4, true), shelf(u32::MAX, false)];
        assert_eq!(
            table(&all),
            "\
shelf  owner  on-it  in-use  capacity   state
-----  -----  -----  ------  ---------  --------
mine   ann    2      1       4          enabled
mine   ann    2      1       unlimited  disabled
"
        );
        let json = as_json(&all);
        assert_eq!(json["shelves"][0]["capacity"], 4);
        assert_eq!(json["shelves"][1]["capacity"], "unlimited");
    }
}
