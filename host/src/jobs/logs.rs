//! One log file for each job and phase, below a directory: written while the script runs, so that it can be followed.
//!
//! A file is called as the job is, its place in the tree included, and then by the phase: `lxd:u-1:s/t:v.execute.log`; from the second
//! attempt on `lxd:u-1:s/t:v.execute.2.log`. Scripts of suites, backends and projects are one per machine, whose name is in
//! that of the file.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use runner_core::id::Timestamp;
use runner_core::schedule::Level;

use super::events::{Event, Listener, Scene, What, WorkerNumber, verb_word};

/// Where the log of a script lies in the directory. Every part of the name is one of a project or a machine, of which none is
/// `..`.
pub fn file_name(scene: &Scene) -> PathBuf {
    let mut name = scene.name.trim_end_matches('/').to_owned();
    if scene.level != Level::Task {
        name.push('.');
        name.push_str(&scene.machine);
    }
    name.push('.');
    name.push_str(verb_word(scene.verb));
    if scene.attempt > 1 {
        name.push_str(&format!(".{}", scene.attempt));
    }
    name.push_str(".log");
    PathBuf::from(name)
}

struct Open {
    file: File,
    /// Nothing of the line that is under way is written yet.
    fresh: bool,
    begun: Timestamp,
}

/// See the module.
pub struct LogFiles {
    directory: PathBuf,
    /// Put the time since its beginning in front of each line.
    clock: bool,
    open: HashMap<WorkerNumber, Open>,
    /// Told once.
    failed: bool,
}

impl LogFiles {
    /// Below this directory, which is made.
    pub fn new(directory: PathBuf, clock: bool) -> std::io::Result<Self> {
        std::fs::create_dir_all(&directory)?;
        Ok(Self {
            directory,
            clock,
            open: HashMap::new(),
            failed: false,
        })
    }

    fn begin(&mut self, scene: &Scene, at: Timestamp) {
        let path = self.directory.join(file_name(scene));
        match create(&path) {
            Ok(file) => {
                let open = Open {
                    file,
                    fresh: true,
                    begun: at,
                };
                self.open.insert(scene.worker, open);
            }
            Err(error) => self.fail(&path, &error),
        }
    }

    fn fail(&mut self, path: &Path, error: &std::io::Error) {
        if !std::mem::replace(&mut self.failed, true) {
            tracing::warn!("cannot write the log `{}`: {error}", path.display());
        }
    }

    fn write(&mut self, worker: WorkerNumber, bytes: &[u8], at: Timestamp) {
        let clock = self.clock;
        let Some(open) = self.open.get_mut(&worker) else {
            return;
        };
        let written = if clock {
            let text = clocked(bytes, &mut open.fresh, at.0.saturating_sub(open.begun.0));
            open.file.write_all(&text)
        } else {
            open.file.write_all(bytes)
        };
        if let Err(error) = written {
            self.open.remove(&worker);
            let path = self.directory.clone();
            self.fail(&path, &error);
        }
    }
}

impl Listener for LogFiles {
    fn on(&mut self, event: &Event) {
        match &event.what {
            What::ScriptStarted { scene, .. } => self.begin(scene, event.at),
            What::Output { worker, bytes } => self.write(*worker, bytes, event.at),
            What::Killed { scene, .. } => {
                self.write(scene.worker, b"\n<kill-timeout reached>\n", event.at);
            }
            What::Rebooting { scene } => self.write(scene.worker, b"\n<reboot>\n", event.at),
            What::ScriptEnded { scene, .. } => {
                self.open.remove(&scene.worker);
            }
            _ => {}
        }
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(path)
}

/// Each line with the milliseconds since the script began. `fresh`: the next byte is the first of a line.
pub fn clocked(bytes: &[u8], fresh: &mut bool, since: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if std::mem::replace(fresh, line.ends_with(b"\n")) {
            out.extend_from_slice(format!("{}.{:03} ", since / 1000, since % 1000).as_bytes());
        }
        out.extend_from_slice(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use runner_core::schedule::Verb;

    use super::*;
    use crate::jobs::events::{JobNumber, Millis};

    fn scene(level: Level, verb: Verb, name: &str, attempt: u32) -> Scene {
        Scene {
            worker: WorkerNumber(0),
            system: "b:s-1".into(),
            machine: "m-0".into(),
            level,
            verb,
            name: name.into(),
            job: JobNumber(0),
            attempt,
        }
    }

    #[test]
    fn names() {
        for (level, verb, name, attempt, wanted) in [
            (
                Level::Task,
                Verb::Execute,
                "b:s-1:s/t:v#2",
                1,
                "b:s-1:s/t:v#2.execute.log",
            ),
            (
                Level::Task,
                Verb::Restore,
                "b:s-1:s/t",
                3,
                "b:s-1:s/t.restore.3.log",
            ),
            (
                Level::Suite,
                Verb::Prepare,
                "b:s-1:s/",
                1,
                "b:s-1:s.m-0.prepare.log",
            ),
            (
                Level::Project,
                Verb::Debug,
                "b:s-1",
                1,
                "b:s-1.m-0.debug.log",
            ),
        ] {
            let name = file_name(&scene(level, verb, name, attempt));
            assert_eq!(name, PathBuf::from(wanted));
        }
    }

    #[test]
    fn what_a_script_says_is_in_its_file_as_it_comes() {
        let directory = tempfile::tempdir().unwrap();
        let mut logs = LogFiles::new(directory.path().join("logs"), true).unwrap();
        let scene = scene(Level::Task, Verb::Execute, "b:s-1:s/t", 1);
        let mut tell = |at: i64, what| {
            logs.on(&Event {
                at: Timestamp(at),
                what,
            })
        };
        let output = |text: &str| What::Output {
            worker: WorkerNumber(0),
            bytes: text.into(),
        };
        tell(1000, output("of nobody"));
        let number = None;
        tell(
            1000,
            What::ScriptStarted {
                scene: scene.clone(),
                number,
            },
        );
        tell(1005, output("one\ntw"));
        tell(3007, output("o\nthree\n"));
        let path = directory.path().join("logs/b:s-1:s/t.execute.log");
        let read = || std::fs::read_to_string(&path).unwrap();
        assert_eq!(read(), "0.005 one\n0.005 two\n2.007 three\n");
        tell(
            3008,
            What::ScriptEnded {
                scene,
                passed: true,
                output: Vec::new(),
                took: Millis(1),
            },
        );
        tell(3009, output("later\n"));
        assert!(!read().contains("later"));
    }
}
