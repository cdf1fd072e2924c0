//! Our side of a script server: starting it, running scripts on it, sending it files, noticing that it is gone.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use super::protocol::{self, Hello, Said, Scanner};
use crate::engine::{EngineError, Machine};
use crate::provider::{Command, ExitStatus, Stdio};

/// Pieces longer than this are not kept over there.
const KEPT: usize = 64 << 10;
const CHUNK: usize = 64 << 10;
/// What is shown of a server that did not come up.
const SHOWN: usize = 4 << 10;

/// Something that commands can be run on.
#[async_trait]
pub trait Shell: Send + Sync + 'static {
    /// Runs a command, connected to these streams, and waits for it.
    async fn run(&self, command: Command, stdio: Stdio) -> Result<ExitStatus, EngineError>;
}

#[async_trait]
impl Shell for Machine {
    async fn run(&self, command: Command, stdio: Stdio) -> Result<ExitStatus, EngineError> {
        Self::run(self, command, stdio).await
    }
}

/// As whom scripts are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// As whoever commands run as.
    Plain,
    /// As root, by sudo with a login.
    Sudo,
}

/// A part of a script. The same text is sent once.
pub type Piece = Arc<str>;

/// Why a script could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot start a shell on the machine")]
    Start(#[source] Box<EngineError>),
    #[error("the machine did not start `bash` as it should: {0}")]
    NotBash(String),
    #[error(
        "cannot become root on the machine by `sudo -n -i`, whose sudoers must let the user do everything without a \
         password (`NOPASSWD: ALL`): {0}"
    )]
    NotRoot(String),
    /// Also when a script killed every bash that it found.
    #[error("lost the connection to the machine: {0}")]
    Lost(String),
    #[error("cannot send to the machine")]
    Io(#[from] std::io::Error),
}

/// See the module.
pub struct ScriptServer {
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
    scanner: Scanner,
    running: JoinHandle<Result<ExitStatus, EngineError>>,
    login: Login,
    hello: Hello,
    seq: u64,
    kept: HashMap<Piece, String>,
}

impl ScriptServer {
    /// Starts one, and answers when it takes scripts.
    pub async fn start(machine: Arc<dyn Shell>, login: Login) -> Result<Self, ServerError> {
        let token = token()?;
        let (stdin, to) = pair_to()?;
        let (from, stdout) = std::io::pipe()?;
        let stderr = stdout.try_clone()?;
        let from = pipe::Receiver::from_owned_fd(OwnedFd::from(from))?;
        let program = protocol::bootstrap(&token);
        let prefix: &[&str] = match login {
            Login::Plain => &[],
            Login::Sudo => &["sudo", "-n", "-i"],
        };
        let words = prefix.iter().map(|word| (*word).to_owned());
        let words = words.chain(protocol::starter(program.len()));
        let command = Command {
            argv: words.map(String::into_bytes).collect(),
            env: Vec::new(),
            cwd: None,
            tty: false,
            id: String::new(),
        };
        let stdio = Stdio::apart(stdin, OwnedFd::from(stdout), OwnedFd::from(stderr));
        let running = tokio::spawn(async move { machine.run(command, stdio).await });
        let mut server = Self {
            stdin: to,
            stdout: from,
            scanner: Scanner::new(&token),
            running,
            login,
            hello: Hello {
                bash: String::new(),
                uid: 0,
                boot: None,
                zstd: false,
            },
            seq: 0,
            kept: HashMap::new(),
        };
        // A shell that ends at once does not read it; what it said is better than what the pipe says.
        let written = server.stdin.write_all(&program).await;
        let mut before = Vec::new();
        loop {
            match server.said().await? {
                Some(Said::Hello(hello)) => {
                    server.hello = hello;
                    written?;
                    return Ok(server);
                }
                Some(Said::Output(bytes)) => {
                    before.extend(bytes);
                    before.truncate(SHOWN);
                }
                Some(Said::Ended { .. }) => {}
                None => return Err(server.not_started(&before).await),
            }
        }
    }

