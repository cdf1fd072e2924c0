//! Requests and answers of the port. The shapes follow `wit/types.wit`.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use runner_core::id::{InstanceName, Token};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedReceiver;

/// What a component does beyond what its kind requires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Optional {
    pub liveness: bool,
    pub inventory: bool,
    pub facts: bool,
    pub power: bool,
    pub signals: bool,
    /// `clean` between two holders.
    #[serde(default)]
    pub reuse: bool,
    /// `copy` is more than `unsupported`: the manifest says `"copy": true`.
    #[serde(default)]
    pub copy: bool,
    /// Of a hook: it is told what happens.
    #[serde(default)]
    pub hook: bool,
    /// Of a hook: it can be asked where a ticket goes.
    #[serde(default)]
    pub routing: bool,
}

/// What to make.
#[derive(Clone, Debug)]
pub struct Request {
    pub token: Token,
    pub name: InstanceName,
    pub slot: u32,
    pub workdir: Option<PathBuf>,
}

/// How an instance is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Through its plugin.
    Plugin,
    /// By the host's own OpenSSH.
    Ssh(SshAccess),
}

/// A host to reach, and what to show and to expect there. What was not said is as the user's own `ssh` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SshAccess {
    pub host: String,
    pub port: Option<u16>,
    pub user: Option<String>,
    /// In the order in which they are offered; none: the user's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<SshKey>,
    /// The line of a `-cert.pub` file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The name of a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    #[serde(default)]
    pub host_keys: HostKeys,
}

/// A key to log in with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SshKey {
    /// The name of a secret that holds the private key.
    Secret(String),
    /// A file of the user's.
    File(String),
    /// A public key whose private half the agent holds.
    Agent(String),
}

/// Which keys a machine may show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostKeys {
    /// Those of the user's known hosts.
    #[default]
    KnownHosts,
    /// These: `TYPE BASE64`, or `SHA256:…`.
    Pinned(Vec<String>),
    /// The first that it shows.
    FirstUse,
}

impl SshAccess {
    /// Where it is.
    pub fn target(&self) -> SshTarget {
        SshTarget {
            host: self.host.clone(),
            port: self.port,
            user: self.user.clone(),
        }
    }

    /// Nothing is said but where it is.
    pub fn is_plain(&self) -> bool {
        self.keys.is_empty()
            && self.certificate.is_none()
            && self.password.is_none()
            && self.host_keys == HostKeys::KnownHosts
    }
}

/// A host to reach by OpenSSH.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SshTarget {
    pub host: String,
    pub port: Option<u16>,
    pub user: Option<String>,
}

/// The answer of `allocate`.
#[derive(Clone, Debug)]
pub struct Allocated {
    pub handle: String,
    pub access: Access,
    pub attributes: Vec<(String, String)>,
}

/// A port here that leads to one that an instance can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Where to listen; port 0: any.
    pub listen: SocketAddr,
    /// As the instance calls it.
    pub host: String,
    pub port: u16,
}

/// News of a port that is forwarded.
#[derive(Clone, Copy, Debug)]
pub enum Forwarded<'a> {
    /// It is listened on, here.
    Listening {
        at: SocketAddr,
        forward: &'a Forward,
    },
    /// The instance could not, or would not, connect.
    Refused(&'a str),
}

/// What is known of an instance when it takes commands.
#[derive(Clone, Debug, Default)]
pub struct Ready {
    /// How it is reached from now on, where that is more than what `allocate` answered.
    pub access: Option<Access>,
    /// The start of its system.
    pub boot: Option<String>,
}

/// An instance that exists.
#[derive(Clone, Debug)]
pub struct Instance {
    pub handle: String,
    pub token: Token,
    pub name: InstanceName,
    pub workdir: Option<PathBuf>,
}

/// What to destroy.
#[derive(Clone, Debug)]
pub struct Doomed {
    pub token: Token,
    pub handle: Option<String>,
    pub name: InstanceName,
    pub workdir: Option<PathBuf>,
}

/// A command; everything in it is bytes.
#[derive(Clone, Debug)]
pub struct Command {
    /// Never empty.
    pub argv: Vec<Vec<u8>>,
    pub env: Vec<(String, Vec<u8>)>,
    pub cwd: Option<Vec<u8>>,
    pub tty: bool,
    /// 16 hexadecimal digits.
    pub id: String,
}

/// The caller's end of a command's streams. Always real descriptors, so that bytes need not pass through us.
#[derive(Debug)]
pub struct Stdio {
    pub stdin: OwnedFd,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
    /// `stdin` is a terminal of the command's own: start it in a new session with that as its controlling terminal.
    pub terminal: bool,
    /// Start the program in a process group of its own, because signals reach the command another way
    /// (`Provider::signal`). Otherwise it shares ours, and the terminal's Ctrl-C reaches it by itself.
    pub own_group: bool,
    /// Signals for the command. Whoever runs it knows whether it hears the terminal's by itself, and leaves those out.
    pub signals: Option<UnboundedReceiver<Arrived>>,
}

impl Stdio {
    /// Streams of a command that is not the user's in front: no terminal, and signals for us are not for it.
    pub fn apart(stdin: OwnedFd, stdout: OwnedFd, stderr: OwnedFd) -> Self {
        Self {
            stdin,
            stdout,
            stderr,
            terminal: false,
            own_group: true,
            signals: None,
        }
    }
}

/// A signal for a running command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    pub number: u8,
    /// The kernel sent it to the whole foreground group, as it does for Ctrl-C.
    pub from_terminal: bool,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitStatus {
    Code(u8),
    Signal(u8),
}

impl ExitStatus {
    /// As a shell reports it: 128+N for a signal N.
    pub fn shell_code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => signal.saturating_add(128),
        }
    }

    /// It ended with code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

/// What a command printed and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Which way a copy goes; paths are the instance's.
#[derive(Clone, Debug)]
pub enum Direction {
    /// Unpack the archive on `stdin` into this existing directory.
    Into(Vec<u8>),
    /// Write an archive of this path to `stdout`.
    OutOf(Vec<u8>),
}

/// One entry of a provider's listing.
#[derive(Clone, Debug)]
pub struct Listed {
    pub token: Token,
    pub handle: String,
}

/// What a probe measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub arch: Option<String>,
    pub cpus: Option<u32>,
    /// Bytes.
    pub memory: Option<u64>,
    pub os: Option<String>,
    pub hostname: Option<String>,
    pub address: Option<String>,
}
