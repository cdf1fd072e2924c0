//! Timeouts: how they are written, and which one a script has.

use std::time::Duration;

/// A timeout of one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timeout {
    /// Not given, or `0`: the next level up decides.
    #[default]
    Unset,
    After(Duration),
    /// `-1ns`, and `-1`, which was documented and never worked.
    Never,
}

/// A text that is no timeout, in the ancestor's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timeout must look like 10s or 15m or 1.5h, not {0:?}")]
pub struct InvalidTimeout(String);

/// The two timeouts of a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// How often to say that a script runs late.
    pub warn: Timeout,
    /// When to kill it.
    pub kill: Timeout,
}

/// What holds for one script; none is "never".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub warn: Option<Duration>,
    pub kill: Option<Duration>,
}

const WARN: Duration = Duration::from_secs(5 * 60);
const KILL: Duration = Duration::from_secs(15 * 60);

/// Units of the notation, in nanoseconds. Longer names first, where one begins with another.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl Timeout {
    /// Numbers with units, as Go writes durations: `30s`, `1m30s`, `1.5h`. Only `0` needs no unit. An empty text is none.
    pub fn parse(text: &str) -> Result<Self, InvalidTimeout> {
        match text {
            "" | "0" | "+0" | "-0" => return Ok(Self::Unset),
            "-1" | "-1ns" => return Ok(Self::Never),
            _ => {}
        }
        let refused = || InvalidTimeout(text.to_owned());
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest.is_empty() {
            return Err(refused());
        }
        let mut nanos: f64 = 0.0;
        while !rest.is_empty() {
            let end = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or_else(refused)?;
            let (number, tail) = rest.split_at(end);
            // `f64` takes `1.`, `.5` and neither `.` nor `1.2.3`, and so does the notation.
            let number: f64 = number.parse().map_err(|_| refused())?;
            let end = tail
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            let (_, size) = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or_else(refused)?;
            nanos += number * *size as f64;
            rest = tail;
        }
        // 292 years, where the ancestor's numbers end.
        if nanos > i64::MAX as f64 {
            return Err(refused());
        }
        match Duration::from_nanos(nanos.round() as u64) {
            Duration::ZERO => Ok(Self::Unset),
            span => Ok(Self::After(span)),
        }
    }

    fn resolve(levels: impl Iterator<Item = Self>, default: Duration) -> Option<Duration> {
        for level in levels {
            match level {
                Self::Unset => {}
                Self::After(span) => return Some(span),
                Self::Never => return None,
            }
        }
        Some(default)
    }
}

impl Limits {
    /// The first timeouts that are set, from the innermost level outwards; otherwise five and fifteen minutes. A kill
    /// that would fall together with a warning comes one second earlier, as it always did.
    pub fn resolve<'a>(levels: impl Iterator<Item = &'a Timeouts> + Clone) -> Self {
        let warn = Timeout::resolve(levels.clone().map(|level| level.warn), WARN);
        let mut kill = Timeout::resolve(levels.map(|level| level.kill), KILL);
        if let (Some(warn), Some(killed)) = (warn, kill)
            && killed.as_nanos() % warn.as_nanos() == 0
            && let Some(earlier) = killed.checked_sub(Duration::from_secs(1))
            && !earlier.is_zero()
        {
            kill = Some(earlier);
        }
        Self { warn, kill }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(millis: u64) -> Timeout {
        Timeout::After(Duration::from_millis(millis))
    }

    #[test]
    fn the_notation() {
        for (text, wanted) in [
            ("30s", after(30_000)),
            ("1m30s", after(90_000)),
            ("1.5h", after(5_400_000)),
            (".5s", after(500)),
            ("1.s", after(1000)),
            ("100ms", after(100)),
            ("1h1m1s1ms", after(3_661_001)),
            ("+2m", after(120_000)),
            ("0", Timeout::Unset),
            ("0s", Timeout::Unset),
            ("", Timeout::Unset),
            ("-1ns", Timeout::Never),
            ("-1", Timeout::Never),
        ] {
            assert_eq!(Timeout::parse(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "10", "-5s", "m", "1d", "1 h", "1h 1m", ".", ".s", "1.2.3s", "s1", "+", "-", "1e3s",
            "9999999h", "ß",
        ] {
            let error = Timeout::parse(text).unwrap_err().to_string();
            let wanted = format!("timeout must look like 10s or 15m or 1.5h, not {text:?}");
            assert_eq!(error, wanted);
        }
    }

    #[test]
    fn the_innermost_level_that_says_something_decides() {
        let level = |warn, kill| Timeouts {
            warn: Timeout::parse(warn).unwrap(),
            kill: Timeout::parse(kill).unwrap(),
        };
        let limits = |levels: &[Timeouts]| Limits::resolve(levels.iter());
        let seconds = |span: u64| Some(Duration::from_secs(span));
        let unset = Timeouts::default();
        // 15 minutes are a multiple of 5.
        assert_eq!(limits(&[unset]).kill, seconds(899));
        assert_eq!(limits(&[unset, level("7s", "1h")]).warn, seconds(7));
        assert_eq!(limits(&[unset, level("7s", "1h")]).kill, seconds(3600));
        assert_eq!(limits(&[level("1s", "2s")]).kill, seconds(1));
        assert_eq!(limits(&[level("1s", "1s")]).kill, seconds(1));
        assert_eq!(limits(&[level("", "-1"), level("", "1h")]).kill, None);
        assert_eq!(limits(&[level("-1ns", "")]).warn, None);
        assert_eq!(limits(&[level("-1ns", "15m")]).kill, seconds(900));
    }
}
