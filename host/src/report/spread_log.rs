//! The ancestor's log, line for line: what problem matchers and log parsers of spread projects read.
//!
//! One listener of a run's events among others. Every entry begins with the local time and a verb; text of several lines stands
//! between rules. The entry about the packed project comes first, as parsers look for it: what happens before is held back
//! until then. While somebody works in a shell nothing is written.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use runner_core::id::Timestamp;
use runner_core::schedule::Verb;

use crate::jobs::events::{
    Event, Late, Listener, Scene, ShellWhy, Summary, What, WorkerNumber, class_words,
};
use crate::jobs::logs::file_name;

const RULE: &str = "-----";

/// See the module.
pub struct SpreadLog<W> {
    out: W,
    zone: TimeZone,
    /// 1: more. 2: the output of scripts that passed, too.
    verbosity: u8,
    systems: HashMap<WorkerNumber, String>,
    held: String,
    /// The packed project has been told, or there will be none.
    packed: bool,
    in_shell: bool,
    /// Advice names our commands, not the ancestor's.
    native: bool,
    /// What debug scripts say is not told; it is in files below the directory, if there is one.
    without_debug: Option<Option<PathBuf>>,
}

impl<W: Write + Send> SpreadLog<W> {
    /// A log that is written to `out`.
    pub fn new(out: W, zone: TimeZone, verbosity: u8) -> Self {
        Self {
            out,
            zone,
            verbosity,
            systems: HashMap::new(),
            held: String::new(),
            packed: true,
            in_shell: false,
            native: false,
            without_debug: None,
        }
    }

    /// The same, for who called us by our own name.
    #[must_use]
    pub fn natively(self) -> Self {
        Self {
            native: true,
            ..self
        }
    }

    /// The same, without what debug scripts say: only where that is, if it is anywhere.
    #[must_use]
    pub fn without_debug_output(self, logs: Option<PathBuf>) -> Self {
        Self {
            without_debug: Some(logs),
            ..self
        }
    }

    fn write(&mut self, text: &str) {
        if !self.packed || self.in_shell {
            self.held.push_str(text);
            return;
        }
        self.now(text);
    }

