//! Sends each ticket to the cheapest source that is below its cap; a full one comes after all the others, so that a
//! burst still finds room. Sources without the wanted tag are never taken.
//!
//! It needs no rights: a router sees what is asked for and what could serve it, and answers.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use runner_sdk::{Candidate, Context, Result, Router, Ticket, Verdict};

struct CheapFirst;

#[derive(serde::Deserialize)]
struct Config {
    tag: Option<String>,
    caps: BTreeMap<String, u32>,
}

/// Behind every price.
const LAST: u32 = u32::MAX;

impl Config {
    fn verdict(&self, ticket: &Ticket, candidate: &Candidate) -> Verdict {
        if let Some(tag) = &self.tag
            && !candidate.tags.contains(tag)
        {
            return Verdict::reject(format!("it does not carry the tag `{tag}`"));
        }
        // What is idle costs nothing more; what must be made is counted.
        let made = ticket.count.saturating_sub(candidate.idle);
        match self.caps.get(&candidate.source) {
            Some(cap) if candidate.live.saturating_add(made) > *cap => Verdict::Take(LAST),
            _ => Verdict::Take(candidate.cost.min(LAST - 1)),
        }
    }
}

impl Router for CheapFirst {
    type Config = Config;

    fn route(
        ctx: &Context<Config>,
        ticket: &Ticket,
        candidates: &[Candidate],
    ) -> Result<Vec<Verdict>> {
        let verdict = |candidate| ctx.config.verdict(ticket, candidate);
        Ok(candidates.iter().map(verdict).collect())
    }
}

runner_sdk::hook!(CheapFirst, manifest = "plugin.json", exports = [routing]);

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(count: u32) -> Ticket {
        Ticket {
            asked: Some("all".into()),
            tags: Vec::new(),
            requires: Vec::new(),
            shelf: None,
            count,
            owner: "somebody".into(),
            attempt: 1,
        }
    }

    fn candidate(source: &str, cost: u32, live: u32, idle: u32) -> Candidate {
        Candidate {
            source: source.into(),
            tags: vec!["x86_64".into()],
            priority: 0,
            cost,
            live,
            idle,
            starting: 0,
            maximum: None,
            failures_in_a_row: 0,
        }
    }

    #[test]
    fn the_cheapest_below_its_cap_comes_first() {
        let config = Config {
            tag: None,
            caps: BTreeMap::from([("spot".to_owned(), 4)]),
        };
        let rank =
            |count, live, idle| config.verdict(&ticket(count), &candidate("spot", 1, live, idle));
        assert_eq!(rank(1, 3, 0), Verdict::Take(1));
        assert_eq!(rank(2, 3, 0), Verdict::Take(LAST));
        assert_eq!(rank(2, 4, 2), Verdict::Take(1));
        let other = candidate("on-demand", 9, 100, 0);
        assert_eq!(config.verdict(&ticket(1), &other), Verdict::Take(9));
    }

    #[test]
    fn without_the_tag_it_is_not_taken() {
        let config = Config {
            tag: Some("gpu".into()),
            caps: BTreeMap::new(),
        };
        assert_eq!(
            config.verdict(&ticket(1), &candidate("spot", 1, 0, 0)),
            Verdict::reject("it does not carry the tag `gpu`")
        );
    }
}
