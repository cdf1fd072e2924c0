//! Where systems come from: plugins by name, component files, sources, and what is not there.

use runner_tests::backends::podman::{IMAGE, Podman};
use runner_tests::backends::rootfs;
use runner_tests::guests;
use runner_tests::skip::{is_root, skip};

use super::{Project, entry, log, total};

#[test]
fn a_source_in_a_backends_place() {
    let project = Project::new()
        .on("  google:\n    key: x\n    systems: [this-machine]\n")
        .executes("s/t", "true");
    project
        .env
        .source("fleet", "type = \"local\"\nreserve = 1\n");
    let outcome = project.run(&["--source=google=fleet"]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(
        log(&outcome).contains("Allocated google:this-machine (fleet-0)."),
        "{outcome}"
    );
    // It went back where it came from, and serves the next run: nothing of the first one is in the way.
    let live = project.env.live();
    assert_eq!(live.len(), 1, "{live:?}");
    assert_eq!(live[0]["state"], "ready");
    let outcome = project.run(&["--source=google=fleet"]).ok();
    assert!(
        log(&outcome).contains("Allocated google:this-machine (fleet-0)."),
        "{outcome}"
    );
}

#[test]
fn a_plugin_that_is_not_there_is_named() {
    let project = Project::new()
        .on("  humbox:\n    systems: [this-machine]\n")
        .executes("s/t", "true");
    let outcome = project.run(&[]);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let told = entry(&outcome, "Cannot allocate humbox:this-machine: ");
    assert!(told.contains("needs the plugin `humbox`"), "{told}");
    assert_eq!(total(&outcome, "Aborted tasks"), 1);
}

#[test]
fn a_component_file_gets_what_its_user_grants_and_no_project_can() {
    let project = Project::new();
    let backend = project.env.path("backend");
    for part in ["live", "homes"] {
        std::fs::create_dir_all(backend.join(part)).unwrap();
    }
    let project = project
        .on(&format!(
            "  own:\n    type: ./own.wasm\n    backend: {}\n    systems: [this-machine]\n",
            backend.display()
        ))
        .executes("s/t", "true");
    let own = std::fs::read(guests::fake()).unwrap();
    project.env.write("work/own.wasm", &own);
    // Its instances see this machine's own root.
    project.write();
    let text = std::fs::read_to_string(project.path("spread.yaml")).unwrap();
    let place = project.env.path("demo").display().to_string();
    let text = text.replace("/root/demo", &place);
    project.env.write("work/spread.yaml", text);
    let run = |args: &[&str]| {
        let outcome = project.call(args).run();
        std::fs::remove_dir_all(&place).ok();
        outcome
    };
    let refused = || {
        let outcome = run(&[]).code(1);
        let told = entry(&outcome, "Cannot allocate own:this-machine: ");
        assert!(told.contains("is not granted"), "{told}");
        told
    };
    refused();
    // Nor does the name of a plugin of the program's own help.
    project.env.write("work/own.wasm", renamed(&own));
    assert!(refused().contains("plugin `adhoc`"));
    project.env.write("work/own.wasm", &own);
    run(&["--grant"]).ok();
    let told = refused();
    let command = told
        .split('`')
        .find(|text| text.starts_with("runner plugin grant"));
    let source = command.and_then(|text| text.rsplit(' ').next());
    project
        .env
        .grant(source.expect("the command that grants it"));
    run(&[]).ok();
}

/// The fake, which says that it is the plugin for scripts of projects.
fn renamed(fake: &[u8]) -> Vec<u8> {
    let (said, says) = (br#""name": "fake""#, br#""name":"adhoc""#);
    let mut bytes = fake.to_vec();
    let mut found = 0;
    for at in 0..=bytes.len() - said.len() {
        if bytes[at..].starts_with(said) {
            bytes[at..at + said.len()].copy_from_slice(says);
            found += 1;
        }
    }
    assert!(found > 0, "the fake has another manifest");
    bytes
}

#[test]
fn containers_need_no_sshd() {
    let mut project = Project::new().on(
        "  container:\n    systems:\n      - with-bash:\n          image: localhost/with-bash:1\n          workers: 2\n",
    );
    let Some(podman) = Podman::start(&mut project.env) else {
        return;
    };
    project.env.keep(podman);
    let Some(root) = rootfs::with_bash(&project.env.path("tmp/root")) else {
        return;
    };
    let tar = project.env.path("tmp/root.tar");
    rootfs::tarball(&root, &tar);
    let import = project.env.program("podman").arg("import").arg(tar);
    import.arg("localhost/with-bash:1").run().ok();
    let project = project
        .executes("s/a", "test -e $SPREAD_PATH/spread.yaml; echo x | MATCH x")
        .executes("s/b", "ERROR $(pwd) of $SPREAD_SYSTEM");
    let outcome = project.run(&[]);
    assert!(
        entry(&outcome, "Error executing").ends_with(" : /root/demo/s/b of with-bash"),
        "{outcome}"
    );
    assert_eq!(total(&outcome, "Successful tasks"), 1);
    assert!(Podman::containers(&project.env).is_empty());
}

#[test]
fn a_system_without_bash_is_told_so() {
    let mut project = Project::new()
        .on(&format!(
            "  container:\n    systems:\n      - just-busybox:\n          image: {IMAGE}\n"
        ))
        .executes("s/t", "true");
    let Some(podman) = Podman::start(&mut project.env) else {
        return;
    };
    project.env.keep(podman);
    let outcome = project.run(&[]);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let told = entry(&outcome, "Cannot connect to container:just-busybox");
    assert!(told.contains("`bash`"), "{told}");
    assert!(Podman::containers(&project.env).is_empty());
}

#[test]
fn chroots_are_systems() {
    if !is_root() {
        return skip("chroots need root");
    }
    let project = Project::new();
    let Some(root) = rootfs::with_bash(&project.env.path("tmp/root")) else {
        return;
    };
    let project = project
        .on(&format!(
            "  chroot:\n    systems:\n      - this-root:\n          rootfs: {}\n",
            root.display()
        ))
        .executes(
            "s/t",
            "test -e $SPREAD_PATH/spread.yaml; ERROR $(pwd) $SPREAD_REBOOT",
        );
    let outcome = project.run(&[]);
    assert!(
        entry(&outcome, "Error executing").ends_with(" : /root/demo/s/t 0"),
        "{outcome}"
    );
}

#[test]
fn what_has_no_kernel_of_its_own_is_not_rebooted() {
    let project = Project::new().executes("s/t", "echo before; REBOOT");
    let outcome = project.run(&[]);
    let told = entry(&outcome, "Error executing");
    assert!(
        told.contains("it has no kernel of its own to boot"),
        "{told}"
    );
}

#[test]
fn the_example_runs_as_it_is() {
    let env = runner_tests::TestEnv::new();
    let example =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/spread-project");
    env.program("cp").arg("-r").arg(example).arg(".").run().ok();
    let call = env.runner(["test", "local:"]);
    let outcome = call.current_dir(env.work().join("spread-project")).run();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(total(&outcome, "Successful tasks"), 6);
}
