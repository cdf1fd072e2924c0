//! A command that is running on a target: its signals, its end, and making sure that it does not outlive its future.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use super::master::{io_error, option, words};
use super::mux::{Control, Session};
use super::{SshSessions, TransportError, quote, target};
use crate::process::{self, NativeCommand};
use crate::provider::{Arrived, ExitStatus, SshTarget, Stdio};

/// How often, and with which pauses, a signal looks for a command that has only just been started.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(10),
    Duration::from_millis(30),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// ssh's own exit code; also one that a command may have.
const SSH_FAILED: u8 = 255;

/// See the module.
pub(super) struct Remote<'a> {
    sessions: &'a SshSessions,
    to: &'a SshTarget,
    id: String,
    socket: PathBuf,
    master: u32,
    running: bool,
    /// The last signal that was sent.
    sent: Option<u8>,
}

impl<'a> Remote<'a> {
    pub(super) fn new(sessions: &'a SshSessions, to: &'a SshTarget, id: String) -> Self {
        Self {
            sessions,
            to,
            id,
            socket: PathBuf::new(),
            master: 0,
            running: false,
            sent: None,
        }
    }

    /// From now on the command may be running, over the connection that `master` holds.
    pub(super) fn starts(&mut self, socket: PathBuf, master: u32) {
        self.socket = socket;
        self.master = master;
        self.running = true;
    }

    /// It was not started, or it has ended, or it is out of reach.
    pub(super) fn ended(&mut self) {
        self.running = false;
    }

    /// The command runs in a session of the connection.
    pub(super) async fn in_session(
        mut self,
        mut session: Session,
        signals: Option<UnboundedReceiver<Arrived>>,
    ) -> Result<ExitStatus, TransportError> {
        let ended = self.attend(signals, session.wait()).await;
        match ended.map_err(|e| io_error(self.to, "waiting for a command", e))? {
            Some(code) => Ok(told(low_byte(code))),
            None => self.without_status().await,
        }
    }

    /// The command runs under an `ssh -tt` of its own, which knows about terminals.
    pub(super) async fn on_terminal(
        mut self,
        line: Vec<u8>,
        stdio: Stdio,
        signals: Option<UnboundedReceiver<Arrived>>,
    ) -> Result<ExitStatus, TransportError> {
        use std::os::unix::ffi::OsStringExt;
        let log = Log(self.socket.with_extension(format!("{}.log", self.id)));
        let native = self
            .client()
            .args(["-tt", "-e", "none", "-E"])
            .arg(&log.0)
            .args(option("LogLevel", "ERROR"))
            .args(target::arguments(self.to))
            .arg(std::ffi::OsString::from_vec(line));
        let stdio = Stdio {
            // The signals are for the command, not for ssh.
            signals: None,
            own_group: true,
            ..stdio
        };
        let ended = self.attend(signals, process::connect(&native, stdio)).await;
        match ended.map_err(TransportError::NoClient)? {
            ExitStatus::Code(SSH_FAILED) if !self.alive().await => {
                let mut said = fs::read_to_string(&log.0).unwrap_or_default();
                if said.trim().is_empty() {
                    said = words(&self.socket);
                }
                Err(TransportError::lost(target::shown(self.to), &said))
            }
            ExitStatus::Code(code) => Ok(told(code)),
            ExitStatus::Signal(signal) => Err(TransportError::Lost {
                target: target::shown(self.to),
                reason: format!("signal {signal} killed the ssh client"),
            }),
        }
    }

    /// Waits for the end and sends on the signals that arrive in the meantime.
    async fn attend<T>(
        &mut self,
        mut signals: Option<UnboundedReceiver<Arrived>>,
        ended: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(ended);
        let ended = loop {
            tokio::select! {
                biased;
                ended = &mut ended => break ended,
                arrived = process::next_signal(&mut signals) => tokio::select! {
                    biased;
                    ended = &mut ended => break ended,
                    () = self.signal(arrived.number) => {}
                },
            }
        };
        self.ended();
        ended
    }

    async fn signal(&mut self, number: u8) {
        let Some(name) = name(number) else { return };
        let line = quote::signal(&self.id, name);
        self.sent = Some(number);
        for pause in PAUSES {
            // 0: somebody got it. No answer: the connection is gone, and so is our business here.
            match self.sessions.errand(self.to, &line).await {
                Ok(Some(0)) | Err(_) => return,
                Ok(_) => tokio::time::sleep(pause).await,
            }
        }
    }

    /// There was no exit status: did the connection break, or did a signal kill the shell that reports it?
    async fn without_status(&self) -> Result<ExitStatus, TransportError> {
        let target = target::shown(self.to);
        if !self.alive().await {
            return Err(TransportError::lost(target, &words(&self.socket)));
        }
        match self.sent {
            Some(signal) => Ok(ExitStatus::Signal(signal)),
            None => Err(TransportError::NoStatus { target }),
        }
    }

    /// The connection that carried the command is still there.
    async fn alive(&self) -> bool {
        match Control::connect(&self.socket).await {
            Ok(mut control) => control.alive().await.is_ok_and(|pid| pid == self.master),
            Err(_gone) => false,
        }
    }

    /// An `ssh` over the connection.
    fn client(&self) -> NativeCommand {
        NativeCommand::new(&self.sessions.program)
            .args(self.sessions.options.iter().cloned())
            .args(option("ControlMaster", "no"))
            .args(option("ControlPath", &self.socket.display().to_string()))
            .args(option("ClearAllForwardings", "yes"))
            .args(option("RemoteCommand", "none"))
    }
}

impl Drop for Remote<'_> {
    fn drop(&mut self) {
        use std::os::unix::ffi::OsStringExt;
        if !self.running {
            return;
        }
        // Nobody will wait for this one: a process outlives us, a task may not.
        let native = self
            .client()
            .arg("-T")
            .args(option("BatchMode", "yes"))
            .args(target::arguments(self.to))
            .arg(std::ffi::OsString::from_vec(quote::signal(
                &self.id, "KILL",
            )));
        if let Err(error) = process::detach(&native) {
            tracing::warn!(
                target = target::shown(self.to),
                error = &error as &dyn std::error::Error,
                "cannot kill a cancelled command; it may still be running"
            );
        }
    }
}

/// Removed when done.
struct Log(PathBuf);

impl Drop for Log {
    fn drop(&mut self) {
        // Not there when ssh had nothing to say.
        drop(fs::remove_file(&self.0));
    }
}

fn low_byte(code: u32) -> u8 {
    code.to_be_bytes()[3]
}

/// The far shell says 128+N for a command that signal N killed. One that chose such a code itself looks the same, and
/// comes out as the same code in the end.
fn told(code: u8) -> ExitStatus {
    match code {
        129..=159 => ExitStatus::Signal(code - 128),
        other => ExitStatus::Code(other),
    }
}

/// By name, because the numbers of some differ between systems. Linux's numbers here.
fn name(number: u8) -> Option<&'static str> {
    const NAMES: [&str; 32] = [
        "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
        "USR2", "PIPE", "ALRM", "TERM", "", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    NAMES
        .get(usize::from(number))
        .copied()
        .filter(|name| !name.is_empty())
}
