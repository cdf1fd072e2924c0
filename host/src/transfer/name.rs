//! Names from archives: what is acceptable as a path inside the destination, and how any name is shown to a person.
//!
//! Names are bytes. Nothing here touches the file system; that a checked path cannot leave the destination through a
//! symbolic link is the business of `tree`.

use std::fmt::Write as _;

use super::error::Refusal;
use super::limits::{MAX_DEPTH, MAX_PATH};

/// A name as it may be written to a terminal: in backticks, control characters and invalid UTF-8 escaped, and the middle
/// of a very long one left out.
pub(super) fn shown(name: &[u8]) -> String {
    const HALF: usize = 120;
    let mut text = String::from("`");
    if name.len() > 2 * HALF + 20 {
        escape(&name[..HALF], &mut text);
        text.push('…');
        escape(&name[name.len() - HALF..], &mut text);
    } else {
        escape(name, &mut text);
    }
    text.push('`');
    text
}

/// As [`shown`], without the backticks and without shortening: for text that a program printed.
pub(super) fn escaped(text: &[u8]) -> String {
    let mut out = String::new();
    escape(text, &mut out);
    out
}

fn escape(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_harmless(character) {
                out.push(character);
            } else if character == '`' {
                out.push_str("\\`");
            } else {
                out.extend(character.escape_default());
            }
        }
        for byte in chunk.invalid() {
            // Writing to a `String` cannot fail.
            write!(out, "\\x{byte:02x}").unwrap_or_default();
        }
    }
}

/// Neither a control character nor one that reorders, hides or breaks the line.
fn is_harmless(character: char) -> bool {
    !(character.is_control()
        || matches!(character,
            '\\' | '`' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'))
}

/// A path inside an archive, checked: relative, without `..`, without empty or `.` components. Empty: the archive's root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EntryPath(Vec<u8>);

impl EntryPath {
    /// Checks and normalises a name from an archive.
    pub(super) fn parse(raw: &[u8]) -> Result<Self, Refusal> {
        if raw.is_empty() {
            return Err(Refusal::NoName);
        }
        if raw.len() > MAX_PATH {
            return Err(Refusal::TooLong);
        }
        if raw[0] == b'/' {
            return Err(Refusal::Absolute);
        }
        if raw.contains(&0) {
            return Err(Refusal::Nul);
        }
        let mut path = Vec::with_capacity(raw.len());
        let mut depth = 0;
        for component in raw.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => continue,
                b".." => return Err(Refusal::Parent),
                _ => {}
            }
            depth += 1;
            if depth > MAX_DEPTH {
                return Err(Refusal::TooDeep);
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(component);
        }
        Ok(Self(path))
    }

    /// The part below `top`, when the path is `top` or lies under it.
    pub(super) fn below(&self, top: &[u8]) -> Option<Self> {
        let rest = self.0.strip_prefix(top)?;
        match rest.split_first() {
            None => Some(Self::default()),
            Some((b'/', below)) => Some(Self(below.to_vec())),
            Some(_) => None,
        }
    }

    /// The components, outermost first; none for the root.
    pub(super) fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .split(|&byte| byte == b'/')
            .filter(|component| !component.is_empty())
    }

    /// Each proper ancestor, outermost first, without the root.
    pub(super) fn ancestors(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .iter()
            .enumerate()
            .filter(|&(_, &byte)| byte == b'/')
            .map(|(at, _)| &self.0[..at])
    }

    /// As one string of bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_and_refuses() {
        let parse = |raw: &[u8]| EntryPath::parse(raw).map(|path| path.0);
        assert_eq!(parse(b"./a//b/./c/").unwrap(), b"a/b/c");
        assert_eq!(parse(b"./").unwrap(), b"");
        assert_eq!(parse(b"..a/...").unwrap(), b"..a/...");
        assert!(matches!(parse(b"/a"), Err(Refusal::Absolute)));
        assert!(matches!(parse(b"a/../b"), Err(Refusal::Parent)));
        assert!(matches!(parse(b".."), Err(Refusal::Parent)));
        assert!(matches!(parse(b"a\0b"), Err(Refusal::Nul)));
        assert!(matches!(parse(b""), Err(Refusal::NoName)));
        assert!(matches!(
            parse(&b"a/".repeat(MAX_DEPTH + 1)),
            Err(Refusal::TooDeep)
        ));
        assert!(matches!(
            parse(&vec![b'a'; MAX_PATH + 1]),
            Err(Refusal::TooLong)
        ));
    }

    #[test]
    fn strips_only_whole_components() {
        let path = EntryPath::parse(b"top/a/b").unwrap();
        assert_eq!(path.below(b"top").unwrap().0, b"a/b");
        assert_eq!(path.below(b"top/a/b").unwrap().0, b"");
        assert!(path.below(b"to").is_none());
        assert_eq!(
            path.ancestors().collect::<Vec<_>>(),
            [&b"top"[..], b"top/a"]
        );
    }

    #[test]
    fn shows_what_a_terminal_would_obey() {
        assert_eq!(shown(b"a\x1b[2J\n\xff`\\"), r"`a\u{1b}[2J\n\xff\`\\`");
        assert_eq!(shown("ü\u{202e}".as_bytes()), r"`ü\u{202e}`");
        assert!(shown(&[b'x'; 5000]).chars().count() < 260);
    }
}
