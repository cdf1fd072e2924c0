//! The schemas: the keys that are read and no others, and the projects that load are valid.

use serde_json::{Value, json};

use super::{Case, PROJECT};
use crate::jobs::load::keys;
use crate::jobs::schema;

fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn the_keys_that_are_read() {
    let project = schema::project();
    let task = schema::task();
    for (object, keys) in [
        (&project, keys::PROJECT),
        (&project["$defs"]["backend"], keys::BACKEND),
        (&project["$defs"]["system"], keys::SYSTEM),
        (&project["$defs"]["suite"], keys::SUITE),
        (&task, keys::TASK),
    ] {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        assert_eq!(names(object), keys);
    }
}

#[test]
fn what_is_valid() {
    let project = jsonschema::validator_for(&schema::project()).unwrap();
    let task = jsonschema::validator_for(&schema::task()).unwrap();
    let whole = json!({
        "project": "p", "path": "/r", "x-anchors": {"a": 1}, "kill-timeout": "1h30m",
        "backends": {"lxd": {"systems": ["sys-1", {"sys-2": {"workers": 2, "manual": "yes"}}], "storage": "10G"}, "none": null},
        "suites": {"tests/main/": {"summary": "S", "systems": ["-sys-1"], "environment": {"A/x,y": 1, "B": null}}},
    });
    assert!(
        project.is_valid(&whole),
        "{:?}",
        project
            .iter_errors(&whole)
            .map(|it| it.to_string())
            .collect::<Vec<_>>()
    );
    for (key, value) in [
        ("kill-timeout", json!("10")),
        ("suites", json!({"s": {"summary": "S"}})),
        ("suites", json!({"s/": {}})),
        ("suites", json!({"s/": {"summary": "S", "summry": 1}})),
        (
            "suites",
            json!({"s/": {"summary": "S", "environment": {"1A": 1}}}),
        ),
        ("backends", json!({"lxd": {"systems": "sys-1"}})),
        (
            "backends",
            json!({"lxd": {"systems": ["sys-1"], "storage": "10X"}}),
        ),
        ("unknown", json!(1)),
    ] {
        let mut odd = whole.clone();
        odd[key] = value;
        assert!(!project.is_valid(&odd), "{odd}");
    }
    assert!(task.is_valid(
        &json!({"summary": "x", "execute": "true", "priority": 1.5, "samples": 3, "manual": true})
    ));
    assert!(!task.is_valid(&json!({"execute": "true"})));
    assert!(!task.is_valid(&json!({"summary": "x", "manual": "maybe"})));
}

#[test]
fn unknown_keys_are_noted_with_what_was_meant() {
    let case = Case::new(
        &format!("{PROJECT}        prepear: x\n"),
        "summary: x\nsumary: y\nx-note: z\n",
    );
    let notes = case.load(None).unwrap().notes;
    let told: Vec<String> = notes
        .iter()
        .map(|note| {
            format!(
                "{} ({})",
                note.message,
                note.hint.clone().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "unknown key `prepear` in a suite (did you mean `prepare`?)",
            "unknown key `sumary` in a task (did you mean `summary`?)"
        ]
    );
}
