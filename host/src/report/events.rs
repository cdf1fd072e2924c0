//! An event as JSON, and as a line for people.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{escape, time};
use crate::engine::Happened;

/// The documented object.
pub fn as_json(event: &Happened) -> Value {
    json!({
        "id": event.id,
        "at": time::rfc3339(event.at),
        "event": event.event,
        "source": event.source,
        "instance": event.instance,
        "ticket": event.ticket.map(|ticket| ticket.0),
        "shelf": event.shelf,
        "detail": event.detail,
    })
}

/// Time, event, and what it concerns: the instance if there is one, else the rest.
pub fn line(event: &Happened, zone: &TimeZone) -> String {
    let mut text = format!("{}  {}", time::local(event.at, zone), event.event);
    let ticket = event.ticket.map(|ticket| format!("ticket {ticket}"));
    let shelf = event.shelf.as_ref().map(|shelf| format!("shelf {shelf}"));
    let what = event.instance.as_ref().or(event.source.as_ref()).cloned();
    for part in [what, ticket, shelf].into_iter().flatten() {
        text.push_str("  ");
        text.push_str(&part);
    }
    if let Some(detail) = &event.detail {
        text.push_str(": ");
        text.push_str(detail);
    }
    escape::line(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use runner_core::id::{TicketId, Timestamp};

    use super::*;

    #[test]
    fn both_forms() {
        let event = Happened {
            id: 4,
            at: Timestamp(1000),
            event: "instance.dead".into(),
            source: Some("web".into()),
            instance: Some("web-3".into()),
            ticket: Some(TicketId(7)),
            shelf: None,
            detail: Some("no\nanswer".into()),
        };
        assert_eq!(
            line(&event, &TimeZone::UTC),
            "1970-01-01 00:00:01  instance.dead  web-3  ticket 7: no\\nanswer"
        );
        assert_eq!(
            as_json(&event).to_string(),
            "{\"id\":4,\"at\":\"1970-01-01T00:00:01.000Z\",\"event\":\"instance.dead\",\"source\":\"web\",\
             \"instance\":\"web-3\",\"ticket\":7,\"shelf\":null,\"detail\":\"no\\nanswer\"}"
        );
    }
}
