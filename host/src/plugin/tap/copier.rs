//! The streams of a command that runs on its caller's descriptors, copied on their way for whoever taps. Only then: a
//! command that nobody taps has the descriptors themselves.

use std::os::fd::{AsFd, OwnedFd};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::watch;

use super::super::bindings::types::ExitStatus;
use super::super::imports::stdio;
use crate::provider::Stdio;
use crate::provider::wire::wire_record;

/// What is kept of each stream. What is over it still reaches the caller.
const KEPT: usize = 16 << 20;
/// What is moved at once.
const PIECE: usize = 64 << 10;

/// A command that ran, with what passed on its streams.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    stdin: Vec<u8>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// There was more than is kept: this cannot be played.
    cut: bool,
}
wire_record!(Ran {
    status,
    stdin,
    stdout,
    stderr,
    cut
});

/// What passed.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    stdin: Vec<u8>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    cut: bool,
}

impl Streams {
    pub(crate) fn of(self, status: ExitStatus) -> Ran {
        let Self {
            stdin,
            stdout,
            stderr,
            cut,
        } = self;
        Ran {
            status,
            stdin,
            stdout,
            stderr,
            cut,
        }
    }
}

/// Between the caller's descriptors and the command's; without anything in it, the command has the caller's.
#[derive(Debug, Default)]
pub(crate) struct Copier(Option<Sides>);

#[derive(Debug)]
struct Sides {
    stdin: (OwnedFd, pipe::Sender),
    stdout: (pipe::Receiver, OwnedFd),
    stderr: (pipe::Receiver, OwnedFd),
}

impl Copier {
    /// A copier, and what the command gets. A terminal stays as it is: it is more than a stream.
    pub(crate) fn new(caller: Stdio) -> std::io::Result<(Self, Stdio)> {
        if caller.terminal {
            return Ok((Self(None), caller));
        }
        let (feed, stdin) = pipe::pipe()?;
        let (out, stdout) = pipe::pipe()?;
        let (err, stderr) = pipe::pipe()?;
        let theirs = Stdio {
            stdin: stdin.into_blocking_fd()?,
            stdout: out.into_blocking_fd()?,
            stderr: err.into_blocking_fd()?,
            terminal: false,
            own_group: caller.own_group,
            signals: caller.signals,
        };
        let sides = Sides {
            stdin: (caller.stdin, feed),
            stdout: (stdout, caller.stdout),
            stderr: (stderr, caller.stderr),
        };
        Ok((Self(Some(sides)), theirs))
    }

    /// Drives the command and copies meanwhile. When it has ended, what is in the pipes is taken and nothing more is
    /// waited for.
    pub(crate) async fn beside<T>(self, command: impl Future<Output = T>) -> (T, Streams) {
        let Some(Sides {
            stdin,
            stdout,
            stderr,
        }) = self.0
        else {
            return (command.await, Streams::default());
        };
        let (over, ended) = watch::channel(false);
        let command = async {
            let outcome = command.await;
            over.send_replace(true);
            outcome
        };
        let (outcome, stdin, stdout, stderr) = tokio::join!(
            command,
            feed(stdin.0, stdin.1, ended.clone()),
            pump(stdout.0, stdout.1, ended.clone()),
            pump(stderr.0, stderr.1, ended),
        );
        let cut = [&stdin, &stdout, &stderr].iter().any(|kept| kept.cut);
        let streams = Streams {
            stdin: stdin.bytes,
            stdout: stdout.bytes,
            stderr: stderr.bytes,
            cut,
        };
        (outcome, streams)
    }
}

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    cut: bool,
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        let room = KEPT - self.bytes.len();
        self.cut |= bytes.len() > room;
        self.bytes
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// The caller's input, until either side has enough of it.
async fn feed(from: OwnedFd, mut to: pipe::Sender, mut ended: watch::Receiver<bool>) -> Kept {
    let mut kept = Kept::default();
    loop {
        let read = tokio::select! {
            read = stdio::read(from.as_fd(), PIECE) => read,
            _ = ended.wait_for(|over| *over) => return kept,
        };
        let Ok(bytes) = read else { return kept };
        if bytes.is_empty() {
            return kept;
        }
        let written = tokio::select! {
            written = to.write_all(&bytes) => written,
            _ = ended.wait_for(|over| *over) => return kept,
        };
        if written.is_err() {
            return kept;
        }
        kept.add(&bytes);
    }
}

