//! Instance names in the order and the form that people expect.

use std::cmp::Ordering;

use runner_core::id::InstanceName;

/// The names joined by one blank, sorted by number.
pub fn ids(names: &[InstanceName]) -> String {
    let mut names: Vec<&str> = names.iter().map(InstanceName::as_str).collect();
    names.sort_by(|one, two| natural(one, two));
    names.join(" ")
}

/// Orders text with its runs of digits compared as numbers: `web-2` before `web-10`.
pub fn natural(one: &str, two: &str) -> Ordering {
    let (mut left, mut right) = (one, two);
    loop {
        let (head_left, rest_left) = head(left);
        let (head_right, rest_right) = head(right);
        if head_left.is_empty() || head_right.is_empty() {
            // One is a beginning of the other; equal values written differently (`07`, `7`) need some order too.
            return left.len().cmp(&right.len()).then_with(|| one.cmp(two));
        }
        let order = match (number(head_left), number(head_right)) {
            (Some(left), Some(right)) => left.len().cmp(&right.len()).then_with(|| left.cmp(right)),
            _ => head_left.cmp(head_right),
        };
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (rest_left, rest_right);
    }
}

/// Splits off the leading run of digits or of anything else.
fn head(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text
        .find(|c: char| c.is_ascii_digit() != digits)
        .unwrap_or(text.len());
    text.split_at(end)
}

/// The digits without leading zeros, if this is a run of digits: comparable by length, then by text, at any size.
fn number(run: &str) -> Option<&str> {
    run.starts_with(|c: char| c.is_ascii_digit())
        .then(|| run.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_number() {
        let names =
            ["pool-10", "pool-2", "pool-1", "a-3", "pool", "pool-2x"].map(InstanceName::typed);
        assert_eq!(ids(&names), "a-3 pool pool-1 pool-2 pool-2x pool-10");
    }

    #[test]
    fn numbers_of_any_size_and_leading_zeros() {
        let big = "9".repeat(40);
        assert_eq!(
            natural(&format!("x-{big}"), &format!("x-1{big}")),
            Ordering::Less
        );
        assert_ne!(natural("x-7", "x-07"), Ordering::Equal);
        assert_eq!(natural("x-7", "x-7"), Ordering::Equal);
    }
}
