//! `runner test lint` and `runner test schema`.

use runner_tests::skip;

use super::{env, small};

fn told(outcome: &runner_tests::Outcome) -> Vec<String> {
    String::from_utf8_lossy(&outcome.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_clean_project() {
    let env = env();
    small(&env);
    let outcome = env.runner(["test", "lint", "--no-shellcheck"]).run().ok();
    assert!(outcome.stdout.is_empty(), "{outcome}");
}

#[test]
fn what_is_odd() {
    let env = env();
    small(&env);
    env.write(
        "work/s/odd/task.yaml",
        "summary: x\nsystms: [sys-1]\nsystems: [sys-1, sys-3]\nenvironment:\n    A/x: 1\n    B/y: 2\nvariants: [-y]\nsummary: again\n",
    );
    env.write(
        "work/s/gone/task.yaml",
        "summary: x\nexecute: 'true'\nsystems: [old-1]\n",
    );
    let outcome = env.runner(["test", "lint", "--no-shellcheck"]).run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert_eq!(
        told(&outcome),
        [
            "s/gone/task.yaml: warning: s/gone has no jobs: nothing is left of its backends, systems, variants or samples",
            "s/gone/task.yaml:3:1: warning: `old-1` in `systems` matches nothing that the project has",
            "s/odd/task.yaml: warning: s/odd has nothing to execute: it always succeeds",
            "s/odd/task.yaml:2:1: warning: unknown key `systms` in a task (did you mean `systems`?)",
            "s/odd/task.yaml:3:1: warning: `sys-3` in `systems` matches nothing that the project has (did you mean `sys-1`?)",
            "s/odd/task.yaml:6:5: warning: no job has the variant `y` of the variable `B`",
            "s/odd/task.yaml:8:1: warning: the key `summary` is given twice: the last one counts",
        ]
    );
    let json = env
        .runner(["test", "lint", "--no-shellcheck", "--json"])
        .run()
        .json();
    assert_eq!(
        (
            json["tasks"].as_u64(),
            json["findings"].as_array().map(Vec::len)
        ),
        (Some(3), Some(7))
    );
    assert_eq!(json["findings"][3]["hint"], "did you mean `systems`?");
}

#[test]
fn keys_of_a_backends_plugin_are_known() {
    let env = env();
    small(&env);
    // In a directory below, from where the component is not named.
    env.write("work/own.wasm", "no component");
    env.write(
        "work/spread.yaml",
        "project: p\npath: /p\nbackends:\n  lxd:\n    location: there\n    vm: true\n    ephemeral: true\n    \
         systems:\n      - sys-1:\n          options: {user.a: b}\n          imagee: x\n  container:\n    memory: 1G\n    \
         networks: [n]\n    enviroment: {A: b}\n    systems: [sys-1]\n  adhoc:\n    allocate: ADDRESS x\n    directory: x\n    \
         systems: [sys-1]\n  own:\n    type: ./own.wasm\n    what: ever\n    systems: [sys-1]\nsuites:\n  s/:\n    summary: s\n",
    );
    let outcome = env
        .runner(["test", "lint", "--no-shellcheck"])
        .current_dir(env.path("work/s"))
        .run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let file = env.path("work/spread.yaml");
    let wanted = [
        "7:5: warning: unknown key `ephemeral` in a backend of the plugin `incus`",
        "11:11: warning: unknown key `imagee` in a system of the plugin `incus` (did you mean `image`?)",
        // Spread has these two, and this plugin has not.
        "13:5: warning: unknown key `memory` in a backend of the plugin `container`",
        "14:5: warning: unknown key `networks` in a backend of the plugin `container` (did you mean `network`?)",
        "15:5: warning: unknown key `enviroment` in a backend of the plugin `container` (did you mean `environment`?)",
        "19:5: warning: unknown key `directory` in a backend",
    ];
    let wanted = wanted.map(|line| format!("{}:{line}", file.display()));
    assert_eq!(told(&outcome), wanted);
}

#[test]
fn scripts_through_shellcheck() {
    if skip::program("shellcheck").is_none() {
        return skip::skip("there is no shellcheck");
    }
    let env = env();
    small(&env);
    env.write(
        "work/s/odd/task.yaml",
        "summary: x\nenvironment:\n    KNOWN: 1\nexecute: |\n    echo \"$KNOWN\" \"$SPREAD_JOB\" | MATCH 1\n    cd /tmp\n    echo \"$unknown\"\n",
    );
    let outcome = env.runner(["test", "lint"]).run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let lines = told(&outcome);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("s/odd/task.yaml:7:1: warning: shellcheck: "),
        "{lines:?}"
    );
    assert!(lines[0].ends_with("(SC2154, warning)"), "{lines:?}");
}

#[test]
fn schemas() {
    let env = env();
    for (words, title) in [
        (&["test", "schema"][..], "A spread project"),
        (&["test", "schema", "task"], "A spread task"),
    ] {
        let schema = env.runner(words).run().ok().json();
        assert_eq!(schema["title"], title);
    }
}
