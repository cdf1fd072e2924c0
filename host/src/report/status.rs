//! The answer of `status`: crcache's tables, single numbers, JSON.

use jiff::tz::TimeZone;
use runner_core::id::Timestamp;
use runner_core::instance::State;
use runner_core::policy::Limit;
use serde_json::{Value, json};

use super::table::Table;
use super::{canary, escape, fleet, instances, time};
use crate::engine::{InstanceStatus, LooseEnd, Owner, SourceStatus};
use crate::provider::{Access, Facts};

/// One number of `status --query`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    Cached,
    InUse,
    Max,
    Available,
}

/// The first table, sorted by source. An unlimited maximum is 0 there, as crcache writes it.
pub fn sources(sources: &[SourceStatus]) -> String {
    let mut table = Table::new(["source", "cached", "in-use", "max"]);
    for one in sorted(sources) {
        table.row([
            one.source.to_string(),
            one.cached.to_string(),
            one.in_use.to_string(),
            as_crcache(one.maximum),
        ]);
    }
    table.render()
}

/// The second table of `status -v`: what is checked out, the source's name on its first row only.
pub fn checked_out(sources: &[SourceStatus]) -> String {
    let mut table = Table::new(["source", "instance"]);
    for one in sorted(sources) {
        let mut source = one.source.as_str();
        for instance in by_number(one) {
            if matches!(instance.state, State::Leased | State::Releasing) {
                table.row([source, instance.name.as_str()]);
                source = "";
            }
        }
    }
    table.render()
}

/// The second table of `status -vv`: everything that exists, with its state, its holder and its trouble.
pub fn everything(sources: &[SourceStatus], now: Timestamp, zone: &TimeZone) -> String {
    let mut table = Table::new([
        "source", "instance", "state", "for", "created", "holder", "trouble",
    ]);
    for one in sorted(sources) {
        let mut source = one.source.as_str();
        for instance in by_number(one) {
            table.row([
                source,
                instance.name.as_str(),
                state(instance.state),
                &time::span(instance.since, now),
                &time::local(instance.created, zone),
                &instance_holder(instance),
                instance.trouble.as_deref().unwrap_or(""),
            ]);
            source = "";
        }
    }
    table.render()
}

/// The sum over the sources, as text: one integer, or `unlimited` for what is available without a limit.
pub fn query(sources: &[SourceStatus], query: Query) -> String {
    let sum = |number: fn(&SourceStatus) -> u32| -> String {
        let sum: u64 = sources.iter().map(|one| u64::from(number(one))).sum();
        sum.to_string()
    };
    let limit = |limit: fn(&SourceStatus) -> Limit| {
        sources.iter().map(limit).fold(Limit::At(0), Limit::plus)
    };
    match query {
        Query::Cached => sum(|one| one.cached),
        Query::InUse => sum(|one| one.in_use),
        Query::Max => as_crcache(limit(|one| one.maximum)),
        Query::Available => limit(available).to_string(),
    }
}

/// The whole answer as JSON. A limit is a number or the word `unlimited`.
pub fn as_json(sources: &[SourceStatus]) -> Value {
    let sources: Vec<Value> = sorted(sources).into_iter().map(source_json).collect();
    json!({ "sources": sources })
}

/// How many can still be had: the idle ones, and what fits below the maximum.
fn available(source: &SourceStatus) -> Limit {
    match source.maximum {
        Limit::Unlimited => Limit::Unlimited,
        Limit::At(bound) => Limit::At(
            bound
                .saturating_sub(source.in_use)
                .saturating_sub(source.other),
        ),
    }
}

fn as_crcache(limit: Limit) -> String {
    match limit {
        Limit::Unlimited => "0".to_owned(),
        Limit::At(bound) => bound.to_string(),
    }
}

pub(super) fn sorted(sources: &[SourceStatus]) -> Vec<&SourceStatus> {
    let mut sources: Vec<&SourceStatus> = sources.iter().collect();
    sources.sort_by(|one, two| one.source.cmp(&two.source));
    sources
}

fn by_number(source: &SourceStatus) -> Vec<&InstanceStatus> {
    let mut all: Vec<&InstanceStatus> = source.instances.iter().collect();
    all.sort_by(|one, two| instances::natural(one.name.as_str(), two.name.as_str()));
    all
}

/// The word of a state.
pub fn state(state: State) -> &'static str {
    match state {
        State::Allocating => "allocating",
        State::Provisioning => "provisioning",
        State::Ready => "ready",
        State::Leased => "leased",
        State::Releasing => "releasing",
        State::Broken => "broken",
        State::Discarding => "discarding",
        State::Discarded => "discarded",
    }
}