    /// A log that cannot be written is no reason to stop a run: its results are elsewhere, too.
    fn now(&mut self, text: &str) {
        let _nobody_reads = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush());
    }

    fn release(&mut self) {
        if self.packed && !self.in_shell {
            let held = std::mem::take(&mut self.held);
            self.now(&held);
        }
    }

    /// `BACKEND:SYSTEM (MACHINE)`.
    fn server(&self, worker: WorkerNumber, machine: &str) -> String {
        match self.systems.get(&worker) {
            Some(system) => format!("{system} ({machine})"),
            None => machine.to_owned(),
        }
    }

    fn entry(&self, what: &What) -> Option<String> {
        let server = |worker: &WorkerNumber, machine: &str| self.server(*worker, machine);
        Some(match what {
            What::RunStarted {
                seed: Some(seed),
                ordered: true,
                ..
            } => format!("Sequence of jobs produced with -seed={seed}"),
            What::Recoverable { pid } => {
                let command = if self.native {
                    format!("runner test --reuse-pid={pid} --discard")
                } else {
                    format!("spread -reuse-pid={pid} -discard")
                };
                format!("If killed, discard servers with: {command}")
            }
            What::Packed { bytes, .. } => {
                format!("Project content is packed for delivery ({}).", size(*bytes))
            }
            What::PackFailed { error } => {
                block("Error packing project content for delivery: ", error)
            }
            What::Allocating { system, .. } => format!("Allocating {system}..."),
            What::AllocationFailed { system, error, .. } => {
                format!("Cannot allocate {system}: {error}")
            }
            What::Allocated {
                system, machine, ..
            } => format!("Allocated {system} ({machine})."),
            What::Reusing {
                system, machine, ..
            } => format!("Reusing {system} ({machine})..."),
            What::Connecting {
                system, machine, ..
            } => format!("Connecting to {system} ({machine})..."),
            What::ConnectionFailed {
                system,
                machine,
                error,
                ..
            } => format!("Cannot connect to {system} ({machine}): {error}"),
            What::Connected {
                system,
                machine,
                address,
                ..
            } => format!("Connected to {system} ({machine}) at {address}."),
            What::Sending { worker, machine } => {
                format!("Sending project content to {}...", server(worker, machine))
            }
            What::SendFailed {
                worker,
                machine,
                error,
            } => format!(
                "Cannot send project content to {}: {error}",
                server(worker, machine)
            ),
            What::ReusingData { worker, machine } => {
                format!("Reusing project data on {}...", server(worker, machine))
            }
            What::RemovingData {
                worker,
                machine,
                path,
            } => format!(
                "Removing project data from {} at {path}...",
                server(worker, machine)
            ),
            What::Checking { scene } => format!("Checking {}...", subject(scene)),
            What::Skipping { scene, reason } => format!("Skipping {}: {reason}", subject(scene)),
            What::ScriptStarted { scene, number } => started(scene, *number)?,
            What::ScriptEnded {
                scene,
                passed,
                output,
                ..
            } => self.ended(scene, *passed, &String::from_utf8_lossy(output))?,
            What::Late { scene, news } => late(scene, news),
            What::Rebooting { scene } => {
                format!(
                    "Rebooting on {} ({}) as requested...",
                    scene.machine, scene.name
                )
            }
            What::RebootLate { scene } => {
                format!(
                    "Reboot on {} ({}) is taking a while...",
                    scene.machine, scene.name
                )
            }
            What::ShellStarted { scene, why } => shell(scene, *why),
            What::ShellEnded { error: None, .. } => "Continuing...".to_owned(),
            What::ShellEnded {
                error: Some(error), ..
            } => format!("Error starting shell: {error}"),
            What::FetchingArtifacts { scene } => format!("Fetching artifacts of {}...", scene.name),
            What::ArtifactsFailed { scene, error } => block(
                &format!("Cannot fetch artifacts of {}: ", scene.name),
                error,
            ),
            What::Leaked { scene, changes } => ruled(
                &format!(
                    "WARNING: {} ({}) is not as it was:",
                    scene.machine, scene.name
                ),
                &changes.join("\n"),
            ),
            What::Retrying { scene, attempt, of } => {
                format!("Retrying {} (attempt {attempt} of {of})...", subject(scene))
            }
            What::Discarding { worker, machine } => {
                format!("Discarding {}...", server(worker, machine))
            }
            What::DiscardFailed {
                worker,
                machine,
                error,
            } => format!("Error discarding {}: {error}", server(worker, machine)),
            What::Keeping {
                worker,
                machine,
                address,
            } => format!("Keeping {} at {address}", server(worker, machine)),
            What::LeftBehind {
                worker,
                machine,
                address,
            } => format!(
                "Leaving {} at {address}; discard it with: runner release {machine}",
                server(worker, machine)
            ),
            What::Note { text } => text.clone(),
            What::Stopping { reason } if self.verbosity > 0 => format!("Stopping: {reason}"),
            What::Sent { bytes, took, .. } if self.verbosity > 0 => {
                format!("Sent {} in {} ms.", size(*bytes), took.0)
            }
            _ => return None,
        })
    }

    fn ended(&self, scene: &Scene, passed: bool, output: &str) -> Option<String> {
        let output = output.trim_matches('\n').trim_end();
        let title = match (scene.verb, passed) {
            (Verb::Debug, true) if output.is_empty() => return None,
            (Verb::Debug, true) if self.without_debug.is_some() => {
                let logs = self.without_debug.iter().flatten().next();
                let place = logs.map(|logs| logs.join(file_name(scene)).display().to_string());
                let place =
                    place.map_or_else(|| "left out".to_owned(), |path| format!("in {path}"));
                return Some(format!("Debug output for {} : {place}", subject(scene)));
            }
            (Verb::Debug, true) => "Debug output for".to_owned(),
            (Verb::Debug, false) => "Error debugging".to_owned(),
            (_, true) if self.verbosity > 1 && !output.is_empty() => {
                format!("Output of {}", doing(scene.verb))
            }
            (_, true) => return None,
            (verb, false) => format!("Error {}", doing(verb)),
        };
        Some(block(&format!("{title} {} : ", subject(scene)), output))
    }

    /// An entry with its time.
    fn stamped(&self, at: Timestamp, text: &str) -> String {
        let moment = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
        let local = moment.to_zoned(self.zone.clone());
        format!("{} {text}\n", local.strftime("%Y-%m-%d %H:%M:%S"))
    }
}

impl<W: Write + Send> Listener for SpreadLog<W> {
    fn on(&mut self, event: &Event) {
        match &event.what {
            What::WorkerStarted { worker, system } => {
                self.systems.insert(*worker, system.clone());
            }
            What::RunStarted { .. } => self.packed = false,
            _ => {}
        }
        if let What::RunEnded { summary } = &event.what {
            self.packed = true;
            // Whoever sat in a shell does not any more.
            self.in_shell = false;
            self.release();
            for entry in totals(summary) {
                let entry = self.stamped(event.at, &entry);
                self.write(&entry);
            }
            return;
        }
        let Some(text) = self.entry(&event.what) else {
            return;
        };
        let text = self.stamped(event.at, &text);
        match &event.what {
            What::Packed { .. } | What::PackFailed { .. } => {
                self.packed = true;
                self.now(&text);
                self.release();
            }
            What::ShellStarted { .. } => {
                self.write(&text);
                self.in_shell = true;
            }
            What::ShellEnded { .. } => {
                self.in_shell = false;
                self.now(&text);
                self.release();
            }
            // Somebody may have to know it to go on at all, as whoever waits for another run.
            What::Note { .. } if !self.in_shell => self.now(&text),
            _ => self.write(&text),
        }
    }
}

