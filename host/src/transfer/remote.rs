//! The instance's side: shell scripts, as arguments for a provider's `run`, and what their exit codes mean.
//!
//! Pure: nothing here starts anything. The scripts are POSIX sh and use no more than dash, bash and busybox have, with
//! GNU tar, busybox tar or bsdtar. Paths are arguments, never part of a script, so they need no quoting and can be any bytes.

use super::error::{InstanceFailure, TransferError};
use super::options::{Preserve, Receiver};
use super::source::last_component;
use super::unpack::Top;

/// The arguments of a program, the program first.
pub type Argv = Vec<Vec<u8>>;

const SEND: &str = concat!(
    include_str!("remote/common.sh"),
    include_str!("remote/send.sh")
);
const RECEIVE: &str = concat!(
    include_str!("remote/common.sh"),
    include_str!("remote/receive.sh")
);

/// A path on an instance that is to be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceSource {
    path: Vec<u8>,
}

impl InstanceSource {
    pub fn new(path: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into() }
    }

    /// The path as it was given.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The name it gets in a destination that is a directory. None: its contents are copied (`.`, `/`).
    pub fn name(&self) -> Option<&[u8]> {
        last_component(&self.path)
    }

    /// What the archive of it begins with.
    pub fn top(&self) -> Top {
        match self.name() {
            Some(name) if !self.path.ends_with(b"/") => Top::Named(name.to_vec()),
            _ => Top::Here,
        }
    }

    /// Whether a provider's own `copy` may be asked for it: that always answers with the last component, which does not do
    /// for the contents of a directory.
    pub fn suits_native_copy(&self) -> bool {
        matches!(self.top(), Top::Named(_))
    }

    /// Writes an archive to standard output.
    pub fn send(&self) -> Argv {
        script(SEND, &[b"archive", &self.path])
    }

    /// Writes the bytes of the file to standard output.
    pub fn send_stream(&self) -> Argv {
        script(SEND, &[b"stream", &self.path])
    }

    /// Why it failed.
    pub fn failure(&self, code: u8, stderr: &[u8]) -> TransferError {
        failure(code, stderr, &self.path)
    }
}

/// A path on an instance that is copied to. Each copy needs a new token, of letters and digits: it names the directory
/// beside the destination in which things are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceDestination {
    path: Vec<u8>,
    name: Vec<u8>,
    token: String,
    preserve: Preserve,
}

impl InstanceDestination {
    /// `name` is that of the source; none when its contents are copied, or for a stream.
    pub fn new(
        path: impl Into<Vec<u8>>,
        name: Option<&[u8]>,
        token: impl Into<String>,
        preserve: Preserve,
    ) -> Self {
        Self {
            path: path.into(),
            name: name.unwrap_or_default().to_vec(),
            token: token.into(),
            preserve,
        }
    }

    /// Unpacks a parcel from standard input. It says on standard output when it is ready: see [`receiver`].
    pub fn receive(&self) -> Argv {
        self.how("archive")
    }

    /// Makes the directory for a provider's own `copy` to unpack a parcel in, and writes its path to standard output,
    /// without a newline.
    pub fn prepare(&self) -> Argv {
        self.how("prepare")
    }

    /// Moves what was unpacked after `prepare` into place.
    pub fn commit(&self) -> Argv {
        self.how("commit")
    }

    /// Takes a file from standard input, but does not give it its name: the end of a stream looks the same
    /// whether it is complete or not. Then comes `commit_stream` or `abandon`.
    pub fn receive_stream(&self) -> Argv {
        self.how("stream")
    }

    /// Gives the file from `receive_stream` its name.
    pub fn commit_stream(&self) -> Argv {
        self.how("keep")
    }

    /// Removes what a copy has left behind. Success also when there is nothing.
    pub fn abandon(&self) -> Argv {
        self.how("abandon")
    }

    /// Why it failed.
    pub fn failure(&self, code: u8, stderr: &[u8]) -> TransferError {
        failure(code, stderr, &self.path)
    }

    fn how(&self, how: &str) -> Argv {
        let keep: &[u8] = if self.preserve.owner { b"owner" } else { b"" };
        let token = self.token.as_bytes();
        script(
            RECEIVE,
            &[how.as_bytes(), &self.path, &self.name, token, keep],
        )
    }
}

/// What the first line that `receive` writes says about how to send holes. None: it is not that line.
pub fn receiver(line: &[u8]) -> Option<Receiver> {
    match line.trim_ascii_end() {
        b"ready gnu" => Some(Receiver::Gnu),
        b"ready other" => Some(Receiver::Any),
        _ => None,
    }
}

fn script(text: &str, arguments: &[&[u8]]) -> Argv {
    let mut argv: Argv = vec![b"sh".to_vec(), b"-c".to_vec(), text.into(), b"sh".to_vec()];
    argv.extend(arguments.iter().map(|argument| argument.to_vec()));
    argv
}

/// Turns the end of a script into an error. `stderr` may be cut to its last few KiB.
fn failure(code: u8, stderr: &[u8], path: &[u8]) -> TransferError {
    let says = |words: &[u8]| stderr.windows(words.len()).any(|window| window == words);
    let failure = match code {
        90 => InstanceFailure::NotFound,
        91 => InstanceFailure::NotADirectory,
        92 => InstanceFailure::IsADirectory,
        93 => InstanceFailure::Denied,
        94 => InstanceFailure::NoTar,
        95 => InstanceFailure::InTheWay,
        96 => InstanceFailure::Special,
        97 => InstanceFailure::Incomplete,
        98 => InstanceFailure::Dangling,
        // The words of the C library, which `LC_ALL=C` keeps in English.
        _ if says(b"No space left on device")
            || says(b"Disk quota exceeded")
            // GNU tar, when a part still fitted.
            || says(b"Wrote only") =>
        {
            InstanceFailure::DiskFull
        }
        _ if says(b"Permission denied")
            || says(b"Operation not permitted")
            || says(b"Read-only file system") =>
        {
            InstanceFailure::Denied
        }
        _ => InstanceFailure::Other,
    };
    TransferError::instance(failure, path, first_words(stderr))
}

/// What a program says first is the cause; the rest follows from it.
fn first_words(stderr: &[u8]) -> &[u8] {
    const MOST: usize = 300;
    let text = stderr.trim_ascii();
    let end = text
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(text.len());
    &text[..end.min(MOST)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_top_of_an_archive() {
        let top = |path: &str| InstanceSource::new(path).top();
        assert_eq!(top("/etc/hosts"), Top::Named(b"hosts".to_vec()));
        for path in ["/", ".", "a/", "a/.", "a/..", ""] {
            assert_eq!(top(path), Top::Here, "{path}");
        }
        assert_eq!(InstanceSource::new("a/").name(), Some(&b"a"[..]));
    }

    #[test]
    fn explains_exit_codes() {
        let source = InstanceSource::new("a\x1bb");
        let error = source.failure(90, b"ls: no such thing\n");
        assert_eq!(
            error.to_string(),
            r"`a\u{1b}b` does not exist on the instance"
        );
        let error = source.failure(99, b"tar: x: No space left on device\ntar: Exiting\n");
        assert_eq!(
            error.to_string(),
            r"no space left for `a\u{1b}b` on the instance: tar: x: No space left on device"
        );
        assert!(error.hint().is_some());
        assert_eq!(receiver(b"ready gnu\n"), Some(Receiver::Gnu));
        assert_eq!(receiver(b"motd"), None);
    }
}
