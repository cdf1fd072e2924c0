//! Connections: one `ssh` per target (and a further one when the server's `MaxSessions` is used up) that holds it.
//!
//! The sockets in the control directory are the only record. Whoever finds no live socket opens a connection under a
//! lock; the others wait for the socket. A connection ends by itself when it has not been used for a while.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::login::{self, Login};
use super::mux::Control;
use super::{TransportError, target};
use crate::process::{self, NativeCommand};
use crate::provider::{ExitStatus, SshTarget, Stdio};

/// Seconds after which an unused connection ends: long enough for somebody who works, short enough for a server to
/// forget somebody who left.
const PERSIST: u32 = 600;

/// For users whose configuration sets no limits: seconds until an unanswered connection attempt is given up, and until a
/// silent server is asked whether it is there (three times, then the connection is lost).
const CONNECT_TIMEOUT: u32 = 20;
const ALIVE_INTERVAL: u32 = 15;

/// How long a socket's path may be: 104 bytes on the BSDs, less the end mark and the 17 that ssh appends.
const LONGEST_PATH: usize = 104 - 1 - 17;

/// A live connection.
pub(super) struct Held {
    pub(super) control: Control,
    pub(super) socket: PathBuf,
    /// It was opened just now.
    pub(super) fresh: bool,
}

/// ssh connections to any number of targets. Cheap to make; opens nothing.
#[derive(Clone, Debug)]
pub struct SshSessions {
    directory: PathBuf,
    pub(super) program: PathBuf,
    pub(super) options: Vec<OsString>,
    pub(super) environment: Vec<Vec<u8>>,
    /// How to log in, where it is not the user's own affair.
    login: Option<Arc<Login>>,
}

