//! Why a copy failed. Names are escaped when an error is made, so that every message can go to a terminal as it is.

use std::io;
use std::path::Path;

use super::name::{escaped, shown};
use std::os::unix::ffi::OsStrExt as _;

/// What is wrong with an entry of an archive. The copy ends there, and the destination is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("has no name")]
    NoName,
    #[error("has an absolute name")]
    Absolute,
    #[error("has `..` in its name")]
    Parent,
    #[error("has a zero byte in its name")]
    Nul,
    #[error("has a name longer than {} bytes", super::limits::MAX_PATH)]
    TooLong,
    #[error("lies more than {} directories deep", super::limits::MAX_DEPTH)]
    TooDeep,
    #[error("is not part of what was asked for, {0}")]
    NotAsked(String),
    #[error("lies under something that is not a directory")]
    UnderFile,
    #[error("lies under a symbolic link")]
    UnderSymlink,
    #[error("comes a second time as something else")]
    Twice,
    #[error("is a character device")]
    CharacterDevice,
    #[error("is a block device")]
    BlockDevice,
    #[error("is a fifo")]
    Fifo,
    #[error("is of the unknown kind {0:?}")]
    UnknownKind(char),
    #[error("is a symbolic link without a usable target")]
    BadSymlink,
    #[error("is a hard link to {target}, which {problem}")]
    BadHardLink { target: String, problem: Box<Self> },
    #[error("does not come before it in the archive")]
    NotThere,
    #[error("is a directory")]
    IsDirectory,
}

/// What went wrong on the instance, as its scripts and `tar` report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceFailure {
    NotFound,
    NotADirectory,
    IsADirectory,
    Denied,
    NoTar,
    DiskFull,
    /// Something of another kind is in the way.
    InTheWay,
    /// It is a device, fifo or socket.
    Special,
    /// The archive did not arrive whole.
    Incomplete,
    /// A symbolic link that leads nowhere.
    Dangling,
    /// None of the above: the instance's own words are all there is.
    Other,
}

/// A failed copy.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The local file system said no.
    #[error("cannot {action} {path}")]
    Local {
        action: &'static str,
        path: String,
        #[source]
        source: io::Error,
    },
    /// A local path is not what the copy needs.
    #[error("{path} {problem}")]
    Place {
        path: String,
        problem: &'static str,
        hint: Option<&'static str>,
    },
    /// The archive holds something that is not written to this machine.
    #[error("the archive's entry {entry} {refusal}")]
    Refused { entry: String, refusal: Refusal },
    /// The bytes are not a tar archive.
    #[error("the archive is damaged at byte {offset}: {problem}")]
    Damaged { offset: u64, problem: &'static str },
    /// The archive stops before its end.
    #[error("the archive ends early, after {offset} bytes{}", within(.entry.as_deref()))]
    CutShort { offset: u64, entry: Option<String> },
    /// There is no entry in the archive.
    #[error("the archive is empty")]
    Empty,
    /// The stream from the instance broke.
    #[error("cannot read the archive")]
    Receive(#[source] io::Error),
    /// The stream to the instance broke.
    #[error("cannot send the archive")]
    Send(#[source] io::Error),
    /// The instance's side failed.
    #[error("{}", describe(*.failure, .path, .detail))]
    Instance {
        failure: InstanceFailure,
        path: String,
        detail: String,
    },
}

impl TransferError {
    /// What the reader can do about it, where that is not plain from the message.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Local { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    Some("check the permissions of the path and of the directories above it")
                }
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("make room on that file system and copy again")
                }
                io::ErrorKind::CrossesDevices => {
                    Some("something is mounted there: copy into the mounted directory by itself")
                }
                _ => None,
            },
            Self::Place { hint, .. } => *hint,
            Self::Refused { .. } => Some(
                "the destination was left as it was; copy a part of it, or look at the files on the instance",
            ),
            Self::Damaged { .. } | Self::Empty => Some(
                "the destination was left as it was; does something on the instance print to its standard output at login?",
            ),
            Self::CutShort { .. } | Self::Receive(_) | Self::Send(_) => Some(
                "the connection broke or the copy was stopped; the destination was left as it was",
            ),
            Self::Instance { failure, .. } => failure.hint(),
        }
    }

    /// Of two errors of one copy, that of this side and that of the instance, the one that tells the cause. A
    /// stream that breaks off only says that the other side gave up.
    #[must_use]
    pub fn or_cause(self, instance: Option<Self>) -> Self {
        match (self, instance) {
            (
                Self::Send(_) | Self::Receive(_) | Self::CutShort { .. } | Self::Empty,
                Some(instance),
            ) => instance,
            (here, _) => here,
        }
    }

    pub(super) fn local(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::local_bytes(action, path.as_os_str().as_bytes(), source)
    }

    pub(super) fn local_bytes(
        action: &'static str,
        path: &[u8],
        source: impl Into<io::Error>,
    ) -> Self {
        Self::Local {
            action,
            path: shown(path),
            source: source.into(),
        }
    }

    pub(super) fn place(path: &Path, problem: &'static str) -> Self {
        Self::Place {
            path: shown(path.as_os_str().as_bytes()),
            problem,
            hint: None,
        }
    }

    pub(super) fn place_hint(path: &Path, problem: &'static str, hint: &'static str) -> Self {
        Self::Place {
            path: shown(path.as_os_str().as_bytes()),
            problem,
            hint: Some(hint),
        }
    }

    pub(super) fn refused(entry: &[u8], refusal: Refusal) -> Self {
        Self::Refused {
            entry: shown(entry),
            refusal,
        }
    }

    pub(super) fn instance(failure: InstanceFailure, path: &[u8], detail: &[u8]) -> Self {
        Self::Instance {
            failure,
            path: shown(path),
            detail: escaped(detail),
        }
    }
}

