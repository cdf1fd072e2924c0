//! `runner plugin test`, `record` and `replay` over the whole program: each provider of ours conforms at the level that is
//! written here, those that lie or reach out fail by name, and what was recorded plays again without its backend.
//!
//! A new provider is one line: below, once `contract/bench.rs` can set it up, or in `providers/conform.rs`; those of `examples/` are in
//! `authors`. `plugins/README.md` tells users what is shown here, and is compared with it.

use std::collections::BTreeMap;

use runner_tests::fake::Fake;
use runner_tests::{Outcome, Runner, TestEnv, guests};
use serde_json::Value;

use crate::contract::bench::{self, SOURCE};

/// One test per provider: what the bench sets up reaches this level, and these behaviours really were shown.
macro_rules! conforms {
    ($($provider:ident at $level:literal shows [$($shown:literal),*];)*) => {
        /// Each with its level.
        const SHOWN: &[(&str, &str)] = &[$((stringify!($provider), $level)),*];
        $(
            #[test]
            fn $provider() {
                // None was already said, loudly.
                if let Some(bench) = bench::$provider() {
                    let call = bench.env.runner(["plugin", "test", SOURCE]);
                    conforms_at(call, $level, &[$($shown),*]);
                    // Nothing of it was in the user's own books.
                    assert!(bench.env.live().is_empty(), "{:#?}", bench.env.live());
                    // Nothing is at the backend.
                    bench.assert_clean();
                }
            }
        )*
    };
}

conforms! {
    local at "robust" shows ["run.signals", "check.of-the-living", "probe.facts", "allocate.repeated"];
    ssh at "robust" shows ["run.argument-bytes", "check.of-the-living", "allocate.fault-lost-reply"];
    chroot at "robust" shows ["list.exact", "allocate.fault-lost-reply", "discard.fault-killed"];
    container at "robust" shows ["list.exact", "signals.reach-the-command", "allocate.fault-killed-after", "discard.fault-lost-reply"];
    command at "robust" shows ["list.exact", "discard.by-token-alone", "allocate.fault-lost-reply"];
    fake at "robust" shows ["list.exact", "clean.leaves-it-usable", "reboot.comes-back"];
}

/// `plugin test` of the bench's source: its verdicts by name.
fn tested(outcome: &Outcome) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    outcome.json()["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                text(&one["name"]),
                (text(&one["verdict"]), text(&one["seen"])),
            )
        })
        .collect()
}

/// `plugin test` with these arguments reaches this level, and these behaviours were tried and not left out. Answers what was seen.
#[track_caller]
pub(crate) fn conforms_at(call: Runner, level: &str, shown: &[&str]) -> BTreeMap<String, String> {
    let outcome = call.args(["--level", level, "--json"]).run();
    assert!(outcome.out().starts_with('{'), "{outcome}");
    let found = tested(&outcome);
    let failed: Vec<_> = found
        .iter()
        .filter(|(_, (verdict, _))| verdict == "failed")
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(outcome.json()["reached"], level, "{outcome}");
    for name in shown {
        assert_eq!(found[*name].0, "passed", "{name}: {}", found[*name].1);
    }
    let outcome = outcome.ok();
    assert_eq!(outcome.json()["left"], serde_json::json!([]));
    let seen = found.into_iter().map(|(name, (_, seen))| (name, seen));
    seen.collect()
}

/// All of this level is demanded but these behaviours, which fail: who falls short is told in `plugins/README.md`, and does no worse.
#[track_caller]
pub(crate) fn falls_short(call: Runner, level: &str, of: &[&str], shown: &[&str]) {
    let outcome = call.args(["--level", level, "--json"]).run();
    assert!(outcome.out().starts_with('{'), "{outcome}");
    let found = tested(&outcome);
    let failed = found.iter().filter(|(_, (verdict, _))| verdict == "failed");
    let names: Vec<&str> = failed.clone().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, of, "{:#?}", failed.collect::<Vec<_>>());
    for name in shown {
        assert_eq!(found[*name].0, "passed", "{name}: {}", found[*name].1);
    }
    assert_eq!(outcome.code(5).json()["left"], serde_json::json!([]));
}

