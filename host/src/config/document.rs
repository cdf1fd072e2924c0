//! What a settings file says before anybody asks what it means: names and values, each with its place, the same for
//! TOML, YAML and INI. Also the reading of the bytes, with the bounds that keep a hostile or broken file harmless.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Position, Problem};
use super::{read_ini, read_toml, read_yaml};

/// More than any settings file needs (a thousand hosts are 30 KiB); a file of this size is still read at once.
const LARGEST: u64 = 1024 * 1024;

/// More levels than any setting has. Deeper values would be recursed into, and the stack is finite.
pub(super) const DEEPEST: usize = 16;

/// More values than any settings file has. YAML's aliases repeat what they name, so that a few lines could mean
/// billions; and duplicate keys are looked for by comparing each with each.
pub(super) const MOST_VALUES: usize = 20_000;

/// A line and a column, both from 1; 0 is "as a whole".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// The content of one file.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) file: PathBuf,
    pub(super) root: Vec<Entry>,
    /// Every value is a text, because the format knows nothing else.
    pub(super) untyped: bool,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Spot,
    pub(super) node: Node,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) at: Spot,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// YAML only: a key with nothing behind it.
    Nothing,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// The formats that crcache had under one file name, and ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Toml,
    Yaml,
    Ini,
}

impl Document {
    /// Reads a `.toml` file.
    pub(super) fn toml(file: &Path) -> Result<Self, ConfigError> {
        Self::parse(file, &read(file)?, Format::Toml)
    }

    /// Reads crcache's `source.conf`, whichever of its two formats it is in.
    pub(super) fn conf(file: &Path) -> Result<Self, ConfigError> {
        let text = read(file)?;
        Self::parse(file, &text, format_of(&text))
    }

    /// The content of a text, all syntax problems at once where the format's parser finds more than one.
    pub(super) fn parse(file: &Path, text: &str, format: Format) -> Result<Self, ConfigError> {
        let root = match format {
            Format::Toml => read_toml::parse(text),
            Format::Yaml => read_yaml::parse(text),
            Format::Ini => read_ini::parse(text),
        };
        let root = root.map_err(|faults| ConfigError {
            problems: faults
                .into_iter()
                .map(|fault| fault.in_file(file))
                .collect(),
        })?;
        Ok(Self {
            file: file.to_owned(),
            root,
            untyped: format == Format::Ini,
        })
    }

    /// A spot of this file.
    pub(super) fn position(&self, at: Spot) -> Position {
        at.in_file(&self.file)
    }
}

impl Spot {
    pub(super) fn in_file(self, file: &Path) -> Position {
        Position {
            file: file.to_owned(),
            line: self.line,
            column: self.column,
        }
    }
}

/// Something that a parser does not understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: Spot,
    pub(super) message: String,
    pub(super) hint: Option<&'static str>,
}

