//! Waiting for what a cloud does later, and asking for what it tells in parts.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{Doomed, Error, ErrorKind, Result};

/// The first pause between two looks; each is twice as long as the one before, up to `LONGEST`.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);
/// More pages than any listing has: one that never ends is an error.
const MOST_PAGES: usize = 1000;

/// Looks until there is an answer. A passing fault is no answer, and its advice on when to ask again is taken; what else fails
/// ends it. After `limit` it is `unavailable` with the last thing that was known, so that the host asks again.
pub fn wait<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    let mut pause = FIRST;
    loop {
        let mut advised = None;
        let why = match look() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => format!(
                "after {} s there is still no answer",
                start.elapsed().as_secs()
            ),
            Err(error)
                if error.kind == ErrorKind::Unavailable || error.kind == ErrorKind::Exhausted =>
            {
                advised = error.retry_after;
                error.message
            }
            Err(error) => return Err(error.context(what)),
        };
        let next = advised.unwrap_or(pause);
        if start.elapsed() + next > limit {
            return Err(Error::unavailable(format!("{what}: {why}")));
        }
        sleep(next);
        pause = (pause * 2).min(LONGEST);
    }
}

/// All pages of a listing, one after the other. `page` gets what the page before said about the next one, none for the first.
pub fn pages<T, C: PartialEq>(
    mut page: impl FnMut(Option<&C>) -> Result<(Vec<T>, Option<C>)>,
) -> Result<Vec<T>> {
    let mut all = Vec::new();
    let mut next = None;
    for _ in 0..MOST_PAGES {
        let (mut some, following) = page(next.as_ref())?;
        all.append(&mut some);
        if following.is_none() || following == next {
            return Ok(all);
        }
        next = following;
    }
    Err(Error::failed(format!(
        "the listing has not ended after {MOST_PAGES} pages"
    )))
}

/// Looks for what carries a token, and once more after `again` when nothing is found and no answer of `allocate` is known: in many
/// clouds what was just made cannot be seen at once.
pub fn settle<T>(
    doomed: &Doomed,
    again: Duration,
    mut look: impl FnMut() -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let found = look()?;
    if !found.is_empty() || doomed.handle.is_some() || again.is_zero() {
        return Ok(found);
    }
    sleep(again);
    look()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_faults_are_waited_out_and_others_are_not() {
        let long = Duration::from_secs(60);
        let mut answers = vec![
            Ok(Some(7)),
            Err(Error::unavailable("x").retry_after(Duration::ZERO)),
            Ok(None),
        ];
        assert_eq!(wait("it", long, || answers.pop().unwrap()), Ok(7));
        let error = wait::<()>("it", long, || Err(Error::denied("no"))).unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::Denied, "it: no")
        );
        let error = wait::<()>("it", Duration::ZERO, || Ok(None)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
    }

    #[test]
    fn listings_are_complete_and_end() {
        let page = |next: Option<&u8>| {
            Ok((
                vec![next.copied()],
                next.map_or(Some(1), |n| (*n < 3).then_some(n + 1)),
            ))
        };
        assert_eq!(pages(page), Ok(vec![None, Some(1), Some(2), Some(3)]));
        let mut count = 0;
        let endless = pages(|_: Option<&usize>| {
            count += 1;
            Ok((vec![()], Some(count)))
        });
        assert!(endless.is_err());
    }

    #[test]
    fn what_was_just_made_is_looked_for_twice() {
        let doomed = |handle: Option<&str>| Doomed {
            token: "t".into(),
            handle: handle.map(str::to_owned),
            name: "n".into(),
            workdir: None,
        };
        for (handle, looks) in [(None, 2), (Some("h"), 1)] {
            let mut count = 0;
            let found = settle(&doomed(handle), Duration::from_millis(1), || {
                count += 1;
                Ok(Vec::<()>::new())
            });
            assert_eq!((found, count), (Ok(Vec::new()), looks));
        }
    }
}
