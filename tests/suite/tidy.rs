//! The invariants of `host/ARCHITECTURE.md` that a search can guard. Each failure names the file and the line.

use std::path::{Path, PathBuf};

/// The top of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
}

/// Every file that git would ship with this ending, with its text.
fn files(ending: &str) -> Vec<(PathBuf, String)> {
    let output = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    let mut found: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|name| name.ends_with(ending))
        .map(PathBuf::from)
        .filter_map(|name| {
            Some((
                name.clone(),
                std::fs::read_to_string(root().join(name)).ok()?,
            ))
        })
        .collect();
    found.sort();
    assert!(
        !found.is_empty(),
        "no `{ending}` file: is this a git checkout?"
    );
    found
}

/// Rust files below one of these folders.
fn rust(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = files(".rs");
    found.retain(|(name, _)| folders.iter().any(|folder| name.starts_with(folder)));
    found
}

/// Lines of code (not comments, not tests at the end of a file) that contain one of `words`.
fn code_with(files: &[(PathBuf, String)], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files {
        let text = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| code.contains(word)) {
                found.push(format!(
                    "{}:{}: {}",
                    name.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    found
}

#[track_caller]
fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

/// Test files of a room: `tests.rs`, or a folder `tests`.
fn is_test(name: &Path) -> bool {
    name.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

fn host_without(allowed: &[&str]) -> Vec<(PathBuf, String)> {
    let mut files = rust(&["host"]);
    files.retain(|(name, _)| {
        !is_test(name) && !allowed.iter().any(|folder| name.starts_with(folder))
    });
    files
}

#[test]
fn every_file_says_what_it_is_for() {
    let missing: Vec<_> = files(".rs")
        .into_iter()
        .filter(|(_, text)| {
            // A script's first line may come before it.
            let first = text.lines().find(|line| !line.starts_with("#!/"));
            !first.is_some_and(|line| line.starts_with("//!"))
        })
        .map(|(name, _)| name.display().to_string())
        .collect();
    none(&missing, "these files do not open with `//!`");
}

/// Without its tests, which say one thing after another and are looked up, not read.
#[test]
fn no_file_is_longer_than_can_be_read_at_once() {
    let program = |text: &str| {
        text.lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .count()
    };
    let long: Vec<_> = files(".rs")
        .into_iter()
        .filter(|(name, _)| !name.components().any(|part| part.as_os_str() == "tests"))
        .filter(|(name, _)| name.file_name().is_none_or(|file| file != "tests.rs"))
        .map(|(name, text)| (name, program(&text)))
        .filter(|(_, lines)| *lines > 500)
        .map(|(name, lines)| format!("{}: {lines} lines", name.display()))
        .collect();
    none(&long, "over 500 lines");
}

#[test]
fn sql_stands_only_in_the_store() {
    let words = [
        "SELECT ",
        "INSERT INTO",
        "UPDATE ",
        "DELETE FROM",
        "CREATE TABLE",
        "rusqlite",
        "PRAGMA",
    ];
    let found = code_with(&host_without(&["host/src/store"]), &words);
    none(&found, "SQL outside `host/src/store`");
}

#[test]
fn wasmtime_is_known_only_to_the_plugin_room() {
    let found = code_with(
        &host_without(&["host/src/plugin", "host/build.rs"]),
        &["wasmtime", "wasmparser"],
    );
    none(&found, "wasmtime outside `host/src/plugin`");
}

#[test]
fn the_engine_sees_providers_and_never_plugins() {
    let mut files = rust(&["host/src/engine"]);
    files.retain(|(name, _)| !is_test(name));
    let found = code_with(&files, &["crate::cli", "crate::app", "crate::report"]);
    none(&found, "the engine looks up");
    let found = code_with(
        &rust(&["host/src/plugin"]),
        &["crate::store", "crate::cli", "crate::app"],
    );
    none(&found, "the plugin room looks outside");
    let found = code_with(
        &rust(&["host/src/store"]),
        &["crate::plugin::PluginHost", "crate::cli", "crate::app"],
    );
    none(&found, "the store looks outside");
    let found = code_with(
        &host_without(&["host/src/cli", "host/src/main.rs"]),
        &["crate::cli"],
    );
    none(&found, "something sees the command line");
}

#[test]
fn registries_are_the_business_of_one_room() {
    let mut files = rust(&["host/src/registry"]);
    files.retain(|(name, _)| !is_test(name));
    let mut found = code_with(&files, &["crate::"]);
    // TLS is set up the same way for everybody.
    found.retain(|line| !line.contains("crate::tls::"));
    none(&found, "the registry room looks outside");
    let allowed = [
        "host/src/registry",
        "host/src/plugin",
        "host/src/app/distribution/network.rs",
        "host/src/tls.rs",
    ];
    none(
        &code_with(&host_without(&allowed), &["ureq"]),
        "HTTP outside `registry` and `plugin`",
    );
    none(
        &code_with(&host_without(&["host/src/registry"]), &["/v2/", "sigstore"]),
        "the registries' protocol outside `registry`",
    );
}

#[test]
fn the_core_does_nothing_but_think() {
    let words = [
        "std::fs",
        "std::net",
        "std::process",
        "std::env",
        "SystemTime::now",
        "Instant::now",
        "tokio",
        "async fn",
    ];
    none(
        &code_with(&rust(&["host/core/src"]), &words),
        "the core reaches outside",
    );
}

#[test]
fn only_the_composition_root_reads_the_environment() {
    let words = ["env::var", "env::vars", "env::current_dir", "env::home_dir"];
    let allowed = ["host/src/app", "host/src/app.rs", "host/build.rs"];
    none(
        &code_with(&host_without(&allowed), &words),
        "the environment is read outside `app`",
    );
}

#[test]
fn only_main_ends_the_process() {
    let found = code_with(
        &host_without(&["host/src/main.rs"]),
        &["process::exit", "process::abort"],
    );
    none(&found, "the process is ended outside `main`");
}

#[test]
fn only_cli_and_report_print() {
    let words = [
        "println!",
        "eprintln!",
        "print!(",
        "eprint!(",
        // A descriptor that is handed on is no printing.
        "io::stdout().lock",
        "io::stderr().lock",
        "io::stdout().write",
        "io::stderr().write",
    ];
    let allowed = [
        "host/src/cli",
        "host/src/report",
        "host/src/main.rs",
        "host/build.rs",
    ];
    none(
        &code_with(&host_without(&allowed), &words),
        "something prints outside `cli` and `report`",
    );
}

#[test]
fn plugins_use_only_what_everybody_can_use() {
    let found: Vec<_> = files("Cargo.toml")
        .into_iter()
        .filter(|(name, _)| name.starts_with("plugins") || name.starts_with("examples"))
        .flat_map(|(name, text)| {
            let private = |line: &str| {
                line.starts_with("runner ")
                    || line.starts_with("runner=")
                    || line.contains("runner-core")
            };
            let lines: Vec<_> = text
                .lines()
                .filter(|line| private(line))
                .map(str::to_owned)
                .collect();
            lines
                .into_iter()
                .map(move |line| format!("{}: {line}", name.display()))
        })
        .collect();
    none(&found, "a plugin depends on more than the SDK");
}

#[test]
fn nothing_unfinished_is_left_in_the_product() {
    let words = ["todo!(", "unimplemented!(", "FIXME", "XXX"];
    none(
        &code_with(&rust(&["host", "sdk", "plugins"]), &words),
        "unfinished",
    );
}

#[test]
fn no_machine_of_ours_is_named() {
    let own = root().to_str().expect("a path").to_owned();
    let found: Vec<_> = ["rs", "md", "toml", "sh", "json", "wit"]
        .iter()
        .flat_map(|ending| files_or_none(&format!(".{ending}")))
        .filter(|(name, text)| {
            !name.ends_with("tidy.rs") && (text.contains(&own) || text.contains("/work/"))
        })
        .map(|(name, _)| name.display().to_string())
        .collect();
    none(&found, "a path of a developer's machine");
}

fn files_or_none(ending: &str) -> Vec<(PathBuf, String)> {
    files("")
        .into_iter()
        .filter(|(name, _)| name.to_string_lossy().ends_with(ending))
        .collect()
}

#[test]
fn the_readme_counts_who_means_harm() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README");
    let count = |files: &[(PathBuf, String)]| {
        let lines = files.iter().flat_map(|(_, text)| text.lines());
        lines
            .filter(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
            .count()
    };
    let plugins = count(&rust(&["tests/suite/hostile"]));
    let registries = rust(&["tests/suite/registry"]);
    let registries: Vec<_> = registries
        .into_iter()
        .filter(|(name, _)| name.ends_with("hostile.rs"))
        .collect();
    let text = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        format!("{plugins} tests of plugins that"),
        format!("{} of registries that", count(&registries)),
    ] {
        assert!(text.contains(&said), "the README does not say `{said}`");
    }
}

#[test]
fn the_readmes_commands_exist() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README");
    let env = runner_tests::TestEnv::new();
    let verbs = env.runner(["commands"]).run().ok().out().to_owned();
    let known: Vec<_> = verbs
        .lines()
        .skip(2)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for line in readme.lines() {
        let line = line.trim_start_matches(['$', ' ']);
        let Some(rest) = line.strip_prefix("runner ") else {
            continue;
        };
        let Some(verb) = rest.split_whitespace().find(|word| !word.starts_with('-')) else {
            continue;
        };
        if verb.chars().all(|c| c.is_ascii_lowercase()) && line.len() < 120 {
            // Prose that begins with the program's name is no command.
            let prose = [
                "is", "gets", "needs", "reads", "has", "keeps", "never", "does",
            ]
            .contains(&verb);
            assert!(
                prose || known.contains(&verb),
                "the README uses `runner {verb}`: {line}"
            );
        }
    }
    for script in ["examples/quickstart.sh", "tests/run.sh"] {
        assert!(
            readme.contains(script),
            "the README does not name `{script}`"
        );
        assert!(root().join(script).exists(), "`{script}` is not there");
    }
}
