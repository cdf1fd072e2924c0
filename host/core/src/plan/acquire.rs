//! What a request gets: idle instances first, anywhere, then growth in the order of the sources.

use std::fmt;

use super::RowId;
use crate::id::SourceName;
use crate::policy::{Limit, Policy};

/// One source as the request sees it.
#[derive(Clone, Debug)]
pub struct SourceView {
    pub name: SourceName,
    pub policy: Policy,
    /// Everything of this source that exists, whatever its state.
    pub live: u32,
    /// Requests that wait for this source and came before this one.
    pub ahead: u32,
    /// Idle instances made the way the source is configured now, longest idle first.
    pub fitting: Vec<RowId>,
    /// Idle instances made by an older configuration: never handed out, but they take room.
    pub stale: Vec<RowId>,
    /// Growth was tried for this request and failed: do not ask it again.
    pub tried: bool,
}

/// The limits of the pool that the request goes through.
#[derive(Clone, Copy, Debug)]
pub struct PoolView {
    pub policy: Policy,
    /// Everything that exists and was asked of this pool.
    pub live: u32,
}

/// What a request can draw on.
#[derive(Clone, Debug)]
pub struct DrawView {
    pub pool: Option<PoolView>,
    pub sources: Vec<SourceView>,
}

/// How a request is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Idle instances to hand out.
    pub take: Vec<RowId>,
    /// How many to make, by index into `DrawView::sources`.
    pub grow: Vec<(usize, u32)>,
    /// Idle instances to destroy first, because they take the room that growth needs. When this is not empty,
    /// nothing else is to be done in this round.
    pub evict: Vec<RowId>,
}

/// Why a source does not serve a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Everything that may exist exists.
    Maximum { maximum: Limit, live: u32 },
    /// Others came first.
    Ahead { waiting: u32 },
    /// Making one failed a moment ago.
    Failed,
}

/// A source and why it does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline {
    pub source: SourceName,
    pub why: Why,
}

/// Nothing is taken and nothing made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked for, and how much of it could be served now.
    pub wanted: u32,
    pub possible_now: u32,
    /// More than all limits together allow: waiting is pointless.
    pub never: bool,
    /// The pool's own limit is what stands in the way.
    pub pool_maximum: Option<Limit>,
    pub declines: Vec<Decline>,
}

impl fmt::Display for Decline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Why::Maximum { maximum, live } => {
                write!(
                    f,
                    "source `{}` is at its maximum of {maximum} ({live} exist)",
                    self.source
                )
            }
            Why::Ahead { waiting } => write!(
                f,
                "source `{}` has {waiting} waiting before this",
                self.source
            ),
            Why::Failed => write!(f, "source `{}` could not make one", self.source),
        }
    }
}

/// Serves `wanted` instances at once, or refuses: never a part.
pub fn acquire(view: &DrawView, wanted: u32) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    let mut missing = wanted;
    for source in view.sources.iter().filter(|source| source.ahead == 0) {
        let taken = source.fitting.iter().take(missing as usize);
        plan.take.extend(taken);
        missing = wanted - plan.take.len() as u32;
    }

    // Idle instances that were asked of another source join the pool's count when they are handed out, but the
    // machine exists already: only growth is bounded.
    let pool_room = view
        .pool
        .map_or(u32::MAX, |pool| pool.policy.maximum.room(pool.live));
    let mut growth_left = missing.min(pool_room);
    let mut declines = Vec::new();
    for (index, source) in view.sources.iter().enumerate() {
        if source.ahead > 0 {
            declines.push(Decline {
                source: source.name.clone(),
                why: Why::Ahead {
                    waiting: source.ahead,
                },
            });
            continue;
        }
        if source.tried {
            declines.push(Decline {
                source: source.name.clone(),
                why: Why::Failed,
            });
            continue;
        }
        let room = source.policy.maximum.room(source.live);
        let here = growth_left.min(room);
        if here > 0 {
            plan.grow.push((index, here));
            growth_left -= here;
        }
        if growth_left > 0 {
            let evictable = source.stale.iter().take(growth_left as usize);
            plan.evict.extend(evictable);
            let why = Why::Maximum {
                maximum: source.policy.maximum,
                live: source.live,
            };
            declines.push(Decline {
                source: source.name.clone(),
                why,
            });
        }
    }
    let grown: u32 = plan.grow.iter().map(|(_, count)| count).sum();
    if grown == missing {
        plan.evict.clear();
        return Ok(plan);
    }
    if missing - grown <= plan.evict.len() as u32 && pool_room >= missing {
        return Ok(Plan {
            evict: plan.evict,
            ..Plan::default()
        });
    }
    Err(Refusal {
        wanted,
        possible_now: plan.take.len() as u32 + grown,
        never: wanted > ceiling(view),
        pool_maximum: view
            .pool
            .filter(|_| pool_room < missing)
            .map(|pool| pool.policy.maximum),
        declines,
    })
}

