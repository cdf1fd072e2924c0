//! The file: one JSON object per line, so that it can be read, compared and reviewed. The first line says what was
//! recorded; the others are the calls, what each asked of its imports, and how it ended.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::provider::wire::{case_of, tagged};

/// The version of the format. A file of a later one is refused; within one, keys are only added.
pub const VERSION: u64 = 1;

/// Texts above this are compressed: nobody reads them.
const LONGEST_TEXT: usize = 8 << 10;
/// What one compressed text may unfold to.
const LARGEST_TEXT: u64 = 64 << 20;
/// A file above this was not made by us.
const LARGEST_FILE: u64 = 256 << 20;

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub cassette: u64,
    /// The version of `runner` that recorded.
    pub runner: String,
    pub plugin: String,
    pub version: String,
    /// Of the component.
    pub digest: String,
    pub source: String,
    /// The id of the state, which plugins are told.
    #[serde(default)]
    pub state: String,
    /// The plugin's keys, without secrets.
    pub config: Map<String, Value>,
    /// What it was granted.
    pub grant: Value,
    /// The limits in force.
    pub limits: Value,
    /// The names of the secrets whose values were removed.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// What was run, when it was the conformance suite.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub suite: Value,
}

/// One call of the plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its number in the file.
    pub call: u64,
    /// `allocate`, `run`, …
    pub verb: String,
    pub args: Value,
    /// What it asked for, in its order.
    pub exchanges: Vec<Exchange>,
    /// `{"ok": …}` or `{"error": …}`; none: the recording ended first.
    pub outcome: Option<Value>,
}

/// One use of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    pub import: String,
    pub request: Value,
    /// `{"ok": …}`, `{"error": …}` or `{"end": …}`; none: the call ended while it waited.
    pub told: Option<Value>,
}

/// A whole cassette.
#[derive(Clone, Debug, PartialEq)]
pub struct Cassette {
    pub header: Header,
    pub calls: Vec<Recorded>,
}

