//! YAML, the newest format of crcache's `source.conf`, into names and values with places.
//!
//! Built on the parser's events and not on its tree, because only the events show a key that is given twice and let
//! us stop at a depth: the tree is built, compared and dropped recursively.

use std::collections::{BTreeMap, HashSet};

use saphyr::Scalar;
use saphyr_parser::{Event, Parser, Span};

use super::document::{DEEPEST, Entry, Fault, MOST_VALUES, Node, Spot, Value, number};

/// Parses a text of one document, which must be a mapping (or empty).
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Vec<Fault>> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let taken = match next {
            Ok((event, span)) => builder.take(event, spot(span)),
            Err(error) => {
                let marker = error.marker();
                let at = Spot {
                    line: number(marker.line()),
                    column: number(marker.col() + 1),
                };
                Err(Fault::new(at, format!("not YAML: {}", error.info())))
            }
        };
        if let Err(fault) = taken {
            builder.faults.push(fault);
            return Err(builder.faults);
        }
    }
    if !builder.faults.is_empty() {
        return Err(builder.faults);
    }
    match builder.root {
        None => Ok(Vec::new()),
        Some(Node {
            value: Value::Table(entries),
            ..
        }) => Ok(entries),
        Some(Node {
            value: Value::Nothing,
            ..
        }) => Ok(Vec::new()),
        Some(Node { at, value }) => Err(vec![
            Fault::new(
                at,
                format!("expected `key: value` lines, found {}", value.kind()),
            )
            .hint("write one `key: value` per line, with a blank after the colon"),
        ]),
    }
}

fn spot(span: Span) -> Spot {
    Spot {
        line: number(span.start.line()),
        column: number(span.start.col() + 1),
    }
}

/// A list or mapping that is not closed yet.
struct Open {
    at: Spot,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Table {
        entries: Vec<Entry>,
        key: Option<(String, Spot)>,
        seen: HashSet<String>,
    },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Node, usize)>,
    root: Option<Node>,
    values: usize,
    documents: usize,
    faults: Vec<Fault>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Spot) -> Result<(), Fault> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Fault::new(at, "a second YAML document in the file")
                        .hint("a source is one document: remove the second `---`"));
                }
                Ok(())
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(Fault::new(at, "an alias to a value that is not complete"));
                };
                self.count(size, at)?;
                self.add(Node { at, ..node }, 0)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let shown = text.to_string();
                let value = match Scalar::parse_from_cow_and_metadata(text, style, tag.as_ref()) {
                    Some(Scalar::Null) => Value::Nothing,
                    Some(Scalar::Boolean(value)) => Value::Boolean(value),
                    Some(Scalar::Integer(value)) => Value::Integer(value),
                    Some(Scalar::FloatingPoint(value)) if value.0.is_finite() => {
                        Value::Float(value.0)
                    }
                    Some(Scalar::String(text)) => Value::Text(text.into_owned()),
                    Some(Scalar::FloatingPoint(_)) | None => {
                        return Err(Fault::new(
                            at,
                            format!("`{shown}` cannot be used as a value"),
                        ));
                    }
                };
                self.count(1, at)?;
                self.scalar(Node { at, value }, &shown, anchor)
            }
            Event::SequenceStart(anchor, _) => self.start(at, anchor, Content::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                let content = Content::Table {
                    entries: Vec::new(),
                    key: None,
                    seen: HashSet::new(),
                };
                self.start(at, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                None => Ok(()),
                Some(Open {
                    at,
                    anchor,
                    content,
                }) => {
                    let value = match content {
                        Content::List(nodes) => Value::List(nodes),
                        Content::Table { entries, .. } => Value::Table(entries),
                    };
                    self.add(Node { at, value }, anchor)
                }
            },
        }
    }

    fn start(&mut self, at: Spot, anchor: usize, content: Content) -> Result<(), Fault> {
        if self.open.len() >= DEEPEST {
            return Err(Fault::new(
                at,
                format!("nested deeper than {DEEPEST} levels"),
            ));
        }
        if let Some(Open {
            content: Content::Table { key: None, .. },
            ..
        }) = self.open.last()
        {
            return Err(Fault::new(at, "a key must be a text"));
        }
        self.count(1, at)?;
        self.open.push(Open {
            at,
            anchor,
            content,
        });
        Ok(())
    }

    /// A key where one is due, a value otherwise. Keys are texts whatever they look like: `8080:` is `"8080"`.
    fn scalar(&mut self, node: Node, shown: &str, anchor: usize) -> Result<(), Fault> {
        if let Some(Open {
            content:
                Content::Table {
                    key: key @ None,
                    seen,
                    ..
                },
            ..
        }) = self.open.last_mut()
        {
            if !seen.insert(shown.to_owned()) {
                self.faults.push(Fault::new(
                    node.at,
                    format!("the key `{shown}` is given twice"),
                ));
            }
            *key = Some((shown.to_owned(), node.at));
            return Ok(());
        }
        self.add(node, anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        if anchor > 0 {
            let size = size_of(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(nodes)) => nodes.push(node),
            Some(Content::Table { entries, key, .. }) => match key.take() {
                Some((key, at)) => entries.push(Entry { key, at, node }),
                None => return Err(Fault::new(node.at, "a key must be a text")),
            },
        }
        Ok(())
    }

    fn count(&mut self, more: usize, at: Spot) -> Result<(), Fault> {
        self.values += more;
        if self.values > MOST_VALUES {
            return Err(Fault::new(at, format!("more than {MOST_VALUES} values")));
        }
        Ok(())
    }
}