impl InstanceFailure {
    fn hint(self) -> Option<&'static str> {
        match self {
            Self::NotFound | Self::NotADirectory | Self::IsADirectory => None,
            Self::Denied => {
                Some("the user that commands run as on the instance needs access to it")
            }
            Self::NoTar => Some("install `tar` on the instance, or copy a single file through `-`"),
            Self::DiskFull => Some("make room on the instance and copy again"),
            Self::InTheWay => Some("remove it first, or copy to another name"),
            Self::Special => Some("use `-` as the other side to read or write it as a stream"),
            Self::Incomplete => Some("the destination was left as it was; copy again"),
            Self::Dangling => Some("remove the link, or name the file it should lead to"),
            Self::Other => None,
        }
    }
}

fn within(entry: Option<&str>) -> String {
    entry.map_or_else(String::new, |entry| format!(", within {entry}"))
}

fn describe(failure: InstanceFailure, path: &str, detail: &str) -> String {
    match failure {
        InstanceFailure::NotFound => format!("{path} does not exist on the instance"),
        InstanceFailure::NotADirectory => format!("{path} is not a directory on the instance"),
        InstanceFailure::IsADirectory => format!("{path} is a directory on the instance"),
        InstanceFailure::NoTar => format!("the instance has no `tar`, needed to copy {path}"),
        InstanceFailure::Special => {
            format!("{path} is a device, fifo or socket on the instance")
        }
        InstanceFailure::Incomplete => format!("{path} did not reach the instance whole"),
        InstanceFailure::Dangling => {
            format!("{path} is a symbolic link that leads nowhere on the instance")
        }
        InstanceFailure::Denied => {
            with(format!("no permission for {path} on the instance"), detail)
        }
        InstanceFailure::DiskFull => {
            with(format!("no space left for {path} on the instance"), detail)
        }
        InstanceFailure::InTheWay => with(
            format!("something of another kind is in the way of {path} on the instance"),
            detail,
        ),
        InstanceFailure::Other => with(format!("the instance cannot copy {path}"), detail),
    }
}

fn with(message: String, detail: &str) -> String {
    if detail.is_empty() {
        message
    } else {
        format!("{message}: {detail}")
    }
}