/// `user@host`, and the process.
pub fn holder(owner: &Owner) -> String {
    format!("{}@{} ({})", owner.user, owner.host, owner.pid)
}

/// The same of an instance's lease, and whether anybody still has it.
fn instance_holder(instance: &InstanceStatus) -> String {
    let holder = instance.owner.as_ref().map(holder).unwrap_or_default();
    match instance.loose_end.and_then(ended) {
        Some(word) => format!("{holder}: {word}"),
        None => holder,
    }
}

/// That a lease is over although it is in the books.
pub(super) fn ended(end: LooseEnd) -> Option<&'static str> {
    match end {
        LooseEnd::HolderGone => Some("gone"),
        LooseEnd::Expired => Some("expired"),
        LooseEnd::NeverTold => Some("never told"),
        LooseEnd::WorkerGone | LooseEnd::NotDestroyed | LooseEnd::Uncertain => None,
    }
}

pub(super) fn owner_json(owner: &Owner) -> Value {
    json!({ "user": owner.user, "host": owner.host, "pid": owner.pid })
}

pub(super) fn limit_json(limit: Limit) -> Value {
    match limit {
        Limit::Unlimited => json!("unlimited"),
        Limit::At(bound) => json!(bound),
    }
}

fn source_json(source: &SourceStatus) -> Value {
    let mut value = json!({
        "source": source.source.as_str(),
        "pool": source.pool.as_ref().map(|children| {
            children.iter().map(|child| child.as_str()).collect::<Vec<_>>()
        }),
        "cached": source.cached,
        "in-use": source.in_use,
        "other": source.other,
        "max": limit_json(source.maximum),
        "available": limit_json(available(source)),
    });
    for (name, number) in fleet::numbers(source) {
        value[name] = number.into();
    }
    value["canary"] = source.canary.as_ref().map_or(Value::Null, canary::as_json);
    let instances = by_number(source).into_iter().map(instance_json);
    value["instances"] = instances.collect();
    value
}

fn instance_json(instance: &InstanceStatus) -> Value {
    let attributes: serde_json::Map<String, Value> = instance
        .attributes
        .iter()
        .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
        .collect();
    json!({
        "name": instance.name.as_str(),
        "source": instance.source.as_str(),
        "pool": instance.pool.as_ref().map(|pool| pool.as_str()),
        "state": state(instance.state),
        "since": time::rfc3339(instance.since),
        "created": time::rfc3339(instance.created),
        "owner": instance.owner.as_ref().map(owner_json),
        "fence": instance.fence.map(|fence| fence.0),
        "expires": instance.expires.map(time::rfc3339),
        "ticket": instance.ticket.map(|ticket| ticket.0),
        "shelf": instance.shelf,
        "uses": instance.uses,
        "checked": instance.checked.map(time::rfc3339),
        "check-failures": instance.check_failures,
        "access": instance.access.as_ref().map(access_json),
        "attributes": attributes,
        "facts": instance.facts.as_ref().map(facts_json),
        "made-by": {
            "plugin": instance.made_by.plugin.replace('`', ""),
            "digest": instance.made_by.digest,
            "there": instance.made_by.lost.is_none(),
        },
        "trouble": instance.trouble,
        "loose-end": instance.loose_end.map(LooseEnd::word),
    })
}

fn access_json(access: &Access) -> Value {
    match access {
        Access::Plugin => json!({ "by": "plugin" }),
        Access::Ssh(access) => json!({
            "by": "ssh", "host": access.host, "port": access.port, "user": access.user,
        }),
    }
}

fn facts_json(facts: &Facts) -> Value {
    json!({
        "arch": facts.arch, "cpus": facts.cpus, "memory": facts.memory,
        "os": facts.os, "hostname": facts.hostname, "address": facts.address,
    })
}

/// Below the tables: sources of which another component is tried, or was promoted. Nothing where there are none.
pub fn canaries(sources: &[SourceStatus]) -> String {
    let trials = sorted(sources)
        .into_iter()
        .filter_map(|one| one.canary.as_ref());
    trials
        .map(|one| format!("\n{}", canary::line(one)))
        .collect()
}

