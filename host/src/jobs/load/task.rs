//! Suites and tasks.

use std::path::Path;
use std::sync::Arc;

use runner_core::matrix::{Dialect, Problem, Suite, SuiteId, Task, lists, names};

use super::decode::Decoder;
use super::yaml::Node;
use super::{keys, levels};

/// Every suite, in byte order of names.
pub(super) fn suites(decoder: &mut Decoder, node: &Node, dialect: Dialect) -> Vec<Suite> {
    let mut suites = Vec::new();
    for entry in decoder.fields(node, "map of suites", &[]).iter() {
        let (name, spot) = (entry.key, entry.at);
        let fields = decoder.fields(entry.node, "suite", keys::SUITE);
        let context = format!("suite {name}");
        if !name.ends_with('/') {
            let message = format!("invalid suite name: {name:?} must end with a slash");
            decoder.problem_with_hint(spot, message, format!("write `{name}/:`"));
        } else if !names::is_suite(name) {
            let message = format!("invalid suite name: {name:?}");
            let hint = "a path of lower-case letters and digits, joined by single `-`, `.` or `_`";
            decoder.problem_with_hint(spot, message, hint);
        }
        let plus = dialect == Dialect::Plus;
        let suite = Suite {
            name: name.to_owned(),
            spot,
            summary: decoder.text(&fields, "summary"),
            backends: levels::list(decoder, &fields, lists::Kind::Backends, dialect, &context),
            systems: levels::list(decoder, &fields, lists::Kind::Systems, dialect, &context),
            variants: levels::list(decoder, &fields, lists::Kind::Variants, dialect, &context),
            environment: decoder.environment(&fields, &context),
            scripts: levels::scripts(decoder, &fields),
            timeouts: levels::timeouts(decoder, &fields),
            artifacts: if plus {
                levels::artifacts(decoder, &fields, &context)
            } else {
                Vec::new()
            },
            skip: if plus {
                levels::skips(decoder, &fields, &context)
            } else {
                Vec::new()
            },
            tags: decoder.texts(&fields, "tags"),
            priority: decoder.integer(&fields, "priority"),
            manual: decoder.boolean(&fields, "manual"),
        };
        if suite.summary.is_empty() {
            decoder.problem(spot, format!("{context} is missing a summary"));
        }
        suites.push(suite);
    }
    suites.sort_by(|a, b| a.name.cmp(&b.name));
    suites
}

/// A task that was read, and what there is to say about it.
pub(super) struct Read {
    pub(super) task: Task,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<Problem>,
}

/// Reads a task. `name` is that of the suite and its own; `file` is how messages name it, from the project's directory.
pub(super) fn task(
    name: &str,
    suite: SuiteId,
    file: Arc<Path>,
    bytes: &[u8],
    dialect: Dialect,
) -> Read {
    let mut reading = Decoder::new(format!("{name}/task.yaml"), Arc::clone(&file));
    let decoder = &mut reading;
    let root = decoder.parse(bytes);
    let unreadable = decoder.is_broken();
    let fields = match &root {
        Some(root) => decoder.fields(root, "task", keys::TASK),
        None => super::decode::Fields::default(),
    };
    let plus = dialect == Dialect::Plus;
    let samples = decoder.integer(&fields, "samples").unwrap_or(0);
    let task = Task {
        name: name.to_owned(),
        suite,
        file,
        summary: decoder.text(&fields, "summary"),
        details: decoder.text(&fields, "details"),
        backends: levels::list(decoder, &fields, lists::Kind::Backends, dialect, name),
        systems: levels::list(decoder, &fields, lists::Kind::Systems, dialect, name),
        variants: levels::list(decoder, &fields, lists::Kind::Variants, dialect, name),
        environment: decoder.environment(&fields, name),
        samples: match samples {
            0 => 1,
            negative if negative < 0 => 0,
            many => u32::try_from(many).unwrap_or(u32::MAX),
        },
        prepare: decoder.script(&fields, "prepare"),
        execute: decoder.script(&fields, "execute"),
        restore: decoder.script(&fields, "restore"),
        debug: decoder.script(&fields, "debug"),
        artifacts: levels::artifacts(decoder, &fields, name),
        skip: if plus {
            levels::skips(decoder, &fields, name)
        } else {
            Vec::new()
        },
        tags: decoder.texts(&fields, "tags"),
        timeouts: levels::timeouts(decoder, &fields),
        priority: decoder.integer(&fields, "priority"),
        manual: decoder.boolean(&fields, "manual"),
    };
    let own = name.rsplit('/').next().unwrap_or_default();
    if !names::is_plain(own) {
        let message = format!("invalid task name: {name:?}");
        let hint =
            "lower-case letters and digits, joined by single `-`, `.` or `_`: rename the directory";
        decoder.problem_with_hint(runner_core::matrix::Spot::default(), message, hint);
    }
    if task.summary.is_empty() && !unreadable {
        decoder.problem(fields.at, format!("{name} is missing a summary"));
    }
    let (problems, notes) = reading.finish();
    Read {
        task,
        problems,
        notes,
    }
}