/// How many values a node holds. Aliases can make a value deeper than what is written, but each level of it was
/// counted when it was written.
fn size_of(node: &Node) -> usize {
    match &node.value {
        Value::List(nodes) => 1 + nodes.iter().map(size_of).sum::<usize>(),
        Value::Table(entries) => 1 + entries.iter().map(|e| size_of(&e.node)).sum::<usize>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> serde_json::Value {
        Value::Table(parse(text).unwrap()).to_json()
    }

    #[test]
    fn crcaches_newest_manual() {
        let text = "# What sort of source is this?\ntype: pool\nreserve: 1\nmaximum: 3\nconcurrency: 0\nsources:\n- local\n- web\n";
        let expected = serde_json::json!({
            "type": "pool", "reserve": 1, "maximum": 3, "concurrency": 0, "sources": ["local", "web"]
        });
        assert_eq!(json(text), expected);
        let root = parse(text).unwrap();
        assert_eq!((root[4].at.line, root[4].at.column), (6, 1));
        let Value::List(list) = &root[4].node.value else {
            panic!()
        };
        assert_eq!((list[1].at.line, list[1].at.column), (8, 3));
    }

    #[test]
    fn values() {
        let table = [
            ("{a: b}", serde_json::json!({"a": "b"})),
            ("---\na: '1'\n", serde_json::json!({"a": "1"})),
            ("a:\n", serde_json::json!({"a": null})),
            ("8080: x", serde_json::json!({"8080": "x"})),
            (
                "a: &x [1, 2]\nb: *x",
                serde_json::json!({"a": [1, 2], "b": [1, 2]}),
            ),
            ("a: !!str 1", serde_json::json!({"a": "1"})),
            ("a: |\n  x\n  y\n", serde_json::json!({"a": "x\ny\n"})),
            ("", serde_json::json!({})),
            ("# only\n", serde_json::json!({})),
            ("---\n", serde_json::json!({})),
        ];
        for (text, wanted) in table {
            assert_eq!(json(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_refused_and_where() {
        let laughs: String = (1..9)
            .map(|n| {
                format!(
                    "a{n}: &a{n} [{}]\n",
                    vec![format!("*a{}", n - 1); 10].join(",")
                )
            })
            .collect();
        let laughs = format!("a0: &a0 x\n{laughs}");
        let nested = format!("a:\n{}", "- ".repeat(100_000));
        let flow = format!("a: {}", "[".repeat(100_000));
        let maps = format!("a: {}", "{b: ".repeat(100_000));
        let table = [
            ("a: 1\na: 2\n", "2:1: the key `a` is given twice"),
            ("a: 1\n---\nb: 1\n", "2:1: a second YAML document"),
            ("- a\n", "1:1: expected `key: value` lines, found a list"),
            (
                "type=local",
                "1:1: expected `key: value` lines, found a text",
            ),
            ("a: [1", "not YAML"),
            ("a: 1\n\tb: 2\n", "not YAML"),
            ("[a]: 1", "a key must be a text"),
            ("a: .inf", "`.inf` cannot be used as a value"),
            ("a: !!int x", "`x` cannot be used as a value"),
            ("a: *x", "not YAML"),
            ("a: &x [*x]", ""),
            (&laughs, "more than 20000 values"),
            (&nested, "nested deeper than 16 levels"),
            (&flow, ""),
            (&maps, ""),
        ];
        for (text, wanted) in table {
            let faults = parse(text).unwrap_err();
            let fault = &faults[0];
            let shown = format!("{}:{}: {}", fault.at.line, fault.at.column, fault.message);
            assert!(shown.contains(wanted), "{wanted}: {shown}");
        }
    }
}
