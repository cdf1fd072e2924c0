//! Versions of one real component that differ in their manifest only, for tests about publishing and updating.

use serde_json::Value;

/// A component with another manifest. The text keeps its length, and so do all sections: what JSON does not need is filled with
/// blanks.
#[track_caller]
pub fn variant(component: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let start = component
        .windows(9)
        .enumerate()
        .find(|(at, window)| *window == b"{\n  \"name" && is_json(&component[*at..]))
        .map(|(at, _)| at)
        .expect("a component of the SDK has its manifest as it was written");
    let mut values = serde_json::Deserializer::from_slice(&component[start..]).into_iter::<Value>();
    let mut manifest = values.next().expect("a manifest").expect("it is JSON");
    let length = values.byte_offset();
    change(&mut manifest);
    let text = manifest.to_string();
    assert!(
        text.len() <= length,
        "the new manifest has {} bytes and there is room for {length}",
        text.len()
    );
    let old = &component[start..start + length];
    let mut new = vec![b' '; length];
    new[..text.len()].copy_from_slice(text.as_bytes());
    // The linker may keep it in the data as well as in its section.
    let mut changed = component.to_vec();
    let places: Vec<_> = component
        .windows(length)
        .enumerate()
        .filter(|(_, window)| *window == old)
        .collect();
    for (at, _) in places {
        changed[at..at + length].copy_from_slice(&new);
    }
    changed
}

/// The same with another version.
#[track_caller]
pub fn version(component: &[u8], version: &str) -> Vec<u8> {
    variant(component, |manifest| manifest["version"] = version.into())
}

fn is_json(bytes: &[u8]) -> bool {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    matches!(values.next(), Some(Ok(_)))
}