/// The most that can ever exist for this request.
fn ceiling(view: &DrawView) -> u32 {
    let sources = view
        .sources
        .iter()
        .map(|source| source.policy.maximum)
        .fold(Limit::At(0), Limit::plus);
    let bound = view
        .pool
        .map_or(sources, |pool| sources.tighter(pool.policy.maximum));
    bound.room(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(name: &str, maximum: Limit, live: u32, fitting: u32) -> SourceView {
        SourceView {
            name: SourceName::new(name).unwrap(),
            policy: Policy {
                maximum,
                ..Policy::default()
            },
            live,
            ahead: 0,
            fitting: (0..fitting).map(|n| RowId(i64::from(n))).collect(),
            stale: Vec::new(),
            tried: false,
        }
    }

    fn draw(sources: Vec<SourceView>) -> DrawView {
        DrawView {
            pool: None,
            sources,
        }
    }

    #[test]
    fn an_idle_instance_is_handed_out_at_the_maximum() {
        // crcache: reserve 1 and maximum 1 failed here with "Instance limit exceeded".
        let plan = acquire(&draw(vec![source("local", Limit::At(1), 1, 1)]), 1).unwrap();
        assert_eq!(
            plan,
            Plan {
                take: vec![RowId(0)],
                ..Plan::default()
            }
        );
    }

    #[test]
    fn idle_anywhere_before_growth() {
        let view = draw(vec![
            source("a", Limit::Unlimited, 0, 0),
            source("b", Limit::At(2), 1, 1),
        ]);
        let plan = acquire(&view, 2).unwrap();
        assert_eq!(plan.take, vec![RowId(0)]);
        assert_eq!(plan.grow, vec![(0, 1)]);
    }

    #[test]
    fn refusal_names_the_limit_and_whether_waiting_helps() {
        let view = draw(vec![source("local", Limit::At(1), 1, 0)]);
        let refusal = acquire(&view, 1).unwrap_err();
        assert!(!refusal.never);
        assert_eq!(
            refusal.declines[0].to_string(),
            "source `local` is at its maximum of 1 (1 exist)"
        );
        assert!(acquire(&view, 2).unwrap_err().never);
    }

    #[test]
    fn those_who_wait_are_not_overtaken() {
        let mut busy = source("a", Limit::At(4), 1, 1);
        busy.ahead = 2;
        assert!(acquire(&draw(vec![busy.clone()]), 1).is_err());
        let plan = acquire(&draw(vec![busy, source("b", Limit::At(1), 0, 0)]), 1).unwrap();
        assert_eq!(plan.grow, vec![(1, 1)]);
    }

    #[test]
    fn stale_idle_instances_make_room() {
        let mut full = source("a", Limit::At(1), 1, 0);
        full.stale = vec![RowId(7)];
        let plan = acquire(&draw(vec![full]), 1).unwrap();
        assert_eq!(
            plan,
            Plan {
                evict: vec![RowId(7)],
                ..Plan::default()
            }
        );
    }

    #[test]
    fn a_pool_has_limits_of_its_own() {
        let mut view = draw(vec![source("a", Limit::At(4), 1, 0)]);
        view.pool = Some(PoolView {
            policy: Policy {
                maximum: Limit::At(1),
                ..Policy::default()
            },
            live: 1,
        });
        let refusal = acquire(&view, 1).unwrap_err();
        assert_eq!(refusal.pool_maximum, Some(Limit::At(1)));
        assert!(acquire(&view, 2).unwrap_err().never);
    }

    fn limits() -> impl Strategy<Value = Limit> {
        prop_oneof![Just(Limit::Unlimited), (0u32..6).prop_map(Limit::At)]
    }

    prop_compose! {
        fn sources()(
            list in prop::collection::vec((limits(), 0u32..6, 0u32..4, 0u32..2, 0u32..3, any::<bool>()), 1..4)
        ) -> Vec<SourceView> {
            let mut next = 0;
            let mut row = || { next += 1; RowId(next) };
            list.into_iter().enumerate().map(|(index, (maximum, live, fitting, ahead, stale, tried))| SourceView {
                name: SourceName::new(format!("s{index}")).unwrap(),
                policy: Policy { maximum, ..Policy::default() },
                live: live.max(fitting + stale),
                ahead,
                fitting: (0..fitting).map(|_| row()).collect(),
                stale: (0..stale).map(|_| row()).collect(),
                tried,
            }).collect()
        }
    }

    proptest! {
        #[test]
        fn all_or_nothing_and_never_over_a_limit(sources in sources(), pool in prop::option::of((limits(), 0u32..5)), wanted in 1u32..6) {
            let pool = pool.map(|(maximum, live)| PoolView { policy: Policy { maximum, ..Policy::default() }, live });
            let view = DrawView { pool, sources };
            if let Ok(plan) = acquire(&view, wanted) {
                let grown: u32 = plan.grow.iter().map(|(_, count)| count).sum();
                if plan.evict.is_empty() {
                    prop_assert_eq!(plan.take.len() as u32 + grown, wanted);
                } else {
                    prop_assert!(plan.take.is_empty() && plan.grow.is_empty());
                }
                for (index, count) in &plan.grow {
                    let source = &view.sources[*index];
                    prop_assert!(*count <= source.policy.maximum.room(source.live));
                    prop_assert!(source.ahead == 0 && !source.tried);
                }
                if let Some(pool) = view.pool {
                    prop_assert!(grown <= pool.policy.maximum.room(pool.live));
                }
                let mut taken = plan.take.clone();
                taken.sort();
                taken.dedup();
                prop_assert_eq!(taken.len(), plan.take.len());
            }
        }
    }
}
