//! The text of `-s`/`--source` and of `-o`: a configured name, or `PATH.wasm[:key=value,key=value…]`.
//!
//! What has a `/`, or ends in `.wasm` before its first `:`, is a file; a source whose *name* ends in `.wasm` cannot
//! be asked for this way. The path ends at the first `.wasm` that is followed by `:` or by nothing. In the options a
//! comma ends a value, and `\,` and `\\` stand for a comma and a backslash; any other backslash, and every colon,
//! equals sign and quote inside a value, stands for itself. `-o key=value` takes the value as it is.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::str::FromStr;

use runner_core::id::SourceName;

use super::error::{ConfigError, Problem};

/// What `--source` was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceArgument {
    /// A configured source.
    Named(SourceName),
    /// A component file with options.
    File {
        /// As typed, so relative to the current directory.
        path: PathBuf,
        /// In the order they were typed. A key may come more than once: lists add up.
        options: Vec<(String, String)>,
    },
}

impl SourceArgument {
    /// Takes the text apart. The path may be of any bytes.
    pub fn parse(text: &OsStr) -> Result<Self, ConfigError> {
        let bytes = text.as_bytes();
        let Some(end) = end_of_path(bytes) else {
            return name(text);
        };
        let path = PathBuf::from(OsString::from_vec(bytes[..end].to_vec()));
        let options = match &bytes[end..] {
            [] => Vec::new(),
            [_, rest @ ..] => options(&String::from_utf8_lossy(rest))?,
        };
        Ok(Self::File { path, options })
    }
}

impl FromStr for SourceArgument {
    type Err = ConfigError;
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(OsStr::new(text))
    }
}

/// Takes `key=value` apart; the value is everything after the first `=`.
pub fn parse_option(text: &str) -> Result<(String, String), ConfigError> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err(Problem::nowhere(format!("`{text}` is not an option"))
            .hint(
                "options are written `key=value`, a comma inside a value of `PATH.wasm:…` as `\\,`",
            )
            .into()),
    }
}

/// Where `PATH.wasm` ends, if there is one.
fn end_of_path(bytes: &[u8]) -> Option<usize> {
    const ENDING: &[u8] = b".wasm";
    let ends = |at: usize| matches!(bytes.get(at), None | Some(b':'));
    (1..bytes.len())
        .filter(|&start| bytes[start..].starts_with(ENDING) && bytes[start - 1] != b'/')
        .map(|start| start + ENDING.len())
        .find(|&end| ends(end))
}

fn name(text: &OsStr) -> Result<SourceArgument, ConfigError> {
    let text = text.to_string_lossy();
    if text.contains('/') {
        return Err(Problem::nowhere(format!("`{text}` is not a component file"))
            .hint("a source is a configured name, or the path of a file whose name ends in `.wasm`")
            .into());
    }
    SourceName::new(&*text)
        .map(SourceArgument::Named)
        .map_err(|error| Problem::nowhere(error.to_string()).into())
}

fn options(text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    pieces(text)
        .iter()
        .map(|piece| parse_option(piece))
        .collect()
}

/// The text at its unescaped commas, with the escapes resolved.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            ',' => {
                pieces.push(String::new());
                continue;
            }
            '\\' => letters
                .next_if(|next| matches!(next, ',' | '\\'))
                .unwrap_or('\\'),
            other => other,
        };
        if let Some(piece) = pieces.last_mut() {
            piece.push(letter);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, options: &[(&str, &str)]) -> SourceArgument {
        SourceArgument::File {
            path: path.into(),
            options: options
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn names_and_files() {
        let named = SourceArgument::Named(SourceName::new("web-1").unwrap());
        assert_eq!("web-1".parse(), Ok(named));
        let table = [
            ("foo.wasm", file("foo.wasm", &[])),
            ("./foo.wasm:a=1", file("./foo.wasm", &[("a", "1")])),
            ("a:b.wasm:a=1", file("a:b.wasm", &[("a", "1")])),
            ("foo.wasm.wasm", file("foo.wasm.wasm", &[])),
            (
                "foo.wasm:a=1,b=",
                file("foo.wasm", &[("a", "1"), ("b", "")]),
            ),
            (
                r"foo.wasm:a=1\,2,b=x\\y",
                file("foo.wasm", &[("a", "1,2"), ("b", r"x\y")]),
            ),
            (
                r"foo.wasm:re=\d+=[a:b]",
                file("foo.wasm", &[("re", r"\d+=[a:b]")]),
            ),
            (
                "foo.wasm:url=http://h:1/x.wasm",
                file("foo.wasm", &[("url", "http://h:1/x.wasm")]),
            ),
            (r"foo.wasm:q=ends\", file("foo.wasm", &[("q", r"ends\")])),
            ("foo.wasm: a =1", file("foo.wasm", &[("a", "1")])),
            (
                "foo.wasm:a=1,a=2",
                file("foo.wasm", &[("a", "1"), ("a", "2")]),
            ),
        ];
        for (text, wanted) in table {
            assert_eq!(text.parse(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_neither() {
        let table = [
            ("", "is not a source name"),
            ("-x", "is not a source name"),
            ("a b", "is not a source name"),
            ("./foo", "is not a component file"),
            (".wasm", "is not a source name"),
            ("x/.wasm", "is not a component file"),
            ("foo.wasm:", "is not an option"),
            ("foo.wasm:a", "is not an option"),
            ("foo.wasm:=1", "is not an option"),
            ("foo.wasm:a=1,", "is not an option"),
            ("foo.wasm:a=1,2", "is not an option"),
        ];
        for (text, wanted) in table {
            let error = text.parse::<SourceArgument>().unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn paths_of_any_bytes() {
        let path = OsStr::from_bytes(b"/x/\xff.wasm");
        let parsed = SourceArgument::parse(path).unwrap();
        assert_eq!(
            parsed,
            SourceArgument::File {
                path: path.into(),
                options: Vec::new()
            }
        );
    }

    #[test]
    fn options_of_the_command_line_are_verbatim() {
        assert_eq!(
            parse_option(r"a=b,\,c=d").unwrap(),
            ("a".into(), r"b,\,c=d".into())
        );
        assert!(parse_option("a").is_err());
    }
}