/// What is noteworthy about the sources and belongs to no table: shown on the error stream.
pub fn troubles(sources: &[SourceStatus]) -> Vec<String> {
    sorted(sources)
        .into_iter()
        .flat_map(by_number)
        // Those are told in words of their own.
        .filter(|instance| instance.loose_end.is_none())
        .filter_map(|instance| {
            let trouble = instance.trouble.as_deref()?;
            Some(format!(
                "instance `{}` is {}: {}",
                escape::line(instance.name.as_str()),
                state(instance.state),
                escape::line(trouble)
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use runner_core::id::{InstanceName, SourceName};

    use super::*;

    fn source(name: &str, counts: [u32; 3], maximum: Limit) -> SourceStatus {
        let [cached, in_use, other] = counts;
        SourceStatus {
            counts: runner_core::plan::Counts::default(),
            shelved: 0,
            suspect: 0,
            waiting: 0,
            source: SourceName::new(name).unwrap(),
            pool: None,
            cached,
            in_use,
            other,
            maximum,
            canary: None,
            instances: Vec::new(),
        }
    }

    fn instance(source: &mut SourceStatus, number: u64, state: State) {
        source.instances.push(InstanceStatus {
            fence: None,
            expires: None,
            ticket: None,
            shelf: None,
            uses: 1,
            checked: None,
            check_failures: 0,
            name: InstanceName::numbered(&source.source, number),
            source: source.source.clone(),
            pool: None,
            state,
            since: Timestamp(60_000),
            created: Timestamp(0),
            owner: (state == State::Leased).then(|| Owner {
                label: None,
                user: "ann".into(),
                host: "desk".into(),
                pid: 7,
            }),
            attributes: vec![("note".into(), "\u{9b}1m".into())],
            facts: None,
            access: None,
            made_by: crate::engine::MadeBy {
                plugin: "`box` 1.0.0".into(),
                digest: "ab".into(),
                lost: None,
            },
            loose_end: (state == State::Leased && number == 10).then_some(LooseEnd::HolderGone),
            trouble: (state == State::Broken).then(|| "no\x1b answer".into()),
        });
    }

    fn sample() -> Vec<SourceStatus> {
        let mut web = source("web", [1, 2, 1], Limit::At(12));
        for (number, state) in [
            (10, State::Leased),
            (2, State::Leased),
            (3, State::Ready),
            (4, State::Broken),
        ] {
            instance(&mut web, number, state);
        }
        vec![
            web,
            source("idle", [0, 0, 0], Limit::At(1)),
            source("free", [0, 0, 0], Limit::Unlimited),
        ]
    }

    #[test]
    fn first_table() {
        assert_eq!(
            sources(&sample()),
            "source  cached  in-use  max\n\
             ------  ------  ------  ---\n\
             free    0       0       0\n\
             idle    0       0       1\n\
             web     1       2       12\n"
        );
        assert_eq!(
            sources(&[]),
            "source  cached  in-use  max\n------  ------  ------  ---\n"
        );
    }

    #[test]
    fn second_table() {
        assert_eq!(
            checked_out(&sample()),
            "source  instance\n------  --------\nweb     web-2\n        web-10\n"
        );
        assert_eq!(
            everything(&sample(), Timestamp(65_000), &TimeZone::UTC),
            "\
source  instance  state   for  created              holder              trouble
------  --------  ------  ---  -------------------  ------------------  -------------
web     web-2     leased  5s   1970-01-01 00:00:00  ann@desk (7)
        web-3     ready   5s   1970-01-01 00:00:00
        web-4     broken  5s   1970-01-01 00:00:00                      no\\x1b answer
        web-10    leased  5s   1970-01-01 00:00:00  ann@desk (7): gone
"
        );
    }

    #[test]
    fn queries_are_never_negative_or_ambiguous() {
        let all = sample();
        let limited = &all[..2];
        assert_eq!(query(limited, Query::Cached), "1");
        assert_eq!(query(limited, Query::InUse), "2");
        assert_eq!(query(limited, Query::Max), "13");
        assert_eq!(query(limited, Query::Available), "10");
        assert_eq!(query(&all, Query::Max), "0");
        assert_eq!(query(&all, Query::Available), "unlimited");
        assert_eq!(query(&[], Query::Available), "0");
        let over = [source("shrunk", [0, 5, 0], Limit::At(2))];
        assert_eq!(query(&over, Query::Available), "0");
    }

    #[test]
    fn json_says_unlimited() {
        let json = as_json(&sample());
        assert_eq!(json["sources"][0]["max"], "unlimited");
        assert_eq!(json["sources"][2]["max"], 12);
        assert_eq!(json["sources"][2]["available"], 9);
        assert_eq!(json["sources"][2]["instances"][0]["name"], "web-2");
        assert_eq!(json["sources"][2]["instances"][0]["owner"]["user"], "ann");
    }

    #[test]
    fn troubles_are_escaped() {
        assert_eq!(
            troubles(&sample()),
            ["instance `web-4` is broken: no\\x1b answer"]
        );
    }
}
