//! What scripts say, line by line, while they say it: for `--live` and `--perf` where there is no live view.

use std::collections::HashMap;
use std::io::Write as _;

use runner_core::id::Timestamp;

use crate::jobs::events::{Event, Listener, What, WorkerNumber};
use crate::report::escape;

struct Open {
    name: String,
    begun: Timestamp,
    /// The line that is under way.
    rest: Vec<u8>,
    /// Lines that are printed once the script has ended.
    kept: String,
}

/// Lines of output with the job in front: at once, or script by script.
pub(super) struct Streamed {
    at_once: bool,
    clock: bool,
    open: HashMap<WorkerNumber, Open>,
    in_shell: bool,
    /// What others said while somebody worked in a shell.
    held: String,
}

impl Streamed {
    pub(super) fn new(at_once: bool, clock: bool) -> Self {
        Self {
            at_once,
            clock,
            open: HashMap::new(),
            in_shell: false,
            held: String::new(),
        }
    }

    /// The lines that an event completes.
    pub(super) fn lines(&mut self, event: &Event) -> Option<String> {
        match &event.what {
            What::ScriptStarted { scene, .. } => {
                let open = Open {
                    name: scene.name.clone(),
                    begun: event.at,
                    rest: Vec::new(),
                    kept: String::new(),
                };
                self.open.insert(scene.worker, open);
                None
            }
            What::Output { worker, bytes } => {
                let open = self.open.get_mut(worker)?;
                open.rest.extend_from_slice(bytes);
                let end = open.rest.iter().rposition(|byte| *byte == b'\n')? + 1;
                let whole: Vec<u8> = open.rest.drain(..end).collect();
                let lines = open.prefixed(&whole, event.at, self.clock);
                if self.at_once {
                    return Some(lines);
                }
                open.kept.push_str(&lines);
                None
            }
            What::ScriptEnded { scene, .. } => {
                let mut open = self.open.remove(&scene.worker)?;
                let rest = std::mem::take(&mut open.rest);
                let mut lines = std::mem::take(&mut open.kept);
                if !rest.is_empty() {
                    lines.push_str(&open.prefixed(&rest, event.at, self.clock));
                }
                (!lines.is_empty()).then_some(lines)
            }
            _ => None,
        }
    }
}

impl Open {
    fn prefixed(&self, bytes: &[u8], at: Timestamp, clock: bool) -> String {
        let since = at.0.saturating_sub(self.begun.0);
        let mut out = String::new();
        for line in bytes
            .strip_suffix(b"\n")
            .unwrap_or(bytes)
            .split(|byte| *byte == b'\n')
        {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            out.push_str(&self.name);
            if clock {
                out.push_str(&format!(" {}.{:03}", since / 1000, since % 1000));
            }
            out.push_str(&format!(" | {}\n", escape::bytes(line)));
        }
        out
    }
}

impl Listener for Streamed {
    fn on(&mut self, event: &Event) {
        match event.what {
            What::ShellStarted { .. } => self.in_shell = true,
            What::ShellEnded { .. } => self.in_shell = false,
            _ => {}
        }
        if let Some(lines) = self.lines(event) {
            self.held.push_str(&lines);
        }
        if !self.in_shell && !self.held.is_empty() {
            let lines = std::mem::take(&mut self.held);
            let mut out = std::io::stdout().lock();
            let _nobody_reads = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
        }
    }
}
