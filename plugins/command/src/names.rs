//! What a machine is called: the number and the name that the commands are told, and the token of one that nobody here
//! has made.

use std::time::{SystemTime, UNIX_EPOCH};

use runner_sdk::{Error, Result};

/// `RESALLOC_ID`: a number that follows from the token, so that every call has it and no two machines share it. 52 bits:
/// whatever reads it can hold it. 0 stands for none.
pub(crate) fn id(token: &str) -> u64 {
    let digits = token.get(..13).unwrap_or_default();
    u64::from_str_radix(digits, 16).unwrap_or_default().max(1)
}

/// `RESALLOC_NAME` of a new machine.
pub(crate) fn fill(pattern: &str, pool: &str, id: u64, token: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |since| since.as_secs());
    let name = filled(pattern, |field| {
        Some(match field {
            "pool_name" => pool.to_owned(),
            "id" => format!("{id:08}"),
            "datetime" => datetime(seconds),
            "token" => token.to_owned(),
            _ => return None,
        })
    })?;
    if name.is_empty() || name.len() > 255 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(
            pattern,
            "a name has 1 to 255 printable characters and no blanks",
        ));
    }
    Ok(name)
}

fn wrong(pattern: &str, why: &str) -> Error {
    Error::invalid(format!("the `name_pattern` `{pattern}` cannot be used: {why}")).remedy(
        "write it with `{pool_name}`, `{id}`, `{datetime}` and `{token}`, of which `{id}` or `{token}` is needed",
    )
}

fn filled(pattern: &str, field: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut name = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (key, tail) = after
            .split_once('}')
            .ok_or_else(|| wrong(pattern, "a brace is not closed"))?;
        name += before;
        name += &field(key).ok_or_else(|| wrong(pattern, &format!("there is no `{{{key}}}`")))?;
        rest = tail;
    }
    Ok(name + rest)
}

/// `YYYYMMDD_HHMMSS`, UTC.
fn datetime(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    let (mut year, mut day) = (1970, days);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let length = |year| if leap(year) { 366 } else { 365 };
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!(
        "{year:04}{month:02}{:02}_{hour:02}{minute:02}{second:02}",
        day + 1
    )
}

/// The token of a machine that `list` names and that no instance is: the one in its name, if the names carry tokens, else
/// one that follows from the name, the same each time.
pub(crate) fn orphan(source: &str, pattern: &str, name: &str) -> String {
    carried(pattern, name).unwrap_or_else(|| derived(source, name))
}

/// The token was made up for a machine that has none.
pub(crate) fn is_orphan(source: &str, token: &str, name: &str) -> bool {
    derived(source, name) == token
}

fn carried(pattern: &str, name: &str) -> Option<String> {
    if !pattern.contains("{token}") {
        return None;
    }
    let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    name.split(|c| !is_digit(c))
        .find(|run| run.len() == 32)
        .map(str::to_owned)
}

/// FNV-1a of source and name with 128 bits, as hexadecimal digits.
fn derived(source: &str, name: &str) -> String {
    let bytes = source.bytes().chain([0]).chain(name.bytes());
    let hash = bytes.fold(
        0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128,
        |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        },
    );
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn ids_are_numbers_and_never_none() {
        assert_eq!(id(TOKEN), 0x1234_5678_9abc);
        assert_eq!(id(&"f".repeat(32)), (1 << 52) - 1);
        assert_eq!(id(&"0".repeat(32)), 1);
    }

    #[test]
    fn patterns_are_filled() {
        let name = |pattern: &str| fill(pattern, "pool", 7, TOKEN);
        let default = name("{pool_name}_{id}_{datetime}").unwrap();
        assert!(default.starts_with("pool_00000007_20"), "{default}");
        assert_eq!(default.len(), "pool_00000007_20260102_030405".len());
        assert_eq!(name("b-{token}").unwrap(), format!("b-{TOKEN}"));
        for bad in ["{nope}{id}", "{id", "a b{id}", "", "{id}\n", "{id}ü"] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "19700101_000000"),
            (951_782_399, "20000228_235959"),
            (951_782_400, "20000229_000000"),
            (1_767_225_599, "20251231_235959"),
            (1_709_251_200, "20240301_000000"),
            (4_107_542_400, "21000301_000000"),
        ] {
            assert_eq!(datetime(seconds), text);
        }
    }

    #[test]
    fn orphans_have_the_same_token_each_time() {
        let plain = "{pool_name}_{id}";
        let one = orphan("web", plain, "vm-1");
        assert_eq!(one, orphan("web", plain, "vm-1"));
        assert!(one.len() == 32 && is_orphan("web", &one, "vm-1"));
        assert_ne!(one, orphan("web", plain, "vm-2"));
        assert_ne!(one, orphan("lab", plain, "vm-1"));
        let with = orphan("web", "x-{token}", &format!("x-{TOKEN}"));
        assert_eq!(with, TOKEN);
        assert!(!is_orphan("web", &with, &format!("x-{TOKEN}")));
        let without = orphan("web", "x-{token}", "x-7");
        assert!(is_orphan("web", &without, "x-7"));
    }
}
