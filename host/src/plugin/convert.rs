//! Between the generated shapes of `wit/` and those of the port. Only translation: what an answer may be is
//! `answer.rs`'s to say.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::bindings::provider::exports::runner::plugin::provider as exported;
use super::bindings::{process, types};
use crate::provider::{
    Command, Direction, Doomed, ErrorKind, ExitStatus, Instance, Output, ProviderError, Request,
    SshTarget,
};

pub(crate) fn request(request: &Request) -> types::Request {
    types::Request {
        token: request.token.as_str().to_owned(),
        name: request.name.as_str().to_owned(),
        slot: request.slot,
        workdir: request.workdir.as_deref().map(directory),
    }
}

pub(crate) fn instance(instance: &Instance) -> types::Instance {
    types::Instance {
        handle: instance.handle.clone(),
        token: instance.token.as_str().to_owned(),
        name: instance.name.as_str().to_owned(),
        workdir: instance.workdir.as_deref().map(directory),
    }
}

pub(crate) fn doomed(doomed: &Doomed) -> types::Doomed {
    types::Doomed {
        token: doomed.token.as_str().to_owned(),
        handle: doomed.handle.clone(),
        name: doomed.name.as_str().to_owned(),
        workdir: doomed.workdir.as_deref().map(directory),
    }
}

/// The state directory's path is text in the contract; the composition root refuses others.
fn directory(path: &Path) -> String {
    String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned()
}

pub(crate) fn command(command: &Command) -> types::Command {
    types::Command {
        argv: command.argv.clone(),
        env: command.env.clone(),
        cwd: command.cwd.clone(),
        tty: command.tty,
        id: command.id.clone(),
    }
}

pub(crate) fn port_command(command: types::Command) -> Command {
    Command {
        argv: command.argv,
        env: command.env,
        cwd: command.cwd,
        tty: command.tty,
        id: command.id,
    }
}

pub(crate) fn direction(direction: &Direction) -> exported::Direction {
    match direction {
        Direction::Into(path) => exported::Direction::Into(path.clone()),
        Direction::OutOf(path) => exported::Direction::OutOf(path.clone()),
    }
}

pub(crate) fn guest_exit_status(status: ExitStatus) -> types::ExitStatus {
    match status {
        ExitStatus::Code(code) => types::ExitStatus::Code(code),
        ExitStatus::Signal(signal) => types::ExitStatus::Signal(signal),
    }
}

pub(crate) fn captured(output: Output) -> process::Captured {
    process::Captured {
        status: guest_exit_status(output.status),
        stdout: output.stdout,
        stderr: output.stderr,
    }
}

pub(crate) fn ssh_target(target: types::SshTarget) -> SshTarget {
    SshTarget {
        host: target.host,
        port: target.port,
        user: target.user,
    }
}

/// An error as a guest is told about it: what went wrong below the port, with our own kinds as the nearest of its
/// kinds.
pub(crate) fn guest_error(error: ProviderError) -> types::Error {
    let failure = types::Failure {
        message: error.message.clone(),
        remedy: error.remedy.clone(),
    };
    let retryable = |retry_after: Option<Duration>| types::Retryable {
        message: error.message.clone(),
        remedy: error.remedy.clone(),
        retry_after: retry_after.map(milliseconds),
    };
    match error.kind {
        ErrorKind::Invalid => types::Error::Invalid(failure),
        ErrorKind::Denied => types::Error::Denied(failure),
        ErrorKind::Exhausted { retry_after } => types::Error::Exhausted(retryable(retry_after)),
        ErrorKind::Unavailable { retry_after } => types::Error::Unavailable(retryable(retry_after)),
        ErrorKind::Gone => types::Error::Gone(failure),
        ErrorKind::Unsupported => types::Error::Unsupported(failure),
        ErrorKind::Failed
        | ErrorKind::Trapped
        | ErrorKind::Deadline
        | ErrorKind::LimitReached { .. }
        | ErrorKind::Malformed
        | ErrorKind::Load => types::Error::Failed(failure),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The longest wait that a plugin may advise; a year is as good as never, and arithmetic on it is safe.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// A guest's error as kind, message and remedy, as the guest wrote them.
pub(crate) fn error_parts(error: types::Error) -> (ErrorKind, String, Option<String>) {
    let wait = |retryable: &types::Retryable| {
        retryable
            .retry_after
            .map(|ms| Duration::from_millis(ms).min(LONGEST_WAIT))
    };
    match error {
        types::Error::Invalid(failure) => (ErrorKind::Invalid, failure.message, failure.remedy),
        types::Error::Denied(failure) => (ErrorKind::Denied, failure.message, failure.remedy),
        types::Error::Exhausted(retryable) => {
            let retry_after = wait(&retryable);
            (
                ErrorKind::Exhausted { retry_after },
                retryable.message,
                retryable.remedy,
            )
        }
        types::Error::Unavailable(retryable) => {
            let retry_after = wait(&retryable);
            (
                ErrorKind::Unavailable { retry_after },
                retryable.message,
                retryable.remedy,
            )
        }
        types::Error::Gone(failure) => (ErrorKind::Gone, failure.message, failure.remedy),
        types::Error::Unsupported(failure) => {
            (ErrorKind::Unsupported, failure.message, failure.remedy)
        }
        types::Error::Failed(failure) => (ErrorKind::Failed, failure.message, failure.remedy),
    }
}
