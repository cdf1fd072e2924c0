//! Compiles the guests of `guests/` to components, and tells the suites where they lie.
//!
//! A nested cargo with a target directory of its own: sharing the outer one would deadlock on its lock.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders of `guests/`. Package `runner-guest-NAME`, constant `GUEST_NAME`.
const GUESTS: [&str; 3] = ["fake", "hostile", "table"];
const TARGET: &str = "wasm32-wasip2";

fn main() {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let workspace = package
        .parent()
        .expect("the package stands in the workspace");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let target_dir = out.join("guests");
    for watched in [
        "tests/guests",
        "sdk/src",
        "sdk/Cargo.toml",
        "wit",
        "Cargo.lock",
    ] {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(watched).display()
        );
    }
    println!("cargo::rerun-if-changed=build.rs");
    build(workspace, &target_dir);
    for name in GUESTS {
        let file = target_dir
            .join(TARGET)
            .join("release")
            .join(format!("runner_guest_{name}.wasm"));
        assert!(file.exists(), "`{}` was not built", file.display());
        println!(
            "cargo::rustc-env=GUEST_{}={}",
            name.to_uppercase(),
            file.display()
        );
    }
}

fn build(workspace: &Path, target_dir: &Path) {
    let mut command = Command::new(env::var_os("CARGO").expect("cargo sets it"));
    command
        .current_dir(workspace)
        .args(["build", "--release", "--target", TARGET, "--target-dir"])
        .arg(target_dir);
    for name in GUESTS {
        command.args(["--package", &format!("runner-guest-{name}")]);
    }
    // What the outer build was told (flags, wrappers such as clippy's, target directory, profile) is not meant for guests.
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let outer = [
            "RUSTFLAGS",
            "RUSTDOCFLAGS",
            "CLIPPY_",
            "RUSTC",
            "CARGO_ENCODED_",
        ]
        .iter()
        .chain(&[
            "CARGO_TARGET_",
            "CARGO_BUILD_",
            "CARGO_PROFILE_",
            "CARGO_CFG_",
        ])
        .chain(&["CARGO_FEATURE_", "CARGO_PKG_", "CARGO_MANIFEST_"])
        .any(|prefix| text.starts_with(prefix));
        if outer {
            command.env_remove(text);
        }
    }
    command
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
    let output = command.output().expect("cargo starts");
    assert!(
        output.status.success(),
        "building the guests for {TARGET} failed (`rustup target add {TARGET}` when it is not installed):\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
