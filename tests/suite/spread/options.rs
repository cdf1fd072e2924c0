//! How the program is called: as `spread`, with its arguments and its words, and as `runner test`.

use super::{env, small};

#[test]
fn arguments_of_spread() {
    let env = env();
    small(&env);
    let both = "adhoc:sys-1:s/t\nadhoc:sys-2:s/t\n";
    let one = "adhoc:sys-1:s/t\n";
    for (words, wanted) in [
        (&["-list"][..], both),
        (&["--list"], both),
        (&["-list=true", "sys-1"], one),
        (&["-list", "-seed", "-5", "-workers=2", "sys-1"], one),
        // What follows the first filter is a filter: nothing has this name, and no job is left out.
        (&["-list", "sys-1", "-restore"], one),
        (&["-list", "-v", "--", "sys-1"], one),
    ] {
        let outcome = env.program("spread").args(words).run();
        assert_eq!(
            (outcome.code, &*String::from_utf8_lossy(&outcome.stdout)),
            (Some(0), wanted),
            "{words:?}: {outcome}"
        );
    }
    for (words, code, wanted) in [
        (
            &["-list=x"][..],
            2,
            "invalid boolean value \"x\" for -list: parse error",
        ),
        (
            &["-list", "-seed", "x"],
            2,
            "invalid value \"x\" for flag -seed: parse error",
        ),
        (&["-nope"], 2, "flag provided but not defined: -nope"),
        (&["-d", "x"], 2, "flag provided but not defined: -d"),
        (&["-list", "-pass"], 2, "flag needs an argument: -pass"),
        (
            &["-list", "s/t("],
            1,
            "error: invalid filter string: \"s/t(\"",
        ),
        (
            &["-list", "nothing"],
            1,
            "error: nothing matches provider filter",
        ),
        (
            &["-shell", "-shell-after", "-list"],
            1,
            "error: cannot have more than one of -debug, -shell, -shell-before/after, -abend, and -restore",
        ),
    ] {
        let outcome = env.program("spread").args(words).run();
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        assert_eq!(
            (outcome.code, stderr.lines().next()),
            (Some(code), Some(wanted)),
            "{words:?}: {outcome}"
        );
        assert!(outcome.stdout.is_empty(), "{outcome}");
    }
    let both = env
        .program("spread")
        .args(["-shell-before", "-shell-after", "-list"])
        .run();
    assert_eq!(both.code, Some(0), "{both}");
    let version = env.program("spread").arg("-version").run();
    assert_eq!(version.code, Some(0), "{version}");
}

#[test]
fn our_own_way() {
    let env = env();
    small(&env);
    let list = |words: &[&str]| env.runner(["test"]).args(words).run().ok().out().to_owned();
    let both = "adhoc:sys-1:s/t\nadhoc:sys-2:s/t\n";
    assert_eq!(list(&["-list"]), both);
    let json = env
        .runner(["test", "sys-1", "--list", "--json"])
        .run()
        .ok()
        .json();
    assert_eq!(
        json,
        serde_json::json!([{
            "name": "adhoc:sys-1:s/t", "backend": "adhoc", "system": "sys-1", "suite": "s/", "task": "s/t",
            "variant": null, "sample": 1, "priority": 0,
        }])
    );
    // Options may stand anywhere.
    assert_eq!(list(&["sys-1", "-list"]), "adhoc:sys-1:s/t\n");
    assert_eq!(list(&["--list", "--not", "sys-1"]), "adhoc:sys-2:s/t\n");
    assert_eq!(list(&["--list", "--shard=1/2"]), "adhoc:sys-1:s/t\n");
    let here = env.path("work/s/t");
    let from_below = env
        .runner(["-d"])
        .arg(&here)
        .args(["test", "-list"])
        .current_dir(env.path("home"))
        .run()
        .ok();
    assert_eq!(from_below.out(), both);
    let unknown = env.runner(["test", "--nope"]).run();
    assert_eq!(unknown.code, Some(2), "{unknown}");
    let refused = env
        .runner(["test", "-list"])
        .env("RUNNER_SPREAD_DIALECT", "perl")
        .run();
    assert_eq!(refused.code, Some(1), "{refused}");
    let forced = env.runner(["test", "-list", "--dialect", "perl"]).run();
    assert_eq!(forced.code, Some(2), "{forced}");
}

#[test]
fn problems_have_places_and_all_are_told() {
    let env = env();
    small(&env);
    env.write("work/s/u/task.yaml", "summary: x\nmanual: maybe\n");
    env.write("work/s/V/task.yaml", "summary: x\n");
    let outcome = env.runner(["test", "-list"]).run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    let wanted = "error: invalid task name: \"s/V\"\n  at s/V/task.yaml\n  hint: lower-case letters and digits, joined by single `-`, \
                  `.` or `_`: rename the directory\nerror: cannot load s/u/task.yaml: yaml: unmarshal errors:\n    line 2: cannot unmarshal \
                  !!str `maybe` into bool\n  at s/u/task.yaml:2:9\n";
    assert_eq!(stderr, wanted);
    let json = env.runner(["--json", "test", "-list"]).run();
    let told: serde_json::Value = serde_json::from_slice(&json.stderr).unwrap();
    assert_eq!(told["problems"][1]["file"], "s/u/task.yaml");
    assert_eq!(told["problems"][1]["line"], 2);
}

#[test]
fn a_plugin_or_a_source_is_a_backend() {
    let env = env();
    let project = |backend: &str| {
        env.write(
            "work/spread.yaml",
            format!("project: p\npath: /r/p\nbackends:\n    {backend}\n        systems: [sys-1]\nsuites:\n    s/:\n        summary: S\n"),
        );
        env.write("work/s/t/task.yaml", "summary: x\n");
    };
    project("local:");
    assert_eq!(
        env.runner(["test", "-list"]).run().ok().out(),
        "local:sys-1:s/t\n"
    );
    project("farm:");
    let outcome = env.runner(["test", "-list"]).run();
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    assert!(
        stderr.starts_with(
            "error: backend \"farm\" has unsupported type \"farm\"\n  at spread.yaml:4:5\n"
        ),
        "{stderr}"
    );
    let replaced = env
        .runner(["test", "-list", "--source", "farm=local"])
        .run()
        .ok();
    assert_eq!(replaced.out(), "farm:sys-1:s/t\n");
    project("farm:\n        type: ./farm.wasm");
    assert_eq!(env.runner(["test", "-list"]).run().code, Some(1));
    env.write("work/farm.wasm", "");
    assert_eq!(
        env.runner(["test", "-list"]).run().ok().out(),
        "farm:sys-1:s/t\n"
    );
}
