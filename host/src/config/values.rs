//! One value of a settings file as a number, a switch or a span of time; the same for every file and every format.

use runner_core::duration::InvalidDuration;
use runner_core::policy::Millis;

use super::document::Value;
use super::error::{Position, Problem};

/// The largest count that is taken for one. More instances than this on one machine is a slip of the finger, and
/// sums of such counts over the sources of a pool still fit.
const MOST: u32 = 1_000_000;

/// Ten years: nobody means more, and sums of such spans and any date still fit.
const LONGEST: Millis = Millis::seconds(3650 * 86_400);

/// What is wrong with a value; the place is the caller's to add.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    message: String,
    hint: Option<String>,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn at(self, position: Position) -> Problem {
        let problem = Problem::at(position, self.message);
        match self.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

/// "must be …, not …".
pub(super) fn wrong(key: &str, wanted: &str, found: &Value) -> Wrong {
    let found = match found {
        Value::Nothing => {
            return Wrong::new(format!("`{key}` has no value"))
                .hint(format!("write {wanted} behind it, or remove the line"));
        }
        Value::Text(text) => format!("the text `{text}`"),
        Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => {
            format!("`{}`", found.to_json())
        }
        Value::List(_) | Value::Table(_) => found.kind().to_owned(),
    };
    Wrong::new(format!("`{key}` must be {wanted}, not {found}"))
}

/// A whole number; where the format has no types, a text that is one.
fn number(key: &str, value: &Value, untyped: bool) -> Result<i128, Wrong> {
    match value {
        Value::Integer(number) => Ok(i128::from(*number)),
        Value::Text(text) if untyped => text
            .parse()
            .map_err(|_| Wrong::new(format!("`{key}` must be a whole number, not `{text}`"))),
        Value::Text(text) if text.parse::<i32>().is_ok() => {
            Err(wrong(key, "a whole number", value).hint(format!("write {text} without quotes")))
        }
        other => Err(wrong(key, "a whole number", other)),
    }
}

/// A whole number from 0.
pub(super) fn count(key: &str, value: &Value, untyped: bool) -> Result<u32, Wrong> {
    let number = number(key, value, untyped)?;
    match u32::try_from(number) {
        Ok(count) if count <= MOST => Ok(count),
        Err(_) if number < 0 => Err(Wrong::new(format!(
            "`{key}` is {number}: it cannot be negative"
        ))
        .hint(if matches!(key, "maximum" | "max_starting") {
            "for no limit write 0"
        } else {
            "write 0 or more"
        })),
        _ => Err(too_many(key, number)),
    }
}

/// A whole number from 1.
pub(super) fn at_least_one(key: &str, value: &Value, untyped: bool) -> Result<u32, Wrong> {
    match count(key, value, untyped)? {
        0 => Err(Wrong::new(format!("`{key}` is 0: it must be at least 1"))),
        count => Ok(count),
    }
}

/// A whole number, negative or not.
pub(super) fn signed(key: &str, value: &Value, untyped: bool) -> Result<i32, Wrong> {
    let number = number(key, value, untyped)?;
    match i32::try_from(number) {
        Ok(small) if small.unsigned_abs() <= MOST => Ok(small),
        _ => Err(too_many(key, number)),
    }
}

fn too_many(key: &str, number: i128) -> Wrong {
    Wrong::new(format!(
        "`{key}` is {number}, more than the {MOST} that are taken for meant"
    ))
}

/// A switch; where the format has no types, the words that Python's parser takes.
pub(super) fn flag(key: &str, value: &Value, untyped: bool) -> Result<bool, Wrong> {
    match value {
        Value::Boolean(value) => Ok(*value),
        Value::Text(text) if untyped => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(wrong(key, "`true` or `false`", value)),
        },
        other => Err(wrong(key, "`true` or `false`", other)),
    }
}

/// A span of time: a text such as `1h30m`, or whole seconds.
pub(super) fn duration(key: &str, value: &Value) -> Result<Millis, Wrong> {
    const WANTED: &str = "a duration such as `30s`, `5m` or `1h30m`, or whole seconds";
    let span = match value {
        Value::Text(text) => text.parse().map_err(|error| match error {
            InvalidDuration::Form => wrong(key, WANTED, value),
            InvalidDuration::TooLong => too_long(key, text),
        })?,
        Value::Integer(seconds) => match u64::try_from(*seconds) {
            Ok(seconds) => Millis::seconds(seconds),
            Err(_) => {
                return Err(Wrong::new(format!(
                    "`{key}` is {seconds}: it cannot be negative"
                )));
            }
        },
        other => return Err(wrong(key, WANTED, other)),
    };
    match span {
        span if span > LONGEST => Err(too_long(key, &span.to_string())),
        span => Ok(span),
    }
}

/// The same, and not 0.
pub(super) fn some_time(key: &str, value: &Value) -> Result<Millis, Wrong> {
    match duration(key, value)? {
        Millis(0) => Err(Wrong::new(format!(
            "`{key}` is 0: it must be at least `1s`"
        ))),
        span => Ok(span),
    }
}

fn too_long(key: &str, text: &str) -> Wrong {
    Wrong::new(format!(
        "`{key}` is {text}, more than the ten years that are taken for meant"
    ))
}
