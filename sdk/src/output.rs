//! What a program printed and how it ended.

use crate::bindings::provider::runner::plugin::process as wit;
use crate::{Error, ErrorKind, ExitStatus, Result};

/// What a program printed and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
}

/// What a program says when something is wrong, and what that means: for programs whose exit codes do not tell.
#[derive(Clone, Copy, Debug)]
pub struct Complaint {
    /// What the host shall think of it.
    pub kind: ErrorKind,
    /// In lower case; any of them will do.
    pub words: &'static [&'static str],
    /// What the user can do; empty: nothing in particular.
    pub remedy: &'static str,
}

impl Complaint {
    /// The error with this kind and remedy.
    pub fn tell(&self, error: Error) -> Error {
        let error = Error {
            kind: self.kind,
            ..error
        };
        match self.remedy {
            "" => error,
            remedy => error.remedy(remedy),
        }
    }
}

impl Output {
    pub(crate) fn of(command: String, output: wit::Captured) -> Self {
        Self {
            command,
            status: output.status,
            stdout: output.stdout,
            stderr: output.stderr,
        }
    }

    /// Itself when the program ended with code 0, else `failed` with the last thing it said.
    pub fn success(self) -> Result<Self> {
        if self.status.success() {
            Ok(self)
        } else {
            Err(self.failure())
        }
    }

    /// The error that `success` would give: for plugins that look at the output before they choose the kind.
    pub fn failure(&self) -> Error {
        let complaint = self.complaint();
        Error::failed(if complaint.is_empty() {
            format!("`{}` {}", self.command, self.status)
        } else {
            format!("`{}` {}: {complaint}", self.command, self.status)
        })
    }

    /// The error that `success` would give, with the kind and the remedy of the first complaint that it is.
    pub fn failure_by(&self, complaints: &[Complaint]) -> Error {
        let error = self.failure();
        match self.known_by(complaints) {
            Some(complaint) => complaint.tell(error),
            None => error,
        }
    }

    /// The first complaint one of whose words stands on standard error, in whatever letter case.
    pub fn known_by<'a>(&self, complaints: &'a [Complaint]) -> Option<&'a Complaint> {
        let said = String::from_utf8_lossy(&self.stderr).to_lowercase();
        complaints
            .iter()
            .find(|complaint| complaint.words.iter().any(|word| said.contains(word)))
    }

    /// The last line with content on standard error.
    pub fn complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        last.unwrap_or_default().to_owned()
    }

    /// Standard output as text without the last line break; `failed` when it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        match std::str::from_utf8(&self.stdout) {
            Ok(text) => Ok(text.trim_end_matches(['\n', '\r'])),
            Err(_) => Err(Error::failed(format!(
                "`{}` printed something that is not text",
                self.command
            ))),
        }
    }

    /// Standard output as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.stdout)
            .map_err(|error| Error::from(error).context(format!("`{}`", self.command)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_command_code_and_complaint() {
        let output = Output {
            command: "podman ps".into(),
            status: ExitStatus::Code(3),
            stdout: Vec::new(),
            stderr: b"warning: x\nError: no such thing\n\n".to_vec(),
        };
        let error = output.success().unwrap_err();
        assert_eq!(
            error.message,
            "`podman ps` ended with code 3: Error: no such thing"
        );
    }
}
