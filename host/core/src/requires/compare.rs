//! When two texts are equal, and which of them is smaller: as whole numbers, as sizes, as versions.

use std::cmp::Ordering;

/// The same text, or the same number: `4` and `4.0`, `4G` and `4294967296`.
pub(super) fn equal(found: &str, wanted: &str) -> bool {
    found == wanted
        || (is_number(found) && is_number(wanted) && order(found, wanted) == Some(Ordering::Equal))
}

/// How `found` stands to `wanted`; none where the question makes no sense: `ubuntu-22` is neither smaller nor greater
/// than `debian-12`.
pub(super) fn order(found: &str, wanted: &str) -> Option<Ordering> {
    if let (Some(one), Some(two)) = (whole(found), whole(wanted)) {
        return Some(one.cmp(&two));
    }
    if let (Some((one, unit)), Some((two, other))) = (size(found), size(wanted))
        && (unit || other)
    {
        return one.partial_cmp(&two);
    }
    versions(found, wanted)
}

fn is_number(text: &str) -> bool {
    let dotted = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    (dotted && text.starts_with(|c: char| c.is_ascii_digit()))
        || whole(text).is_some()
        || size(text).is_some()
}

/// Digits, with a sign if need be; not what `i128` cannot hold.
fn whole(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Bytes of `512M`, `4 GiB`, `1.5G`, `4gb`, `100`, and whether there was a unit. Units are powers of 1024, as
/// everywhere in settings.
fn size(text: &str) -> Option<(f64, bool)> {
    let end = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let power = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    // `1.2.3` is no size, and `.5` and `5.` are none either.
    let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
    if !digit(number.bytes().next()) || !digit(number.bytes().last()) {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    Some((number * 1024_f64.powi(power), !unit.is_empty()))
}

/// Runs of digits as numbers, what is between them as text: `22.04` < `22.10`, `debian-9` < `debian-12`. What stands
/// before the first digit must be the same. `.0` at the end does not count, and `~` is before the end (`12~rc1` < `12`).
fn versions(found: &str, wanted: &str) -> Option<Ordering> {
    let digit = |c: char| c.is_ascii_digit();
    let start = |text: &str| text.find(digit).unwrap_or(text.len());
    let (one, two) = (start(found), start(wanted));
    if (one, two) == (found.len(), wanted.len()) {
        return Some(found.cmp(wanted));
    }
    if found[..one] != wanted[..two] {
        return None;
    }
    let (mut one, mut two) = (&found[one..], &wanted[two..]);
    loop {
        match (one.is_empty(), two.is_empty()) {
            (true, _) => return Some(beyond(two).reverse()),
            (_, true) => return Some(beyond(one)),
            (false, false) => {}
        }
        let numbers = one.starts_with(digit);
        if numbers != two.starts_with(digit) {
            // `1.2` and `1.x`: nothing but the letters can decide.
            return Some(one.cmp(two));
        }
        let end = |text: &str| {
            let other = text.find(|c: char| c.is_ascii_digit() != numbers);
            other.unwrap_or(text.len())
        };
        let (first, rest) = one.split_at(end(one));
        let (second, other) = two.split_at(end(two));
        let ordering = match numbers {
            true => digits(first, second),
            false => texts(first, second),
        };
        if ordering.is_ne() {
            return Some(ordering);
        }
        (one, two) = (rest, other);
    }
}

/// Digit runs of any length as numbers.
fn digits(one: &str, two: &str) -> Ordering {
    let plain = |text: &str| text.trim_start_matches('0').to_owned();
    let (one, two) = (plain(one), plain(two));
    one.len().cmp(&two.len()).then_with(|| one.cmp(&two))
}

fn texts(one: &str, two: &str) -> Ordering {
    match (one.starts_with('~'), two.starts_with('~')) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        _ => one.cmp(two),
    }
}

/// How a text with this much more at its end stands to one that ends here.
fn beyond(rest: &str) -> Ordering {
    if rest.starts_with('~') {
        Ordering::Less
    } else if rest.chars().all(|c| matches!(c, '.' | '0')) {
        Ordering::Equal
    } else {
        Ordering::Greater
    }
}