/// One of the command's outputs, to its end or the command's. Where the caller takes nothing any more, the command is to
/// notice: its pipe closes.
async fn pump(mut from: pipe::Receiver, to: OwnedFd, mut ended: watch::Receiver<bool>) -> Kept {
    let mut kept = Kept::default();
    let mut bytes = Vec::with_capacity(PIECE);
    loop {
        bytes.clear();
        let over = tokio::select! {
            read = from.read_buf(&mut bytes) => match read {
                Ok(0) | Err(_) => return kept,
                Ok(_) => false,
            },
            _ = ended.wait_for(|over| *over) => true,
        };
        if over {
            rest(&from, &mut bytes);
        }
        kept.add(&bytes);
        if stdio::write_all(to.as_fd(), &bytes).await.is_err() || over {
            return kept;
        }
    }
}

/// What is there now.
fn rest(from: &pipe::Receiver, into: &mut Vec<u8>) {
    let mut buffer = [0; PIECE];
    loop {
        match rustix::io::read(from, &mut buffer) {
            Ok(0) => return,
            Ok(read) => into.extend_from_slice(&buffer[..read]),
            Err(rustix::io::Errno::INTR) => {}
            Err(_nothing_or_broken) => return,
        }
    }
}

/// Plays what a command said to the caller, and takes as much of its input as the command took.
pub(crate) async fn play(ran: Ran, caller: Stdio) -> ExitStatus {
    let Stdio {
        stdin,
        stdout,
        stderr,
        ..
    } = caller;
    let input = async {
        let mut left = ran.stdin.len();
        while left > 0 {
            match stdio::read(stdin.as_fd(), left.min(PIECE)).await {
                Ok(bytes) if !bytes.is_empty() => left = left.saturating_sub(bytes.len()),
                Ok(_) | Err(_) => break,
            }
        }
    };
    // A caller who does not listen is no reason for the command to have ended otherwise.
    let out = async {
        let _nobody_listens = stdio::write_all(stdout.as_fd(), &ran.stdout).await;
        drop(stdout);
    };
    let err = async {
        let _nobody_listens = stdio::write_all(stderr.as_fd(), &ran.stderr).await;
        drop(stderr);
    };
    tokio::join!(input, out, err);
    ran.status
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn stdio() -> (
        Stdio,
        std::io::PipeWriter,
        std::io::PipeReader,
        std::io::PipeReader,
    ) {
        let (stdin, input) = std::io::pipe().unwrap();
        let (output, stdout) = std::io::pipe().unwrap();
        let (errors, stderr) = std::io::pipe().unwrap();
        let stdio = Stdio {
            stdin: stdin.into(),
            stdout: stdout.into(),
            stderr: stderr.into(),
            terminal: false,
            own_group: false,
            signals: None,
        };
        (stdio, input, output, errors)
    }

    fn collected(mut from: std::io::PipeReader) -> std::thread::JoinHandle<Vec<u8>> {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).unwrap();
            bytes
        })
    }

    #[tokio::test]
    async fn what_passes_is_kept_and_plays_again() {
        let (caller, mut input, output, errors) = stdio();
        let (output, errors) = (collected(output), collected(errors));
        let all: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let sent = all.clone();
        let writer = std::thread::spawn(move || input.write_all(&sent).unwrap());
        let (copier, theirs) = Copier::new(caller).unwrap();
        let native =
            crate::process::NativeCommand::new("sh").args(["-c", "cat; echo odd >&2; exit 3"]);
        let (status, streams) = copier
            .beside(crate::process::connect(&native, theirs))
            .await;
        writer.join().unwrap();
        assert_eq!(status.unwrap(), crate::provider::ExitStatus::Code(3));
        assert!(output.join().unwrap() == all && errors.join().unwrap() == b"odd\n");
        assert!(streams.stdin == all && streams.stdout == all && streams.stderr == b"odd\n");

        let (caller, mut input, output, errors) = stdio();
        let (output, errors) = (collected(output), collected(errors));
        let sent = all.clone();
        let writer = std::thread::spawn(move || input.write_all(&sent).unwrap());
        let status = play(streams.of(ExitStatus::Code(3)), caller).await;
        writer.join().unwrap();
        assert!(matches!(status, ExitStatus::Code(3)));
        assert!(output.join().unwrap() == all && errors.join().unwrap() == b"odd\n");
    }

    #[tokio::test]
    async fn an_input_that_does_not_end_holds_nothing_up() {
        let (caller, input, output, _errors) = stdio();
        let output = collected(output);
        let (copier, theirs) = Copier::new(caller).unwrap();
        let native = crate::process::NativeCommand::new("sh").args(["-c", "echo one"]);
        let (status, streams) = copier
            .beside(crate::process::connect(&native, theirs))
            .await;
        assert!(status.unwrap().success());
        assert_eq!(
            (output.join().unwrap(), streams.stdin),
            (b"one\n".to_vec(), Vec::new())
        );
        drop(input);
    }
}
