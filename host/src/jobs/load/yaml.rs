//! YAML into a tree that keeps what is written: the text of each scalar, every key in its order, also twice, and where it
//! stands.
//!
//! The files are YAML 1.1 to their authors and to the ancestor: `yes` is a boolean where one is wanted and the text `yes` where a
//! text is, and `1.10` stays `1.10`. So nothing is interpreted here; `decode` asks for types. Reading is bounded like that of
//! settings (`config::read_yaml`, which interprets and refuses duplicate keys, and is another tree for that reason).

use std::collections::HashMap;
use std::sync::Arc;

use runner_core::matrix::Spot;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// More levels than any project has.
const DEEPEST: usize = 64;

/// More values than any file has. Aliases count as what they repeat: a few lines could mean billions.
const MOST_VALUES: usize = 200_000;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Spot,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Arc<Node>>),
    Map(Vec<(Arc<Node>, Arc<Node>)>),
}

/// A text that may mean something else.
#[derive(Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Neither quoted, nor a block, nor tagged as a text.
    pub(super) plain: bool,
    /// `|` or `>`: the text begins on the line after its key.
    pub(super) block: bool,
}

/// Why a file is not YAML that we read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: Spot,
    pub(super) message: String,
    pub(super) hint: Option<&'static str>,
}

/// So many lines with tabs around the one that an error is told of are looked at, each by reading everything before it.
const MOST_TABS: usize = 8;

/// The first document of the text; none if there is nothing in it.
pub(super) fn parse(text: &str) -> Result<Option<Arc<Node>>, Fault> {
    read(text).map_err(|found| match indenting_tab(text, found.at.line) {
        Some(at) => Fault {
            at,
            message: "found a tab character where an indentation space is expected".into(),
            hint: Some("tabs may not indent in YAML: put spaces there"),
        },
        None => found,
    })
}

/// The tab that is the reason for an error: without its line, and with spaces in its place, what was read until then can be read.
/// The parser tells something else, depending on what stands around it, and perhaps of a line before or after.
fn indenting_tab(text: &str, failed: u32) -> Option<Spot> {
    let mut begins = 0;
    let mut lines = Vec::new();
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indentation].find('\t') {
            lines.push((begins, line, indentation, number, tab));
        }
        begins += line.len();
    }
    let behind = lines.partition_point(|(_, _, _, number, _)| *number <= failed);
    let (before, behind) = lines.split_at(behind);
    let near = before.iter().rev().take(MOST_TABS);
    let near = near.chain(behind.iter().take(MOST_TABS)).copied();
    for (begins, line, indentation, number, tab) in near {
        let before = &text[..begins];
        let with = |line: &str| read(&format!("{before}{line}"));
        let spaced = |width: usize| {
            let spaces = line[..indentation].replace('\t', &" ".repeat(width));
            with(&format!("{spaces}{}", &line[indentation..])).is_ok()
        };
        if read(before).is_ok() && with(line).is_err() && [2, 4, 8].into_iter().any(spaced) {
            return Some(Spot {
                line: number,
                column: self::number(tab + 1),
            });
        }
    }
    None
}

fn read(text: &str) -> Result<Option<Arc<Node>>, Fault> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        match next {
            Ok((Event::DocumentEnd, _)) => break,
            Ok((event, span)) => builder.take(event, spot(span))?,
            Err(error) => {
                let marker = error.marker();
                let at = Spot {
                    line: number(marker.line()),
                    column: number(marker.col() + 1),
                };
                return Err(fault(at, error.info()));
            }
        }
    }
    Ok(builder.root)
}