/// The rows of the table in `plugins/README.md`: name and level.
fn catalogue() -> BTreeMap<String, String> {
    let plugins = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins");
    let text = std::fs::read_to_string(format!("{plugins}/README.md")).unwrap();
    let row = |line: &str| {
        let mut cells = line.split(" | ");
        let name = cells.next()?.strip_prefix("| [")?.split(']').next()?;
        Some((name.to_owned(), cells.nth(1)?.trim().to_owned()))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn the_catalogue_says_what_is_shown() {
    let told = catalogue();
    let shown = SHOWN.iter().chain(crate::providers::SHOWN);
    let shown = shown.chain(crate::authors::SHOWN);
    let shown: BTreeMap<&str, &str> = shown.copied().filter(|(name, _)| *name != "fake").collect();
    // Every provider has its row, and whoever is not shown here does not claim to be.
    let top = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut known = BTreeMap::new();
    for directory in ["plugins", "examples"] {
        for entry in std::fs::read_dir(format!("{top}/{directory}")).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.path().is_dir() && (directory == "plugins" || name.ends_with("-provider")) {
                let level = shown.get(name.as_str()).copied().unwrap_or("–");
                known.insert(name, level.to_owned());
            }
        }
    }
    assert_eq!(told, known);
    for name in shown.keys() {
        assert!(known.contains_key(*name), "{name}");
    }
}

/// The names of what failed, of the hostile guest with this misbehaviour in this call.
fn failures_of(at: &str, mode: &str, level: &str) -> (TestEnv, Vec<String>, Vec<Value>) {
    let env = TestEnv::new();
    std::fs::create_dir_all(env.path("backend/evil/live")).unwrap();
    env.source(
        "evil",
        &format!(
            "type = \"{}\"\nbackend = \"{}\"\nat = \"{at}\"\nmode = \"{mode}\"\ntarget = \"\"\nmaximum = 4\n\
             [limits]\nallocate = 3\nrun = 3\ndiscard = 3\nlist = 3\ncheck = 3\ncompute = 0.5\n",
            guests::hostile().display(),
            env.path("backend/evil").display(),
        ),
    );
    env.grant("evil");
    let call = ["plugin", "test", "evil", "--level", level, "--json"];
    let outcome = env.runner(call).run().code(5);
    let failed = tested(&outcome)
        .into_iter()
        .filter(|(_, (verdict, _))| verdict == "failed")
        .map(|(name, _)| name)
        .collect();
    let left = outcome.json()["left"].as_array().unwrap().clone();
    (env, failed, left)
}

#[test]
fn who_lies_or_reaches_out_fails_by_name() {
    for (at, mode, level, by_name) in [
        (
            "allocate",
            "handle-same",
            "basic",
            &["allocate.unique-handles"][..],
        ),
        ("list", "list-empty", "complete", &["list.exact"]),
        (
            "check",
            "secret",
            "complete",
            &["check.of-the-living", "rights.none-beyond-the-request"],
        ),
        (
            "check",
            "panic",
            "complete",
            &["check.of-the-living", "limits.respected"],
        ),
        (
            "discard",
            "error-forged",
            "basic",
            &["discard.destroys", "discard.unknown-token"],
        ),
    ] {
        let (env, failed, left) = failures_of(at, mode, level);
        for name in by_name {
            assert!(failed.iter().any(|one| one == name), "{mode}: {failed:?}");
        }
        // What it would not destroy is not forgotten.
        let live = std::fs::read_dir(env.path("backend/evil/live"))
            .unwrap()
            .count();
        assert_eq!(live > 0, at == "discard", "{mode}");
        assert_eq!(!left.is_empty(), at == "discard", "{mode}: {left:?}");
    }
}

#[test]
fn a_recording_plays_without_the_backend_and_tells_what_differs() {
    let Some(bench) = bench::command() else {
        return;
    };
    let env = &bench.env;
    let cassette = env.path("box.jsonl");
    let to = cassette.to_str().unwrap();
    let recorded = env
        .runner([
            "plugin", "record", SOURCE, "--to", to, "--", "echo", "hello",
        ])
        .run()
        .ok();
    recorded.says(&["recorded allocate, check, list, run, discard"]);
    bench.assert_clean();

    // Nothing answers any more.
    let lonely = |args: &[&str]| env.runner(args).env("PATH", "/nonexistent").run();
    let played = lonely(&["plugin", "replay", to]).ok();
    assert!(
        played
            .out()
            .contains("the component that was recorded: no difference"),
        "{played}"
    );

    let text = std::fs::read_to_string(&cassette).unwrap();
    assert!(text.contains("\"cassette\":1"), "{text}");
    let changed = text.replace("RESALLOC_NAME", "ANOTHER_NAME");
    assert_ne!(text, changed);
    std::fs::write(&cassette, changed).unwrap();
    let played = lonely(&["plugin", "replay", to]).code(5);
    assert!(
        played.out().starts_with("call 1 (`allocate`), request "),
        "{played}"
    );
    let place = ": another request, in `request.command.";
    assert!(played.out().contains(place), "{played}");
}

#[test]
fn the_suite_plays_from_a_recording_and_a_failure_is_packed() {
    let env = TestEnv::new();
    env.source(SOURCE, "type = \"local\"\nmaximum = 3\n");
    let cassette = env.path("box.jsonl");
    let to = cassette.to_str().unwrap();
    env.runner(["plugin", "test", SOURCE, "--record", to])
        .run()
        .ok();
    let junit = env.path("found.xml");
    let outcome = env
        .runner([
            "plugin",
            "test",
            "local",
            "--cassette",
            to,
            "--json",
            "--junit",
        ])
        .arg(&junit)
        .run()
        .ok();
    let found = tested(&outcome);
    assert_eq!(found["run.large-output"].0, "passed");
    assert_eq!(found["check.of-the-living"].0, "passed");
    assert!(outcome.err().is_empty(), "{outcome}");
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(
        xml.contains("testcase classname=\"local.basic\" name=\"run.signals\""),
        "{xml}"
    );

    let fake = Fake::source(&env, "fake", "maximum = 4\ncapacity = 4\n");
    env.write("backend/fake/control/check", "failed");
    let bundle = env.path("failure.tar");
    let outcome = env
        .runner(["plugin", "test", "fake", "--bundle"])
        .arg(&bundle)
        .run()
        .code(5);
    assert!(
        outcome.out().contains("FAIL  check.of-the-living"),
        "{outcome}"
    );
    assert!(
        outcome
            .out()
            .contains("conforms at level `basic`, not at `complete`"),
        "{outcome}"
    );
    assert!(bundle.exists() && fake.live().is_empty());
}

#[test]
fn an_import_can_be_made_to_fail() {
    let Some(bench) = bench::command() else {
        return;
    };
    let to = bench.env.path("box.jsonl");
    let outcome = bench
        .env
        .runner([
            "plugin",
            "record",
            SOURCE,
            "--fault",
            "allocate:0=lost-reply",
            "--to",
        ])
        .arg(&to)
        .run()
        .code(3);
    outcome.says(&["(injected)"]);
    // The machine was made, the answer was lost, and it is gone all the same.
    bench.assert_clean();
    let text = std::fs::read_to_string(&to).unwrap();
    assert!(
        text.contains("the connection broke after the request was sent (injected)"),
        "{text}"
    );
}
