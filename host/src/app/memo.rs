//! What follows from the configuration and from plugins, kept until either changes: the loop of `serve` asks for all of it
//! every second.
//!
//! Kept only once the configuration was read anew, because from then on somebody watches the files. A command asks anew.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use runner_core::id::{SourceName, Timestamp};
use runner_core::policy::Policy;

use crate::engine::Listing;

/// A source's policy and shape; none: it is not configured.
pub(super) type Current = Option<(Policy, String)>;

/// Answers, each until some instant (of a schedule) or until everything is read anew.
#[derive(Default)]
pub(super) struct Memo(Mutex<Option<Kept>>);

#[derive(Default)]
struct Kept {
    listings: Option<(Vec<Listing>, Option<Timestamp>)>,
    current: HashMap<SourceName, (Current, Option<Timestamp>)>,
    /// The promotions that were in force.
    promotions: (i64, i64),
}

impl Memo {
    /// The configuration was read: what was known is void.
    pub(super) fn renew(&self) {
        *self.kept() = Some(Kept::default());
    }

    /// These promotions are in force: where others were, what was known is void.
    pub(super) fn under(&self, promotions: (i64, i64)) {
        if let Some(kept) = self.kept().as_mut()
            && kept.promotions != promotions
        {
            *kept = Kept {
                promotions,
                ..Kept::default()
            };
        }
    }

    /// It keeps anything at all.
    pub(super) fn is_on(&self) -> bool {
        self.kept().is_some()
    }

    /// Every listing, if it was asked for before.
    pub(super) fn listings(&self, now: Timestamp) -> Option<Vec<Listing>> {
        let kept = self.kept();
        let (listings, until) = kept.as_ref()?.listings.as_ref()?;
        in_time(*until, now).then(|| listings.clone())
    }

    pub(super) fn keep_listings(&self, listings: &[Listing]) {
        if let Some(kept) = self.kept().as_mut() {
            let until = listings.iter().filter_map(|one| one.policy_until).min();
            kept.listings = Some((listings.to_vec(), until));
        }
    }

    /// A source as it is configured, if it was asked for before.
    pub(super) fn current(&self, source: &SourceName, now: Timestamp) -> Option<Current> {
        let kept = self.kept();
        let (current, until) = kept.as_ref()?.current.get(source)?;
        in_time(*until, now).then(|| current.clone())
    }

    pub(super) fn keep_current(
        &self,
        source: &SourceName,
        current: &Current,
        until: Option<Timestamp>,
    ) {
        if let Some(kept) = self.kept().as_mut() {
            let known = (current.clone(), until);
            kept.current.insert(source.clone(), known);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_time(until: Option<Timestamp>, now: Timestamp) -> bool {
    until.is_none_or(|until| now < until)
}
