//! `runner serve` in a world, and waiting for what it does.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::TestEnv;
use crate::command::{HANG, kill};

/// A service that is ready. Dropping it kills it.
#[derive(Debug)]
pub struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts it and waits until it says that it serves.
    #[track_caller]
    pub fn start(env: &TestEnv) -> Self {
        let log = env.path("serve.log");
        let stderr = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the log");
        let mut child = env
            .runner(["serve"])
            .into_command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("the service starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its first line");
        let service = Self { child, log };
        assert!(line.starts_with("serving "), "{line}{}", service.log());
        service
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("its end")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Waits until it is so.
#[track_caller]
pub fn eventually(what: impl std::fmt::Display, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < HANG, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Every event so far, as the documented objects.
#[track_caller]
pub fn events(env: &TestEnv) -> Vec<serde_json::Value> {
    let told = env.runner(["events", "--since", "0"]).run().ok();
    told.out()
        .lines()
        .map(|line| serde_json::from_str(line).expect("one object per line"))
        .collect()
}

/// Waits until an event of this kind tells of this source (or, with ``, of anything).
#[track_caller]
pub fn happens(env: &TestEnv, event: &str, source: &str) {
    eventually(format!("{event} of `{source}`"), || {
        events(env)
            .iter()
            .any(|one| one["event"] == event && (source.is_empty() || one["source"] == source))
    });
}

/// A number of a source, from `status --wide --json`.
#[track_caller]
pub fn number(env: &TestEnv, source: &str, what: &str) -> u64 {
    let status = env.runner(["status", "--json", source]).run().ok().json();
    status["sources"][0][what]
        .as_u64()
        .unwrap_or_else(|| panic!("no `{what}` of `{source}`: {status}"))
}