impl SshSessions {
    /// `directory` holds the control sockets; it is made, with access for its owner only, when it is needed. It must be
    /// short.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            program: PathBuf::from("ssh"),
            options: Vec::new(),
            environment: Vec::new(),
            login: None,
        }
    }

    /// Further arguments for each `ssh`, such as `-F FILE`.
    #[must_use]
    pub fn with_options(mut self, options: impl IntoIterator<Item = OsString>) -> Self {
        self.options.extend(options);
        self
    }

    /// Our environment, from which the user's configuration picks what to send (`SendEnv`, such as the locale).
    #[must_use]
    pub fn with_environment(
        mut self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        use std::os::unix::ffi::OsStringExt;
        self.environment
            .extend(environment.into_iter().map(|(name, value)| {
                let mut variable = name.into_vec();
                variable.push(b'=');
                variable.extend(value.into_vec());
                variable
            }));
        self
    }

    /// The same, for one instance that is logged in to in a way of its own.
    #[must_use]
    pub fn with_login(mut self, login: Login) -> Self {
        self.login = Some(Arc::new(login));
        self
    }

    /// Another program than the first `ssh` in `PATH`.
    #[must_use]
    pub fn with_program(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    /// Opens the connection to a target if there is none. Asks on the terminal (passphrases, new host keys) if
    /// we have one: call it before anything else reads the terminal.
    ///
    /// # Errors
    /// [`TransportError::Unreachable`], with ssh's words.
    pub async fn connect(&self, to: &SshTarget) -> Result<(), TransportError> {
        target::check(to)?;
        self.master(to, 0).await.map(drop)
    }

    /// Closes the connections to a target. Not an error when there is none. A connection that the user opened with a
    /// `ControlPath` of their own is left alone.
    ///
    /// # Errors
    /// Only what the file system says about the control directory.
    pub async fn disconnect(&self, to: &SshTarget) -> Result<(), TransportError> {
        target::check(to)?;
        let entries = match fs::read_dir(&self.directory) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(|e| io_error(to, "looking for control sockets", e))?,
        };
        let digest = self.digest(to);
        for entry in entries {
            let path = entry
                .map_err(|e| io_error(to, "looking for control sockets", e))?
                .path();
            // Sockets are `DIGEST` and `DIGEST-LANE`, and their logs may have survived them.
            let ours = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.strip_prefix(&digest))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
            match path.extension().and_then(|e| e.to_str()) {
                None if ours => end(&path).await,
                Some(_) if ours => {}
                _ => continue,
            }
            remove(&path).map_err(|e| io_error(to, "removing a control socket", e))?;
        }
        Ok(())
    }

    /// A live connection. Lanes are numbered from 0; each carries as many sessions as the server allows.
    pub(super) async fn master(&self, to: &SshTarget, lane: u32) -> Result<Held, TransportError> {
        let socket = self.socket(to, lane);
        let found = async || match Control::connect(&socket).await {
            Ok(control) => Some(Held {
                control,
                socket: socket.clone(),
                fresh: false,
            }),
            Err(_none) => None,
        };
        if let Some(held) = found().await {
            return Ok(held);
        }
        self.prepare(&socket)?;
        let lock = File::create(socket.with_extension("lock"))
            .map_err(|e| io_error(to, "opening a lock", e))?;
        // Trying again and again: a blocking wait could not be cancelled.
        while let Err(e) = lock.try_lock() {
            if let fs::TryLockError::Error(e) = e {
                return Err(io_error(to, "locking", e));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            if let Some(held) = found().await {
                return Ok(held);
            }
        }
        if let Some(held) = found().await {
            return Ok(held);
        }
        remove(&socket).map_err(|e| io_error(to, "removing a dead control socket", e))?;
        let control = self.open(to, lane, &socket).await?;
        drop(lock);
        Ok(Held {
            control,
            socket,
            fresh: true,
        })
    }

    pub(super) fn socket(&self, to: &SshTarget, lane: u32) -> PathBuf {
        let mut name = self.digest(to);
        if lane > 0 {
            name.push('-');
            name.push_str(&lane.to_string());
        }
        self.directory.join(name)
    }

    /// What its connections are called.
    fn digest(&self, to: &SshTarget) -> String {
        let identity = self.login.as_ref().map(|login| login.identity.as_str());
        target::digest(to, &self.program, &self.options, identity)
    }

    /// The host keys that a machine showed when its connection was opened, where they are pinned to it.
    pub fn seen_keys(&self, to: &SshTarget) -> Vec<String> {
        login::seen(&self.socket(to, 0))
    }

    /// Called with the lock held and no live socket.
    async fn open(
        &self,
        to: &SshTarget,
        lane: u32,
        socket: &Path,
    ) -> Result<Control, TransportError> {
        let settings = self.settings(to).await?;
        // The user's own multiplexed connection, if one is open, is as good as ours.
        // But nobody knows what it was opened with.
        if let (0, Some(path), None) = (lane, &settings.control_path, &self.login)
            && let Ok(control) = Control::connect(path).await
        {
            std::os::unix::fs::symlink(path, socket)
                .map_err(|e| io_error(to, "linking to a control socket", e))?;
            return Ok(control);
        }
        let log = log(socket);
        remove(&log).map_err(|e| io_error(to, "removing a log", e))?;
        let words = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&log)
            .map_err(|e| io_error(to, "making a log", e))?;
        let null = null().map_err(|e| io_error(to, "opening `/dev/null`", e))?;
        let mut native = NativeCommand::new(&self.program)
            .args(self.options.iter().cloned())
            .args(["-N", "-f", "-T", "-E"])
            .arg(&log)
            .args(option("ControlMaster", "yes"))
            .args(option("ControlPath", &socket.display().to_string()))
            .args(option("ControlPersist", &PERSIST.to_string()))
            .args(option("ClearAllForwardings", "yes"))
            .args(option("RemoteCommand", "none"));
        if !settings.limits_connecting {
            native = native.args(option("ConnectTimeout", &CONNECT_TIMEOUT.to_string()));
        }
        if !settings.asks_server {
            native = native.args(option("ServerAliveInterval", &ALIVE_INTERVAL.to_string()));
        }
        // Its files are there until the connection stands.
        let prepared = match &self.login {
            Some(login) => login
                .prepare(socket)
                .map(Some)
                .map_err(|e| io_error(to, "preparing the login", e))?,
            None => None,
        };
        if let Some(prepared) = &prepared {
            native = native.args(prepared.options.iter().cloned());
            native.env.extend(prepared.env.iter().cloned());
        }
        if !can_ask()
            && prepared
                .as_ref()
                .is_none_or(|prepared| prepared.env.is_empty())
        {
            native = native.args(option("BatchMode", "yes"));
        }
        let native = native.args(target::arguments(to));
        // In our process group, so that it may ask on the terminal. It goes into the background, to a session of its
        // own, when the connection stands and the socket listens.
        let stdio = Stdio {
            stdin: null
                .try_clone()
                .map_err(|e| io_error(to, "starting ssh", e))?
                .into(),
            stdout: null.into(),
            stderr: words.into(),
            terminal: false,
            own_group: false,
            signals: None,
        };
        let status = process::connect(&native, stdio)
            .await
            .map_err(TransportError::NoClient)?;
        drop(prepared);
        let pinned = self.login.as_ref().is_some_and(|login| login.pins());
        let unreachable = || TransportError::unreachable(to, &read_log(&log), pinned);
        if status != ExitStatus::Code(0) {
            let error = unreachable();
            remove(&log).map_err(|e| io_error(to, "removing a log", e))?;
            return Err(error);
        }
        Control::connect(socket)
            .await
            .map_err(|_gone| unreachable())
    }

    /// What the user's configuration says about this target.
    async fn settings(&self, to: &SshTarget) -> Result<Settings, TransportError> {
        const LIMIT: usize = 1024 * 1024;
        let native = NativeCommand::new(&self.program)
            .args(self.options.iter().cloned())
            .arg("-G")
            .args(target::arguments(to));
        let output = process::capture(&native, Vec::new(), LIMIT)
            .await
            .map_err(TransportError::NoClient)?;
        if !output.status.success() {
            return Err(TransportError::unreachable(
                to,
                &String::from_utf8_lossy(&output.stderr),
                false,
            ));
        }
        Ok(Settings::parse(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Makes the control directory, and insists that nobody else can put a socket there: we hand descriptors to it.
    fn prepare(&self, socket: &Path) -> Result<(), TransportError> {
        let bad = |reason: String| TransportError::Directory {
            directory: self.directory.clone(),
            reason,
        };
        if socket.as_os_str().len() > LONGEST_PATH {
            return Err(bad(format!(
                "its path is too long for a socket, the limit is {} bytes",
                LONGEST_PATH - 20
            )));
        }
        if socket
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .any(|b| b"%\"$~ ".contains(b))
        {
            return Err(bad(
                "ssh gives a meaning to characters in its path".to_owned()
            ));
        }
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory);
        made.map_err(|e| bad(e.to_string()))?;
        let metadata = fs::symlink_metadata(&self.directory).map_err(|e| bad(e.to_string()))?;
        if !metadata.is_dir() {
            return Err(bad("it is not a directory".to_owned()));
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(bad("it belongs to somebody else".to_owned()));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(bad("others have access to it".to_owned()));
        }
        Ok(())
    }
}

/// Ends the connection behind a socket, unless it is the user's own.
async fn end(socket: &Path) {
    if !socket.is_symlink()
        && let Ok(control) = Control::connect(socket).await
    {
        // It may end of something else at this very moment.
        drop(control.terminate().await);
    }
}

/// The part of `ssh -G` that matters here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settings {
    control_path: Option<PathBuf>,
    limits_connecting: bool,
    asks_server: bool,
}