    /// What it said of itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Starts a script. It must be followed to its end before the next one.
    pub async fn begin(&mut self, script: &[Piece]) -> Result<Running<'_>, ServerError> {
        self.seq += 1;
        let mut out = Vec::new();
        let names = self.pieces(&mut out, script);
        protocol::run(&mut out, self.seq, &names);
        self.write(&out).await?;
        Ok(Running {
            server: self,
            ended: false,
        })
    }

    /// Runs a script that says little: its status, and all that it said.
    pub async fn ask(&mut self, script: &[Piece]) -> Result<(u8, Vec<u8>), ServerError> {
        let mut running = self.begin(script).await?;
        let mut said = Vec::new();
        loop {
            match running.next().await? {
                Event::Output(bytes) => said.extend(bytes),
                Event::Ended(status) => return Ok((status, said)),
            }
        }
    }

    /// Runs a script with `length` bytes of `input` as its standard input: its status, and what it said.
    pub async fn feed(
        &mut self,
        script: &[Piece],
        mut input: impl AsyncRead + Unpin,
        length: u64,
    ) -> Result<(u8, Vec<u8>), ServerError> {
        self.seq += 1;
        let mut out = Vec::new();
        let names = self.pieces(&mut out, script);
        protocol::run_with_input(&mut out, self.seq, length, &names);
        self.write(&out).await?;
        let (mut said, mut sent) = (Vec::new(), 0);
        let mut chunk = vec![0; CHUNK];
        let mut pending: &[u8] = &[];
        let mut buffer = vec![0; CHUNK];
        loop {
            while let Some(something) = self.scanner.next() {
                match something {
                    Said::Output(bytes) => said.extend(bytes),
                    Said::Ended { seq, status } if seq == self.seq => return Ok((status, said)),
                    Said::Hello(_) | Said::Ended { .. } => {}
                }
            }
            if pending.is_empty() && sent < length {
                let most = usize::try_from(length - sent).unwrap_or(CHUNK).min(CHUNK);
                let read = input.read(&mut chunk[..most]).await?;
                if read == 0 {
                    return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
                }
                sent += read as u64;
                pending = &chunk[..read];
            }
            tokio::select! {
                read = self.stdout.read(&mut buffer) => match read? {
                    0 => return Err(self.lost().await),
                    read => self.scanner.push(&buffer[..read]),
                },
                written = self.stdin.write(pending), if !pending.is_empty() => match written {
                    Ok(written) => pending = &pending[written..],
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Err(self.lost().await),
                    Err(error) => return Err(error.into()),
                },
            }
        }
    }

    /// Ends it, with whatever it runs, and waits until it is gone.
    pub async fn close(self) {
        let Self {
            stdin,
            mut stdout,
            running,
            ..
        } = self;
        // The end of its input is its end; a server that is dropped sees the same, only nobody waits for it.
        drop(stdin);
        let mut buffer = [0; 4096];
        while stdout.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        drop(running.await);
    }

    fn pieces(&mut self, out: &mut Vec<u8>, script: &[Piece]) -> Vec<String> {
        let mut names = Vec::new();
        for (number, piece) in script.iter().filter(|piece| !piece.is_empty()).enumerate() {
            if let Some(name) = self.kept.get(piece) {
                names.push(name.clone());
                continue;
            }
            let name = if piece.len() > KEPT {
                format!("x{number}")
            } else {
                let name = self.kept.len().to_string();
                self.kept.insert(Arc::clone(piece), name.clone());
                name
            };
            protocol::keep(out, &name, piece);
            names.push(name);
        }
        names
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), ServerError> {
        match self.stdin.write_all(bytes).await {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(self.lost().await),
            Err(error) => Err(error.into()),
        }
    }

    /// The next thing it says; none when it is gone. Nothing is lost when the future is dropped.
    async fn said(&mut self) -> Result<Option<Said>, ServerError> {
        let mut buffer = [0; 16 << 10];
        loop {
            if let Some(said) = self.scanner.next() {
                return Ok(Some(said));
            }
            match self.stdout.read(&mut buffer).await? {
                0 => return Ok(None),
                read => self.scanner.push(&buffer[..read]),
            }
        }
    }

    async fn not_started(&mut self, before: &[u8]) -> ServerError {
        let mut said = before.to_vec();
        said.extend(self.scanner.rest());
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        match (&mut self.running).await {
            Ok(Err(error)) => ServerError::Start(Box::new(error)),
            Ok(Ok(status)) if said.is_empty() => {
                ServerError::NotBash(format!("it ended with {}", shown(status)))
            }
            Ok(Ok(_)) if self.login == Login::Sudo && said.contains("sudo:") => {
                ServerError::NotRoot(said)
            }
            Ok(Ok(status)) => {
                ServerError::NotBash(format!("it ended with {}: {said}", shown(status)))
            }
            Err(error) => ServerError::Lost(error.to_string()),
        }
    }

    async fn lost(&mut self) -> ServerError {
        // Polled to its end only once: afterwards nobody asks any more.
        match (&mut self.running).await {
            Ok(Ok(status)) => ServerError::Lost(format!("its shell ended with {}", shown(status))),
            Ok(Err(error)) => ServerError::Lost(crate::engine::chain(&error)),
            Err(error) => ServerError::Lost(error.to_string()),
        }
    }
}

/// A script under way.
pub struct Running<'a> {
    server: &'a mut ScriptServer,
    ended: bool,
}

/// What happens to a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Output(Vec<u8>),
    /// It and everything that it left in its process group has ended; 128+N for signal N.
    Ended(u8),
}

impl Running<'_> {
    /// The next thing that happens. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Event, ServerError> {
        loop {
            match self.server.said().await? {
                Some(Said::Output(bytes)) => return Ok(Event::Output(bytes)),
                Some(Said::Ended { seq, status }) if seq == self.server.seq => {
                    self.ended = true;
                    return Ok(Event::Ended(status));
                }
                Some(Said::Ended { .. } | Said::Hello(_)) => {}
                None => {
                    let rest = self.server.scanner.rest();
                    if !rest.is_empty() {
                        return Ok(Event::Output(rest));
                    }
                    return Err(self.server.lost().await);
                }
            }
        }
    }

    /// Kills it with everything that it started; `Ended` follows.
    pub async fn kill(&mut self) -> Result<(), ServerError> {
        let mut out = Vec::new();
        protocol::kill(&mut out, self.server.seq);
        self.server.write(&out).await
    }
}

fn shown(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("code {code}"),
        ExitStatus::Signal(signal) => format!("signal {signal}"),
    }
}

fn pair_to() -> std::io::Result<(OwnedFd, pipe::Sender)> {
    let (read, write) = std::io::pipe()?;
    Ok((
        OwnedFd::from(read),
        pipe::Sender::from_owned_fd(OwnedFd::from(write))?,
    ))
}

/// A word that no script can know.
fn token() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
