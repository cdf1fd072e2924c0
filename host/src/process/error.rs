//! Why a program could not be started or followed to its end.

use std::io;
use std::path::{Path, PathBuf};

use super::NativeCommand;

/// A failure of ours or of the system; what the program itself does is never an error.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no such program.
    #[error("program `{}` not found", program.display())]
    NotFound { program: PathBuf },
    /// It is there but cannot be executed.
    #[error("program `{}` cannot be executed: {reason}", program.display())]
    NotExecutable { program: PathBuf, reason: String },
    /// The directory to start in cannot be entered.
    #[error("cannot start `{}` in directory `{}`", program.display(), cwd.display())]
    Directory {
        program: PathBuf,
        cwd: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The system refused for another reason.
    #[error("cannot start `{}`", program.display())]
    Start {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    /// More output than the caller wanted; the program was killed.
    #[error("`{}` printed more than {limit} bytes to its {stream}", program.display())]
    TooMuch {
        program: PathBuf,
        stream: &'static str,
        limit: usize,
    },
    /// A pipe or a wait failed.
    #[error("lost track of `{}` while {doing}", program.display())]
    Io {
        program: PathBuf,
        doing: &'static str,
        #[source]
        source: io::Error,
    },
}

impl ProcessError {
    /// The exit code by which a shell would report it: 127 not found, 126 not executable, none for anything else.
    pub fn shell_code(&self) -> Option<u8> {
        match self {
            Self::NotFound { .. } => Some(127),
            Self::NotExecutable { .. } => Some(126),
            Self::Directory { .. }
            | Self::Start { .. }
            | Self::TooMuch { .. }
            | Self::Io { .. } => None,
        }
    }

    /// Nothing ran: what the program would have done has not happened.
    pub fn never_started(&self) -> bool {
        match self {
            Self::NotFound { .. }
            | Self::NotExecutable { .. }
            | Self::Directory { .. }
            | Self::Start { .. } => true,
            Self::TooMuch { .. } | Self::Io { .. } => false,
        }
    }

    pub(super) fn io(program: &Path, doing: &'static str, source: io::Error) -> Self {
        Self::Io {
            program: program.to_owned(),
            doing,
            source,
        }
    }

    /// `execve` has one number for several stories; look again to tell which it was.
    pub(super) fn start(native: &NativeCommand, source: io::Error) -> Self {
        let program = native.program.clone();
        let named = program.components().count() > 1;
        if let Some(cwd) = &native.cwd
            // With `.`: asks for the right to enter it, as `chdir` does.
            && let Err(source) = std::fs::metadata(cwd.join("."))
            && matches!(
                source.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::PermissionDenied
            )
        {
            let cwd = cwd.clone();
            return Self::Directory {
                program,
                cwd,
                source,
            };
        }
        match source.kind() {
            io::ErrorKind::NotFound if named && program.exists() => Self::NotExecutable {
                program,
                reason: "its interpreter does not exist".to_owned(),
            },
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound { program },
            io::ErrorKind::PermissionDenied if named && program.is_dir() => Self::NotExecutable {
                program,
                reason: "it is a directory".to_owned(),
            },
            io::ErrorKind::PermissionDenied => Self::NotExecutable {
                program,
                reason: "permission denied".to_owned(),
            },
            _ if source.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
                Self::NotExecutable {
                    program,
                    reason: "it is neither a binary for this machine nor a script with `#!`"
                        .to_owned(),
                }
            }
            _ => Self::Start { program, source },
        }
    }
}
