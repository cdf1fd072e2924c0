//! The control protocol of OpenSSH's multiplexing (`PROTOCOL.mux`, version 4), as much as a session needs.
//!
//! We talk to the user's own `ssh`, which holds the connection: it takes our descriptors and moves the bytes, so nothing
//! passes through us and no `ssh` has to be started for each command. Unlike a second `ssh` it also says whether there
//! was an exit status at all, which tells exit code 255 from a lost connection, and prints nothing to anybody's stderr.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;

const VERSION: u32 = 4;
const HELLO: u32 = 0x0000_0001;
const NEW_SESSION: u32 = 0x1000_0002;
const NEW_STDIO_FORWARD: u32 = 0x1000_0008;
const ALIVE_CHECK: u32 = 0x1000_0004;
const TERMINATE: u32 = 0x1000_0005;
const PERMISSION_DENIED: u32 = 0x8000_0002;
const FAILURE: u32 = 0x8000_0003;
const EXIT_MESSAGE: u32 = 0x8000_0004;
const ALIVE: u32 = 0x8000_0005;
const SESSION_OPENED: u32 = 0x8000_0006;

/// Longer messages are not part of the protocol; the master's own bound is the same.
const LONGEST: u32 = 256 * 1024;

/// A connection to a master that has said hello.
pub(super) struct Control(UnixStream);

/// A command that runs over a master.
pub(super) struct Session(UnixStream);

/// A channel to a port that a machine can reach; it lasts as long as this does.
pub(super) struct Channel(UnixStream);

impl Channel {
    /// Waits for its end.
    pub(super) async fn ended(mut self) {
        while read(&mut self.0)
            .await
            .is_ok_and(|message| message.is_some())
        {}
    }
}

/// The answer to the wish for a session.
pub(super) enum Opened {
    Session(Session),
    /// The server, or the user, allows no further session on this connection. Nothing was started.
    Refused(String),
}

impl Control {
    /// Connects to the socket at `path`. An error means that no master serves it.
    pub(super) async fn connect(path: &Path) -> io::Result<Self> {
        let stream = loop {
            match UnixStream::connect(path).await {
                // The queue of a busy master is full; it says so instead of letting us wait in it.
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                result => break result?,
            }
        };
        let mut control = Self(stream);
        control.send(&Message::new(HELLO).u32(VERSION)).await?;
        let mut hello = Reader(&read(&mut control.0).await?.ok_or_else(closed)?);
        match (hello.u32()?, hello.u32()?) {
            (HELLO, VERSION) => Ok(control),
            (HELLO, version) => Err(io::Error::other(format!(
                "the master speaks version {version} of the multiplexing protocol, not {VERSION}"
            ))),
            (kind, _) => Err(unexpected(kind)),
        }
    }

    /// The process id of the master.
    pub(super) async fn alive(&mut self) -> io::Result<u32> {
        self.send(&Message::new(ALIVE_CHECK).u32(0)).await?;
        let answer = read(&mut self.0).await?.ok_or_else(closed)?;
        let mut answer = Reader(&answer);
        match (answer.u32()?, answer.u32()?) {
            (ALIVE, 0) => answer.u32(),
            (kind, _) => Err(unexpected(kind)),
        }
    }

    /// Ends the master and waits until it has closed the connection.
    pub(super) async fn terminate(mut self) -> io::Result<()> {
        self.send(&Message::new(TERMINATE).u32(0)).await?;
        while read(&mut self.0).await.is_ok_and(|m| m.is_some()) {}
        Ok(())
    }

