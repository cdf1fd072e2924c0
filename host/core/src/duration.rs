//! Spans of time as people write them: `30`, `30s`, `5m`, `1h30m`, `2d`.

use std::fmt;
use std::str::FromStr;

use crate::policy::Millis;

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    #[error("durations are written like `30`, `30s`, `5m`, `1h30m` or `2d`")]
    Form,
    #[error("the duration is too long")]
    TooLong,
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

impl FromStr for Millis {
    type Err = InvalidDuration;

    /// Whole seconds, or numbers with the units `d`, `h`, `m` and `s`: each once, the larger before the smaller
    /// (`5s1h` is a slip of the pen).
    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return whole(digits(text)?);
        }
        let mut rest = text;
        let mut total: u64 = 0;
        let mut largest = u64::MAX;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit());
            let (number, unit) = rest.split_at(end.ok_or(InvalidDuration::Form)?);
            let number = digits(number)?;
            let letter = unit.chars().next().unwrap_or_default();
            let known = UNITS.iter().find(|(name, _)| *name == letter);
            let (_, seconds) = *known.ok_or(InvalidDuration::Form)?;
            if seconds >= largest {
                return Err(InvalidDuration::Form);
            }
            largest = seconds;
            total = number
                .checked_mul(seconds)
                .and_then(|more| total.checked_add(more))
                .ok_or(InvalidDuration::TooLong)?;
            rest = &unit[1..];
        }
        if largest == u64::MAX {
            return Err(InvalidDuration::Form);
        }
        whole(total)
    }
}

impl fmt::Display for Millis {
    /// As it would be written; a rest below a second as a fraction, which cannot be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut seconds, rest) = (self.0 / 1000, self.0 % 1000);
        if rest > 0 {
            return write!(f, "{seconds}.{rest:03}s");
        }
        if seconds == 0 {
            return f.write_str("0");
        }
        for (unit, size) in UNITS {
            if seconds >= size {
                write!(f, "{}{unit}", seconds / size)?;
                seconds %= size;
            }
        }
        Ok(())
    }
}

fn whole(seconds: u64) -> Result<Millis, InvalidDuration> {
    let millis = seconds.checked_mul(1000);
    millis.map(Millis).ok_or(InvalidDuration::TooLong)
}

/// Digits only: `parse` alone would take a sign.
fn digits(text: &str) -> Result<u64, InvalidDuration> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidDuration::Form);
    }
    text.parse().map_err(|_| InvalidDuration::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds, written) in [
            ("0", 0, "0"),
            ("0s", 0, "0"),
            ("30", 30, "30s"),
            ("30s", 30, "30s"),
            ("5m", 300, "5m"),
            ("90m", 5400, "1h30m"),
            ("1h30m", 5400, "1h30m"),
            ("2d", 172_800, "2d"),
            ("1d2h3m4s", 93_784, "1d2h3m4s"),
        ] {
            let read: Millis = text.parse().unwrap();
            assert_eq!(read, Millis::seconds(seconds), "{text}");
            assert_eq!(read.to_string(), written);
            assert_eq!(written.parse(), Ok(read));
        }
        assert_eq!(Millis(1500).to_string(), "1.500s");
    }

    #[test]
    fn what_is_none() {
        for text in [
            "", "-1", "+5", "5x", "m", "1h30", "5s1h", "1m1m", "1.5h", " 5", "5 ", "5µ", "µ5",
        ] {
            assert_eq!(text.parse::<Millis>(), Err(InvalidDuration::Form), "{text}");
        }
        for text in [
            "99999999999999999999",
            "999999999999999999d",
            "18446744073709551615",
        ] {
            assert_eq!(
                text.parse::<Millis>(),
                Err(InvalidDuration::TooLong),
                "{text}"
            );
        }
    }
}
