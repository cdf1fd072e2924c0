//! `{{secret:NAME}}`: where in a plugin's text a secret's value is to stand, and how it is escaped there.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::{HeaderName, header};

const OPEN: &[u8] = b"{{secret:";
const CLOSE: &[u8] = b"}}";
/// As in a manifest.
const LONGEST_NAME: usize = 128;

/// Everything but what RFC 3986 calls unreserved.
pub(super) const STRICT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a [u8]),
    /// The name of a secret.
    Secret(&'a str),
}

/// There is a placeholder, or something that begins like one.
pub(super) fn is_in(text: &[u8]) -> bool {
    find(text, OPEN).is_some()
}

/// How it is written.
pub(super) fn written(name: &str) -> String {
    format!("{{{{secret:{name}}}}}")
}

/// Takes a text apart.
pub(super) fn pieces(text: &[u8]) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = find(rest, OPEN) {
        let (before, opened) = rest.split_at(at);
        let inside = opened.get(OPEN.len()..).unwrap_or_default();
        let window = inside
            .get(..inside.len().min(LONGEST_NAME + CLOSE.len()))
            .unwrap_or_default();
        let name = find(window, CLOSE).and_then(|end| window.get(..end));
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        let Some(name) = name.filter(|name| is_name(name)) else {
            return Err(
                "a placeholder is not whole: write `{{secret:NAME}}`, with the name of a secret"
                    .to_owned(),
            );
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Secret(name));
        rest = inside.get(name.len() + CLOSE.len()..).unwrap_or_default();
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, what)
}

/// What a value must go through so that it stays one value where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    Nothing,
    /// Queries, and bodies that are forms.
    Percent,
    /// Inside a JSON string.
    Json,
}

impl Escape {
    /// For a body with these headers.
    pub(super) fn of_body(headers: &[(HeaderName, String)]) -> Self {
        let kind = headers
            .iter()
            .find(|(name, _)| *name == header::CONTENT_TYPE);
        let kind = kind.map_or("", |(_, value)| value.split(';').next().unwrap_or_default());
        let kind = kind.trim().to_ascii_lowercase();
        if kind == "application/x-www-form-urlencoded" {
            Self::Percent
        } else if kind.ends_with("/json") || kind.ends_with("+json") {
            Self::Json
        } else {
            Self::Nothing
        }
    }

    pub(super) fn apply(self, value: &str) -> Cow<'_, str> {
        match self {
            Self::Nothing => value.into(),
            Self::Percent => utf8_percent_encode(value, STRICT).into(),
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
                inner.to_owned().into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_taken_apart() {
        let taken = pieces(b"a{{secret:X}}{{secret:Y.1-_}}b").expect("whole");
        assert_eq!(
            taken,
            [
                Piece::Text(b"a"),
                Piece::Secret("X"),
                Piece::Secret("Y.1-_"),
                Piece::Text(b"b"),
            ]
        );
        assert_eq!(
            pieces(b"{{other}} }}"),
            Ok(vec![Piece::Text(b"{{other}} }}")])
        );
        assert_eq!(pieces(b""), Ok(vec![]));
        for broken in [
            &b"{{secret:"[..],
            b"{{secret:}}",
            b"{{secret:a b}}",
            b"{{secret:A",
            b"{{secret:A}",
            b"{{secret:\xff}}",
            b"{{secret:{{secret:A}}}}",
        ] {
            assert!(pieces(broken).is_err() && is_in(broken), "{broken:?}");
        }
        assert!(pieces(format!("{{{{secret:{}}}}}", "x".repeat(129)).as_bytes()).is_err());
    }

    #[test]
    fn values_stay_one_value() {
        let hard = "a&b=\"c\\ /%{}\n";
        assert_eq!(Escape::Nothing.apply(hard), hard);
        assert_eq!(Escape::Percent.apply("a&b=c/ d~"), "a%26b%3Dc%2F%20d~");
        let json = format!("\"{}\"", Escape::Json.apply(hard));
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), hard);
        for (kind, escape) in [
            ("application/json; charset=utf-8", Escape::Json),
            ("application/vnd.x+json", Escape::Json),
            ("Application/X-WWW-Form-Urlencoded", Escape::Percent),
            ("text/plain", Escape::Nothing),
        ] {
            let headers = [(header::CONTENT_TYPE, kind.to_owned())];
            assert_eq!(Escape::of_body(&headers), escape, "{kind}");
        }
        assert_eq!(Escape::of_body(&[]), Escape::Nothing);
    }

    proptest! {
        /// Whatever the text, nothing panics, and what was taken apart can be put together again.
        #[test]
        fn nothing_is_lost(text in prop::collection::vec(prop_oneof![
            Just(b"{{secret:".to_vec()), Just(b"}}".to_vec()), Just(b"A".to_vec()), prop::collection::vec(any::<u8>(), 0..6),
        ], 0..12)) {
            let text = text.concat();
            if let Ok(pieces) = pieces(&text) {
                let again: Vec<u8> = pieces.iter().flat_map(|piece| match piece {
                    Piece::Text(text) => text.to_vec(),
                    Piece::Secret(name) => written(name).into_bytes(),
                }).collect();
                prop_assert_eq!(again, text);
            }
        }
    }
}
