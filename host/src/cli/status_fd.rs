//! `--status-fd`: one line of JSON on a descriptor of the caller's, telling how a command ended.

use std::fs::File;
use std::io::Write;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::FdFlags;
use serde_json::{Value, json};

use super::error::Failure;
use crate::provider::ExitStatus;
use crate::report::json;

/// The caller's descriptor, as a copy that no child inherits.
#[derive(Debug)]
pub(super) struct StatusFd {
    file: File,
}

impl StatusFd {
    /// Takes the descriptor. To be called before anything is opened: a number that the caller did not hand over
    /// would otherwise be a file of ours.
    #[expect(
        unsafe_code,
        reason = "a descriptor that is only known by its number can be borrowed in no other way"
    )]
    pub(super) fn claim(number: i32) -> Result<Self, Failure> {
        let wrong =
            |why: &str| {
                Err(Failure::bad_option(format!("descriptor {number} of `--status-fd` {why}"))
                .hint("open it in the shell, as in `runner run --status-fd 3 … 3>status.json`"))
            };
        if number < 0 {
            return wrong("is no descriptor");
        }
        // SAFETY: the number is not -1, and the borrow ends with this function, in which nothing is closed. If the
        // caller handed over no such descriptor, the kernel says so (EBADF) and nothing is touched.
        let theirs = unsafe { BorrowedFd::borrow_raw(number) };
        let Ok(copy) = rustix::io::fcntl_dupfd_cloexec(theirs, 3) else {
            return wrong("is not open");
        };
        let writable = rustix::fs::fcntl_getfl(&copy)
            .is_ok_and(|flags| flags.intersects(OFlags::WRONLY | OFlags::RDWR));
        if !writable {
            return wrong("is not open for writing");
        }
        // The command has no business with it. The standard streams stay what they are.
        if number > 2 {
            let _only_tidiness = rustix::io::fcntl_setfd(theirs, FdFlags::CLOEXEC);
        }
        Ok(Self::new(copy))
    }

    fn new(fd: OwnedFd) -> Self {
        Self { file: fd.into() }
    }

    /// Tells how the command ended.
    pub(super) fn ended(&mut self, status: ExitStatus) -> std::io::Result<()> {
        self.write(match status {
            ExitStatus::Code(code) => json!({ "event": "exited", "code": code }),
            ExitStatus::Signal(signal) => json!({ "event": "signaled", "signal": signal }),
        })
    }

    /// Tells that the command has no result, and why.
    pub(super) fn failed(&mut self, failure: &Failure) -> std::io::Result<()> {
        let mut event = json!({ "event": "runner-error" });
        if let (Value::Object(event), Value::Object(failure)) = (&mut event, failure.object()) {
            event.extend(failure);
        }
        self.write(event)
    }

    fn write(&mut self, event: Value) -> std::io::Result<()> {
        let mut line = json::compact(&event);
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;

    use super::*;

    fn lines(write: impl FnOnce(&mut StatusFd)) -> String {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut status = StatusFd::claim(writer.as_raw_fd()).unwrap();
        write(&mut status);
        drop((status, writer));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn one_line_each() {
        assert_eq!(
            lines(|fd| fd.ended(ExitStatus::Code(3)).unwrap()),
            "{\"event\":\"exited\",\"code\":3}\n"
        );
        assert_eq!(
            lines(|fd| fd.ended(ExitStatus::Signal(9)).unwrap()),
            "{\"event\":\"signaled\",\"signal\":9}\n"
        );
        let failure = Failure::new("not-leased", "`a-1` is not\nleased");
        let text = lines(|fd| fd.failed(&failure).unwrap());
        assert!(text.starts_with(
            "{\"event\":\"runner-error\",\"kind\":\"not-leased\",\"message\":\"`a-1` is not\\nleased\""
        ));
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn what_is_no_descriptor_for_writing() {
        for number in [-1, 999_999] {
            assert!(StatusFd::claim(number).is_err());
        }
        let (reader, _writer) = std::io::pipe().unwrap();
        assert!(StatusFd::claim(reader.as_raw_fd()).is_err());
    }
}
