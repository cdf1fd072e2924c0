//! Refuses schemas that would take for ever: a few lines of references can stand for 2^40 checks, a chain of them for a
//! stack that overflows, a pattern for seconds.
//!
//! The validator follows references wherever they lead. So only those within the document are allowed, without cycles,
//! and what they stand for together is counted before the validator sees the schema.

use std::collections::HashMap;

use serde_json::Value;

use super::text::printable_cut;

/// Values that the schema may have when every reference is replaced by what it refers to.
const MOST: u64 = 50_000;
/// How many values a pattern counts for: compiling one takes up to some milliseconds.
const PATTERN: u64 = 250;
/// Nesting, references included.
const DEEPEST: u32 = 160;

/// Keywords that make references mean something else than a path in the document.
const REFUSED: [&str; 8] = [
    "$id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
    "$schema",
];

/// What a value stands for with everything below it and behind its references.
#[derive(Clone, Copy)]
struct Weight {
    values: u64,
    height: u32,
}

struct Visit<'a> {
    root: &'a Value,
    /// By address: the values do not move while they are looked at. `None`: being looked at.
    seen: HashMap<*const Value, Option<Weight>>,
}

/// Checks a schema without its `$schema` at the top. The error is a fragment, escaped.
pub(super) fn check(root: &Value) -> Result<(), String> {
    let mut visit = Visit {
        root,
        seen: HashMap::new(),
    };
    visit.weigh(root, 0).map(drop)
}

impl<'a> Visit<'a> {
    fn weigh(&mut self, value: &'a Value, depth: u32) -> Result<Weight, String> {
        match self.seen.get(&std::ptr::from_ref(value)) {
            Some(Some(weight)) => return bounded(*weight, depth),
            Some(None) => return Err("a `$ref` leads back to where it stands".to_owned()),
            None => (),
        }
        if depth > DEEPEST {
            return Err(too_deep());
        }
        self.seen.insert(value, None);
        let mut weight = Weight {
            values: 1,
            height: 0,
        };
        match value {
            Value::Array(list) => {
                for below in list {
                    let below = self.weigh(below, depth + 1)?;
                    weight.add(below);
                }
            }
            Value::Object(map) => {
                for (key, below) in map {
                    weight.add(self.weigh(below, depth + 1)?);
                    match (key.as_str(), below) {
                        ("$ref", Value::String(reference)) => {
                            let target = self.target(reference)?;
                            weight.add(self.weigh(target, depth + 1)?);
                        }
                        ("pattern", Value::String(_)) => weight.values += PATTERN,
                        ("patternProperties", Value::Object(patterns)) => {
                            weight.values += PATTERN * patterns.len() as u64;
                        }
                        (key, Value::String(_) | Value::Bool(_)) if REFUSED.contains(&key) => {
                            return Err(format!("`{key}` is not supported here"));
                        }
                        _ => (),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
        }
        let weight = bounded(weight, depth)?;
        self.seen.insert(value, Some(weight));
        Ok(weight)
    }

    fn target(&self, reference: &str) -> Result<&'a Value, String> {
        let shown = || printable_cut(reference, 100);
        let pointer = reference
            .strip_prefix('#')
            // The validator decodes `%61`, a pointer does not: they would not see the same.
            .filter(|pointer| !pointer.contains('%'))
            .ok_or_else(|| format!("`$ref` to `{}` leaves the document", shown()))?;
        self.root
            .pointer(pointer)
            .ok_or_else(|| format!("`$ref` to `{}` leads nowhere", shown()))
    }
}

impl Weight {
    fn add(&mut self, below: Self) {
        self.values = self.values.saturating_add(below.values);
        self.height = self.height.max(below.height + 1);
    }
}

fn bounded(weight: Weight, depth: u32) -> Result<Weight, String> {
    if weight.values > MOST {
        return Err(format!(
            "with its references it stands for more than {MOST} values"
        ));
    }
    if depth.saturating_add(weight.height) > DEEPEST {
        return Err(too_deep());
    }
    Ok(weight)
}

fn too_deep() -> String {
    format!("it is nested more than {DEEPEST} deep, references included")
}
