//! Compiles the guests of `guests/` to components, and tells the suites where they lie.
//!
//! A nested cargo with a target directory of its own: sharing the outer one would deadlock on its lock.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders of `guests/`. Package `runner-guest-NAME`, constant `GUEST_NAME`.
const GUESTS: [&str; 6] = ["fake", "hostile", "table", "usurper", "warden", "web"];
/// Folders of `examples/` that the suites use as well: crates outside the workspace, built as their readers would.
const EXAMPLES: [&str; 3] = ["airgap-provider", "audit-hook", "route-hook"];
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
        "examples/airgap-provider",
        "examples/audit-hook",
        "examples/route-hook",
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
    let packages = GUESTS.map(|name| format!("--package=runner-guest-{name}"));
    build(workspace, &target_dir, &packages);
    for name in GUESTS {
        tell("GUEST", name, &target_dir, &format!("runner_guest_{name}"));
    }
    for name in EXAMPLES {
        build(&workspace.join("examples").join(name), &target_dir, &[]);
        tell("EXAMPLE", name, &target_dir, &name.replace('-', "_"));
    }
}

/// Sets `KIND_NAME` to the component's path.
fn tell(kind: &str, name: &str, target_dir: &Path, crate_name: &str) {
    let file = target_dir
        .join(TARGET)
        .join("release")
        .join(format!("{crate_name}.wasm"));
    assert!(file.exists(), "`{}` was not built", file.display());
    let name = name.replace('-', "_").to_uppercase();
    println!("cargo::rustc-env={kind}_{name}={}", file.display());
}

fn build(directory: &Path, target_dir: &Path, packages: &[String]) {
    let mut command = Command::new(env::var_os("CARGO").expect("cargo sets it"));
    command
        .current_dir(directory)
        .args(["build", "--release", "--target", TARGET, "--target-dir"])
        .arg(target_dir)
        .args(packages);
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
        .env("CARGO_PROFILE_RELEASE_LTO", "false")
        .env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
    let output = command.output().expect("cargo starts");
    assert!(
        output.status.success(),
        "building the guests for {TARGET} failed (`rustup target add {TARGET}` when it is not installed):\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
