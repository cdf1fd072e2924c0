//! Pipes around a command whose output we keep ourselves, within a bound.
//!
//! The command's ends block, ours do not. Used by `capture` and by the ssh transport.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

/// The command's ends.
pub(crate) struct Ends {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Our ends.
pub(crate) struct Pipes {
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
}

/// What came through the pipes.
#[derive(Debug)]
pub(crate) struct Collected<T> {
    /// What the command's future answered.
    pub(crate) ended: T,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Why collecting stopped before the end.
#[derive(Debug)]
pub(crate) enum CollectError {
    /// More than the bound, on this stream.
    TooMuch(&'static str),
    Io(io::Error),
}

impl From<io::Error> for CollectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Pipes {
    pub(crate) fn new() -> io::Result<(Self, Ends)> {
        let (stdin, child_in) = pipe::pipe()?;
        let (child_out, stdout) = pipe::pipe()?;
        let (child_err, stderr) = pipe::pipe()?;
        let ends = Ends {
            stdin: child_in.into_blocking_fd()?,
            stdout: child_out.into_blocking_fd()?,
            stderr: child_err.into_blocking_fd()?,
        };
        let ours = Self {
            stdin,
            stdout,
            stderr,
        };
        Ok((ours, ends))
    }

    /// Feeds `input`, collects both streams and drives `command`, all at once. When the command has ended, what is in
    /// the pipes is taken and nothing more is waited for: a daemon that it left behind may keep them open for ever.
    pub(crate) async fn collect<T>(
        self,
        input: Vec<u8>,
        limit: usize,
        command: impl Future<Output = T>,
    ) -> Result<Collected<T>, CollectError> {
        let Self {
            stdin,
            mut stdout,
            mut stderr,
        } = self;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let ended = {
            let moved = async {
                let fed = async {
                    feed(stdin, &input).await?;
                    Ok(())
                };
                tokio::try_join!(
                    fed,
                    fill(&mut stdout, &mut out, limit, "standard output"),
                    fill(&mut stderr, &mut err, limit, "standard error"),
                )
            };
            tokio::pin!(moved, command);
            tokio::select! {
                ended = &mut command => ended,
                result = &mut moved => {
                    result?;
                    command.await
                }
            }
        };
        rest(&stdout, &mut out, limit, "standard output")?;
        rest(&stderr, &mut err, limit, "standard error")?;
        Ok(Collected {
            ended,
            stdout: out,
            stderr: err,
        })
    }
}

/// A command may stop reading, or end, before it has read everything: that is its own business.
async fn feed(mut pipe: pipe::Sender, input: &[u8]) -> io::Result<()> {
    match pipe.write_all(input).await {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// To the end of the stream.
async fn fill(
    pipe: &mut pipe::Receiver,
    into: &mut Vec<u8>,
    limit: usize,
    stream: &'static str,
) -> Result<(), CollectError> {
    loop {
        into.reserve(16 * 1024);
        if pipe.read_buf(into).await? == 0 {
            return Ok(());
        }
        if into.len() > limit {
            return Err(CollectError::TooMuch(stream));
        }
    }
}

/// What is there now.
fn rest(
    pipe: &pipe::Receiver,
    into: &mut Vec<u8>,
    limit: usize,
    stream: &'static str,
) -> Result<(), CollectError> {
    let mut buffer = [0; 16 * 1024];
    loop {
        // Not through the runtime's idea of readiness, which may be older than the command's last words.
        match rustix::io::read(pipe, &mut buffer) {
            Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(()),
            Ok(n) => into.extend_from_slice(&buffer[..n]),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(CollectError::Io(e.into())),
        }
        if into.len() > limit {
            return Err(CollectError::TooMuch(stream));
        }
    }
}
