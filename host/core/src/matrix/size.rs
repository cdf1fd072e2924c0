//! Sizes of memory and disks: `512M`, `20G`, `preserve-size`.

use std::fmt;

/// A size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Bytes(u64),
    /// Whatever the image has.
    Preserve,
}

/// Why a text is no size, in the ancestor's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSize {
    #[error("unknown size suffix in {0:?}, must be one of: B, K, M, G")]
    Suffix(String),
    #[error("invalid size string: {0:?}")]
    Number(String),
}

impl Size {
    /// A whole number with one of `B`, `K`, `M` and `G` (of 1024). An empty text is no size.
    pub fn parse(text: &str) -> Result<Option<Self>, InvalidSize> {
        if text.is_empty() {
            return Ok(None);
        }
        if text == "preserve-size" {
            return Ok(Some(Self::Preserve));
        }
        let factor: u64 = match text.as_bytes().last() {
            Some(b'B') => 1,
            Some(b'K') => 1 << 10,
            Some(b'M') => 1 << 20,
            Some(b'G') => 1 << 30,
            _ => return Err(InvalidSize::Suffix(text.to_owned())),
        };
        let digits = &text[..text.len() - 1];
        let number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.then(|| digits.parse::<u64>().ok()).flatten();
        number
            .and_then(|number| number.checked_mul(factor))
            .map(|bytes| Some(Self::Bytes(bytes)))
            .ok_or_else(|| InvalidSize::Number(text.to_owned()))
    }
}

impl fmt::Display for Size {
    /// As it would be written, in the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Bytes(bytes) = *self else {
            return f.write_str("preserve-size");
        };
        let units = [(30, 'G'), (20, 'M'), (10, 'K')];
        match units
            .iter()
            .find(|(shift, _)| bytes > 0 && bytes % (1 << shift) == 0)
        {
            Some((shift, unit)) => write!(f, "{}{unit}", bytes >> shift),
            None => write!(f, "{bytes}B"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, wanted, written) in [
            ("10B", Size::Bytes(10), "10B"),
            ("2K", Size::Bytes(2048), "2K"),
            ("512M", Size::Bytes(512 << 20), "512M"),
            ("2048M", Size::Bytes(2 << 30), "2G"),
            ("0G", Size::Bytes(0), "0B"),
            ("preserve-size", Size::Preserve, "preserve-size"),
        ] {
            let read = Size::parse(text).unwrap().unwrap();
            assert_eq!(read, wanted, "{text}");
            assert_eq!(read.to_string(), written);
        }
        assert_eq!(Size::parse(""), Ok(None));
    }

    #[test]
    fn what_is_none() {
        for (text, wanted) in [
            (
                "10X",
                r#"unknown size suffix in "10X", must be one of: B, K, M, G"#,
            ),
            (
                "10",
                r#"unknown size suffix in "10", must be one of: B, K, M, G"#,
            ),
            ("1.5G", r#"invalid size string: "1.5G""#),
            ("G", r#"invalid size string: "G""#),
            ("-1G", r#"invalid size string: "-1G""#),
            (
                "99999999999999999999G",
                r#"invalid size string: "99999999999999999999G""#,
            ),
            (
                "18446744073709551615G",
                r#"invalid size string: "18446744073709551615G""#,
            ),
        ] {
            assert_eq!(Size::parse(text).unwrap_err().to_string(), wanted);
        }
    }
}
