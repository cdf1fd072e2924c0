//! The operation log as a table and as JSON.

use jiff::tz::TimeZone;
use runner_core::id::{InstanceName, SourceName};
use serde_json::{Value, json};

use super::table::Table;
use super::{status, time};
use crate::engine::OperationStatus;

/// The log, in the order given.
pub fn table(operations: &[OperationStatus], zone: &TimeZone) -> String {
    let mut table = Table::new([
        "started", "took", "who", "verb", "source", "instance", "outcome", "detail",
    ]);
    for one in operations {
        table.row([
            time::local(one.started, zone),
            one.ended
                .map(|ended| time::span(one.started, ended))
                .unwrap_or_default(),
            status::holder(&one.owner),
            one.verb.clone(),
            one.source
                .as_ref()
                .map(SourceName::to_string)
                .unwrap_or_default(),
            one.instance
                .as_ref()
                .map(InstanceName::to_string)
                .unwrap_or_default(),
            one.outcome.clone(),
            one.detail.clone().unwrap_or_default(),
        ]);
    }
    table.render()
}

/// The log as JSON, times in UTC.
pub fn as_json(operations: &[OperationStatus]) -> Value {
    let operations: Vec<Value> = operations
        .iter()
        .map(|one| {
            json!({
                "id": one.id,
                "verb": one.verb,
                "source": one.source.as_ref().map(SourceName::as_str),
                "instance": one.instance.as_ref().map(InstanceName::as_str),
                "owner": status::owner_json(&one.owner),
                "started": time::rfc3339(one.started),
                "ended": one.ended.map(time::rfc3339),
                "outcome": one.outcome,
                "detail": one.detail,
            })
        })
        .collect();
    json!({ "operations": operations })
}

#[cfg(test)]
mod tests {
    use runner_core::id::Timestamp;

    use super::*;
    use crate::engine::Owner;

    #[test]
    fn both_forms() {
        let source = SourceName::new("web").unwrap();
        let log = [OperationStatus {
            id: 3,
            verb: "acquire".into(),
            instance: Some(InstanceName::numbered(&source, 1)),
            source: Some(source),
            owner: Owner {
                label: None,
                user: "ann".into(),
                host: "desk".into(),
                pid: 7,
            },
            started: Timestamp(1000),
            ended: Some(Timestamp(3500)),
            outcome: "failed".into(),
            detail: Some("no\troom".into()),
        }];
        assert_eq!(
            table(&log, &TimeZone::UTC),
            "\
started              took  who           verb     source  instance  outcome  detail
-------------------  ----  ------------  -------  ------  --------  -------  --------
1970-01-01 00:00:01  2s    ann@desk (7)  acquire  web     web-1     failed   no\\troom
"
        );
        let json = as_json(&log);
        assert_eq!(json["operations"][0]["ended"], "1970-01-01T00:00:03.500Z");
        assert_eq!(json["operations"][0]["owner"]["pid"], 7);
    }
}
