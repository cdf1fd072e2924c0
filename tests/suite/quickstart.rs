//! What a stranger does first: clone, run `examples/quickstart.sh`, with nothing in the home directory.

use std::path::{Path, PathBuf};

use runner_tests::TestEnv;

#[test]
fn a_stranger_on_a_fresh_clone_gets_to_the_end() {
    let env = TestEnv::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let clone = env.path("work/clone");
    env.program("git")
        .args(["clone", "--quiet", "--no-hardlinks"])
        .arg(root)
        .arg(&clone)
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .run()
        .ok();
    // The clone has what is committed; a developer's uncommitted changes belong to the test, too.
    let changed = std::process::Command::new("git")
        .args(["ls-files", "--modified", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .unwrap();
    for name in String::from_utf8(changed.stdout).unwrap().lines() {
        let to = clone.join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        // What was deleted is listed as modified.
        if root.join(name).exists() {
            std::fs::copy(root.join(name), to).unwrap();
        }
    }
    // The tools and what they have downloaded are the machine's; everything else is new. Building the whole program again
    // would only test cargo, so the build directory is shared.
    let tools = |name: &str, default: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(default)))
            .unwrap()
    };
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let outcome = env
        .program(clone.join("examples/quickstart.sh"))
        .current_dir(&clone)
        .env("CARGO_HOME", tools("CARGO_HOME", ".cargo"))
        .env("RUSTUP_HOME", tools("RUSTUP_HOME", ".rustup"))
        .env("CARGO_TARGET_DIR", target)
        .run()
        .ok();
    for part in ["acquire", "plugin grant", "run", "cp", "release"] {
        assert!(
            outcome.out().contains(part),
            "it does not show `{part}`: {outcome}"
        );
    }
    // It leaves nothing: not in the home directory, not in the clone, no process.
    let status = env
        .program("git")
        .args(["status", "--porcelain"])
        .current_dir(&clone)
        .run()
        .ok();
    assert!(!status.out().contains("??"), "{status}");
    for name in ["home", "config", "state", "data"] {
        let left: Vec<_> = std::fs::read_dir(env.path(name))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(left.is_empty(), "left in {name}: {left:?}");
    }
    let left = env.processes();
    assert!(left.is_empty(), "{left:?}");
}
