//! What is stored of an instance as JSON, as `requires` sees it.

use runner_core::policy::Tag;
use runner_core::requires::Attributes;

use super::attributes_of;
use crate::provider::Facts;

/// Brings together what is stored. What cannot be read is not known.
pub(super) fn attributes(
    tags: &[Tag],
    facts: Option<&str>,
    attributes: Option<&str>,
) -> Attributes {
    let said: Vec<(String, String)> = attributes
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default();
    let facts: Option<Facts> = facts.and_then(|json| serde_json::from_str(json).ok());
    attributes_of(tags, &said, facts.as_ref())
}
