//! The `[limits]` tables: bounds of one plugin call, as written. What they mean and what they are when nobody writes
//! them is the plugin room's.

use serde_json::Map;

use super::document::{Document, Entry, Value};
use super::error::Problem;

/// Reads the entries of a `[limits]` table: whole numbers, not negative.
pub(super) fn read(
    document: &Document,
    entries: &[Entry],
) -> (Map<String, serde_json::Value>, Vec<Problem>) {
    let mut limits = Map::new();
    let mut problems = Vec::new();
    for entry in entries {
        let number = match &entry.node.value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::Text(text) if document.untyped => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => {
                limits.insert(entry.key.clone(), number.into());
            }
            None => {
                let message = format!(
                    "the limit `{}` must be a whole number of 0 or more, not `{}`",
                    entry.key,
                    entry.node.value.to_json()
                );
                problems.push(Problem::at(document.position(entry.node.at), message));
            }
        }
    }
    (limits, problems)
}
