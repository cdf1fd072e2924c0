//! `runner plugin new`: in every language the project builds and passes `plugin test` as it was written.

use std::path::{Path, PathBuf};

use runner_tests::TestEnv;
use runner_tests::toolchains::Toolchains;

use super::build;

/// Writes a project, beside nothing else.
#[track_caller]
fn written(env: &TestEnv, language: &str) -> PathBuf {
    env.runner(["plugin", "new", "shed", "--lang", language])
        .run()
        .ok();
    env.work().join("shed")
}

/// What its author does next.
#[track_caller]
fn proves(env: &TestEnv, component: &Path) {
    assert!(
        component.exists(),
        "`{}` was not built",
        component.display()
    );
    let inspected = env
        .runner(["plugin", "inspect", "--json"])
        .arg(component)
        .run()
        .ok()
        .json();
    assert_eq!(inspected["manifest"]["name"], "shed");
    let source = component.display().to_string();
    // As its README and its CI say, word for word.
    let tested = env
        .runner(["plugin", "test"])
        .arg(&source)
        .args(["--level", "robust", "--grant", "--json"])
        .run();
    assert_eq!(tested.json()["reached"], "robust", "{tested}");
    tested.ok();
    // What it is for: commands that give way, as configured.
    let outcome = env
        .runner(["exec", "--grant", "--source"])
        .arg(format!("{source}:niceness=7"))
        .args(["--", "sh", "-c", "nice; exit 3"])
        .run()
        .code(3);
    // On top of what the tests themselves run at.
    let own: i32 = env.program("nice").run().ok().out().trim().parse().unwrap();
    assert_eq!(outcome.out(), format!("{}\n", (own + 7).min(19)));
}

#[test]
fn a_rust_project_is_a_provider() {
    let env = TestEnv::new();
    let project = written(&env, "rust");
    // With the tests' own cache of crates, and a place for what was built that the next run finds again.
    let target = runner_tests::env::shared_cache().join("rust-project");
    let mut cargo = env.program("cargo").current_dir(&project);
    for variable in ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        if let Some(value) = std::env::var_os(variable) {
            cargo = cargo.env(variable, value);
        }
    }
    // Both default to places below the home, and the home is the test's.
    for (variable, place) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        if std::env::var_os(variable).is_none()
            && let Some(home) = std::env::var_os("HOME")
        {
            cargo = cargo.env(variable, PathBuf::from(home).join(place));
        }
    }
    cargo
        .env("CARGO_TARGET_DIR", &target)
        .args(["build", "--release", "--target", "wasm32-wasip2"])
        .run()
        .ok();
    proves(&env, &target.join("wasm32-wasip2/release/plugin.wasm"));
}

#[track_caller]
fn project_is_a_provider(language: &str) {
    let Some(tools) = Toolchains::find() else {
        return;
    };
    let mut env = TestEnv::new();
    let project = written(&env, language);
    tools.prepare(&mut env);
    tools.lend(&project);
    build(&env, &project);
    proves(&env, &project.join("shed.wasm"));
}

#[test]
fn a_python_project_is_a_provider() {
    project_is_a_provider("python");
}

#[test]
fn a_javascript_project_is_a_provider() {
    project_is_a_provider("js");
}

#[test]
fn a_c_project_is_a_provider() {
    project_is_a_provider("c");
}

#[test]
fn a_project_is_written_once_and_under_a_plugins_name() {
    let env = TestEnv::new();
    written(&env, "c");
    env.runner(["plugin", "new", "shed", "--lang", "c"])
        .run()
        .code(3)
        .says(&["`shed` is there already", "--directory"]);
    env.runner(["plugin", "new", "Shed", "--lang", "c"])
        .run()
        .code(3)
        .says(&["`Shed` is no plugin name", "lower-case letter"]);
    env.runner(["plugin", "new", "shed", "--lang", "perl"])
        .run()
        .code(2)
        .says(&["perl", "python"]);
    let told = env
        .runner([
            "plugin",
            "new",
            "box",
            "--lang",
            "js",
            "--directory",
            "a",
            "--json",
        ])
        .run()
        .ok()
        .json();
    assert_eq!(told["directory"], "a");
    assert!(env.work().join("a/plugin.json").exists());
}
