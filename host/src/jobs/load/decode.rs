//! From a YAML tree to typed fields, with the rules of the ancestor's decoder: unknown keys are ignored (and noted, for `lint`),
//! of a key that is given twice the last one counts, `null` is as if nothing were there, scalars become texts as they are
//! written, and what has the wrong type is told with its line, all of a file at once.

use std::path::Path;
use std::sync::Arc;

use runner_core::matrix::{Environment, NameList, Place, Problem, Script, Size, Spot, Timeout};

use super::yaml::{self, Node, Scalar, Value};
use crate::config::closest;

/// What is read from one file: the problems and notes that were found so far.
pub(super) struct Decoder {
    /// How messages name the file: tasks are named from the project's directory, the project file by its whole path.
    label: String,
    file: Arc<Path>,
    mismatches: Vec<(Spot, String)>,
    pub(super) problems: Vec<Problem>,
    /// Nothing that keeps the project from running.
    pub(super) notes: Vec<Problem>,
}

/// The entries of a map, merges resolved, each key once.
#[derive(Default)]
pub(super) struct Fields<'n> {
    pub(super) at: Spot,
    entries: Vec<Field<'n>>,
}

/// A key and its value.
#[derive(Clone, Copy)]
pub(super) struct Field<'n> {
    pub(super) key: &'n str,
    pub(super) at: Spot,
    pub(super) node: &'n Node,
}

impl Decoder {
    pub(super) fn new(label: impl Into<String>, file: Arc<Path>) -> Self {
        Self {
            label: label.into(),
            file,
            mismatches: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Reads the tree.
    pub(super) fn parse(&mut self, bytes: &[u8]) -> Option<Arc<Node>> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            let line = bytes.utf8_chunks().next().map_or(1, |chunk| {
                1 + chunk.valid().bytes().filter(|byte| *byte == b'\n').count()
            });
            let at = Spot {
                line: u32::try_from(line).unwrap_or(u32::MAX),
                column: 1,
            };
            self.refuse(at, "yaml: invalid UTF-8");
            return None;
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match yaml::parse(text) {
            Ok(root) => root,
            Err(fault) => {
                let line = fault.at.line;
                self.refuse(fault.at, &format!("yaml: line {line}: {}", fault.message));
                if let (Some(problem), Some(hint)) = (self.problems.last_mut(), fault.hint) {
                    problem.hint = Some(hint.into());
                }
                None
            }
        }
    }

    /// A spot of the file.
    pub(super) fn place(&self, spot: Spot) -> Place {
        Place {
            file: Arc::clone(&self.file),
            spot,
        }
    }

    /// The file cannot be loaded because of this.
    fn refuse(&mut self, at: Spot, why: &str) {
        let message = format!("cannot load {}: {why}", self.label);
        self.problems.push(Problem::at(self.place(at), message));
    }

    /// Something is wrong with what the file says.
    pub(super) fn problem(&mut self, at: Spot, message: impl Into<String>) {
        self.problems.push(Problem::at(self.place(at), message));
    }

    /// Same, when there is advice.
    pub(super) fn problem_with_hint(
        &mut self,
        at: Spot,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let problem = Problem::at(self.place(at), message).hint(hint);
        self.problems.push(problem);
    }

    /// Everything that was wrong: first what kept the file from being decoded, in one message as the ancestor's decoder
    /// has it.
    pub(super) fn finish(mut self) -> (Vec<Problem>, Vec<Problem>) {
        // Fields are asked for in our order, and told in the file's.
        self.mismatches.sort();
        if let Some((first, _)) = self.mismatches.first() {
            let mut message = format!("cannot load {}: yaml: unmarshal errors:", self.label);
            for (spot, text) in &self.mismatches {
                message.push_str(&format!("\n  line {}: {text}", spot.line));
            }
            let problem = Problem::at(self.place(*first), message);
            self.problems.insert(0, problem);
        }
        (self.problems, self.notes)
    }

    /// Whether the file has what cannot be decoded.
    pub(super) fn is_broken(&self) -> bool {
        !self.mismatches.is_empty() || !self.problems.is_empty()
    }

    fn mismatch(&mut self, node: &Node, wanted: &str) {
        let found = match &node.value {
            Value::Scalar(scalar) => {
                // As the ancestor's decoder does: long texts are cut.
                let text: String = scalar.text.chars().take(10).collect();
                let more = if text.len() < scalar.text.len() {
                    "..."
                } else {
                    ""
                };
                format!("{} `{text}{more}`", scalar.kind())
            }
            Value::List(_) => "!!seq".to_owned(),
            Value::Map(_) => "!!map".to_owned(),
        };
        self.mismatches
            .push((node.at, format!("cannot unmarshal {found} into {wanted}")));
    }

    /// The entries of a map; nothing where there is nothing. Keys that are not among `known` are noted, unless nothing is
    /// known.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Fields<'n> {
        let mut fields = Fields {
            at: node.at,
            entries: Vec::new(),
        };
        if node.is_null() {
            return fields;
        }
        let Value::Map(entries) = &node.value else {
            self.mismatch(node, what);
            return fields;
        };
        for field in self.entries(entries, 0) {
            match fields.entries.iter_mut().find(|old| old.key == field.key) {
                Some(old) => {
                    let message = format!(
                        "the key `{}` is given twice: the last one counts",
                        field.key
                    );
                    self.notes.push(Problem::at(self.place(field.at), message));
                    *old = field;
                }
                None => fields.entries.push(field),
            }
        }
        if !known.is_empty() {
            self.note_unknown_fields(&fields, what, known);
        }
        fields
    }