fn subject(scene: &Scene) -> String {
    format!("{} ({})", scene.name, scene.machine)
}

fn doing(verb: Verb) -> &'static str {
    match verb {
        Verb::Prepare => "preparing",
        Verb::Execute => "executing",
        Verb::Restore => "restoring",
        Verb::Debug => "debugging",
    }
}

fn started(scene: &Scene, number: Option<(usize, usize)>) -> Option<String> {
    let subject = subject(scene);
    Some(match (scene.verb, number) {
        (Verb::Prepare, _) => format!("Preparing {subject}..."),
        (Verb::Execute, Some((number, of))) => format!("Executing {subject} ({number}/{of})..."),
        (Verb::Execute, None) => format!("Executing {subject}..."),
        (Verb::Restore, _) => format!("Restoring {subject}..."),
        // Only its output is told.
        (Verb::Debug, _) => return None,
    })
}

fn late(scene: &Scene, news: &Late) -> String {
    let head = format!("WARNING: {} ({}) running late.", scene.machine, scene.name);
    match news {
        Late::Nothing => format!("{head} Output unchanged."),
        Late::Empty => format!("{head} Output still empty."),
        Late::Output {
            lines,
            above,
            continued,
        } => {
            let mut text = String::new();
            if *above > 0 {
                text.push_str(&format!("(... {above} lines above ...)\n"));
            } else if *continued {
                text.push_str("(...)\n");
            }
            text.push_str(&lines.join("\n"));
            ruled(&format!("{head} Current output:"), &text)
        }
    }
}

fn shell(scene: &Scene, why: ShellWhy) -> String {
    let name = &scene.name;
    match why {
        ShellWhy::Debug => "Starting shell to debug...".to_owned(),
        ShellWhy::Before => format!("Starting shell before executing {name}..."),
        ShellWhy::Instead => format!("Starting shell instead of executing {name}..."),
        ShellWhy::After => format!("Starting shell after {} {name}...", doing(scene.verb)),
    }
}

/// One line, or several between rules.
fn block(head: &str, text: &str) -> String {
    if text.contains('\n') {
        ruled(head, text)
    } else {
        format!("{head}{text}")
    }
}

/// The lone point is what consumers look for.
fn ruled(head: &str, text: &str) -> String {
    format!("{head}\n{RULE}\n{text}\n{RULE}\n.")
}

/// `KB` below a mebibyte, else `MB`.
fn size(bytes: u64) -> String {
    const KIB: f64 = 1024.0;
    let bytes = bytes as f64;
    if bytes < KIB * KIB {
        format!("{:.2}KB", bytes / KIB)
    } else {
        format!("{:.2}MB", bytes / KIB / KIB)
    }
}

fn totals(summary: &Summary) -> Vec<String> {
    let mut entries = vec![
        format!("Successful tasks: {}", summary.successful),
        format!("Aborted tasks: {}", summary.aborted.len()),
    ];
    if !summary.skipped.is_empty() {
        entries.push(format!("Skipped tasks: {}", summary.skipped.len()));
    }
    if !summary.flaky.is_empty() {
        entries.push(listed("Flaky tasks", &summary.flaky));
    }
    for (class, names) in &summary.failed {
        entries.push(listed(&format!("Failed {}", class_words(*class)), names));
    }
    entries
}

fn listed(title: &str, names: &[String]) -> String {
    let mut entry = format!("{title}: {}", names.len());
    for name in names {
        entry.push_str("\n    - ");
        entry.push_str(name);
    }
    entry
}

#[cfg(test)]
mod tests {
    use runner_core::schedule::Level;

    use super::*;
    use crate::jobs::events::{FailureClass, JobNumber, Millis};

    fn scene(verb: Verb) -> Scene {
        Scene {
            worker: WorkerNumber(0),
            system: "b:s-1".into(),
            machine: "m-0".into(),
            level: Level::Task,
            verb,
            name: "b:s-1:s/t".into(),
            job: JobNumber(0),
            attempt: 1,
        }
    }

    fn log(events: Vec<What>) -> String {
        let mut out = Vec::new();
        let mut log = SpreadLog::new(&mut out, TimeZone::UTC, 0);
        for what in events {
            log.on(&Event {
                at: Timestamp(1_700_000_000_000),
                what,
            });
        }
        String::from_utf8(out)
            .unwrap()
            .replace("2023-11-14 22:13:20 ", "T ")
    }

