//! What a router is asked, in the generated shapes, and what it may answer.

use super::answer::{Answer, Bad};
use super::bindings::routing::exports::runner::plugin::routing::{Candidate, Ticket, Verdict};
use super::rights::Rights;
use super::text;
use crate::provider::{RouteCandidate, RouteRequest, RouteVerdict};

/// Characters of a reason that are shown.
const REASON: usize = 300;

pub(crate) fn ticket(request: &RouteRequest) -> Ticket {
    Ticket {
        asked: request.asked.as_ref().map(ToString::to_string),
        tags: request.tags.clone(),
        requires: request.requires.clone(),
        shelf: request.shelf.clone(),
        count: request.count,
        owner: request.owner.clone(),
        attempt: request.attempt,
    }
}

pub(crate) fn candidate(candidate: &RouteCandidate) -> Candidate {
    Candidate {
        source: candidate.source.to_string(),
        tags: candidate.tags.clone(),
        priority: candidate.priority,
        cost: candidate.cost,
        live: candidate.live,
        idle: candidate.idle,
        starting: candidate.starting,
        maximum: candidate.maximum,
        failures_in_a_row: candidate.failures_in_a_row,
    }
}

impl Answer for Vec<Verdict> {
    type Checked = Vec<RouteVerdict>;

    fn shown(_: &Self::Checked) -> serde_json::Value {
        // Hooks are not tapped.
        serde_json::Value::Null
    }

    fn size(&self) -> usize {
        self.iter()
            .map(|verdict| match verdict {
                Verdict::Take(_) => size_of::<u32>(),
                Verdict::Reject(reason) => reason.len(),
            })
            .sum()
    }

    fn check(self, _rights: Rights<'_>) -> Result<Vec<RouteVerdict>, Bad> {
        let checked = |verdict| match verdict {
            Verdict::Take(rank) => RouteVerdict::Take(rank),
            Verdict::Reject(reason) => {
                let reason = match reason.trim() {
                    "" => "no reason given",
                    reason => reason,
                };
                RouteVerdict::Reject(text::printable_cut(reason, REASON))
            }
        };
        Ok(self.into_iter().map(checked).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Capabilities;

    #[test]
    fn reasons_are_shown_and_not_obeyed() {
        let grant = Capabilities::default();
        let rights = Rights {
            grant: &grant,
            source: "here",
        };
        let verdicts = vec![
            Verdict::Take(7),
            Verdict::Reject(" too \u{1b}[2J far\n".into()),
            Verdict::Reject("\n".into()),
            Verdict::Reject("x".repeat(1000)),
        ];
        assert_eq!(verdicts.size(), 4 + 14 + 1 + 1000);
        let checked = verdicts.check(rights).expect("allowed");
        assert_eq!(checked[0], RouteVerdict::Take(7));
        assert_eq!(
            checked[1..3],
            [
                RouteVerdict::Reject("too \\u{1b}[2J far".into()),
                RouteVerdict::Reject("no reason given".into())
            ]
        );
        let RouteVerdict::Reject(long) = &checked[3] else {
            panic!("{checked:?}");
        };
        assert!(long.chars().count() <= REASON + 1, "{long}");
    }
}
