//! Plugins in every language, as their authors make them: what `runner plugin new` writes and what stands in `examples/`
//! is built with the language's ordinary tools, packed, and used; and the mistakes that authors make are told.

mod examples;
mod mistakes;
mod projects;

use std::path::{Path, PathBuf};

use runner_tests::toolchains::{Toolchains, copy_tree};
use runner_tests::{Runner, TestEnv};

use crate::conformance::conforms_at;

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

/// Each provider of `examples/`, with the level that it is held to.
pub(crate) const SHOWN: &[(&str, &str)] = &[
    ("airgap-provider", "robust"),
    ("lab-provider", "robust"),
    ("limited-provider", "robust"),
    ("worktree-provider", "complete"),
];

/// `plugin test` of an example reaches the level that is written here, and these behaviours were tried.
#[track_caller]
fn holds(call: Runner, example: &str, shown: &[&str]) {
    let mut known = SHOWN.iter().filter(|(name, _)| *name == example);
    let (_, level) = known.next().expect("its level is known");
    conforms_at(call, level, shown);
}
