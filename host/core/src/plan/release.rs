//! What becomes of an instance whose lease has ended.

use crate::id::Timestamp;
use crate::policy::Policy;

/// The world as a release sees it. The counts include the instance itself.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseView {
    /// The source's limits; none when the source is not configured any more.
    pub source: Option<Policy>,
    /// Everything of the source that exists and is not on its way out: of several released at once, each must see what
    /// was decided about the ones before.
    pub live: u32,
    /// The limits of the pool it was asked of, and what exists of that pool's, counted the same way.
    pub pool: Option<(Policy, u32)>,
    /// It was made by an older configuration.
    pub stale: bool,
    /// The shelf it was leased under or shall go to.
    pub shelf: Option<ShelfRoom>,
    /// How often it was leased.
    pub uses: u32,
    pub created: Timestamp,
    pub first_leased: Option<Timestamp>,
    pub now: Timestamp,
}

/// How full a shelf is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShelfRoom {
    pub enabled: bool,
    pub capacity: u32,
    pub shelved: u32,
}

/// Keep or destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Keep,
    Discard,
}

/// An instance of a shelf goes back there while there is room, and nowhere else. For the others `reserve` is a floor on
/// what exists: one is kept when fewer than that many would be left without it. What is worn out is never kept.
pub fn release(view: ReleaseView) -> Verdict {
    let Some(source) = view.source else {
        return Verdict::Discard;
    };
    if view.stale || worn_out(&view, &source) {
        return Verdict::Discard;
    }
    let keep = match view.shelf {
        Some(shelf) => shelf.enabled && shelf.shelved < shelf.capacity,
        None => {
            let others = view.live.saturating_sub(1);
            let wanted_by_pool = view
                .pool
                .is_some_and(|(policy, live)| live.saturating_sub(1) < policy.reserve);
            others < source.reserve || wanted_by_pool
        }
    };
    if keep {
        Verdict::Keep
    } else {
        Verdict::Discard
    }
}

fn worn_out(view: &ReleaseView, source: &Policy) -> bool {
    let reuse = source.reuse;
    // The first lease is a use, not a reuse: `reuse_max_count = 1` serves two leases.
    let too_often = reuse.max_count > 0 && view.uses > reuse.max_count;
    let too_long = reuse.max_time.is_some_and(|time| {
        view.first_leased
            .is_some_and(|first| time.after(first) <= view.now)
    });
    let too_old = source
        .max_age
        .is_some_and(|age| age.after(view.created) <= view.now);
    let never = reuse.opportunity.is_some_and(|time| time.0 == 0);
    too_often || too_long || too_old || never
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Millis, Reuse};

    fn policy(reserve: u32) -> Policy {
        Policy {
            reserve,
            ..Policy::default()
        }
    }

    fn view(source: Policy, live: u32) -> ReleaseView {
        ReleaseView {
            source: Some(source),
            live,
            pool: None,
            stale: false,
            shelf: None,
            uses: 1,
            created: Timestamp(0),
            first_leased: Some(Timestamp(0)),
            now: Timestamp(1000),
        }
    }

    #[test]
    fn reserve_is_a_floor_on_what_exists() {
        let verdict = |reserve, live| release(view(policy(reserve), live));
        assert_eq!(verdict(0, 1), Verdict::Discard);
        assert_eq!(verdict(1, 1), Verdict::Keep);
        assert_eq!(verdict(1, 2), Verdict::Discard);
        assert_eq!(verdict(2, 2), Verdict::Keep);
        assert_eq!(verdict(2, 3), Verdict::Discard);
    }

    #[test]
    fn a_pool_can_want_it_too() {
        let view = ReleaseView {
            pool: Some((policy(1), 1)),
            ..view(policy(0), 3)
        };
        assert_eq!(release(view), Verdict::Keep);
    }

    #[test]
    fn nothing_outdated_is_kept() {
        let view = ReleaseView {
            stale: true,
            ..view(policy(9), 1)
        };
        assert_eq!(release(view), Verdict::Discard);
        let unconfigured = ReleaseView {
            source: None,
            stale: false,
            ..view
        };
        assert_eq!(release(unconfigured), Verdict::Discard);
    }

    #[test]
    fn a_shelf_keeps_while_it_has_room() {
        let shelved = |enabled, capacity, shelved| {
            release(ReleaseView {
                shelf: Some(ShelfRoom {
                    enabled,
                    capacity,
                    shelved,
                }),
                ..view(policy(9), 1)
            })
        };
        assert_eq!(shelved(true, 1, 0), Verdict::Keep);
        assert_eq!(shelved(true, 1, 1), Verdict::Discard);
        assert_eq!(shelved(false, 1, 0), Verdict::Discard);
        assert_eq!(shelved(true, 0, 0), Verdict::Discard);
    }

    #[test]
    fn what_is_worn_out_is_not_kept() {
        let reuse = |reuse, uses| {
            release(ReleaseView {
                uses,
                ..view(Policy { reuse, ..policy(9) }, 1)
            })
        };
        let counted = Reuse {
            max_count: 1,
            ..Reuse::default()
        };
        assert_eq!(reuse(counted, 1), Verdict::Keep);
        assert_eq!(reuse(counted, 2), Verdict::Discard);
        let timed = |limit| Reuse {
            max_time: Some(Millis(limit)),
            ..Reuse::default()
        };
        assert_eq!(reuse(timed(1001), 1), Verdict::Keep);
        assert_eq!(reuse(timed(1000), 1), Verdict::Discard);
        let never = Reuse {
            opportunity: Some(Millis(0)),
            ..Reuse::default()
        };
        assert_eq!(reuse(never, 1), Verdict::Discard);
    }
}
