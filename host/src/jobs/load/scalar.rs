//! What the text of a scalar means, by the rules of YAML 1.1: asked only where another type than text is wanted.

use super::yaml::Scalar;

/// YAML 1.1's booleans.
const BOOLEANS: [(bool, &[&str]); 2] = [
    (
        true,
        &[
            "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
        ],
    ),
    (
        false,
        &[
            "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
        ],
    ),
];

impl Scalar {
    /// Nothing, or one of the words for it.
    pub(super) fn is_null(&self) -> bool {
        self.plain && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }

    /// What it is where a boolean is wanted.
    pub(super) fn boolean(&self) -> Option<bool> {
        let of = |(_, words): &&(bool, &[&str])| words.contains(&&*self.text);
        BOOLEANS.iter().find(of).map(|(value, _)| *value)
    }

    /// Decimal, `0x`, `0b`, octal with `0o` or a leading zero; or the whole part of a fraction.
    pub(super) fn integer(&self) -> Option<i64> {
        let text = self.text.replace('_', "");
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(&text)),
        };
        if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return None;
        }
        let radix = [("0x", 16), ("0X", 16), ("0b", 2), ("0o", 8)];
        let prefixed = radix
            .iter()
            .find_map(|(prefix, radix)| Some((digits.strip_prefix(prefix)?, *radix)));
        let (rest, radix) = match prefixed {
            Some(found) => found,
            None if digits.len() > 1
                && digits.bytes().all(|byte| byte.is_ascii_digit())
                && digits.starts_with('0') =>
            {
                (&digits[1..], 8)
            }
            None => (digits, 10),
        };
        let whole = i64::from_str_radix(rest, radix).ok();
        let number = whole.or_else(|| {
            let fraction: f64 = digits.parse().ok()?;
            (fraction.abs() < 9e18).then_some(fraction as i64)
        })?;
        Some(if negative { -number } else { number })
    }

    /// The ancestor's word for what it is.
    pub(super) fn kind(&self) -> &'static str {
        if !self.plain {
            "!!str"
        } else if self.boolean().is_some() {
            "!!bool"
        } else if self.integer().is_some() {
            if self.text.contains('.') {
                "!!float"
            } else {
                "!!int"
            }
        } else {
            "!!str"
        }
    }

    /// With the type that it has in YAML.
    pub(super) fn json(&self) -> serde_json::Value {
        if self.is_null() {
            return serde_json::Value::Null;
        }
        if self.plain {
            if let Some(value) = self.boolean() {
                return value.into();
            }
            // `1.10` is a version as often as a number, and a number would lose the zero.
            if let Ok(number) = self.text.parse::<i64>() {
                return number.into();
            }
        }
        self.text.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar {
            text: text.to_owned(),
            plain: true,
            block: false,
        }
    }

    #[test]
    fn integers() {
        for (text, wanted) in [
            ("5", Some(5)),
            ("-5", Some(-5)),
            ("+5", Some(5)),
            ("1_000", Some(1000)),
            ("0x1f", Some(31)),
            ("0b11", Some(3)),
            ("010", Some(8)),
            ("0", Some(0)),
            ("1.5", Some(1)),
            ("-1.9", Some(-1)),
            (".5", Some(0)),
            ("1e3", Some(1000)),
            ("high", None),
            ("inf", None),
            ("1.2.3", None),
            ("", None),
            ("--1", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(plain(text).integer(), wanted, "{text}");
        }
    }

    #[test]
    fn booleans_and_kinds() {
        for (text, value, kind) in [
            ("yes", Some(true), "!!bool"),
            ("Off", Some(false), "!!bool"),
            ("y", Some(true), "!!bool"),
            ("yEs", None, "!!str"),
            ("5", None, "!!int"),
            ("1.5", None, "!!float"),
        ] {
            assert_eq!(plain(text).boolean(), value, "{text}");
            assert_eq!(plain(text).kind(), kind, "{text}");
        }
        assert!(plain("~").is_null() && plain("").is_null() && !plain("nil").is_null());
        assert_eq!(plain("1.10").json(), "1.10");
        assert_eq!(plain("7").json(), 7);
    }
}
