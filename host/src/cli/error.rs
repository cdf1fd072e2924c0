//! A failed verb, as it is told: message, cause chain, what the plugin said last, hint, exit code.

use std::error::Error;

use serde_json::{Value, json};

use super::exit_code;
use crate::engine::{EngineError, FailureKind};
use crate::provider::ProviderError;
use crate::report::{escape, json};
use crate::store::StoreError;

/// Why a verb ends with another code than 0. The texts are raw: whoever shows them escapes them.
#[derive(Debug)]
pub(super) struct Failure {
    pub code: u8,
    /// The word in JSON.
    pub kind: &'static str,
    pub message: String,
    pub causes: Vec<String>,
    /// The last lines that a plugin wrote to its log.
    pub plugin_log: Vec<String>,
    pub hint: Option<String>,
    /// Nobody listens any more: end without a word.
    pub silent: bool,
    /// This signal ended it.
    pub signal: Option<u8>,
}

/// What a verb answers: its exit code.
pub(super) type Outcome = Result<u8, Failure>;

impl Failure {
    /// A failure of the command line, of this kind.
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: exit_code::FAILED,
            kind,
            message: message.into(),
            causes: Vec::new(),
            plugin_log: Vec::new(),
            hint: None,
            silent: false,
            signal: None,
        }
    }

    /// An argument is missing, superfluous, or names a command that does not exist.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self {
            code: exit_code::USAGE,
            ..Self::new("usage", message)
        }
    }

    /// An option is not known here, or does not take this value.
    pub(super) fn bad_option(message: impl Into<String>) -> Self {
        Self {
            code: exit_code::BAD_OPTION,
            ..Self::new("usage", message)
        }
    }

    /// Reading or writing failed.
    pub(super) fn io(message: impl Into<String>, error: &std::io::Error) -> Self {
        Self::new(FailureKind::Io.word(), message).because(error)
    }

    /// The reader of our output has gone away; that is its right.
    pub(super) fn reader_gone() -> Self {
        Self {
            code: exit_code::OK,
            silent: true,
            ..Self::new(FailureKind::Io.word(), "nobody reads the output")
        }
    }

    /// Adds what the reader can do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a cause that is a text.
    pub(super) fn caused_by(mut self, why: impl Into<String>) -> Self {
        self.causes.push(why.into());
        self
    }

    /// Adds the cause and its causes.
    pub(super) fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            // Some errors repeat their cause in their own words.
            let told = self.causes.last().unwrap_or(&self.message);
            if !told.ends_with(&text) {
                self.causes.push(text);
            }
            if let Some(provider) = error.downcast_ref::<ProviderError>() {
                self.plugin_log.clone_from(&provider.guest_log);
            }
            next = error.source();
        }
        self
    }

    /// The lines for people. `paint` colours the first word.
    pub(super) fn lines(&self, paint: impl Fn(&str, Word) -> String) -> String {
        let mut out = format!(
            "{} {}\n",
            paint("error:", Word::Error),
            escape::block(&self.message, "  ")
        );
        for cause in &self.causes {
            let cause = escape::block(cause, "  ");
            out.push_str(&format!("{} {cause}\n", paint("caused by:", Word::Cause)));
        }
        for line in &self.plugin_log {
            let line = escape::line(line);
            out.push_str(&format!("{} {line}\n", paint("plugin log:", Word::Cause)));
        }
        if let Some(hint) = &self.hint {
            let hint = escape::block(hint, "  ");
            out.push_str(&format!("{} {hint}\n", paint("hint:", Word::Hint)));
        }
        out
    }

    /// The object for programs.
    pub(super) fn object(&self) -> Value {
        json!({
            "kind": self.kind,
            "message": self.message,
            "causes": self.causes,
            "plugin-log": self.plugin_log,
            "hint": self.hint,
        })
    }

    /// The object on a line of its own.
    pub(super) fn json_line(&self) -> String {
        let mut line = json::compact(&self.object());
        line.push('\n');
        line
    }
}

/// The words that are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Error,
    Warning,
    Cause,
    Hint,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let mut failure = Self::new(error.kind.word(), error.message);
        failure.hint = error.hint;
        match &error.source {
            Some(source) => failure.because(&**source),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{CallContext, ErrorKind};

    fn plain(word: &str, _: Word) -> String {
        word.to_owned()
    }

    fn sample() -> Failure {
        let provider = ProviderError {
            kind: ErrorKind::LimitReached { limit: "memory" },
            message: "grew\x1b[31m too far\nerror: forged".into(),
            remedy: Some("raise `memory`".into()),
            context: CallContext {
                plugin: "box".into(),
                version: "1.0".into(),
                source: "web".into(),
                instance: None,
                call: "allocate",
            },
            guest_log: vec!["panicked\u{9b}".into()],
            untouched: false,
        };
        EngineError::provider("no instance could be made", provider).into()
    }

    #[test]
    fn people_see_everything_and_obey_nothing() {
        assert_eq!(
            sample().lines(plain),
            "error: no instance could be made\n\
             caused by: grew\\x1b[31m too far\n  error: forged (plugin `box` 1.0, source `web`, call `allocate`, limit `memory`)\n\
             plugin log: panicked\\u{9b}\n\
             hint: raise `memory`\n"
        );
    }

    #[test]
    fn programs_get_one_line() {
        let line = sample().json_line();
        assert_eq!(line.matches('\n').count(), 1);
        let back: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["kind"], "provider");
        assert_eq!(back["plugin-log"][0], "panicked\u{9b}");
        assert_eq!(back["hint"], "raise `memory`");
    }

    #[test]
    fn a_cause_that_is_already_told_is_not_repeated() {
        let io = std::io::Error::other("disk on fire");
        let told = Failure::new("io", "could not write: disk on fire").because(&io);
        assert!(told.causes.is_empty());
    }
}
