//! A world of its own for each test: home, configuration, state, cache, working directory, all in a temporary directory
//! that is gone afterwards, with everything that was acquired in it.
//!
//! What is shared on purpose: the binary under test, `PATH`, and a cache of compiled components (so that hundreds of
//! tests do not compile the same guests). Tests about that cache ask for one of their own.

use std::any::Any;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::Runner;

/// A hermetic environment. Dropping it discards what is still acquired and removes the directory.
#[derive(Debug)]
pub struct TestEnv {
    directory: tempfile::TempDir,
    variables: Vec<(OsString, OsString)>,
    /// Daemons and the like, stopped after everything was discarded and before the directory goes.
    backends: Vec<Box<dyn Any + Send + Sync>>,
}

impl Default for TestEnv {
    fn default() -> Self {
        Self::new()
    }
}

impl TestEnv {
    /// A fresh world with no configuration.
    pub fn new() -> Self {
        // Short, and under /tmp whatever TMPDIR says: the paths of ssh's control sockets are limited to 108 bytes.
        let directory = tempfile::Builder::new()
            .prefix("rt-")
            .tempdir_in("/tmp")
            .expect("a temporary directory");
        let env = Self {
            directory,
            variables: Vec::new(),
            backends: Vec::new(),
        };
        for name in [
            "home", "config", "state", "cache", "data", "run", "work", "tmp",
        ] {
            std::fs::create_dir(env.path(name)).expect("a directory of the environment");
        }
        set_mode(&env.path("run"), 0o700);
        env
    }

    /// A world whose compiled components are cached in it alone.
    pub fn with_own_cache() -> Self {
        let cache = |env: &Self| env.path("cache");
        let mut env = Self::new();
        let own = cache(&env);
        env.set("RUNNER_CACHE_DIR", own);
        env
    }

    /// Keeps a backend running for as long as this world exists.
    pub fn keep(&mut self, backend: impl Any + Send + Sync) {
        self.backends.push(Box::new(backend));
    }

