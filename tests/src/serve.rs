//! A running `runner serve`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::TestEnv;
use crate::command::{HANG, kill};

/// A server of one world. Dropping it asks it to drain, and waits.
#[derive(Debug)]
pub struct Serve {
    child: Child,
}

impl Serve {
    /// Starts it, and waits until it says that it serves.
    #[track_caller]
    pub fn start(env: &TestEnv) -> Self {
        let mut command = env.runner(["serve"]).into_command();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(std::fs::File::create(env.path("serve.log")).expect("the server's log"));
        let mut child = command.spawn().expect("the server starts");
        let mut said = String::new();
        let stdout = child.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut said).expect("a line");
        assert!(
            said.starts_with("serving "),
            "{said}{}",
            std::fs::read_to_string(env.path("serve.log")).unwrap_or_default()
        );
        Self { child }
    }

    /// Starts it where it may be unable to; it may have ended already.
    pub fn start_or_fail(env: &TestEnv) -> Self {
        let mut command = env.runner(["serve"]).into_command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            child: command.spawn().expect("the server starts"),
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Dies without a word.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            kill(self.child.id(), Signal::TERM);
            drop(self.child.wait());
        }
    }
}

/// Waits for something that must come.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < HANG / 5, "{what} never came");
        std::thread::sleep(Duration::from_millis(50));
    }
}
