//! Texts with placeholders in braces, as a manifest's requests have them.

use super::text::printable_cut;

/// A part of a text.
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// What stands in braces: a key, or `key=value`.
    Key(&'a str),
}

/// The text without the conditions at its beginning.
pub(super) fn unconditional(mut text: &str) -> &str {
    while let Some((key, rest)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}'))
        && key.contains('=')
    {
        text = rest;
    }
    text
}

/// Splits a text at its placeholders.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let wrong = || {
        format!(
            "`{}` in `requests` has a brace without its other half",
            printable_cut(text, 80)
        )
    };
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(open);
        pieces.push(Piece::Text(before));
        let after = after.strip_prefix('{').ok_or_else(wrong)?;
        let (key, tail) = after.split_once('}').ok_or_else(wrong)?;
        if key.is_empty() || key.contains('{') {
            return Err(wrong());
        }
        pieces.push(Piece::Key(key));
        rest = tail;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}
