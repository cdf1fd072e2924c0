//! Turns the words of the command line into values, once: nothing behind this sees raw text.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use runner_core::duration::InvalidDuration;
use runner_core::id::TicketId;
use runner_core::policy::Millis;
use runner_core::requires::{InvalidRequires, Requires};

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
        // An option with a time that may be left out takes it only after `=`.
        Err(_) if !text.is_empty() && text.parse::<Millis>().is_ok() => Err(format!(
            "a whole number from 1 is needed; a time to wait is joined to its option: `--wait={text}`"
        )),
        Err(_) => Err("a whole number from 1 is needed".to_owned()),
    }
}

/// The parser of durations: `30`, `30s`, `5m`, `1h30m`, `2d`.
pub(super) fn duration(text: &str) -> Result<Duration, InvalidDuration> {
    let span: Millis = text.parse()?;
    Ok(Duration::from_millis(span.0))
}

/// The parser of times to live: a duration, but not none.
pub(super) fn span(text: &str) -> Result<Millis, String> {
    match text.parse::<Millis>() {
        Ok(Millis(0)) => Err("a time that is over at once is of no use".to_owned()),
        Ok(span) => Ok(span),
        Err(error) => Err(error.to_string()),
    }
}

/// The parser of `--requires`.
pub(super) fn requires(text: &str) -> Result<Requires, InvalidRequires> {
    Requires::parse(text)
}

/// The parser of ticket numbers.
pub(super) fn ticket(text: &str) -> Result<TicketId, String> {
    match text.parse::<i64>() {
        Ok(number) if number > 0 => Ok(TicketId(number)),
        _ => Err("tickets have numbers, as `runner ticket open` prints them".to_owned()),
    }
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
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("1.5h"), Err(InvalidDuration::Form));
    }

    #[test]
    fn counts() {
        assert_eq!(count("3"), Ok(3));
        for text in ["0", "-1", "x", "", "4294967296"] {
            assert!(count(text).is_err(), "{text}");
        }
        assert!(count("5s").unwrap_err().contains("`--wait=5s`"));
    }
}
