//! Turns the words of the command line into values, once: nothing behind this sees raw text.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::config::{SourceArgument, parse_option};

/// `KEY=VALUE` of `--env`: the name is text, the value any bytes.
pub(super) type Variable = (String, Vec<u8>);

/// The parser of `--source`: paths may be of any bytes.
pub(super) fn source() -> impl TypedValueParser<Value = SourceArgument> {
    OsStringValueParser::new().try_map(|text| SourceArgument::parse(&text))
}

/// The parser of `-o`.
pub(super) fn option(text: &str) -> Result<(String, String), String> {
    parse_option(text).map_err(|error| error.to_string())
}

/// The parser of `--env`.
pub(super) fn variable() -> impl TypedValueParser<Value = Variable> {
    OsStringValueParser::new().try_map(|text| {
        let bytes = text.as_bytes();
        let parts = bytes.iter().position(|byte| *byte == b'=');
        let split = parts.map(|at| (&bytes[..at], &bytes[at + 1..]));
        match split {
            Some((name, value)) if !name.is_empty() => match str::from_utf8(name) {
                Ok(name) => Ok((name.to_owned(), value.to_vec())),
                Err(_) => Err("the name of the variable is not UTF-8"),
            },
            _ => Err("variables are written `NAME=VALUE`"),
        }
    })
}

/// The parser of `COUNT`.
pub(super) fn count(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(0) => Err("at least one instance must be asked for".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("a whole number from 1 is needed".to_owned()),
    }
}

/// The parser of durations: `30`, `30s`, `5m`, `1h30m`, `2d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "durations are written like `30`, `30s`, `5m`, `1h30m` or `2d`".to_owned();
    if text.is_empty() {
        return Err(wrong());
    }
    if let Ok(seconds) = digits(text) {
        return Ok(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut largest = u64::MAX;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number = digits(&rest[..end]).map_err(|()| wrong())?;
        let unit = match rest.as_bytes()[end] {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            _ => return Err(wrong()),
        };
        // Each unit once, the larger before the smaller: `5s1h` is a slip of the pen.
        if unit >= largest {
            return Err(wrong());
        }
        largest = unit;
        total = number
            .checked_mul(unit)
            .and_then(|seconds| total.checked_add(seconds))
            .ok_or_else(|| "the duration is too long".to_owned())?;
        rest = &rest[end + 1..];
    }
    Ok(Duration::from_secs(total))
}

/// Digits only: `parse` alone would take a sign.
fn digits(text: &str) -> Result<u64, ()> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(());
    }
    text.parse().map_err(|_| ())
}

/// The words of a command, as bytes.
pub(super) fn argv(words: &[OsString]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.clone().into_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("0", 0),
            ("30", 30),
            ("30s", 30),
            ("5m", 300),
            ("1h30m", 5400),
            ("2d", 172_800),
            ("1d2h3m4s", 93_784),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "-1",
            "+5",
            "5x",
            "m",
            "1h30",
            "5s1h",
            "1m1m",
            "1.5h",
            " 5",
            "99999999999999999999",
            "999999999999999999d",
            "5µ",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!(count("3"), Ok(3));
        for text in ["0", "-1", "x", "", "4294967296"] {
            assert!(count(text).is_err(), "{text}");
        }
    }
}
