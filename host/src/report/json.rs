//! JSON output: one way to write it, safe to look at on a terminal.

use serde_json::Value;

use super::escape;

/// One line of JSON without its line break.
pub fn compact(value: &Value) -> String {
    harmless(value.to_string())
}

/// Indented JSON, ending in a line break.
pub fn pretty(value: &Value) -> String {
    let mut text = harmless(format!("{value:#}"));
    text.push('\n');
    text
}

/// JSON escapes the ASCII control characters below the blank; this adds the others that `escape` knows. Outside of
/// strings JSON has none of them, so replacing them anywhere in the text is right.
fn harmless(text: String) -> String {
    let risky = |c: char| escape::is_deceptive(c) && c != '\n';
    if !text.chars().any(risky) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if risky(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_survive_and_are_harmless() {
        let value = Value::from("\x1b[1m\u{9b}\u{7f}\u{202e}\u{e0041}\nü");
        for text in [compact(&value), pretty(&value)] {
            assert!(
                !text.trim_end().chars().any(escape::is_deceptive),
                "{text:?}"
            );
            let back: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(back, value);
        }
    }
}
