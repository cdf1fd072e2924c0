//! What becomes of an instance whose lease has ended.

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
}

/// Keep or destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Keep,
    Discard,
}

/// `reserve` is a floor on what exists: an instance is kept when fewer than that many would be left without it.
pub fn release(view: ReleaseView) -> Verdict {
    let Some(source) = view.source else {
        return Verdict::Discard;
    };
    if view.stale {
        return Verdict::Discard;
    }
    let others = view.live.saturating_sub(1);
    let wanted_by_pool = view
        .pool
        .is_some_and(|(policy, live)| live.saturating_sub(1) < policy.reserve);
    if others < source.reserve || wanted_by_pool {
        Verdict::Keep
    } else {
        Verdict::Discard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(reserve: u32) -> Policy {
        Policy {
            reserve,
            ..Policy::default()
        }
    }

    #[test]
    fn reserve_is_a_floor_on_what_exists() {
        let view = |reserve, live| ReleaseView {
            source: Some(policy(reserve)),
            live,
            pool: None,
            stale: false,
        };
        assert_eq!(release(view(0, 1)), Verdict::Discard);
        assert_eq!(release(view(1, 1)), Verdict::Keep);
        assert_eq!(release(view(1, 2)), Verdict::Discard);
        assert_eq!(release(view(2, 2)), Verdict::Keep);
        assert_eq!(release(view(2, 3)), Verdict::Discard);
    }

    #[test]
    fn a_pool_can_want_it_too() {
        let view = ReleaseView {
            source: Some(policy(0)),
            live: 3,
            pool: Some((policy(1), 1)),
            stale: false,
        };
        assert_eq!(release(view), Verdict::Keep);
    }

    #[test]
    fn nothing_outdated_is_kept() {
        let view = ReleaseView {
            source: Some(policy(9)),
            live: 1,
            pool: None,
            stale: true,
        };
        assert_eq!(release(view), Verdict::Discard);
        assert_eq!(
            release(ReleaseView {
                source: None,
                stale: false,
                ..view
            }),
            Verdict::Discard
        );
    }
}
