//! Makes foreign text harmless: what a terminal would obey is shown instead.
//!
//! Control characters become visible escapes, and so do the invisible characters that change the order in which the
//! rest is read. Everything else, in any script, stays as it is.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a terminal or a reader could be misled by this character.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Zero width, and marks of direction.
            '\u{200b}'..='\u{200f}' | '\u{061c}' | '\u{2060}' | '\u{feff}'
            // Line and paragraph separators.
            | '\u{2028}' | '\u{2029}'
            // Embeddings, overrides and isolates of direction.
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Tags: a second, invisible alphabet.
            | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line, with escapes for what `is_deceptive`.
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        push(&mut out, c);
    }
    Cow::Owned(out)
}

/// The text with its line breaks kept and each further line indented, so that it cannot pose as a line of ours.
pub fn block(text: &str, indent: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (number, one) in text.trim_end().lines().enumerate() {
        if number > 0 {
            out.push('\n');
            out.push_str(indent);
        }
        out.push_str(&line(one));
    }
    out
}

/// Bytes as text: what is not UTF-8 becomes `\xNN`.
pub fn bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&line(chunk.valid()));
        for byte in chunk.invalid() {
            let _infallible = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

fn push(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c.is_ascii_control() => {
            let _infallible = write!(out, "\\x{:02x}", u32::from(c));
        }
        c if is_deceptive(c) => {
            let _infallible = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_text_is_not_copied() {
        for text in ["", "plain", "größer 日本語 🦀", "back\\slash"] {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_a_terminal_obeys_is_shown() {
        assert_eq!(line("\x1b[2J\x07"), "\\x1b[2J\\x07");
        assert_eq!(line("a\r\nb\tc"), "a\\r\\nb\\tc");
        assert_eq!(line("\u{9b}31m\u{7f}"), "\\u{9b}31m\\x7f");
        assert_eq!(line("\u{202e}txt\u{2066}"), "\\u{202e}txt\\u{2066}");
    }

    #[test]
    fn a_block_cannot_forge_a_line_of_ours() {
        assert_eq!(
            block("first\nerror: forged\x1b[0m\n\n", "  "),
            "first\n  error: forged\\x1b[0m"
        );
    }

    #[test]
    fn bytes_that_are_not_text() {
        assert_eq!(bytes(b"a\xff\x1bz"), "a\\xff\\x1bz");
    }
}
