//! INI, the older format of crcache's `source.conf`, into names and values with places.
//!
//! By hand, because the crates for it keep no line numbers, and an error without its line is of no use. The rules are
//! those of Python's `ConfigParser`, which read these files: names are folded to lower case, `=` or `:` parts name
//! and value, `#` and `;` begin comment lines, indented lines continue a value, `%(name)s` stands for another value
//! and `%%` for a percent sign. Python 2 also took ` ;` inside a line for a comment; that is done for crcache's own
//! keys only, none of which can hold one, so that nobody's option is cut.

use std::collections::HashSet;

use super::document::{Entry, Fault, MOST_VALUES, Node, Spot, Value, number};
use super::keys;

/// The section that crcache reads.
const SECTION: &str = "DEFAULT";

/// Parses a text; every problem of it at once.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Vec<Fault>> {
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        reader.line(number(index + 1), line.trim_end());
        if reader.root.len() > MOST_VALUES {
            let at = Spot {
                line: number(index + 1),
                column: 1,
            };
            reader
                .faults
                .push(Fault::new(at, format!("more than {MOST_VALUES} values")));
            break;
        }
    }
    let Reader {
        mut root,
        limits,
        mut faults,
        ..
    } = reader;
    interpolate(&mut root, &mut faults);
    if let Some((at, entries)) = limits {
        root.push(Entry {
            key: "limits".into(),
            at,
            node: Node {
                at,
                value: Value::Table(entries),
            },
        });
    }
    if faults.is_empty() {
        Ok(root)
    } else {
        Err(faults)
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Section {
    /// Before the first header.
    #[default]
    None,
    Main,
    Limits,
    /// Reported; what follows in it is not.
    Unknown,
}

#[derive(Default)]
struct Reader {
    section: Section,
    root: Vec<Entry>,
    limits: Option<(Spot, Vec<Entry>)>,
    faults: Vec<Fault>,
    /// The keys of each section.
    seen: HashSet<(Section, String)>,
    /// The column of the key that came last: a line that is indented deeper continues its value.
    last: Option<u32>,
}

impl Reader {
    fn line(&mut self, line: u32, text: &str) {
        let content = text.trim_start();
        let column = number(text.chars().count() - content.chars().count() + 1);
        let at = Spot { line, column };
        if content.is_empty() || content.starts_with(['#', ';']) {
            return;
        }
        if self.last.is_some_and(|last| column > last) {
            return self.more(content);
        }
        self.last = None;
        if let Some(rest) = content.strip_prefix('[') {
            return match rest.split_once(']') {
                Some((name, rest))
                    if rest.trim_start().is_empty()
                        || rest.trim_start().starts_with(['#', ';']) =>
                {
                    self.header(at, name.trim());
                }
                _ => self.fault(Fault::new(
                    at,
                    format!("`{content}` is not a section header"),
                )),
            };
        }
        let Some(split) = content.find(['=', ':']) else {
            return self.fault(Fault::new(
                at,
                format!("`{content}` is neither a section nor `key = value`"),
            ));
        };
        let key = content[..split].trim().to_lowercase();
        if key.is_empty() {
            return self.fault(Fault::new(at, format!("there is no key in `{content}`")));
        }
        let value = content[split + 1..].trim();
        let skipped = content[split + 1..]
            .chars()
            .take_while(|c| c.is_whitespace())
            .count();
        let value_at = Spot {
            line,
            column: column + number(content[..=split].chars().count() + skipped),
        };
        self.entry(key, at, value, value_at);
    }

    fn header(&mut self, at: Spot, name: &str) {
        self.section = match name {
            SECTION => Section::Main,
            "limits" => {
                self.limits.get_or_insert((at, Vec::new()));
                Section::Limits
            }
            _ => {
                let hint = if name.eq_ignore_ascii_case(SECTION) {
                    "did you mean `[DEFAULT]`?"
                } else {
                    "all keys of a source stand under `[DEFAULT]`, limits per call under `[limits]`"
                };
                self.fault(Fault::new(at, format!("unknown section `[{name}]`")).hint(hint));
                Section::Unknown
            }
        };
    }

    fn entry(&mut self, key: String, at: Spot, value: &str, value_at: Spot) {
        let entries = match self.section {
            Section::Unknown => return,
            Section::None => {
                self.section = Section::Main;
                self.fault(
                    Fault::new(at, "there is no section header before the first key")
                        .hint("begin the file with the line `[DEFAULT]`"),
                );
                &mut self.root
            }
            Section::Main => &mut self.root,
            Section::Limits => match &mut self.limits {
                Some((_, entries)) => entries,
                None => &mut self.root,
            },
        };
        let value = if keys::takes_comments(&key) {
            // Python 2's comments at the end of a line.
            value
                .split_once(" ;")
                .map_or(value, |(value, _)| value.trim_end())
        } else {
            value
        };
        let twice = !self.seen.insert((self.section, key.clone()));
        if !twice {
            entries.push(Entry {
                key: key.clone(),
                at,
                node: Node {
                    at: value_at,
                    value: Value::Text(value.to_owned()),
                },
            });
        }
        self.last = Some(at.column);
        if twice {
            self.last = None;
            self.fault(Fault::new(at, format!("the key `{key}` is given twice")));
        }
    }

    /// An indented line belongs to the value before it.
    fn more(&mut self, content: &str) {
        let entries = match (self.section, &mut self.limits) {
            (Section::Limits, Some((_, entries))) => entries,
            _ => &mut self.root,
        };
        if let Some(Entry {
            node: Node {
                value: Value::Text(text),
                ..
            },
            ..
        }) = entries.last_mut()
        {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(content);
        }
    }

    fn fault(&mut self, fault: Fault) {
        // As for TOML: nobody reads more.
        const MOST: usize = 20;
        if self.faults.len() < MOST {
            self.faults.push(fault);
        }
    }
}

/// Resolves `%(name)s` and `%%`. References are resolved in the values as written: one level, as in the files that
/// crcache's users have.
fn interpolate(entries: &mut [Entry], faults: &mut Vec<Fault>) {
    let written: Vec<(String, String)> = entries
        .iter()
        .filter_map(|entry| match &entry.node.value {
            Value::Text(text) if text.len() <= 4096 => Some((entry.key.clone(), text.clone())),
            _ => None,
        })
        .collect();
    for entry in entries {
        let Value::Text(text) = &mut entry.node.value else {
            continue;
        };
        if !text.contains('%') {
            continue;
        }
        match resolve(text, &written) {
            Ok(resolved) => *text = resolved,
            Err(message) => faults.push(
                Fault::new(entry.node.at, message)
                    .hint("in this format a percent sign is written `%%`"),
            ),
        }
    }
}

fn resolve(text: &str, written: &[(String, String)]) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let Some((name, after)) = after
            .strip_prefix('(')
            .and_then(|after| after.split_once(")s"))
        else {
            return Err(format!("`%` in `{text}` is neither `%%` nor `%(key)s`"));
        };
        let name = name.to_lowercase();
        match written.iter().find(|(key, _)| *key == name) {
            Some((_, value)) if !value.contains('%') => out.push_str(value),
            Some(_) => {
                return Err(format!(
                    "`%({name})s` stands for a value that has a `%` itself"
                ));
            }
            None => {
                return Err(format!(
                    "`%({name})s` stands for a key that is not in the file"
                ));
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text)
            .unwrap()
            .into_iter()
            .map(|entry| {
                (
                    entry.key,
                    entry
                        .node
                        .value
                        .to_json()
                        .as_str()
                        .unwrap_or("?")
                        .to_owned(),
                )
            })
            .collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    #[test]
    fn crcaches_older_manual() {
        let text = "[DEFAULT]\n; What sort of source is this?\ntype=pool\n; no limit\nmaximum=0\nreserve = 2 ; two\nsources=local,web\n";
        let wanted = [
            ("type", "pool"),
            ("maximum", "0"),
            ("reserve", "2"),
            ("sources", "local,web"),
        ];
        assert_eq!(pairs(text), owned(&wanted));
        let root = parse(text).unwrap();
        assert_eq!((root[2].at.line, root[2].at.column), (6, 1));
        assert_eq!((root[2].node.at.line, root[2].node.at.column), (6, 11));
    }

    #[test]
    fn rules_of_pythons_parser() {
        let table: [(&str, &[(&str, &str)]); 8] = [
            ("[DEFAULT]\nTYPE: local", &[("type", "local")]),
            (
                "[DEFAULT]\nsources = a,\n   b,\n\tc\n",
                &[("sources", "a,\nb,\nc")],
            ),
            ("[DEFAULT]\ncommand = a ; b", &[("command", "a ; b")]),
            (
                "[DEFAULT]\nurl = http://x:1/?a=b",
                &[("url", "http://x:1/?a=b")],
            ),
            (
                "[DEFAULT]\nssh_host = a\nx = %(SSH_host)s-%%",
                &[("ssh_host", "a"), ("x", "a-%")],
            ),
            (
                "  [DEFAULT] ; main\n# c\n\n  type=local",
                &[("type", "local")],
            ),
            ("[DEFAULT]\nempty=\n", &[("empty", "")]),
            ("[DEFAULT]\n", &[]),
        ];
        for (text, wanted) in table {
            assert_eq!(pairs(text), owned(wanted), "{text:?}");
        }
    }

    #[test]
    fn the_same_as_pythons_parser() {
        // Where there is one. What it reads and we do not is crcache's loss of comments only.
        const SCRIPT: &str = "import sys, json, configparser\nc = configparser.ConfigParser()\nc.read_string(sys.argv[1])\nprint(json.dumps([list(p) for p in c.items('DEFAULT')]))";
        let texts = [
            "[DEFAULT]\ntype=local\nmaximum = 3\nRESERVE:1\n",
            "  [DEFAULT]\n  type=pool\n  sources=a,\n    b\n  reserve=1\n",
            "[DEFAULT]\nx = 1\n   ; comment\n   2\n\n   3\ny=%(x)s%%\n",
            "[DEFAULT]\na b = c d\nurl=http://h:1/?q=[x]\nempty=\n",
            "[DEFAULT]\ntype = x\n[DEFAULT]\nreserve = 2\n",
            "[DEFAULT]\ncommand = a ; b # c\n",
        ];
        for text in texts {
            let run = std::process::Command::new("python3")
                .args(["-c", SCRIPT, text])
                .output();
            let Ok(output) = run else { return };
            let Ok(theirs) = serde_json::from_slice::<Vec<(String, String)>>(&output.stdout) else {
                return;
            };
            // It keeps the empty line that was within the value.
            let theirs: Vec<_> = theirs
                .into_iter()
                .map(|(k, v)| (k, v.replace("\n\n", "\n")))
                .collect();
            assert_eq!(pairs(text), theirs, "{text}");
        }
    }

    #[test]
    fn limits_have_a_section_of_their_own() {
        let root = parse("[DEFAULT]\ntype=local\n[limits]\nrun = 5\n").unwrap();
        assert_eq!(root[1].key, "limits");
        assert_eq!(
            root[1].node.value.to_json(),
            serde_json::json!({"run": "5"})
        );
    }

    #[test]
    fn problems_and_where() {
        let table = [
            ("type=local", "1:1: there is no section header"),
            (
                "[DEFAULT]\ntype=a\ntype=b",
                "3:1: the key `type` is given twice",
            ),
            (
                "[DEFAULT\ntype=a",
                "1:1: `[DEFAULT` is not a section header",
            ),
            ("[default]\ntype=a", "1:1: unknown section `[default]`"),
            (
                "[DEFAULT]\n\nnothing here",
                "3:1: `nothing here` is neither",
            ),
            ("[DEFAULT]\n=1", "2:1: there is no key"),
            (
                "[DEFAULT]\na=%(b)s",
                "2:3: `%(b)s` stands for a key that is not in the file",
            ),
            ("[DEFAULT]\na=50%", "2:3: `%` in `50%`"),
            (
                "[DEFAULT]\na=%(a)s",
                "2:3: `%(a)s` stands for a value that has a `%` itself",
            ),
        ];
        for (text, wanted) in table {
            let faults = parse(text).unwrap_err();
            let shown = format!(
                "{}:{}: {}",
                faults[0].at.line, faults[0].at.column, faults[0].message
            );
            assert!(shown.contains(wanted), "{wanted}: {shown}");
        }
        let many = "[DEFAULT]\n".to_owned() + &"x\n".repeat(1000);
        assert_eq!(parse(&many).unwrap_err().len(), 20);
    }
}
