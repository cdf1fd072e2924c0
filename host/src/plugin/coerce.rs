//! Texts of `-o key=value` as values of the type that the schema wants.

use serde_json::{Map, Value};

use super::text::printable_cut;

/// References that are followed before giving up.
const FARTHEST: usize = 16;
/// Subschemas that are looked at for their types.
const MOST: usize = 256;

/// The value that `text` stands for under this schema. `root` is the whole document, for references within it; without a
/// schema for the key the text stays text, and the caller reports the key.
pub(super) fn coerce(root: &Value, schema: Option<&Value>, text: &str) -> Result<Value, String> {
    let Some(schema) = schema.and_then(|schema| resolve(root, schema)) else {
        return Ok(Value::from(text));
    };
    let wanted = types(root, schema);
    let mut first = None;
    for kind in &wanted {
        match as_type(root, schema, kind, text) {
            Ok(value) => return Ok(value),
            Err(problem) => {
                first.get_or_insert(problem);
            }
        }
    }
    match first {
        Some(problem) => Err(problem),
        // No type: what reads as JSON is JSON.
        None => Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))),
    }
}

/// Follows references within the document.
fn resolve<'a>(root: &'a Value, mut schema: &'a Value) -> Option<&'a Map<String, Value>> {
    for _ in 0..FARTHEST {
        let object = schema.as_object()?;
        match object.get("$ref").and_then(Value::as_str) {
            Some(reference) => schema = root.pointer(reference.strip_prefix('#')?)?,
            None => return Some(object),
        }
    }
    None
}

/// The types that a schema allows, the choosiest first: text takes everything, so it comes last.
fn types(root: &Value, schema: &Map<String, Value>) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut waiting = vec![schema];
    // Choices of choices of choices: a schema can have more of them than there is time.
    for _ in 0..MOST {
        let Some(schema) = waiting.pop() else { break };
        match schema.get("type") {
            Some(Value::Array(kinds)) => found.extend(kinds.iter().filter_map(known)),
            Some(kind) => found.extend(known(kind)),
            None => {
                let options = schema.get("enum").and_then(Value::as_array);
                found.extend(options.into_iter().flatten().map(type_of));
                found.extend(schema.get("const").map(type_of));
            }
        }
        for choice in ["anyOf", "oneOf", "allOf"] {
            let choices = schema.get(choice).and_then(Value::as_array);
            let choices = choices
                .into_iter()
                .flatten()
                .take(MOST - waiting.len().min(MOST));
            waiting.extend(choices.filter_map(|schema| resolve(root, schema)));
        }
    }
    found.sort_by_key(|kind| TYPES.iter().position(|known| known == kind));
    found.dedup();
    found
}

/// The choosiest first.
const TYPES: [&str; 7] = [
    "null", "boolean", "integer", "number", "object", "array", "string",
];

fn known(kind: &Value) -> Option<&'static str> {
    let kind = kind.as_str()?;
    TYPES.iter().find(|known| **known == kind).copied()
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn as_type(
    root: &Value,
    schema: &Map<String, Value>,
    kind: &str,
    text: &str,
) -> Result<Value, String> {
    let wrong = |what: &str| format!("must be {what}, not `{}`", printable_cut(text, 100));
    match kind {
        "string" => Ok(Value::from(text)),
        "integer" => text
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| text.parse::<u64>().map(Value::from))
            .map_err(|_| wrong("a whole number")),
        "number" => text
            .parse::<i64>()
            .map(Value::from)
            .ok()
            .or_else(|| {
                let number = text.parse::<f64>().ok()?;
                serde_json::Number::from_f64(number).map(Value::from)
            })
            .ok_or_else(|| wrong("a number")),
        "boolean" => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(wrong("`true` or `false`")),
        },
        "null" if text == "null" => Ok(Value::Null),
        "null" => Err(wrong("`null`")),
        "array" => as_array(root, schema, text),
        "object" => match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Ok(Value::Object(object)),
            _ => Err(wrong("a JSON object such as `{\"key\": 1}`")),
        },
        _ => Ok(Value::from(text)),
    }
}

/// A JSON array, or entries between commas.
fn as_array(root: &Value, schema: &Map<String, Value>, text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('[') {
        return match serde_json::from_str(text) {
            Ok(Value::Array(list)) => Ok(Value::Array(list)),
            // `[::1],[::2]` is a list of addresses and no JSON.
            _ => split(root, schema, text),
        };
    }
    split(root, schema, text)
}

fn split(root: &Value, schema: &Map<String, Value>, text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::Array(Vec::new()));
    }
    let items = schema.get("items");
    text.split(',')
        .map(|entry| coerce(root, items, entry.trim()))
        .collect::<Result<Vec<_>, _>>()
        .map(Value::Array)
}