    fn packed() -> What {
        What::Packed {
            bytes: 2908,
            warnings: Vec::new(),
        }
    }

    fn ended(verb: Verb, passed: bool, output: &str) -> What {
        What::ScriptEnded {
            scene: scene(verb),
            passed,
            output: output.into(),
            took: Millis(1),
        }
    }

    #[test]
    fn the_packed_project_comes_first() {
        let begun = What::RunStarted {
            project: "p".into(),
            jobs: Vec::new(),
            workers: 1,
            seed: Some(7),
            ordered: true,
            quarantined: Vec::new(),
        };
        let allocating = What::Allocating {
            worker: WorkerNumber(0),
            system: "b:s-1".into(),
        };
        assert_eq!(
            log(vec![begun, allocating, packed()]),
            "T Project content is packed for delivery (2.84KB).\nT Sequence of jobs produced with -seed=7\nT Allocating b:s-1...\n"
        );
    }

    #[test]
    fn failures_are_inline_or_between_rules() {
        let text = log(vec![
            packed(),
            ended(Verb::Execute, false, "Process exited with status 1"),
            ended(Verb::Restore, false, "+ a\nb\n"),
            ended(Verb::Debug, true, "x\ny"),
            ended(Verb::Prepare, true, "never shown"),
        ]);
        let (_, text) = text.split_once('\n').unwrap();
        assert_eq!(
            text,
            "T Error executing b:s-1:s/t (m-0) : Process exited with status 1\n\
             T Error restoring b:s-1:s/t (m-0) : \n-----\n+ a\nb\n-----\n.\n\
             T Debug output for b:s-1:s/t (m-0) : \n-----\nx\ny\n-----\n.\n"
        );
    }

    #[test]
    fn without_what_debug_scripts_say() {
        let told = |logs: Option<&str>| {
            let mut out = Vec::new();
            let log = SpreadLog::new(&mut out, TimeZone::UTC, 0);
            let mut log = log.without_debug_output(logs.map(PathBuf::from));
            log.on(&Event {
                at: Timestamp(0),
                what: ended(Verb::Debug, true, "much\nof it"),
            });
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            told(Some("logs")),
            "1970-01-01 00:00:00 Debug output for b:s-1:s/t (m-0) : in logs/b:s-1:s/t.debug.log\n"
        );
        assert!(told(None).ends_with("(m-0) : left out\n"));
    }

    #[test]
    fn warnings() {
        let late = |news| What::Late {
            scene: scene(Verb::Execute),
            news,
        };
        let text = log(vec![
            packed(),
            late(Late::Empty),
            late(Late::Output {
                lines: vec!["a".into(), "b".into()],
                above: 19,
                continued: false,
            }),
            late(Late::Output {
                lines: vec!["c".into()],
                above: 0,
                continued: true,
            }),
            late(Late::Nothing),
        ]);
        let (_, text) = text.split_once('\n').unwrap();
        let head = "T WARNING: m-0 (b:s-1:s/t) running late.";
        assert_eq!(
            text,
            format!(
                "{head} Output still empty.\n\
                 {head} Current output:\n-----\n(... 19 lines above ...)\na\nb\n-----\n.\n\
                 {head} Current output:\n-----\n(...)\nc\n-----\n.\n\
                 {head} Output unchanged.\n"
            )
        );
    }

    #[test]
    fn the_summary() {
        let class = |level, verb| FailureClass { level, verb };
        let summary = Summary {
            successful: 2,
            aborted: vec!["b:s-1:s/z".into()],
            failed: vec![
                (
                    class(Level::Task, Verb::Execute),
                    vec!["a".into(), "b".into()],
                ),
                (class(Level::Suite, Verb::Restore), vec!["c".into()]),
            ],
            ..Summary::default()
        };
        assert_eq!(
            log(vec![What::RunEnded { summary }]),
            "T Successful tasks: 2\nT Aborted tasks: 1\nT Failed tasks: 2\n    - a\n    - b\nT Failed suite restore: 1\n    - c\n"
        );
    }

    #[test]
    fn nothing_disturbs_a_shell() {
        let text = log(vec![
            packed(),
            What::ShellStarted {
                scene: scene(Verb::Execute),
                why: ShellWhy::Debug,
            },
            ended(Verb::Execute, false, "elsewhere"),
            What::ShellEnded {
                scene: scene(Verb::Execute),
                error: None,
            },
        ]);
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "T Starting shell to debug...",
                "T Continuing...",
                "T Error executing b:s-1:s/t (m-0) : elsewhere"
            ]
        );
    }
}
