//! The fields that several levels share, read the same way at each.

use std::path::{Component, Path};

use runner_core::matrix::{Dialect, NameList, Scripts, Skip, Timeouts, lists, names};

use super::decode::{Decoder, Fields};
use super::yaml::{Node, Value};

/// The six scripts.
pub(super) fn scripts(decoder: &mut Decoder, fields: &Fields<'_>) -> Scripts {
    Scripts {
        prepare: decoder.script(fields, "prepare"),
        restore: decoder.script(fields, "restore"),
        debug: decoder.script(fields, "debug"),
        prepare_each: decoder.script(fields, "prepare-each"),
        restore_each: decoder.script(fields, "restore-each"),
        debug_each: decoder.script(fields, "debug-each"),
    }
}

/// Both timeouts.
pub(super) fn timeouts(decoder: &mut Decoder, fields: &Fields<'_>) -> Timeouts {
    Timeouts {
        warn: decoder.timeout(fields, "warn-timeout"),
        kill: decoder.timeout(fields, "kill-timeout"),
    }
}

/// One of the three lists, checked: it is not mixed, and references to systems look like systems.
pub(super) fn list(
    decoder: &mut Decoder,
    fields: &Fields<'_>,
    kind: lists::Kind,
    dialect: Dialect,
    context: &str,
) -> NameList {
    let list = decoder.list(fields, kind.word());
    if kind == lists::Kind::Systems {
        for name in list.names() {
            if !names::is_system(name, dialect) {
                let message = format!("{context} refers to invalid system name: {name:?}");
                decoder.problem(list.spot, message);
            }
        }
    }
    if list.is_mixed() {
        let word = kind.word();
        let message = format!("{context} specifies {word} both in delta and plain format");
        decoder.problem_with_hint(
            list.spot,
            message,
            "either all items begin with `+` or `-`, or none",
        );
    }
    list
}

/// Paths below the directory of the level, clean ones. `..` alone passes, as it always did.
pub(super) fn artifacts(decoder: &mut Decoder, fields: &Fields<'_>, context: &str) -> Vec<String> {
    let paths = decoder.texts(fields, "artifacts");
    for path in &paths {
        if !is_clean(path) {
            let message = format!("{context} has improper artifact path: {path}");
            let hint = "a path below the directory, without a `/` at its end and without `.` or `..` in it";
            decoder.problem_with_hint(fields.spot("artifacts"), message, hint);
        }
    }
    paths
}

fn is_clean(path: &str) -> bool {
    if path == ".." || path == "." {
        return true;
    }
    let normal = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    // `components` forgives doubled and trailing slashes, and dots in the middle.
    normal && !path.is_empty() && path.split('/').all(|part| !part.is_empty() && part != ".")
}

/// `skip`, of the plus dialect: each entry needs both of its keys.
pub(super) fn skips(decoder: &mut Decoder, fields: &Fields<'_>, context: &str) -> Vec<Skip> {
    let Some(node) = fields.get("skip").filter(|node| !node.is_null()) else {
        return Vec::new();
    };
    let entries: Vec<&Node> = match &node.value {
        Value::List(nodes) => nodes.iter().map(|node| &**node).collect(),
        // Tells that it is no list.
        Value::Scalar(_) | Value::Map(_) => {
            decoder.texts(fields, "skip");
            return Vec::new();
        }
    };
    let mut skips = Vec::new();
    for entry in entries {
        let fields = decoder.fields(entry, "skip", &["if", "reason"]);
        let skip = Skip {
            condition: decoder.script(&fields, "if"),
            reason: decoder.text(&fields, "reason"),
        };
        if skip.condition.is_empty() {
            decoder.problem(entry.at, format!("{context} has a skip without an if"));
        } else if skip.reason.is_empty() {
            decoder.problem(entry.at, format!("{context} has a skip without a reason"));
        } else {
            skips.push(skip);
        }
    }
    skips
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_paths() {
        for good in ["x", "a/b", "*.log", "..", ".", ".hidden"] {
            assert!(is_clean(good), "{good}");
        }
        for bad in [
            "/abs",
            "../x",
            "some/dir/",
            "a//b",
            "a/./b",
            "a/../b",
            "",
            "./a",
        ] {
            assert!(!is_clean(bad), "{bad}");
        }
    }
}
