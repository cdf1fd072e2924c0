//! The streams of the process: results on stdout, everything else on stderr.
//!
//! The only place that writes to them, besides the progress bar. Colour is for a terminal that wants it.

use std::io::{self, ErrorKind, IsTerminal, Write};

use serde_json::Value;

use super::error::{Failure, Word};
use crate::app::Environment;
use crate::report::{escape, json};

/// How to talk to the user.
#[derive(Clone, Copy, Debug)]
pub(super) struct Console {
    pub quiet: bool,
    pub json: bool,
    /// Colour on stderr.
    pub colour: bool,
}

impl Console {
    /// Colour needs a terminal, and an environment that does not say no.
    pub(super) fn new(quiet: bool, json: bool, environment: Option<&Environment>) -> Self {
        Self {
            quiet,
            json,
            colour: environment.is_some_and(|environment| !environment.no_color)
                && io::stderr().is_terminal(),
        }
    }

    /// Somebody is looking who wants to see how far it has come.
    pub(super) fn shows_progress(&self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }

    /// Writes a result. A reader that has gone away is a silent failure, anything else a loud one.
    pub(super) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Failure::reader_gone(),
            _ => Failure::io("the result could not be written to stdout", &error),
        })
    }

    /// Writes a result as JSON.
    pub(super) fn print_json(&self, value: &Value) -> Result<(), Failure> {
        self.print(&json::pretty(value))
    }

    /// Says something that is good to know.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            self.say(&format!("{}\n", escape::block(text, "  ")));
        }
    }

    /// Says something that went wrong without making the verb fail.
    pub(super) fn warning(&self, text: &str) {
        if !self.quiet {
            let word = self.paint("warning:", Word::Warning);
            self.say(&format!("{word} {}\n", escape::block(text, "  ")));
        }
    }

    /// A failure in the words of a warning: the verb goes on.
    pub(super) fn warn_of(&self, failure: &Failure) {
        let mut text = failure.message.clone();
        for cause in &failure.causes {
            text.push_str("\ncaused by: ");
            text.push_str(cause);
        }
        if let Some(hint) = &failure.hint {
            text.push_str("\nhint: ");
            text.push_str(hint);
        }
        self.warning(&text);
    }

    /// Tells a failure, in the form that was asked for. Also with `--quiet`.
    pub(super) fn fail(&self, failure: &Failure) {
        if failure.silent {
            return;
        }
        if self.json {
            self.say(&failure.json_line());
        } else {
            self.say(&failure.lines(|word, kind| self.paint(word, kind)));
        }
    }

    /// Writes to stderr as it is. Where stderr is gone there is nobody to tell.
    pub(super) fn say(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        let _nobody_to_tell = stderr.write_all(text.as_bytes());
    }

    fn paint(&self, word: &str, kind: Word) -> String {
        if !self.colour {
            return word.to_owned();
        }
        let colour = match kind {
            Word::Error => "1;31",
            Word::Warning => "1;33",
            Word::Cause => "1",
            Word::Hint => "1;36",
        };
        format!("\x1b[{colour}m{word}\x1b[0m")
    }
}