    /// Opens a session without a terminal. The master gets duplicates of the descriptors. Of the variables
    /// (`NAME=value`) it sends those that the user's configuration names with `SendEnv`.
    ///
    /// # Errors
    /// The connection broke: nobody knows whether the command was started.
    pub(super) async fn open(
        mut self,
        line: &[u8],
        environment: &[Vec<u8>],
        stdio: [BorrowedFd<'_>; 3],
    ) -> io::Result<Opened> {
        const NO_ESCAPE: u32 = u32::MAX;
        let mut request = Message::new(NEW_SESSION)
            .u32(0)
            .string(b"")
            .u32(0) // terminal
            .u32(0) // X11
            .u32(1) // agent, if the user's configuration forwards it
            .u32(0) // subsystem
            .u32(NO_ESCAPE)
            .string(b"")
            .string(line);
        for variable in environment {
            if request.0.len() + variable.len() < LONGEST as usize - 64 {
                request = request.string(variable);
            }
        }
        self.send(&request).await?;
        for fd in stdio {
            self.send_fd(fd).await?;
        }
        let answer = read(&mut self.0).await?.ok_or_else(closed)?;
        let mut answer = Reader(&answer);
        match (answer.u32()?, answer.u32()?) {
            (SESSION_OPENED, 0) => Ok(Opened::Session(Session(self.0))),
            (FAILURE | PERMISSION_DENIED, 0) => Ok(Opened::Refused(answer.text()?)),
            (kind, _) => Err(unexpected(kind)),
        }
    }

    /// Opens a channel to a port as the machine sees it, whose bytes come from `stream` and go there. The inner error is
    /// the machine's, or the user's configuration's.
    pub(super) async fn open_channel(
        mut self,
        host: &str,
        port: u16,
        stream: BorrowedFd<'_>,
    ) -> io::Result<Result<Channel, String>> {
        let request = Message::new(NEW_STDIO_FORWARD)
            .u32(0)
            .string(b"")
            .string(host.as_bytes())
            .u32(port.into());
        self.send(&request).await?;
        for _in_and_out in 0..2 {
            self.send_fd(stream).await?;
        }
        let answer = read(&mut self.0).await?.ok_or_else(closed)?;
        let mut answer = Reader(&answer);
        match (answer.u32()?, answer.u32()?) {
            (SESSION_OPENED, 0) => Ok(Ok(Channel(self.0))),
            (FAILURE | PERMISSION_DENIED, 0) => Ok(Err(answer.text()?)),
            (kind, _) => Err(unexpected(kind)),
        }
    }

    async fn send(&mut self, message: &Message) -> io::Result<()> {
        self.0.write_all(&message.framed()).await
    }

    /// One descriptor travels with one byte.
    async fn send_fd(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.0
            .async_io(Interest::WRITABLE, || {
                let fds = [fd];
                let mut space =
                    [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut ancillary = SendAncillaryBuffer::new(&mut space);
                if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
                    return Err(io::Error::other("no space for a descriptor"));
                }
                let sent = sendmsg(
                    self.0.as_fd(),
                    &[IoSlice::new(&[0])],
                    &mut ancillary,
                    SendFlags::NOSIGNAL,
                )?;
                if sent == 1 { Ok(()) } else { Err(closed()) }
            })
            .await
    }
}

impl Session {
    /// Waits until the command has ended and all its output is delivered. None: the session ended without an exit
    /// status, because the connection is gone, or a signal killed what `sshd` had started.
    pub(super) async fn wait(&mut self) -> io::Result<Option<u32>> {
        let mut status = None;
        // The master closes when the last byte is delivered; the status comes earlier.
        loop {
            let message = match read(&mut self.0).await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(status),
                // A master that dies does not say goodbye.
                Err(e) if broken(&e) => return Ok(status),
                Err(e) => return Err(e),
            };
            let mut message = Reader(&message);
            if message.u32()? == EXIT_MESSAGE {
                let _session = message.u32()?;
                status = Some(message.u32()?);
            }
        }
    }
}

fn broken(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the multiplexing master closed the connection",
    )
}

fn unexpected(kind: u32) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("unexpected message {kind:#010x} from the multiplexing master"),
    )
}

/// One message without its frame; none at the end.
async fn read(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let length = match stream.read_u32().await {
        Ok(length) => length,
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    };
    if length > LONGEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "oversized message from the multiplexing master",
        ));
    }
    let mut message = vec![0; length as usize];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}

/// A message being written.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u32) -> Self {
        Self(kind.to_be_bytes().to_vec())
    }

    fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// What is longer than the protocol carries is refused before it comes here.
    fn string(self, bytes: &[u8]) -> Self {
        let mut message = self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        message.0.extend_from_slice(bytes);
        message
    }

    fn framed(&self) -> Vec<u8> {
        let mut framed = u32::try_from(self.0.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes()
            .to_vec();
        framed.extend_from_slice(&self.0);
        framed
    }
}

/// A message being read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn u32(&mut self) -> io::Result<u32> {
        let (value, rest) = self.0.split_first_chunk().ok_or_else(short)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*value))
    }

    fn text(&mut self) -> io::Result<String> {
        let length = self.u32()? as usize;
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(short)?;
        self.0 = rest;
        Ok(String::from_utf8_lossy(text).into_owned())
    }
}

fn short() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "truncated message from the multiplexing master",
    )
}