fn spot(span: Span) -> Spot {
    Spot {
        line: number(span.start.line()),
        column: number(span.start.col() + 1),
    }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn fault(at: Spot, message: impl Into<String>) -> Fault {
    Fault {
        at,
        message: message.into(),
        hint: None,
    }
}

/// A list or map that is not closed yet.
struct Open {
    at: Spot,
    anchor: usize,
    content: Content,
    values: usize,
}

enum Content {
    List(Vec<Arc<Node>>),
    Map {
        entries: Vec<(Arc<Node>, Arc<Node>)>,
        key: Option<Arc<Node>>,
    },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    /// What an alias repeats, and how many values that is.
    anchors: HashMap<usize, (Arc<Node>, usize)>,
    root: Option<Arc<Node>>,
    values: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Spot) -> Result<(), Fault> {
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Alias(anchor) => {
                let Some((node, values)) = self.anchors.get(&anchor) else {
                    return Err(fault(at, "an alias to a value that is not complete"));
                };
                let (node, values) = (Arc::clone(node), *values);
                self.add(node, at, 0, values, values)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tagged = tag.is_some_and(|tag| tag.suffix == "str");
                let node = Node {
                    at,
                    value: Value::Scalar(Scalar {
                        text: text.into_owned(),
                        plain: style == ScalarStyle::Plain && !tagged,
                        block: matches!(style, ScalarStyle::Literal | ScalarStyle::Folded),
                    }),
                };
                self.add(Arc::new(node), at, anchor, 1, 1)
            }
            Event::SequenceStart(anchor, _) => self.start(at, anchor, Content::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                let content = Content::Map {
                    entries: Vec::new(),
                    key: None,
                };
                self.start(at, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Ok(());
                };
                let value = match open.content {
                    Content::List(nodes) => Value::List(nodes),
                    Content::Map { entries, .. } => Value::Map(entries),
                };
                let node = Node { at: open.at, value };
                self.add(Arc::new(node), at, open.anchor, open.values + 1, 1)
            }
        }
    }

    fn start(&mut self, at: Spot, anchor: usize, content: Content) -> Result<(), Fault> {
        if self.open.len() >= DEEPEST {
            return Err(fault(at, format!("nested deeper than {DEEPEST} levels")));
        }
        self.open.push(Open {
            at,
            anchor,
            content,
            values: 0,
        });
        Ok(())
    }

    /// Puts a value where it belongs: a key where one is due. `values` is what it adds up to, itself included; `fresh` is
    /// how much of that was not counted before, which for an alias is all of it.
    fn add(
        &mut self,
        node: Arc<Node>,
        at: Spot,
        anchor: usize,
        values: usize,
        fresh: usize,
    ) -> Result<(), Fault> {
        self.values = self.values.saturating_add(fresh);
        if self.values > MOST_VALUES {
            return Err(fault(at, format!("more than {MOST_VALUES} values")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (Arc::clone(&node), values));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.values = open.values.saturating_add(values);
        match &mut open.content {
            Content::List(nodes) => nodes.push(node),
            Content::Map { entries, key } => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree on one line, scalars as `text` or `'text'`.
    fn shown(node: &Node) -> String {
        match &node.value {
            Value::Scalar(scalar) if scalar.plain => scalar.text.clone(),
            Value::Scalar(scalar) => format!("{:?}", scalar.text),
            Value::List(nodes) => {
                let nodes: Vec<_> = nodes.iter().map(|node| shown(node)).collect();
                format!("[{}]", nodes.join(", "))
            }
            Value::Map(entries) => {
                let entries = entries.iter();
                let entries: Vec<_> = entries
                    .map(|(key, node)| format!("{}: {}", shown(key), shown(node)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    #[test]
    fn texts_are_kept_as_written() {
        for (text, wanted) in [
            (
                "a: 1.10\nb: 0x10\nc: yes\nd: ~\ne:\n",
                "{a: 1.10, b: 0x10, c: yes, d: ~, e: }",
            ),
            (
                "a: 'yes'\nb: \"x\"\nc: !!str yes\n",
                r#"{a: "yes", b: "x", c: "yes"}"#,
            ),
            ("a: 1\na: 2\n", "{a: 1, a: 2}"),
            ("a: &x {b: 1}\nc: *x\n", "{a: {b: 1}, c: {b: 1}}"),
            (
                "a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n",
                "{a: {b: 1}, c: {<<: {b: 1}, d: 2}}",
            ),
            ("a: |\n  x\n  y\n", r#"{a: "x\ny\n"}"#),
            ("[a]: 1\n", "{[a]: 1}"),
            ("a: 1\n---\nb: 2\n", "{a: 1}"),
        ] {
            assert_eq!(shown(&parse(text).unwrap().unwrap()), wanted, "{text}");
        }
        for nothing in ["", "# only\n"] {
            assert!(parse(nothing).unwrap().is_none(), "{nothing:?}");
        }
    }

    #[test]
    fn what_is_refused() {
        let laughs: String = (1..9)
            .map(|n| {
                let repeated = vec![format!("*a{}", n - 1); 10].join(",");
                format!("a{n}: &a{n} [{repeated}]\n")
            })
            .collect();
        let laughs = format!("a0: &a0 [x]\n{laughs}");
        for (text, wanted) in [
            ("a: [1", ""),
            ("a: *x", ""),
            ("a: &x [*x]", "an alias to a value that is not complete"),
            (&*laughs, "more than 200000 values"),
            (
                &*format!("a:\n{}", "- ".repeat(100_000)),
                "nested deeper than 64 levels",
            ),
            (&*format!("a: {}", "[".repeat(100_000)), ""),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.message.contains(wanted), "{wanted}: {fault:?}");
            assert!(fault.at.line > 0);
        }
    }

    #[test]
    fn a_tab_that_indents_is_told_where_it_stands() {
        for (text, wanted) in [
            ("a:\n\tb: 1\n", Some((2, 1))),
            ("a:\n  - b\n\t- c\nd: 1\n", Some((3, 1))),
            ("a: |\n\tx\nb: 1\n", Some((2, 1))),
            ("a: |\n    x\n\ty\nb: 1\n", Some((3, 1))),
            ("a:\n    b: 1\n  \tc: 1\n", Some((3, 3))),
            // In what a block says they are as good as anything, and the reason is another one.
            ("a: |\n    x\n    \ty\nb: [\n", None),
            ("a: b\n\tc: d\n", None),
            ("a: [1,\n\t2\nb: 1\n", None),
        ] {
            let fault = parse(text).unwrap_err();
            let told = fault.hint.map(|_| (fault.at.line, fault.at.column));
            assert_eq!(told, wanted, "{text:?}: {fault:?}");
        }
    }
}
