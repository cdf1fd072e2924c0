//! `qemu` over the real thing: a tiny machine, emulated, because KVM cannot be counted on. Boots are few, they cost: what every
//! provider owes is shown on clones of a saved machine.

use std::path::Path;

use runner_tests::backends::qemu::{machine, processes};
use runner_tests::command::kill;
use runner_tests::service::{Service, eventually};
use runner_tests::{Outcome, TestEnv};
use rustix::process::Signal;

use crate::conformance::falls_short;
use crate::contract::bench::SOURCE;

/// The port where this instance's ssh is.
fn port(env: &TestEnv, name: &str) -> String {
    let live = env.live();
    let one = live
        .iter()
        .find(|one| one["name"] == name)
        .expect("it is there");
    one["access"]["port"].to_string()
}

/// Runs this in a machine that trusts the key `key`, by an ssh of our own, once it answers.
fn inside(env: &TestEnv, name: &str, script: &str) -> Outcome {
    let port = port(env, name);
    let mut last = None;
    eventually("the machine answers", || {
        let outcome = env
            .program("ssh")
            .args([
                "-F",
                "none",
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-o",
                "BatchMode=yes",
                "-i",
            ])
            .arg(env.path("key"))
            .args(["-p", &port, "root@127.0.0.1", script])
            .run();
        let answered = outcome.code == Some(0);
        last = Some(outcome);
        answered
    });
    last.expect("an outcome")
}

#[test]
fn a_machine_boots_is_told_who_it_is_and_its_crash_is_noticed() {
    let Some(machine) = machine() else { return };
    let env = TestEnv::new();
    // One second is too short for this kernel with any accelerator: emulation is what follows.
    env.source(
        "vm",
        &format!("{machine}accel = \"auto\"\nkvm-patience = 1\ncheck_period = \"1s\"\n"),
    );
    let name = env.acquire("vm");
    let live = env.live();
    assert_eq!(live[0]["attributes"]["accelerator"], "tcg", "{live:?}");

    // The host made a key, and the machine was told it and its name.
    let console = live[0]["attributes"]["console"]
        .as_str()
        .unwrap()
        .to_owned();
    let told = format!("{name} trusts 1 key");
    eventually(&told, || {
        std::fs::read_to_string(&console).is_ok_and(|text| text.contains(&told))
    });
    let port = port(&env, &name);
    eventually("its ssh server answers", || {
        let keys = env
            .program("ssh-keyscan")
            .args(["-p", &port, "127.0.0.1"])
            .run();
        keys.out().contains("ssh-ed25519")
    });

    // The process outlived the command that started it, and is found by who it is.
    let [process] = processes(&env)[..] else {
        panic!("one machine, not {:?}", processes(&env));
    };
    let _serve = Service::start(&env);
    eventually("a check that passes", || {
        !env.live()[0]["checked"].is_null()
    });
    kill(process, Signal::KILL);
    eventually("the end of the crashed machine", || env.live().is_empty());
    let why = env.runner(["why", &name]).run().ok();
    assert!(why.out().contains("does not run"), "{why}");
    assert!(processes(&env).is_empty());
}

#[test]
fn machines_start_from_a_saved_one_and_do_what_is_owed_but_for_a_long_argument() {
    let Some(machine) = machine() else { return };
    let env = TestEnv::new();
    env.program("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(env.path("key"))
        .run()
        .ok();
    let public = std::fs::read_to_string(env.path("key.pub")).unwrap();
    let lines = format!(
        "accel = \"tcg\"\nidentity = \"{}\"\nwarm = \"{}\"\nuser-data = \"{}\"\n",
        env.path("key").display(),
        env.path("saved").display(),
        public.trim(),
    );
    env.source(SOURCE, &format!("{machine}{lines}"));
    let call = env.runner(["plugin", "test", SOURCE, "--bad", "image=/no-such.qcow2"]);
    falls_short(
        call,
        "complete",
        // The machine's dropbear takes no command of 100,000 bytes.
        &["run.argument-bytes"],
        &[
            "run.large-output",
            "list.exact",
            "errors.bad-configuration",
            "discard.by-token-alone",
        ],
    );
    assert!(env.live().is_empty(), "{:#?}", env.live());
    assert_eq!(processes(&env), [0; 0]);
    side_by_side(&env);
}

/// Each has a disk of its own.
fn side_by_side(env: &TestEnv) {
    let names = env.acquire_many(SOURCE, 2);
    let note = |name: &str| {
        inside(
            env,
            name,
            &format!("cat /disk/origin; echo {name} >> /disk/mine; sync; cat /disk/mine"),
        )
    };
    for name in &names {
        let noted = note(name);
        assert_eq!(noted.out(), format!("as it was made\n{name}\n"), "{noted}");
    }
    assert_eq!(processes(env).len(), 2, "and not the one that was saved");
    let kept = std::fs::read_dir(env.path("saved")).unwrap().flatten();
    // What an attempt left that failed is removed by the next one.
    let saved = |path: &Path| path.is_dir() && path.extension().is_none();
    let kept: Vec<_> = kept.filter(|entry| saved(&entry.path())).collect();
    assert_eq!(kept.len(), 1, "saved once: {kept:?}");

    env.runner(["release", &names[0]]).run().ok();
    eventually("one is gone and the other is not", || {
        processes(env).len() == 1
    });
    let again = note(&names[1]);
    assert_eq!(again.words().len(), 6, "{again}");
}

#[test]
fn what_cannot_start_says_why_and_leaves_nothing() {
    let Some(machine) = machine() else { return };
    let env = TestEnv::new();
    let refused = |source: &str, lines: &str, said: &[&str]| {
        env.source(source, lines);
        let outcome = env.runner(["acquire", "-s", source]).run();
        assert_ne!(outcome.code, Some(0), "{outcome}");
        let said = outcome.says(said);
        assert!(!said.to_string().contains("cannot be listed"), "{said}");
    };
    let no_image = machine.replace("disk.qcow2", "no-such.qcow2");
    refused(
        "image",
        &format!("{no_image}accel = \"tcg\"\n"),
        &["no-such.qcow2", "check the paths"],
    );
    let no_raw = format!("{machine}accel = \"tcg\"\nimage-format = \"raw\"\n");
    let raw = ["is in the format `qcow2`", "image-format = \"qcow2\""];
    refused("format", &no_raw, &raw);
    let no_option = format!("{machine}accel = \"tcg\"\nextra-args = [\"-no-such-option\"]\n");
    refused("option", &no_option, &["no-such-option"]);
    let no_key = format!("{machine}accel = \"tcg\"\nwarm = \"/nowhere\"\n");
    refused("warm", &no_key, &["takes no new key", "identity"]);
    eventually("nothing is left", || {
        env.runner(["exec", "--source", "local", "--", "true"])
            .run();
        env.live().is_empty()
    });
    assert!(processes(&env).is_empty());
}
