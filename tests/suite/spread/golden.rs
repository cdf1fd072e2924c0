//! The golden cases of `tests/golden/spread-list`: small projects, and what both ancestors print for them.
//!
//! Output is compared in order: ours is stable, and the ancestors' is sorted first where they print variants in a random order.
//! The first line of an error is compared word for word. Where we differ on purpose, [`DIFFERENCES`] says so and why.

use std::path::Path;

use serde_json::Value;

use super::{copy_tree, env};

/// What we do instead: the project, its arguments, the dialect (empty is both), our exit code and first line.
const DIFFERENCES: [(&str, &[&str], &str, i32, &str); 3] = [
    // The ancestors crash over `<<` in an environment; it merges like everywhere else.
    ("env-merge", &["-list"], "", 0, "adhoc:sys-1:s/t:v1"),
    // They take one of the two by chance.
    (
        "system-two-keys-one-item",
        &["-list"],
        "",
        1,
        "error: backend \"adhoc\" has two systems in one item of the list: \"sys-1\" and \"sys-2\"",
    ),
    // Host commands of jobs that are not selected do not run; `-all-host-commands` is the ancestor's rule, tested below.
    (
        "host-fail-other-task",
        &["-list", "s/t"],
        "spread",
        0,
        "adhoc:sys-1:s/t",
    ),
];

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/spread-list")
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect()
}

#[test]
fn as_both_ancestors_print_it() {
    let env = env();
    let expected = std::fs::read_to_string(golden().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let mut wrong = Vec::new();
    let mut cases = 0;
    for (name, list) in expected.as_object().unwrap() {
        let project = env.work().join(name);
        copy_tree(&golden().join("projects").join(name), &project);
        // The one project whose file is not at its top.
        let within = if name == "reroot" {
            project.join("sub")
        } else {
            project.clone()
        };
        for case in list.as_array().unwrap() {
            let args = texts(&case["args"]);
            for dialect in ["spread", "plus"] {
                let wanted = &case[dialect];
                let outcome = env
                    .program("spread")
                    .args(&args)
                    .env("RUNNER_SPREAD_DIALECT", dialect)
                    .current_dir(&within)
                    .run();
                let stderr = String::from_utf8_lossy(&outcome.stderr)
                    .replace(project.to_str().unwrap(), "$CASE");
                let complaint = stderr.lines().next().unwrap_or_default();
                let stdout = String::from_utf8_lossy(&outcome.stdout).into_owned();
                let lines: Vec<&str> = stdout.lines().collect();
                let difference = DIFFERENCES.iter().find(|(project, words, of, ..)| {
                    project == name && *words == args && (of.is_empty() || *of == dialect)
                });
                let same = match difference {
                    Some((.., code, line)) => {
                        let first = if *code == 0 {
                            lines.first().copied()
                        } else {
                            Some(complaint)
                        };
                        outcome.code == Some(*code) && first == Some(line)
                    }
                    None => {
                        let code = wanted["rc"]
                            .as_i64()
                            .and_then(|code| i32::try_from(code).ok());
                        let out = ordered(texts(&wanted["out"]));
                        let error = wanted["err"]
                            .as_str()
                            .unwrap()
                            .lines()
                            .next()
                            .unwrap_or_default();
                        outcome.code == code && lines == out && complaint == error
                    }
                };
                cases += 1;
                if !same {
                    wrong.push(format!(
                        "{name} {args:?} as {dialect}\n  wanted {wanted}\n  got {outcome}"
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {cases} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(cases, 132);
}

/// In our order: only where variants of one task stand side by side can the ancestors' differ.
fn ordered(mut lines: Vec<&str>) -> Vec<&str> {
    fn parts(line: &str) -> (&str, &str) {
        let end = line
            .match_indices(':')
            .nth(2)
            .map_or(line.len(), |(at, _)| at);
        line.split_at(end)
    }
    let mut from = 0;
    while from < lines.len() {
        let (task, _) = parts(lines[from]);
        let same = lines[from..]
            .iter()
            .take_while(|line| parts(line).0 == task)
            .count();
        lines[from..from + same].sort_unstable();
        from += same;
    }
    lines
}

#[test]
fn every_host_command_where_that_is_wanted() {
    let env = env();
    copy_tree(&golden().join("projects/host-fail-other-task"), &env.work());
    let outcome = env
        .program("spread")
        .args(["-all-host-commands", "-list", "s/t"])
        .run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    assert!(
        stderr.starts_with(
            "error: $(HOST: exit 3) in s/u environment returned error: exit status 3\n"
        ),
        "{stderr}"
    );
}
