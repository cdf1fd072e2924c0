//! Tickets as a line, as a table and as JSON.

use jiff::tz::TimeZone;
use runner_core::id::{InstanceName, Timestamp};
use serde_json::{Value, json};

use super::table::Table;
use super::{escape, instances, leases, time};
use crate::engine::{HeldInstance, TicketStatus};

/// The state of one, for scripts: a word, and what belongs to it.
pub fn line(ticket: &TicketStatus, fenced: bool) -> String {
    let more = match ticket.state {
        "served" => ids(ticket, fenced),
        _ => ticket.reason.clone().unwrap_or_default(),
    };
    let line = format!("{} {more}", ticket.state);
    format!("{}\n", escape::line(line.trim_end()))
}

fn ids(ticket: &TicketStatus, fenced: bool) -> String {
    let name = |one: &HeldInstance| {
        if fenced {
            one.fenced()
        } else {
            one.name.clone()
        }
    };
    let names: Vec<InstanceName> = ticket.instances.iter().map(name).collect();
    instances::ids(&names)
}

/// What was asked for, as it could be typed.
fn wanted(ticket: &TicketStatus) -> String {
    let mut words: Vec<String> = Vec::new();
    words.extend(ticket.asked.as_ref().map(ToString::to_string));
    words.extend(ticket.tags.iter().map(|tag| format!("tag:{tag}")));
    if !ticket.requires.is_empty() {
        words.push(ticket.requires.clone());
    }
    words.join(", ")
}

/// These tickets, by number.
pub fn table(tickets: &[TicketStatus], now: Timestamp, zone: &TimeZone) -> String {
    let mut table = Table::new([
        "ticket",
        "state",
        "wants",
        "count",
        "priority",
        "shelf",
        "opened",
        "for",
        "owner",
        "instances",
    ]);
    for one in tickets {
        let since = one.ended.or(one.served).unwrap_or(one.opened);
        let end = match one.state {
            "served" => ids(one, false),
            _ => one.reason.clone().unwrap_or_default(),
        };
        table.row([
            one.id.to_string(),
            one.state.to_owned(),
            wanted(one),
            one.count.to_string(),
            one.priority.to_string(),
            one.shelf.clone().unwrap_or_default(),
            time::local(one.opened, zone),
            time::span(since, now),
            leases::owner(&one.owner),
            end,
        ]);
    }
    table.render()
}

/// One ticket, times in UTC.
pub fn as_json(ticket: &TicketStatus) -> Value {
    json!({
        "ticket": ticket.id.0,
        "state": ticket.state,
        "source": ticket.asked.as_ref().map(|source| source.as_str()),
        "tags": ticket.tags,
        "requires": ticket.requires,
        "shelf": ticket.shelf,
        "count": ticket.count,
        "priority": ticket.priority,
        "owner": leases::owner_json(&ticket.owner),
        "opened": time::rfc3339(ticket.opened),
        "deadline": ticket.deadline.map(time::rfc3339),
        "served": ticket.served.map(time::rfc3339),
        "ended": ticket.ended.map(time::rfc3339),
        "reason": ticket.reason,
        "leases": leases::held_json(&ticket.instances),
    })
}

/// Several.
pub fn list_json(tickets: &[TicketStatus]) -> Value {
    let tickets: Vec<Value> = tickets.iter().map(as_json).collect();
    json!({ "tickets": tickets })
}

#[cfg(test)]
mod tests {
    use runner_core::id::{Fence, SourceName, TicketId};

    use super::*;
    use crate::engine::Owner;

    fn ticket(state: &'static str) -> TicketStatus {
        let web = SourceName::new("web").unwrap();
        let held = |number| HeldInstance {
            name: InstanceName::numbered(&web, number),
            fence: Fence(number as i64 + 20),
            expires: None,
        };
        TicketStatus {
            id: TicketId(7),
            state,
            asked: Some(web.clone()),
            tags: vec!["x86".into()],
            requires: String::new(),
            shelf: None,
            count: 2,
            priority: -1,
            owner: Owner {
                user: "ann".into(),
                host: "desk".into(),
                pid: 7,
                label: None,
            },
            opened: Timestamp(1000),
            deadline: None,
            served: None,
            ended: None,
            reason: (state == "failed").then(|| "no\nroom".into()),
            instances: if state == "served" {
                vec![held(10), held(9)]
            } else {
                Vec::new()
            },
        }
    }

    #[test]
    fn lines() {
        let line = |state, fenced| line(&ticket(state), fenced);
        assert_eq!(line("waiting", false), "waiting\n");
        assert_eq!(line("served", false), "served web-9 web-10\n");
        assert_eq!(line("served", true), "served web-9@29 web-10@30\n");
        assert_eq!(line("failed", false), "failed no\\nroom\n");
        assert_eq!(line("closed", false), "closed\n");
    }

    #[test]
    fn tables() {
        let all = [ticket("waiting"), ticket("served")];
        assert_eq!(
            table(&all, Timestamp(4000), &TimeZone::UTC),
            "\
ticket  state    wants         count  priority  shelf  opened               for  owner         instances
------  -------  ------------  -----  --------  -----  -------------------  ---  ------------  ------------
7       waiting  web, tag:x86  2      -1               1970-01-01 00:00:01  3s   ann@desk (7)
7       served   web, tag:x86  2      -1               1970-01-01 00:00:01  3s   ann@desk (7)  web-9 web-10
"
        );
        let json = list_json(&all);
        assert_eq!(json["tickets"][1]["leases"][0]["fence"], 29);
        assert_eq!(json["tickets"][0]["source"], "web");
    }
}
