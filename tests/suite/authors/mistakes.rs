//! The mistakes that authors make: each is told where it is made, with what to do about it, in every language that can make it.

use std::path::{Path, PathBuf};

use runner_tests::toolchains::Toolchains;
use runner_tests::{Outcome, TestEnv, guests};

use super::build;

/// A project of this language, with its toolchain at hand.
fn project(env: &mut TestEnv, language: &str) -> Option<PathBuf> {
    let tools = Toolchains::find()?;
    env.runner(["plugin", "new", "shed", "--lang", language])
        .run()
        .ok();
    let project = env.work().join("shed");
    tools.prepare(env);
    tools.lend(&project);
    Some(project)
}

#[track_caller]
fn change(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "`{}` has no `{from}`", path.display());
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// `plugin pack` of a file in a project.
fn pack(env: &TestEnv, project: &Path, file: &str) -> Outcome {
    env.runner(["plugin", "pack", file, "-o", "out.wasm"])
        .current_dir(project)
        .run()
}

/// componentize-qjs, called as an author would who does not use the project's script.
#[track_caller]
fn componentize(env: &TestEnv, project: &Path, more: &[&str]) {
    env.program(project.join("node_modules/.bin/componentize-qjs"))
        .args(["--wit", "wit", "--js", "plugin.js", "-o", "build.wasm"])
        .args(more)
        .current_dir(project)
        .run()
        .ok();
}

#[test]
fn javascript_without_manifest_sync_world_or_version() {
    let mut env = TestEnv::new();
    let Some(project) = project(&mut env, "js") else {
        return;
    };

    // As the toolchain wrote it: no manifest.
    componentize(&env, &project, &["--sync", "--world", "plugin"]);
    env.runner(["exec", "--source", "./build.wasm", "true"])
        .current_dir(&project)
        .run()
        .code(125)
        .says(&["has no manifest", "runner plugin pack"]);

    // Asynchronous.
    componentize(&env, &project, &["--world", "plugin"]);
    pack(&env, &project, "build.wasm")
        .code(3)
        .says(&["asynchronous features", "`--sync`"]);

    // A world that exports nothing of a provider's.
    std::fs::write(
        project.join("wit/other.wit"),
        "package local:new-plugin;\nworld other { export hello: func() -> string; }\n"
            .replace("new-plugin", "shed"),
    )
    .unwrap();
    let plain = std::fs::read(project.join("plugin.js")).unwrap();
    std::fs::write(
        project.join("plugin.js"),
        "export function hello() { return 'hello'; }\n",
    )
    .unwrap();
    componentize(&env, &project, &["--sync", "--world", "other"]);
    pack(&env, &project, "build.wasm").code(3).says(&[
        "it does not export `runner:plugin/provider@",
        "it exports `hello`",
        "`runner:plugin/provider-plugin`",
    ]);
    std::fs::remove_file(project.join("wit/other.wit")).unwrap();
    std::fs::write(project.join("plugin.js"), plain).unwrap();

    // Another version of the contract.
    let version = version(&project);
    for file in every_file(&project.join("wit"))
        .into_iter()
        .chain([project.join("runner-sdk.js")])
    {
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace(&version, "7.0.0")).unwrap();
    }
    componentize(&env, &project, &["--sync", "--world", "plugin"]);
    pack(&env, &project, "build.wasm").code(3).says(&[
        "built for version 7.0.0 of the plugin contract",
        &format!("speaks {version}"),
    ]);
    assert!(!project.join("out.wasm").exists());
}

/// The contract's version in a project.
fn version(project: &Path) -> String {
    let types = std::fs::read_to_string(project.join("wit/deps/runner-plugin/types.wit")).unwrap();
    let line = types
        .lines()
        .find_map(|line| line.strip_prefix("package runner:plugin@"))
        .unwrap();
    line.trim_end_matches(';').to_owned()
}

fn every_file(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(every_file(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn what_javascript_throws_is_told_with_its_place() {
    let mut env = TestEnv::new();
    let Some(project) = project(&mut env, "js") else {
        return;
    };
    change(
        &project.join("plugin.js"),
        "return runIn(",
        "nosuch.thing(); return runIn(",
    );
    build(&env, &project);
    env.runner(["exec", "--grant", "--source", "./shed.wasm", "true"])
        .current_dir(&project)
        .run()
        .code(125)
        .says(&["nosuch is not defined", "plugin.js"]);
}

#[test]
fn c_without_the_step_to_a_component() {
    let mut env = TestEnv::new();
    let Some(project) = project(&mut env, "c") else {
        return;
    };
    build(&env, &project);

    // What the compiler gave is no component yet.
    env.runner(["exec", "--source", "./build.wasm", "true"])
        .current_dir(&project)
        .run()
        .code(125)
        .says(&["core WebAssembly module", "`wasm-tools component new`"]);

    let packed = pack(&env, &project, "build.wasm").code(3);
    packed.says(&["core WebAssembly module", "`wasm-tools component new`"]);
}

#[test]
fn a_python_exception_is_told_with_its_place() {
    let mut env = TestEnv::new();
    let Some(project) = project(&mut env, "python") else {
        return;
    };
    change(
        &project.join("plugin.py"),
        "        return run_in(",
        "        ctx.nosuch\n        return run_in(",
    );
    build(&env, &project);
    env.runner(["exec", "--grant", "--source", "./shed.wasm", "true"])
        .current_dir(&project)
        .run()
        .code(125)
        .says(&["plugin.py", "no attribute 'nosuch'"]);
}

#[test]
fn manifests_are_checked_before_anything_is_written() {
    let env = TestEnv::new();
    let fake = guests::fake().display().to_string();
    let pack = |manifest: &str| {
        env.write("work/plugin.json", manifest);
        env.runner(["plugin", "pack", &fake, "-o", "out.wasm"])
            .run()
    };
    env.runner(["plugin", "pack", &fake, "-o", "out.wasm"])
        .run()
        .code(3)
        .says(&["cannot read `plugin.json`", "runner plugin new"]);
    for (manifest, said) in [
        ("{", "the manifest is wrong: EOF"),
        (
            r#"{"name":"Shed","version":"1.0.0","kind":"provider"}"#,
            "`Shed` is no plugin name",
        ),
        (
            r#"{"name":"shed","version":"one","kind":"provider"}"#,
            "`one` is no version",
        ),
        (
            r#"{"name":"shed","version":"1.0.0","kind":"provider","program":[]}"#,
            "unknown field `program`",
        ),
        (
            r#"{"name":"shed","version":"1.0.0","kind":"provider","config":{"type":"object","properties":{"a":{"type":"no"}}}}"#,
            "configuration schema",
        ),
        // The Rust SDK has put one in already.
        (
            r#"{"name":"shed","version":"1.0.0","kind":"provider"}"#,
            "another manifest already",
        ),
    ] {
        pack(manifest).code(3).says(&[said]);
    }
    assert!(!env.work().join("out.wasm").exists());
    // The very same one changes nothing.
    let own = std::fs::read_to_string(super::root().join("tests/guests/fake/plugin.json")).unwrap();
    pack(&own).ok();
    assert_eq!(
        std::fs::read(env.work().join("out.wasm")).unwrap(),
        std::fs::read(guests::fake()).unwrap()
    );
    env.write("work/text.wasm", "hello");
    env.runner(["plugin", "pack", "text.wasm", "-o", "out2.wasm"])
        .run()
        .code(3)
        .says(&["this is a text file"]);
}
