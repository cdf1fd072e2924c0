//! Running spread projects: the real program over directories of this machine, real sshd machines, and podman.
//!
//! What is shared here: a project whose scripts write down when they run, so that the order of everything is one text.

mod ancestors;
mod backends;
mod bytes;
mod endings;
mod failures;
mod fleet;
mod interrupts;
mod machines;
mod results;
mod reuse;
mod scripts;
mod shells;
mod sudo;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use runner_tests::TestEnv;
use runner_tests::command::{HANG, Outcome, Runner, kill};
use rustix::process::Signal;

/// A project in a world of its own, on the backend `local`.
struct Project {
    env: TestEnv,
    backend: String,
    /// More of the project's top, and of its tasks.
    top: String,
    tasks: Vec<(String, String)>,
}

impl Project {
    /// Nothing but its name, its place and one backend.
    fn new() -> Self {
        Self {
            env: TestEnv::new(),
            backend: "  local:\n    systems: [this-machine]\n".into(),
            top: String::new(),
            tasks: Vec::new(),
        }
    }

    /// Another backend, as YAML below `backends:`.
    fn on(mut self, backend: &str) -> Self {
        backend.clone_into(&mut self.backend);
        self
    }

    /// More keys of the project.
    fn top(mut self, yaml: &str) -> Self {
        self.top.push_str(yaml);
        self
    }

    /// A task, by its name and its file without the summary.
    fn task(mut self, name: &str, yaml: &str) -> Self {
        self.tasks.push((name.into(), yaml.into()));
        self
    }

    /// A task with nothing but an execute script.
    fn executes(self, name: &str, script: &str) -> Self {
        let mut yaml = String::from("execute: |\n");
        for line in script.lines() {
            writeln!(yaml, "    {line}").unwrap();
        }
        self.task(name, &yaml)
    }

    /// Writes its files.
    fn write(&self) {
        let mut suites: Vec<&str> = Vec::new();
        for (name, yaml) in &self.tasks {
            let suite = &name[..=name.rfind('/').unwrap()];
            if !suites.contains(&suite) {
                suites.push(suite);
            }
            self.env.write(
                format!("work/{name}/task.yaml"),
                format!("summary: {name}\n{yaml}"),
            );
        }
        let mut text = format!(
            "project: demo\npath: /root/demo\nbackends:\n{}{}",
            self.backend, self.top
        );
        // A project that writes its suites itself has said more about them.
        if !self.top.contains("suites:") {
            text.push_str("suites:\n");
            for suite in suites {
                writeln!(text, "  {suite}:\n    summary: {suite}").unwrap();
            }
        }
        self.env.write("work/spread.yaml", text);
    }

    fn call(&self, args: &[&str]) -> Runner {
        self.env.runner(["test"]).args(args)
    }

    /// Writes it and runs it.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Outcome {
        self.write();
        self.call(args).run()
    }

    /// Writes it and runs it, without waiting for the end.
    fn start(&self, args: &[&str]) -> Background {
        self.start_into("tmp/out", args)
    }

    /// The same, and what it says is in this file.
    fn start_into(&self, file: &str, args: &[&str]) -> Background {
        self.write();
        let path = self.env.path(file);
        let out = std::fs::File::create(&path).unwrap();
        let mut command = self.call(args).into_command();
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Background { child, path }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.env.work().join(relative)
    }
}

/// A run that goes on while the test does something else.
struct Background {
    child: Child,
    path: PathBuf,
}

impl Background {
    /// Both streams so far.
    fn out(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }

    /// Waits until it has said this.
    #[track_caller]
    fn until(&self, text: &str) {
        wait_until(
            || self.out().contains(text),
            || format!("never said `{text}`: {}", self.out()),
        );
    }

    fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[track_caller]
fn wait_until(mut there: impl FnMut() -> bool, what: impl Fn() -> String) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < HANG, "{}", what());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The log without its times and without the names of machines.
fn log(outcome: &Outcome) -> String {
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let mut out = String::new();
    for line in text.lines() {
        let stamp = line.get(..20).is_some_and(|start| {
            start.as_bytes()[4] == b'-' && start.as_bytes()[13] == b':' && start.ends_with(' ')
        });
        let line = if stamp { &line[20..] } else { line };
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// One entry of the log that begins like this, with the lines that belong to it.
#[track_caller]
fn entry(outcome: &Outcome, begins: &str) -> String {
    let text = log(outcome);
    let at = text
        .find(begins)
        .unwrap_or_else(|| panic!("no entry `{begins}` in:\n{text}"));
    let rest = &text[at..];
    let first = rest.find('\n').unwrap_or(rest.len());
    if rest[first..].starts_with("\n-----\n") {
        let end = rest.find("\n-----\n.\n").expect("the end of the block");
        return rest[..end].to_owned();
    }
    rest[..first].to_owned()
}

/// The number behind a word of the summary.
#[track_caller]
fn total(outcome: &Outcome, what: &str) -> usize {
    let line = entry(outcome, &format!("{what}: "));
    let number = line.rsplit(' ').next().unwrap();
    number
        .parse()
        .unwrap_or_else(|_| panic!("no number in `{line}`"))
}
