//! What can go wrong on the way to a command, in words that name the target and say what to do.
//!
//! How the command itself ends is never an error.

use std::io;
use std::path::PathBuf;

use super::target;
use crate::provider::SshTarget;

/// A failure of the connection, never of the command.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The target cannot be the name of a host.
    #[error("`{target}` is not a host that ssh can be given: {reason}")]
    BadTarget {
        target: String,
        reason: &'static str,
    },
    /// There is no usable `ssh` program.
    #[error("cannot start the ssh client")]
    NoClient(#[source] crate::process::ProcessError),
    /// The directory of the control sockets cannot be used.
    #[error("cannot use `{}` for ssh connections: {reason}", directory.display())]
    Directory { directory: PathBuf, reason: String },
    /// No connection; nothing was started. `reason` is ssh's own words.
    #[error("cannot connect to `{target}`: {reason}")]
    Unreachable {
        target: String,
        /// What to give to `ssh` by hand.
        typed: String,
        reason: String,
        cause: Cause,
    },
    /// The connection broke while a command was running; nobody knows how the command ended.
    #[error("lost the connection to `{target}`: {reason}")]
    Lost { target: String, reason: String },
    /// The connection is there, but the command's end was not reported.
    #[error("a command on `{target}` ended without a status: its shell was killed")]
    NoStatus { target: String },
    /// The server allows no session.
    #[error("`{target}` refuses to open a session: {reason}")]
    Refused { target: String, reason: String },
    /// Arguments, environment and directory together do not fit into what ssh carries.
    #[error(
        "the command for `{target}` has {bytes} bytes, more than the {limit} that ssh can carry"
    )]
    TooLong {
        target: String,
        bytes: usize,
        limit: usize,
    },
    /// More output than is collected.
    #[error("a command on `{target}` printed more than {limit} bytes to its {stream}")]
    TooMuch {
        target: String,
        stream: &'static str,
        limit: usize,
    },
    /// The system failed us on this side.
    #[error("trouble with `{target}` while {doing}")]
    Io {
        target: String,
        doing: &'static str,
        #[source]
        source: io::Error,
    },
}

/// What the caller can do with a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// The request is wrong: the operator must act.
    Invalid,
    /// Authentication or the host's key is the matter: the operator must act.
    Denied,
    /// May pass by itself: try again, or elsewhere.
    Unavailable,
    /// Trying again will not help.
    Failed,
}

/// Why a connection did not come about, as far as ssh's words tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    UnknownHostKey,
    ChangedHostKey,
    /// It is none of those that were pinned.
    OtherHostKey,
    Authentication,
    Name,
    Refused,
    Timeout,
    Configuration,
    Other,
}