impl Settings {
    fn parse(text: &str) -> Self {
        let mut settings = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            match key {
                "controlpath" if value.starts_with('/') => {
                    settings.control_path = Some(PathBuf::from(value));
                }
                "connecttimeout" => settings.limits_connecting = value != "none" && value != "0",
                "serveraliveinterval" => settings.asks_server = value != "0",
                _ => {}
            }
        }
        settings
    }
}

/// `-o KEY=VALUE`.
pub(super) fn option(key: &str, value: &str) -> [String; 2] {
    ["-o".to_owned(), format!("{key}={value}")]
}

pub(super) fn io_error(to: &SshTarget, doing: &'static str, source: io::Error) -> TransportError {
    TransportError::Io {
        target: target::shown(to),
        doing,
        source,
    }
}

pub(super) fn null() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/null")
}

/// There is a terminal, it is ours at the moment, and nobody else reads it (raw): a program that asks on it gets an answer.
fn can_ask() -> bool {
    use rustix::termios::{LocalModes, tcgetattr, tcgetpgrp};
    File::open("/dev/tty").is_ok_and(|tty| {
        tcgetpgrp(&tty).is_ok_and(|group| group == rustix::process::getpgrp())
            && tcgetattr(&tty).is_ok_and(|mode| mode.local_modes.contains(LocalModes::ICANON))
    })
}

/// The last words of the `ssh` that holds, or held, the connection.
pub(super) fn words(socket: &Path) -> String {
    read_log(&log(socket))
}

fn log(socket: &Path) -> PathBuf {
    socket.with_extension("log")
}

fn read_log(path: &Path) -> String {
    // Without a log there are no words; that is no reason to fail differently.
    fs::read(path).map_or_else(
        |_none| String::new(),
        |text| String::from_utf8_lossy(&text).into_owned(),
    )
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_ssh() {
        let none =
            "controlmaster false\nconnecttimeout none\nserveraliveinterval 0\ncontrolpath none\n";
        assert_eq!(Settings::parse(none), Settings::default());
        let all = "connecttimeout 5\nserveraliveinterval 9\ncontrolpath /run/x/y z\n";
        assert_eq!(
            Settings::parse(all),
            Settings {
                control_path: Some(PathBuf::from("/run/x/y z")),
                limits_connecting: true,
                asks_server: true,
            }
        );
    }
}
