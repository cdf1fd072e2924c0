//! Plugins in every language, as their authors make them: what `runner plugin new` writes and what stands in `examples/`
//! is built with the language's ordinary tools, packed, and used; and the mistakes that authors make are told.

mod examples;
mod mistakes;
mod projects;

use std::path::{Path, PathBuf};

use runner_tests::TestEnv;
use runner_tests::toolchains::{Toolchains, copy_tree};

/// The top of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
}

/// Builds one of `examples/` and answers its component. The build happens in a copy, and sees of the repository what a
/// reader would: the example, the SDK and the contract.
#[track_caller]
fn example(env: &mut TestEnv, tools: &Toolchains, name: &str, component: &str) -> PathBuf {
    let tree = env.path("tree");
    let project = tree.join("examples").join(name);
    copy_tree(&root().join("examples").join(name), &project);
    for part in ["sdk/c", "sdk/js", "sdk/python", "sdk/templates", "wit"] {
        copy_tree(&root().join(part), &tree.join(part));
    }
    tools.prepare(env);
    tools.lend(&project);
    build(env, &project);
    project.join(component)
}

/// Runs the build command of a project that has no Cargo.toml.
#[track_caller]
fn build(env: &TestEnv, project: &Path) {
    let command: &[&str] = if project.join("package.json").exists() {
        &["npm", "run", "build"]
    } else {
        &["make"]
    };
    env.program(command[0])
        .args(&command[1..])
        .current_dir(project)
        .run()
        .ok();
}

/// What `--source` takes for a component with settings.
fn source(component: &Path, settings: &str) -> String {
    match settings {
        "" => component.display().to_string(),
        settings => format!("{}:{settings}", component.display()),
    }
}

/// One instance from its making to its end: bytes and codes of commands, files there and back, and nothing that is left.
#[track_caller]
fn lives(env: &TestEnv, source: &str) {
    let outcome = env
        .runner(["acquire", "--grant", "--source", source])
        .run()
        .ok();
    let id = outcome.out().trim().to_owned();
    let outcome = env
        .runner(["run", &id, "--", "sh", "-c"])
        .arg("cat; printf '%s|' \"$@\"; echo failed >&2; exit 7")
        .args(["sh", "a b", "", "*", "$HOME", "\u{1f980}", "A=b"])
        .stdin("fed\n")
        .run()
        .code(7);
    assert_eq!(outcome.out(), "fed\na b||*|$HOME|\u{1f980}|A=b|");
    assert_eq!(outcome.err(), "failed\n");
    env.runner(["run", &id, "nosuchprogram"]).run().code(127);
    env.runner(["run", &id, "--", "sh", "-c", "kill -TERM $$"])
        .run()
        .code(128 + 15);
    let file = env.write("work/there", [0, 255, 10, 13]);
    env.runner(["cp", "there", &format!("{id}:back")])
        .run()
        .ok();
    std::fs::remove_file(&file).unwrap();
    env.runner(["cp", &format!("{id}:back"), "."]).run().ok();
    assert_eq!(
        std::fs::read(env.work().join("back")).unwrap(),
        [0, 255, 10, 13]
    );
    env.runner(["discard", &id]).run().ok();
    assert!(env.live().is_empty(), "{:?}", env.live());
}