/// A file that is no cassette, or that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CassetteError {
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{}`, line {line}: {why}", path.display())]
    Damaged {
        path: PathBuf,
        line: usize,
        why: String,
    },
    #[error("`{}` has version {found} of the cassette format, and this `runner` reads {VERSION}", path.display())]
    Version { path: PathBuf, found: u64 },
}

impl Cassette {
    /// As text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |value: Value| {
            text.push_str(&value.to_string());
            text.push('\n');
        };
        // A struct of plain fields always serialises.
        line(serde_json::to_value(&self.header).unwrap_or_default());
        for call in &self.calls {
            line(json!({ "call": call.call, "verb": call.verb, "args": folded(&call.args) }));
            for (number, exchange) in call.exchanges.iter().enumerate() {
                let mut object = Map::new();
                object.insert("call".into(), call.call.into());
                object.insert("n".into(), number.into());
                object.insert("import".into(), exchange.import.as_str().into());
                if !exchange.request.is_null() {
                    object.insert("request".into(), folded(&exchange.request));
                }
                if let Some(told) = &exchange.told {
                    object.insert("told".into(), folded(told));
                }
                line(Value::Object(object));
            }
            if let Some(outcome) = &call.outcome {
                line(json!({ "call": call.call, "outcome": folded(outcome) }));
            }
        }
        text
    }

    /// Writes it in one go.
    pub fn save(&self, path: &Path) -> Result<(), CassetteError> {
        let failed = |source| CassetteError::Io {
            doing: "write",
            path: path.to_owned(),
            source,
        };
        let mut draft = super::draft_beside(path).map_err(failed)?;
        draft.write_all(self.to_text().as_bytes()).map_err(failed)?;
        draft.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, CassetteError> {
        let failed = |source| CassetteError::Io {
            doing: "read",
            path: path.to_owned(),
            source,
        };
        let file = std::fs::File::open(path).map_err(failed)?;
        let mut text = String::new();
        file.take(LARGEST_FILE)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Self::parse(path, &text)
    }

    /// Reads a text; `path` is for errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, CassetteError> {
        let damaged = |line: usize, why: String| CassetteError::Damaged {
            path: path.to_owned(),
            line,
            why,
        };
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line));
        let (_, first) = lines
            .next()
            .ok_or_else(|| damaged(1, "it is empty".into()))?;
        let first: Value =
            serde_json::from_str(first).map_err(|error| damaged(1, error.to_string()))?;
        match first.get("cassette").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(found) => {
                return Err(CassetteError::Version {
                    path: path.to_owned(),
                    found,
                });
            }
            None => {
                return Err(damaged(
                    1,
                    "it is no cassette: `cassette` is missing".into(),
                ));
            }
        }
        let header = Header::deserialize(first).map_err(|error| damaged(1, error.to_string()))?;
        let mut calls: Vec<Recorded> = Vec::new();
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let line: Value =
                serde_json::from_str(line).map_err(|error| damaged(number, error.to_string()))?;
            add(&mut calls, &line).map_err(|why| damaged(number, why))?;
        }
        Ok(Self { header, calls })
    }
}

fn add(calls: &mut Vec<Recorded>, line: &Value) -> Result<(), String> {
    let number = line.get("call").and_then(Value::as_u64);
    let number = number.ok_or("`call` is missing")?;
    let text = |key: &str| line.get(key).and_then(Value::as_str).map(str::to_owned);
    let value = |key: &str| line.get(key).map(unfolded).transpose();
    let known = calls.iter().position(|call| call.call == number);
    if let Some(verb) = text("verb") {
        if known.is_some() {
            return Err(format!("call {number} begins twice"));
        }
        calls.push(Recorded {
            call: number,
            verb,
            args: value("args")?.unwrap_or_default(),
            exchanges: Vec::new(),
            outcome: None,
        });
        return Ok(());
    }
    let known = known.ok_or_else(|| format!("call {number} has not begun"))?;
    let call = &mut calls[known];
    if let Some(import) = text("import") {
        if line.get("n").and_then(Value::as_u64) != u64::try_from(call.exchanges.len()).ok() {
            return Err(format!("`n` should be {}", call.exchanges.len()));
        }
        call.exchanges.push(Exchange {
            import,
            request: value("request")?.unwrap_or_default(),
            told: value("told")?,
        });
        return Ok(());
    }
    call.outcome = Some(value("outcome")?.ok_or("neither `verb`, `import` nor `outcome`")?);
    Ok(())
}

/// Long texts and bytes as `{"gzip": "…"}`.
fn folded(value: &Value) -> Value {
    let long = match value {
        Value::String(text) => text.len() > LONGEST_TEXT,
        Value::Object(object) => object
            .get("base64")
            .and_then(Value::as_str)
            .is_some_and(|text| object.len() == 1 && text.len() > LONGEST_TEXT),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => false,
    };
    if long {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        // Into memory, which takes everything.
        if gzip.write_all(value.to_string().as_bytes()).is_ok()
            && let Ok(bytes) = gzip.finish()
        {
            return tagged("gzip", STANDARD.encode(bytes).into());
        }
    }
    match value {
        Value::Array(items) => items.iter().map(folded).collect(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| (key.clone(), folded(value)))
            .collect(),
        other => other.clone(),
    }
}

fn unfolded(value: &Value) -> Result<Value, String> {
    match value {
        Value::Array(items) => items.iter().map(unfolded).collect(),
        Value::Object(object) => {
            if let Ok(("gzip", Value::String(text))) = case_of(value) {
                let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
                let mut text = String::new();
                flate2::read::GzDecoder::new(&bytes[..])
                    .take(LARGEST_TEXT)
                    .read_to_string(&mut text)
                    .map_err(|error| error.to_string())?;
                return serde_json::from_str(&text).map_err(|error| error.to_string());
            }
            object
                .iter()
                .map(|(key, value)| Ok((key.clone(), unfolded(value)?)))
                .collect()
        }
        other => Ok(other.clone()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::tape) fn cassette(calls: Vec<Recorded>) -> Cassette {
        Cassette {
            header: Header {
                cassette: VERSION,
                runner: "0.1.0".into(),
                plugin: "box".into(),
                version: "1.0.0".into(),
                digest: "sha256:0".into(),
                source: "here".into(),
                state: "s".into(),
                config: Map::new(),
                grant: json!({}),
                limits: json!({}),
                secrets: Vec::new(),
                suite: Value::Null,
            },
            calls,
        }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let big = "line of text\n".repeat(10_000);
        let written = cassette(vec![
            Recorded {
                call: 1,
                verb: "allocate".into(),
                args: json!({"token": "t"}),
                exchanges: vec![
                    Exchange {
                        import: "http.fetch".into(),
                        request: json!({"url": "https://x/"}),
                        told: Some(json!({"ok": {"status": 200, "body": big}})),
                    },
                    Exchange {
                        import: "wall-clock.now".into(),
                        request: Value::Null,
                        told: None,
                    },
                ],
                outcome: None,
            },
            Recorded {
                call: 2,
                verb: "list".into(),
                args: Value::Null,
                exchanges: Vec::new(),
                outcome: Some(json!({"ok": []})),
            },
        ]);
        let text = written.to_text();
        assert!(text.len() < 4000 && text.lines().count() == 6, "{text}");
        assert_eq!(Cassette::parse(Path::new("c"), &text).unwrap(), written);
    }

    #[test]
    fn what_is_no_cassette_is_said_with_its_line() {
        let good = cassette(Vec::new()).to_text();
        let said = |text: &str| {
            Cassette::parse(Path::new("c"), text)
                .unwrap_err()
                .to_string()
        };
        for (text, words) in [
            (String::new(), "line 1: it is empty"),
            ("{}".into(), "line 1: it is no cassette"),
            ("{\"cassette\": 2}".into(), "has version 2"),
            (format!("{good}{{}}"), "line 2: `call` is missing"),
            (
                format!("{good}\n{{\"call\": 1}}"),
                "line 3: call 1 has not begun",
            ),
            (
                format!(
                    "{good}{{\"call\":1,\"verb\":\"list\"}}\n{{\"call\":1,\"n\":4,\"import\":\"x\"}}"
                ),
                "line 3: `n` should be 0",
            ),
            (
                format!("{good}{{\"call\":1,\"verb\":\"x\",\"args\":{{\"gzip\":\"!\"}}}}"),
                "line 2: ",
            ),
        ] {
            assert!(said(&text).contains(words), "{}", said(&text));
        }
    }
}