impl Fault {
    pub(super) fn new(at: Spot, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            hint: None,
        }
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    fn in_file(self, file: &Path) -> Problem {
        let problem = Problem::at(self.at.in_file(file), self.message);
        match self.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

impl Value {
    /// What it is, for "expected a number, found …".
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// The value as JSON, which is what plugins take. A number that JSON does not have (not a number, infinite)
    /// becomes null; the readers refuse them before.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Nothing => serde_json::Value::Null,
            Self::Boolean(value) => (*value).into(),
            Self::Integer(value) => (*value).into(),
            Self::Float(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
            Self::List(nodes) => nodes.iter().map(|node| node.value.to_json()).collect(),
            Self::Table(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.value.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

/// Which of crcache's formats a `source.conf` is in: INI has a section header first, or at least lines with an `=`
/// before any `:`; everything else is YAML (which says better what is wrong with it).
fn format_of(text: &str) -> Format {
    for line in text.lines().map(str::trim) {
        match line.chars().next() {
            None | Some('#') => {}
            // Only INI has such comments and headers: settings are never a YAML list.
            Some(';' | '[') => return Format::Ini,
            Some('-' | '%' | '{' | '"' | '\'' | '?' | '&' | '!') => return Format::Yaml,
            Some(_) => {
                return match line.find(['=', ':']) {
                    Some(at) if line[at..].starts_with('=') => Format::Ini,
                    _ => Format::Yaml,
                };
            }
        }
    }
    Format::Yaml
}

/// The text of a file: bounded, a regular file (a pipe would block for ever), UTF-8, no NUL; without a byte order
/// mark.
pub(super) fn read(file: &Path) -> Result<String, Problem> {
    let whole = |message: String| Problem::at(Position::whole(file), message);
    let failed = |error: std::io::Error| whole(format!("cannot be read: {error}"));
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(whole("is not a regular file".into()));
    }
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(failed)?;
    opened
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(whole(format!("is larger than {LARGEST} bytes"))
            .hint("settings files are small: is this the right file?"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = spot_of(bytes, error.valid_up_to());
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        Problem::at(
            at.in_file(file),
            format!("the byte 0x{byte:02x} is not UTF-8"),
        )
        .hint("save the file as UTF-8")
    })?;
    if let Some(offset) = text.find('\0') {
        return Err(Problem::at(
            spot_of(bytes, offset).in_file(file),
            "there is a NUL byte in the file",
        ));
    }
    Ok(text.to_owned())
}

/// The place of a byte offset.
pub(super) fn spot_of(bytes: &[u8], offset: usize) -> Spot {
    Lines::of(bytes).spot(bytes, offset)
}

/// Where the lines of a text begin, so that finding many places costs no more than finding one.
pub(super) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        Self {
            starts: std::iter::once(0)
                .chain(ends.map(|(at, _)| at + 1))
                .collect(),
        }
    }

    /// The place of a byte offset. Columns are characters; far to the right, where nobody counts, they are bytes, so
    /// that a file of one endless line takes no time.
    pub(super) fn spot(&self, bytes: &[u8], offset: usize) -> Spot {
        const FAR: usize = 4096;
        let offset = offset.min(bytes.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or_default();
        let before = &bytes[start..offset];
        let column = match before.len() {
            FAR.. => before.len(),
            _ => String::from_utf8_lossy(before).chars().count(),
        };
        Spot {
            line: number(line),
            column: number(column + 1),
        }
    }
}

/// A line or column number; files are too small for the bound to be reached.
pub(super) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conf_files_are_told_apart_by_their_content() {
        let table = [
            ("[DEFAULT]\ntype=local\n", Format::Ini),
            ("; crcache\n[DEFAULT]\n", Format::Ini),
            ("# crcache\n\n  [DEFAULT]\ntype: local\n", Format::Ini),
            ("type=local\n", Format::Ini),
            ("type = a:b\n", Format::Ini),
            ("type: local\n", Format::Yaml),
            ("# c\n---\ntype: local\n", Format::Yaml),
            ("{type: local}\n", Format::Yaml),
            ("\"type\": a=b\n", Format::Yaml),
            ("ssh_host: a=b\n", Format::Yaml),
            ("", Format::Yaml),
            ("# only a comment\r\n", Format::Yaml),
        ];
        for (text, wanted) in table {
            assert_eq!(format_of(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_settings() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("source.toml");
        let table: [(&[u8], &str); 6] = [
            (b"a = 1\nb\xff", ":2:2: the byte 0xff is not UTF-8"),
            (b"\xff\xfea\0", ":1:1: the byte 0xff is not UTF-8"),
            (
                b"a = \"\xc3\xa9\"\nb = \"\0\"",
                ":2:6: there is a NUL byte in the file",
            ),
            (&[b'#'; 10 << 20], ": is larger than 1048576 bytes"),
            (&[0; 100], ":1:1: there is a NUL byte in the file"),
            (&[b'['; 1 << 20], ":1:"),
        ];
        for (bytes, wanted) in table {
            std::fs::write(&file, bytes).unwrap();
            let error = Document::toml(&file).unwrap_err().to_string();
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
        for name in ["no-such", "."] {
            assert!(Document::toml(&temp.path().join(name)).is_err(), "{name}");
        }
        let fifo = temp.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let error = Document::toml(&fifo).unwrap_err().to_string();
        assert!(error.contains("is not a regular file"), "{error}");
    }

    #[test]
    fn marks_and_line_ends_of_other_systems_do_not_matter() {
        let temp = tempfile::tempdir().unwrap();
        let texts = [
            "a = 1\nb = 2\n",
            "a: 1\nb: 2\n",
            "[DEFAULT]\na = 1\nb = 2\n",
        ];
        for text in texts {
            let file = temp.path().join("file");
            let dos = format!("\u{feff}{}", text.replace('\n', "\r\n"));
            std::fs::write(&file, dos).unwrap();
            let document = match text.find("a = ") {
                Some(0) => Document::toml(&file).unwrap(),
                _ => Document::conf(&file).unwrap(),
            };
            let keys: Vec<_> = document
                .root
                .iter()
                .map(|entry| entry.key.as_str())
                .collect();
            assert_eq!(keys, ["a", "b"], "{text}");
            let first = document.root[0].node.value.to_json();
            assert!(first == 1 || first == "1", "{text}: {first}");
        }
    }
}