    /// A path in the world.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(relative)
    }

    /// No file of this world holds the secret: not the books, not logs, not what is handed on.
    #[track_caller]
    pub fn written_nowhere(&self, secret: &str) {
        let mut folders = vec![self.path("")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)
                .expect("a directory of the world")
                .flatten()
            {
                let kind = entry.file_type().expect("a kind of file");
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    let bytes = std::fs::read(entry.path()).expect("a file of the world");
                    let found = bytes
                        .windows(secret.len())
                        .any(|part| part == secret.as_bytes());
                    assert!(!found, "it is in `{}`", entry.path().display());
                }
            }
        }
    }

    /// Where commands are called from, unless they say otherwise.
    pub fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// Sets a variable for every later call.
    pub fn set(&mut self, key: impl Into<OsString>, value: impl Into<OsString>) {
        self.variables.push((key.into(), value.into()));
    }

    /// A call of `runner`.
    pub fn runner(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Runner {
        Runner::new(self.command(binary())).args(args)
    }

    /// Any program in this world, for clients that call `runner` themselves (it is first on their `PATH`).
    pub fn program(&self, program: impl AsRef<OsStr>) -> Runner {
        Runner::new(self.command(program))
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.work());
        for (key, value) in self.environment() {
            command.env(key, value);
        }
        command
    }

    /// All variables of the world.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        // Programs that a test puts in its own `bin` come first, then the binary under test for clients that call it.
        let mut path = self.path("bin").into_os_string();
        path.push(":");
        path.push(binary().parent().expect("the binary lies in a directory"));
        path.push(":");
        path.push(
            std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into()),
        );
        let mut all: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), path),
            ("LC_ALL".into(), "C.UTF-8".into()),
            ("USER".into(), "tester".into()),
            ("RUNNER_CACHE_DIR".into(), shared_cache().into()),
        ];
        for (key, name) in [
            ("HOME", "home"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_RUNTIME_DIR", "run"),
            ("TMPDIR", "tmp"),
        ] {
            all.push((key.into(), self.path(name).into()));
        }
        // What the test runner itself was given for backtraces and fault points stays outside on purpose.
        all.extend(self.variables.iter().cloned());
        all
    }

    /// Writes a file of the world, with its directories.
    pub fn write(&self, relative: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(&path, text).expect("the file is written");
        path
    }

    /// Writes an executable file of the world.
    pub fn script(&self, relative: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.write(relative, text);
        set_mode(&path, 0o755);
        path
    }

    /// Defines a source in the user's configuration.
    pub fn source(&self, name: &str, toml: &str) -> PathBuf {
        self.write(format!("config/runner/sources/{name}/source.toml"), toml)
    }

    /// Grants a source's plugin what it requests, as the user would after reading the screen.
    #[track_caller]
    pub fn grant(&self, source: &str) {
        self.runner(["plugin", "grant", source]).run().ok();
    }

    /// Acquires one instance and answers its id.
    #[track_caller]
    pub fn acquire(&self, source: &str) -> String {
        let ids = self.acquire_many(source, 1);
        ids.into_iter().next().expect("one id")
    }

    /// Acquires several.
    #[track_caller]
    pub fn acquire_many(&self, source: &str, count: usize) -> Vec<String> {
        let outcome = self
            .runner(["acquire", "-s", source, &count.to_string()])
            .run()
            .ok();
        let ids = outcome.words();
        assert_eq!(ids.len(), count, "{outcome}");
        ids
    }

    /// Every instance that is not discarded, from `status --json`.
    #[track_caller]
    pub fn live(&self) -> Vec<serde_json::Value> {
        let status = self.runner(["status", "-v", "--json"]).run().ok().json();
        let sources = status
            .as_array()
            .or_else(|| status.get("sources").and_then(serde_json::Value::as_array))
            .cloned()
            .unwrap_or_else(|| panic!("`status --json` has no list of sources: {status}"));
        let mut seen = std::collections::BTreeMap::new();
        for source in &sources {
            // Instances of a pool's children are listed with the pool too: count each once.
            for instance in source["instances"].as_array().into_iter().flatten() {
                seen.insert(instance["name"].to_string(), instance.clone());
            }
        }
        seen.into_values().collect()
    }

    /// Discards whatever is live. For the end of tests, best effort.
    fn discard_everything(&self) {
        if !self.path("state/runner").exists() && !self.has_own("RUNNER_STATE_DIR") {
            return;
        }
        let status = self.runner(["status", "-v", "--json"]).run();
        let Ok(status) = serde_json::from_slice::<serde_json::Value>(&status.stdout) else {
            return;
        };
        let mut names = Vec::new();
        names_of(&status, &mut names);
        if !names.is_empty() {
            drop(self.runner(["discard"]).args(&names).run());
        }
    }

    /// Processes that were started in this world and still run: they carry its `TMPDIR`. Zombies do not count.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let mut mark = b"TMPDIR=".to_vec();
        mark.extend(self.path("tmp").as_os_str().as_encoded_bytes());
        mark.push(0);
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let ours = environ.windows(mark.len()).any(|window| window == mark);
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if ours && !line.is_empty() {
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                found.push((pid, line.trim_end().to_owned()));
            }
        }
        found
    }

    fn has_own(&self, key: &str) -> bool {
        self.variables.iter().any(|(name, _)| name == key)
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("RUNNER_TESTS_KEEP").is_some() {
            let path = self.directory.path().to_owned();
            self.directory.disable_cleanup(true);
            eprint_line(&format!("kept for inspection: {}", path.display()));
            return;
        }
        // A panic in here while panicking would abort the whole run.
        drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(
            || {
                self.discard_everything();
            },
        )));
        self.backends.clear();
        for (pid, _) in self.processes() {
            if pid != std::process::id() {
                crate::command::kill(pid, rustix::process::Signal::KILL);
            }
        }
        crate::backends::unmount_below(self.directory.path());
    }
}

fn names_of(value: &serde_json::Value, names: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| names_of(item, names)),
        serde_json::Value::Object(fields) => {
            if let (Some(name), true) = (fields.get("name"), fields.contains_key("state")) {
                let name = name.as_str().unwrap_or_default().to_owned();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            fields.values().for_each(|field| names_of(field, names));
        }
        _ => {}
    }
}

/// The binary under test: `RUNNER_BIN`, or the one built beside this test.
pub fn binary() -> PathBuf {
    if let Some(given) = std::env::var_os("RUNNER_BIN") {
        return PathBuf::from(given);
    }
    let own = std::env::current_exe().expect("a test knows its own path");
    // target/PROFILE/deps/suite-HASH
    let beside = own
        .parent()
        .and_then(Path::parent)
        .map(|profile| profile.join("runner"))
        .expect("a test lies in target/PROFILE/deps");
    assert!(
        beside.exists(),
        "there is no `{}`: build it first (`cargo build`), or name another with RUNNER_BIN",
        beside.display()
    );
    beside
}

/// Compiled components, shared by all tests of this build.
pub fn shared_cache() -> PathBuf {
    let cache = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .join("target")
        .join("tests-cache");
    let cache = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target).join("tests-cache"),
        None => cache,
    };
    std::fs::create_dir_all(&cache).expect("the shared cache");
    cache
}

/// Sets permission bits.
pub fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
}

fn eprint_line(line: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stderr(), "{line}"));
}
