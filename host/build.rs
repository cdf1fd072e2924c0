//! Builds the plugins of `plugins/` as components and embeds them, so that a plain `cargo build` gives a complete
//! program.
//!
//! A nested cargo builds them for `wasm32-wasip2` in a target directory of its own (sharing the outer one would
//! deadlock on its lock). It writes `OUT_DIR/embedded.rs`, which `src/plugin/embedded.rs` includes, and `carried.rs`, the
//! files that `plugin new` makes projects of, for `src/author/files.rs`.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};

const TARGET: &str = "wasm32-wasip2";
/// Folders whose files the program carries for `plugin new`.
const CARRIED: [&str; 6] = [
    "sdk/c",
    "sdk/js",
    "sdk/python",
    "sdk/src",
    "sdk/templates",
    "wit",
];

/// The release profile of the nested build: these are loaded at every start, so small counts more than fast.
const PROFILE: [(&str, &str); 6] = [
    ("OPT_LEVEL", "s"),
    ("LTO", "fat"),
    ("CODEGEN_UNITS", "1"),
    ("PANIC", "abort"),
    ("STRIP", "debuginfo"),
    ("DEBUG", "false"),
];

fn main() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("cargo sets it")?);
    let workspace = package
        .parent()
        .context("the package stands in the workspace")?;

    for watched in CARRIED
        .iter()
        .chain(&["plugins", "sdk/Cargo.toml", "Cargo.lock"])
    {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(watched).display()
        );
    }
    println!("cargo::rerun-if-changed=build.rs");

    let plugins = plugins(workspace)?;
    let target_dir = out.join("plugins");
    build(workspace, &plugins, &target_dir)?;
    let table = table(&plugins, &target_dir.join(TARGET).join("release"))?;
    fs::write(out.join("embedded.rs"), table).context("writing `embedded.rs`")?;
    fs::write(out.join("carried.rs"), carried(workspace)?).context("writing `carried.rs`")?;
    Ok(())
}

/// The folders of `plugins/`, sorted: each holds the package `runner-plugin-NAME`.
fn plugins(workspace: &Path) -> Result<Vec<String>> {
    let folder = workspace.join("plugins");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("reading `{}`", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("reading `{}`", folder.display()))?;
        if entry.path().join("Cargo.toml").exists() {
            let name = entry.file_name().into_string();
            names.push(name.map_err(|name| anyhow!("the plugin {} is not UTF-8", name.display()))?);
        }
    }
    names.sort();
    Ok(names)
}

/// Runs the nested cargo.
fn build(workspace: &Path, plugins: &[String], target_dir: &Path) -> Result<()> {
    let cargo = env::var_os("CARGO").context("cargo sets CARGO")?;
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace)
        .args(["build", "--release", "--target", TARGET, "--target-dir"])
        .arg(target_dir);
    if workspace.join("Cargo.lock").exists() {
        command.arg("--locked");
    }
    for name in plugins {
        command.args(["--package", &format!("runner-plugin-{name}")]);
    }
    // What the outer build was told (flags, wrappers such as clippy's, coverage, target directory, profile) is not meant
    // for the plugins.
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let outer = matches!(
            text,
            "RUSTFLAGS"
                | "CARGO_ENCODED_RUSTFLAGS"
                | "RUSTDOCFLAGS"
                | "RUSTC"
                | "RUSTC_WRAPPER"
                | "RUSTC_WORKSPACE_WRAPPER"
                | "CLIPPY_ARGS"
                | "CLIPPY_CONF_DIR"
        ) || [
            "CARGO_TARGET_",
            "CARGO_BUILD_",
            "CARGO_PROFILE_",
            "CARGO_CFG_",
            "CARGO_FEATURE_",
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
        ]
        .iter()
        .any(|prefix| text.starts_with(prefix));
        if outer {
            command.env_remove(text);
        }
    }
    for (key, value) in PROFILE {
        command.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
    }

    let output = command
        .output()
        .context("starting cargo to build the plugins")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains(&format!("`{TARGET}` target may not be installed")) {
        bail!(
            "the plugins are WebAssembly components, and the target for them is not installed: run `rustup target add {TARGET}`"
        );
    }
    bail!("building the plugins for {TARGET} failed:\n{said}");
}

/// The Rust source of the table.
fn table(plugins: &[String], built: &Path) -> Result<String> {
    let mut rows = String::new();
    for name in plugins {
        let file = built.join(format!("runner_plugin_{name}.wasm"));
        let bytes = fs::read(&file).with_context(|| format!("reading `{}`", file.display()))?;
        let mut digest = String::new();
        for byte in Sha256::digest(&bytes) {
            write!(digest, "{byte:02x}")?;
        }
        writeln!(
            rows,
            "    Embedded {{ name: {name:?}, digest: {digest:?}, bytes: include_bytes!({:?}) }},",
            file.to_str().context("the build directory is not UTF-8")?,
        )?;
    }
    Ok(format!(
        "/// All of them, by name.\npub(super) static EMBEDDED: &[Embedded] = &[\n{rows}];\n"
    ))
}

/// The Rust source of the table of carried files.
fn carried(workspace: &Path) -> Result<String> {
    let mut paths = Vec::new();
    for folder in CARRIED {
        files(workspace, Path::new(folder), &mut paths)?;
    }
    // The contract is its `.wit` files: not the page about them, and not earlier versions.
    paths.retain(|path| {
        !path.starts_with("wit")
            || path.parent() == Some(Path::new("wit")) && path.extension() == Some("wit".as_ref())
    });
    paths.sort();
    let mut rows = String::new();
    for path in paths {
        let full = workspace.join(&path);
        let (Some(path), Some(full)) = (path.to_str(), full.to_str()) else {
            bail!("`{}` is not UTF-8", full.display());
        };
        writeln!(
            rows,
            "    Carried {{ path: {path:?}, bytes: include_bytes!({full:?}) }},"
        )?;
    }
    Ok(format!(
        "/// All of them, by path.\npub(super) static CARRIED: &[Carried] = &[\n{rows}];\n"
    ))
}

/// Every file below a folder.
fn files(workspace: &Path, folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let full = workspace.join(folder);
    let entries = fs::read_dir(&full).with_context(|| format!("reading `{}`", full.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            // What an editor or an interpreter left there is not ours.
            if entry.file_name() != "__pycache__" {
                files(workspace, &path, found)?;
            }
        } else {
            found.push(path);
        }
    }
    Ok(())
}
