//! Makes text from plugins safe to show: what a terminal would obey becomes visible escapes.
//!
//! Every string that comes out of a component (manifest, errors, log lines) passes through here before it reaches a
//! message. Nothing is dropped: the reader sees what the plugin tried.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` on one line, with control characters and text-direction overrides as visible escapes.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_unsafe(c) => {
                // Writing to a `String` cannot fail.
                let _infallible = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// As [`printable`], cut to `limit` characters of the original with `…`.
pub fn printable_cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => printable(text).into_owned(),
        Some((end, _)) => format!("{}…", printable(&text[..end])),
    }
}

/// Control characters (C0, DEL, C1), and invisible characters that reorder or hide what stands around them.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' // zero width, direction marks
            | '\u{2028}'..='\u{202e}' // line separators, direction overrides
            | '\u{2060}'..='\u{2069}' // invisible operators, direction isolates
            | '\u{061c}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}') // tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_terminal_obeys() {
        for (text, shown) in [
            ("plain text, ünïcode 🙂", "plain text, ünïcode 🙂"),
            ("\u{1b}]0;owned\u{7}", "\\u{1b}]0;owned\\u{7}"),
            ("two\nlines\r\t", "two\\nlines\\r\\t"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("\u{7f}", "\\u{7f}"),
        ] {
            assert_eq!(printable(text), shown);
        }
        assert_eq!(printable_cut("ab\ncd", 3), "ab\\n…");
        assert_eq!(printable_cut("ab", 3), "ab");
    }
}
