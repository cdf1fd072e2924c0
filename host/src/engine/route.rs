//! Where a ticket goes, as far as hooks have a say: each is asked in turn about what those before it left.

use runner_core::id::SourceName;

use super::{Engine, EngineError, Result, chain};
use crate::provider::{ErrorKind, RouteCandidate, RouteRequest, RouteVerdict};

/// What the hooks said of one candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    pub source: SourceName,
    /// Ranks are 0, 1, 2, … without gaps; candidates that no hook told apart have the same.
    pub verdict: RouteVerdict,
    /// Which hook rejected it.
    pub hook: Option<String>,
}

/// What the hooks said of all candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// One per candidate, in the order in which they were given.
    pub verdicts: Vec<Routed>,
    /// Hooks that failed and were passed over, each with its error in one line.
    pub troubles: Vec<String>,
}

/// A candidate on its way through the hooks.
enum Fate {
    /// The rank that each hook gave it.
    Open(Vec<u32>),
    Rejected {
        hook: String,
        reason: String,
    },
}

impl Engine {
    /// Asks the hooks of the source or pool `asked` which of the candidates may serve a ticket, and which should first. Without
    /// hooks all may, alike.
    pub async fn route(
        &self,
        asked: &SourceName,
        request: &RouteRequest,
        candidates: &[RouteCandidate],
    ) -> Result<Routing> {
        let mut fates: Vec<Fate> = candidates.iter().map(|_| Fate::Open(Vec::new())).collect();
        let mut troubles = Vec::new();
        for router in self.catalogue().routers(asked)? {
            let (open, left): (Vec<usize>, Vec<RouteCandidate>) = fates
                .iter()
                .zip(candidates)
                .enumerate()
                .filter(|(_, (fate, _))| matches!(fate, Fate::Open(_)))
                .map(|(index, (_, candidate))| (index, candidate.clone()))
                .unzip();
            if open.is_empty() {
                break;
            }
            let verdicts = match router.route(request, &left).await {
                Ok(verdicts) => verdicts,
                Err(error) if error.kind == ErrorKind::Denied => {
                    vec![RouteVerdict::Reject(error.message); open.len()]
                }
                Err(error) => {
                    let failed = EngineError::provider(
                        format!("hook `{}` failed at `route`", router.name()),
                        error,
                    );
                    troubles.push(chain(&failed));
                    continue;
                }
            };
            for (index, verdict) in open.into_iter().zip(verdicts) {
                match (&mut fates[index], verdict) {
                    (Fate::Open(ranks), RouteVerdict::Take(rank)) => ranks.push(rank),
                    (fate, RouteVerdict::Reject(reason)) => {
                        *fate = Fate::Rejected {
                            hook: router.name().to_owned(),
                            reason,
                        };
                    }
                    (Fate::Rejected { .. }, RouteVerdict::Take(_)) => {}
                }
            }
        }
        Ok(Routing {
            verdicts: settle(candidates, fates),
            troubles,
        })
    }
}

/// The ranks of several hooks as one: the first hook's counts most.
fn settle(candidates: &[RouteCandidate], fates: Vec<Fate>) -> Vec<Routed> {
    let mut ranks: Vec<Vec<u32>> = fates
        .iter()
        .filter_map(|fate| match fate {
            Fate::Open(ranks) => Some(ranks.clone()),
            Fate::Rejected { .. } => None,
        })
        .collect();
    ranks.sort();
    ranks.dedup();
    candidates
        .iter()
        .zip(fates)
        .map(|(candidate, fate)| {
            let (verdict, hook) = match fate {
                Fate::Open(own) => {
                    let rank = ranks.partition_point(|other| *other < own);
                    let rank = u32::try_from(rank).unwrap_or(u32::MAX);
                    (RouteVerdict::Take(rank), None)
                }
                Fate::Rejected { hook, reason } => (RouteVerdict::Reject(reason), Some(hook)),
            };
            Routed {
                source: candidate.source.clone(),
                verdict,
                hook,
            }
        })
        .collect()
}