impl TransportError {
    /// What the reader can do, when there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::BadTarget { .. } => {
                Some("name a host, an address, or an alias of your ssh configuration".to_owned())
            }
            Self::NoClient(_) => Some("install the OpenSSH client".to_owned()),
            Self::Directory { directory, .. } => Some(format!(
                "it must be a directory of your own that nobody else can enter: `chmod 700 {}`",
                directory.display()
            )),
            Self::Unreachable { typed, cause, .. } => cause.hint(typed),
            Self::Lost { .. } => Some("the command may still be running there".to_owned()),
            Self::NoStatus { .. } | Self::Io { .. } => None,
            Self::Refused { .. } => {
                Some("look at `MaxSessions` in the server's sshd_config".to_owned())
            }
            Self::TooLong { .. } => {
                Some("copy large arguments as a file, or send them to standard input".to_owned())
            }
            Self::TooMuch { .. } => None,
        }
    }

    /// How the caller should take it.
    pub fn kind(&self) -> TransportKind {
        match self {
            Self::BadTarget { .. } | Self::Directory { .. } | Self::NoClient(_) => {
                TransportKind::Invalid
            }
            Self::Unreachable { cause, .. } => match cause {
                Cause::UnknownHostKey
                | Cause::ChangedHostKey
                | Cause::OtherHostKey
                | Cause::Authentication => TransportKind::Denied,
                Cause::Configuration => TransportKind::Invalid,
                Cause::Name | Cause::Refused | Cause::Timeout | Cause::Other => {
                    TransportKind::Unavailable
                }
            },
            Self::Lost { .. } | Self::Refused { .. } => TransportKind::Unavailable,
            Self::NoStatus { .. }
            | Self::TooLong { .. }
            | Self::TooMuch { .. }
            | Self::Io { .. } => TransportKind::Failed,
        }
    }

    /// There was no connection or no room on it: what the command would have done has not happened.
    pub fn never_started(&self) -> bool {
        match self {
            Self::BadTarget { .. }
            | Self::NoClient(_)
            | Self::Directory { .. }
            | Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::TooLong { .. } => true,
            Self::Lost { .. } | Self::NoStatus { .. } | Self::TooMuch { .. } | Self::Io { .. } => {
                false
            }
        }
    }

    /// It refuses our keys, or the password.
    pub fn is_authentication(&self) -> bool {
        matches!(
            self,
            Self::Unreachable {
                cause: Cause::Authentication,
                ..
            }
        )
    }

    /// A machine that is being started may answer so for a while: it has no address, no server or no keys of ours yet.
    pub fn may_come_up(&self) -> bool {
        match self {
            Self::Unreachable { cause, .. } => match cause {
                Cause::Name
                | Cause::Refused
                | Cause::Timeout
                | Cause::Other
                | Cause::Authentication => true,
                Cause::UnknownHostKey
                | Cause::ChangedHostKey
                | Cause::OtherHostKey
                | Cause::Configuration => false,
            },
            Self::Lost { .. } | Self::Refused { .. } | Self::NoStatus { .. } => true,
            Self::BadTarget { .. }
            | Self::NoClient(_)
            | Self::Directory { .. }
            | Self::TooLong { .. }
            | Self::TooMuch { .. }
            | Self::Io { .. } => false,
        }
    }

    /// From what ssh wrote before it gave up.
    pub(super) fn unreachable(to: &SshTarget, log: &str, pinned: bool) -> Self {
        let cause = match Cause::of(log) {
            Cause::UnknownHostKey | Cause::ChangedHostKey if pinned => Cause::OtherHostKey,
            cause => cause,
        };
        let words: Vec<&str> = log
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !l.chars().all(|c| c == '@'))
            .collect();
        // The last lines are the ones that decided; what comes before is often a banner.
        let reason = match words.as_slice() {
            _ if cause == Cause::OtherHostKey => {
                "its host key is not one of those that belong to this instance".to_owned()
            }
            [] => "ssh gave no reason".to_owned(),
            words => words[words.len().saturating_sub(3)..].join("; "),
        };
        Self::Unreachable {
            target: target::shown(to),
            typed: target::typed(to),
            reason: escaped(&reason),
            cause,
        }
    }

    pub(super) fn lost(target: String, log: &str) -> Self {
        let reason = match log.lines().map(str::trim).rfind(|l| !l.is_empty()) {
            Some(line) => escaped(line),
            None => "it closed without a word".to_owned(),
        };
        Self::Lost { target, reason }
    }
}

/// Servers choose some of these words (banners, for one); a terminal must not obey them.
pub(super) fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let mut plain = None;
            let mut escape = None;
            if c.is_control() {
                escape = Some(c.escape_default());
            } else {
                plain = Some(c);
            }
            plain.into_iter().chain(escape.into_iter().flatten())
        })
        .collect()
}

impl Cause {
    /// Reads ssh's diagnostics, whose wording has been stable for many releases; what is not known is `Other`.
    fn of(log: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|w| log.contains(w));
        if has(&["IDENTIFICATION HAS CHANGED", "POSSIBLE DNS SPOOFING"]) {
            Self::ChangedHostKey
        } else if has(&["Host key verification failed", "host key is known for"]) {
            Self::UnknownHostKey
        } else if has(&["Permission denied", "Too many authentication failures"]) {
            Self::Authentication
        } else if has(&["Could not resolve hostname"]) {
            Self::Name
        } else if has(&["Connection refused"]) {
            Self::Refused
        } else if has(&[
            "timed out",
            "Timeout",
            "No route to host",
            "Network is unreachable",
        ]) {
            Self::Timeout
        } else if has(&[
            "Bad configuration option",
            "terminating,",
            "Can't open user config file",
        ]) {
            Self::Configuration
        } else {
            Self::Other
        }
    }

    /// `typed`: what to give to `ssh`.
    fn hint(self, typed: &str) -> Option<String> {
        Some(match self {
            Self::UnknownHostKey => {
                format!("connect once with `ssh {typed}` and check the host's key")
            }
            Self::ChangedHostKey => format!(
                "find out why the host's key changed before you remove the old one from your known hosts; `ssh {typed}` shows where it is"
            ),
            Self::OtherHostKey => {
                "this may be another machine, or somebody in between: look at the machine's console before you trust it, or release the instance".to_owned()
            }
            Self::Authentication => {
                format!(
                    "check the user name, your keys and your agent (`ssh-add -l`), then `ssh {typed}`"
                )
            }
            Self::Name => "check the host's name, and your ssh configuration".to_owned(),
            Self::Refused => "is the ssh server running, and is this its port?".to_owned(),
            Self::Timeout => "is the host up, and reachable from here?".to_owned(),
            Self::Configuration => "correct your ssh configuration".to_owned(),
            Self::Other => format!("`ssh -v {typed}` tells more"),
        })
    }
}