    /// Notes the keys that are not among `known`.
    pub(super) fn note_unknown_fields(&mut self, fields: &Fields<'_>, what: &str, known: &[&str]) {
        for field in &fields.entries {
            self.note_unknown(field, what, known);
        }
    }

    /// Notes what is odd without being wrong.
    pub(super) fn note(&mut self, at: Spot, message: impl Into<String>) {
        self.notes.push(Problem::at(self.place(at), message));
    }

    fn note_unknown(&mut self, field: &Field<'_>, what: &str, known: &[&str]) {
        // What begins with `x-` is a place for anchors, by custom.
        if known.contains(&field.key) || field.key.starts_with("x-") {
            return;
        }
        let place = self.place(field.at);
        let note = Problem::at(place, format!("unknown key `{}` in a {what}", field.key));
        let near = closest(field.key, known.iter().copied());
        self.notes.push(match near {
            Some(near) => note.hint(format!("did you mean `{near}`?")),
            None => note,
        });
    }

    /// All entries in order, those of `<<` at its place, unless a key of this map or of an earlier merge has it.
    pub(super) fn entries<'n>(
        &mut self,
        entries: &'n [(Arc<Node>, Arc<Node>)],
        depth: usize,
    ) -> Vec<Field<'n>> {
        let own: Vec<&str> = entries
            .iter()
            .filter_map(|(key, _)| key.text())
            .filter(|key| *key != "<<")
            .collect();
        let mut found: Vec<Field<'n>> = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let Some(text) = key.text() else {
                self.mismatch(key, "string");
                continue;
            };
            let merges = text == "<<" && key.is_plain();
            if !merges {
                found.push(Field {
                    key: text,
                    at: key.at,
                    node,
                });
                continue;
            }
            let sources: Vec<&'n Node> = match &node.value {
                Value::List(nodes) => nodes.iter().map(|node| &**node).collect(),
                _ => vec![node],
            };
            for source in sources {
                let Value::Map(merged) = &source.value else {
                    self.mismatches.push((
                        source.at,
                        "map merge requires map or sequence of maps as the value".to_owned(),
                    ));
                    continue;
                };
                // A map cannot hold itself, but a long chain of merges is as bad.
                if depth >= 16 {
                    self.mismatches
                        .push((source.at, "too many merges within merges".to_owned()));
                    continue;
                }
                for field in self.entries(merged, depth + 1) {
                    if !own.contains(&field.key) && !found.iter().any(|old| old.key == field.key) {
                        found.push(field);
                    }
                }
            }
        }
        found
    }

    /// A text: any scalar, as it is written.
    pub(super) fn text(&mut self, fields: &Fields<'_>, key: &str) -> String {
        let node = fields.get(key);
        node.and_then(|node| self.scalar(node, "string"))
            .map(|scalar| scalar.text.clone())
            .unwrap_or_default()
    }

    /// A scalar that is not null.
    fn scalar<'n>(&mut self, node: &'n Node, wanted: &str) -> Option<&'n Scalar> {
        match &node.value {
            Value::Scalar(_) if node.is_null() => None,
            Value::Scalar(scalar) => Some(scalar),
            _ => {
                self.mismatch(node, wanted);
                None
            }
        }
    }

    /// A script.
    pub(super) fn script(&mut self, fields: &Fields<'_>, key: &str) -> Script {
        let Some(node) = fields.get(key) else {
            return Script::default();
        };
        match self.scalar(node, "string") {
            Some(scalar) => {
                // The parser places a block at its first line or at its header, depending on blank lines; the key is certain.
                let line = if scalar.block {
                    fields.spot(key).line + 1
                } else {
                    node.at.line
                };
                Script::new(scalar.text.as_str(), line)
            }
            None => Script::default(),
        }
    }

    /// A whole number; fractions are cut off, as they always were.
    pub(super) fn integer(&mut self, fields: &Fields<'_>, key: &str) -> Option<i64> {
        let node = fields.get(key)?;
        let scalar = self.scalar(node, "int")?;
        let number = scalar.plain.then(|| scalar.integer()).flatten();
        if number.is_none() {
            self.mismatch(node, "int");
        }
        number
    }

    /// A boolean in one of its many spellings, never in quotes.
    pub(super) fn boolean(&mut self, fields: &Fields<'_>, key: &str) -> bool {
        let Some(node) = fields.get(key) else {
            return false;
        };
        let Some(scalar) = self.scalar(node, "bool") else {
            return false;
        };
        let value = scalar.plain.then(|| scalar.boolean()).flatten();
        if value.is_none() {
            self.mismatch(node, "bool");
        }
        value.unwrap_or(false)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, fields: &Fields<'_>, key: &str) -> Vec<String> {
        self.list(fields, key).items
    }

    /// A list of names, with its place.
    pub(super) fn list(&mut self, fields: &Fields<'_>, key: &str) -> NameList {
        let Some(node) = fields.get(key).filter(|node| !node.is_null()) else {
            return NameList::default();
        };
        let Value::List(nodes) = &node.value else {
            self.mismatch(node, "[]string");
            return NameList::default();
        };
        let items = nodes.iter().map(|node| {
            let scalar = self.scalar(node, "string");
            scalar.map(|scalar| scalar.text.clone()).unwrap_or_default()
        });
        NameList {
            items: items.collect(),
            spot: fields.spot(key),
        }
    }

    /// A timeout.
    pub(super) fn timeout(&mut self, fields: &Fields<'_>, key: &str) -> Timeout {
        let text = self.text(fields, key);
        Timeout::parse(&text).unwrap_or_else(|error| {
            self.refuse(fields.value_spot(key), &error.to_string());
            Timeout::Unset
        })
    }

    /// A size.
    pub(super) fn size(&mut self, fields: &Fields<'_>, key: &str) -> Option<Size> {
        let text = self.text(fields, key);
        Size::parse(&text).unwrap_or_else(|error| {
            self.refuse(fields.value_spot(key), &error.to_string());
            None
        })
    }

    /// An environment, in its order. `context` is how messages name it.
    pub(super) fn environment(&mut self, fields: &Fields<'_>, context: &str) -> Environment {
        let mut environment = Environment::default();
        let Some(node) = fields.get("environment").filter(|node| !node.is_null()) else {
            return environment;
        };
        let Value::Map(entries) = &node.value else {
            self.mismatch(node, "map[string]string");
            return environment;
        };
        for field in self.entries(entries, 0) {
            let value = self.scalar(field.node, "string");
            let value = value.map(|scalar| scalar.text.clone()).unwrap_or_default();
            let defined = environment.define(field.key, value, field.at);
            if let Err(error) = defined {
                self.problem(field.at, format!("invalid {context} environment: {error}"));
            }
        }
        environment
    }

    /// A value as JSON, with the types that it has in YAML.
    pub(super) fn json(&mut self, node: &Node) -> serde_json::Value {
        match &node.value {
            Value::Scalar(scalar) => scalar.json(),
            Value::List(nodes) => nodes.iter().map(|node| self.json(node)).collect(),
            Value::Map(entries) => {
                let mut map = serde_json::Map::new();
                for field in self.entries(entries, 0) {
                    let value = self.json(field.node);
                    map.insert(field.key.to_owned(), value);
                }
                map.into()
            }
        }
    }
}

impl<'n> Fields<'n> {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.field(key).map(|field| field.node)
    }

    /// Where a key stands, or else the map.
    pub(super) fn spot(&self, key: &str) -> Spot {
        self.field(key).map_or(self.at, |field| field.at)
    }

    /// Where a key stands, if it does.
    pub(super) fn key_spot(&self, key: &str) -> Option<Spot> {
        self.field(key).map(|field| field.at)
    }

    fn value_spot(&self, key: &str) -> Spot {
        self.field(key).map_or(self.at, |field| field.node.at)
    }

    fn field(&self, key: &str) -> Option<&Field<'n>> {
        self.entries.iter().find(|field| field.key == key)
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Field<'n>> {
        self.entries.iter()
    }
}

impl Node {
    /// Nothing is written, or one of the words for it.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.is_null())
    }

    fn is_plain(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.plain)
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::List(_) | Value::Map(_) => None,
        }
    }
}
