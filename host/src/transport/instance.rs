//! The port for an instance that the host reaches itself: commands go through OpenSSH, with no component loaded.
//!
//! Making and destroying stay with the plugin that answered with the target; asking them of this is an error.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{SshSessions, TransportError, TransportKind};
use crate::provider::{
    Access, Allocated, CallContext, Command, Direction, Doomed, ErrorKind, ExitStatus, Facts,
    Forward, Forwarded, HostKeys, Instance, Listed, Optional, Provider, ProviderError, Ready,
    Request, Result, SshAccess, SshTarget, Stdio,
};

/// One target, reached for one source.
pub struct SshInstance {
    sessions: Arc<SshSessions>,
    target: SshTarget,
    source: String,
    access: SshAccess,
    patience: Patience,
}

/// How long is waited for a machine that does not take commands yet.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// When it is new. None: nobody wants in, so that it is not waited for at all.
    pub ready: Option<Duration>,
    /// When it is rebooted.
    pub reboot: Duration,
}

impl SshInstance {
    /// The instance that is reached so; `source` is named in errors.
    pub fn new(
        sessions: Arc<SshSessions>,
        access: SshAccess,
        source: String,
        patience: Patience,
    ) -> Self {
        Self {
            sessions,
            target: access.target(),
            source,
            access,
            patience,
        }
    }

    /// Asks again and again until `answered` likes an answer. What will not pass by itself ends the waiting, and so does its
    /// time, with the last trouble.
    async fn patiently(
        &self,
        instance: &Instance,
        call: &'static str,
        patience: Duration,
        answered: impl Fn(Option<&str>) -> bool + Send + Sync,
    ) -> Result<Option<String>> {
        let deadline = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        let mut denied: Option<Instant> = None;
        loop {
            let trouble = match timeout_at(deadline, self.ask_boot()).await {
                Ok(Ok(boot)) if answered(boot.as_deref()) => return Ok(boot),
                Ok(Ok(_same)) => None,
                Ok(Err(error)) => Some(error),
                Err(_late) => None,
            };
            let passing = match &trouble {
                None => true,
                // A first boot makes its users and their keys when the server is up already, but not for long.
                Some(error) if error.is_authentication() => {
                    denied.get_or_insert_with(Instant::now).elapsed() < DENIED
                }
                Some(error) => error.may_come_up(),
            };
            if passing && Instant::now() + pause < deadline {
                tracing::debug!(instance = %instance.name, "not up yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            let seconds = patience.as_secs_f64();
            return Err(match trouble {
                Some(error) if !passing => self.failed(instance, call, &error),
                Some(error) => {
                    let failed = self.failed(instance, call, &error);
                    ProviderError {
                        message: format!(
                            "it took no commands within {seconds} s: {}",
                            failed.message
                        ),
                        ..failed
                    }
                }
                None => ProviderError {
                    kind: ErrorKind::Deadline,
                    message: format!("it did not come up anew within {seconds} s"),
                    remedy: Some(format!(
                        "look at its console, or raise `{call}` in the `[limits]` of its source"
                    )),
                    context: self.context(Some(instance), call),
                    guest_log: Vec::new(),
                    untouched: false,
                },
            });
        }
    }

    /// A command that tells that commands are taken, and since when.
    async fn ask_boot(&self) -> std::result::Result<Option<String>, TransportError> {
        let command = shell("cat /proc/sys/kernel/random/boot_id 2>/dev/null || true");
        let output = self
            .sessions
            .output(&self.target, &command, Vec::new())
            .await?;
        let boot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let plain = boot.len() <= 64 && boot.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        Ok((plain && !boot.is_empty()).then_some(boot))
    }

    fn context(&self, instance: Option<&Instance>, call: &'static str) -> CallContext {
        CallContext {
            plugin: "ssh".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            source: self.source.clone(),
            instance: instance.map(|instance| instance.name.to_string()),
            call,
        }
    }

    fn failed(
        &self,
        instance: &Instance,
        call: &'static str,
        error: &TransportError,
    ) -> ProviderError {
        let kind = match error.kind() {
            TransportKind::Invalid => ErrorKind::Invalid,
            TransportKind::Denied => ErrorKind::Denied,
            TransportKind::Unavailable => ErrorKind::Unavailable { retry_after: None },
            TransportKind::Failed => ErrorKind::Failed,
        };
        ProviderError {
            kind,
            message: with_causes(error),
            remedy: error.hint(),
            context: self.context(Some(instance), call),
            guest_log: Vec::new(),
            untouched: false,
        }
    }

    fn unsupported(&self, call: &'static str) -> ProviderError {
        ProviderError {
            kind: ErrorKind::Unsupported,
            message: "not a matter of the connection".into(),
            remedy: None,
            context: self.context(None, call),
            guest_log: Vec::new(),
            untouched: false,
        }
    }
}

/// Between two attempts to reach a machine that is not up.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How long a machine may refuse our keys before that is believed.
const DENIED: Duration = Duration::from_secs(60);

/// Starts a reboot by whatever is there; it happens after the answer.
const REBOOT: &str = "sudo= ; [ \"$(id -u)\" = 0 ] || sudo='sudo -n'; $sudo systemctl reboot || $sudo reboot || $sudo /sbin/reboot";

/// A control command of ours.
fn shell(script: &str) -> Command {
    Command {
        argv: vec![b"sh".to_vec(), b"-c".to_vec(), script.as_bytes().to_vec()],
        env: Vec::new(),
        cwd: None,
        tty: false,
        id: "0000000000000000".into(),
    }
}

/// The port's errors have one line: an error and what caused it.
fn with_causes(error: &TransportError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

#[async_trait]
impl Provider for SshInstance {
    fn optional(&self) -> Optional {
        Optional {
            liveness: true,
            facts: true,
            ..Optional::default()
        }
    }

    async fn allocate(&self, _request: &Request) -> Result<Allocated> {
        Err(self.unsupported("allocate"))
    }

    async fn run(
        &self,
        instance: &Instance,
        command: &Command,
        stdio: Stdio,
    ) -> Result<ExitStatus> {
        self.sessions
            .exec(&self.target, command, stdio)
            .await
            .map_err(|error| self.failed(instance, "run", &error))
    }

    async fn copy(
        &self,
        _instance: &Instance,
        _direction: &Direction,
        _stdio: Stdio,
    ) -> Result<()> {
        Err(self.unsupported("copy"))
    }

    /// The machine is its plugin's to destroy; the way to it ends here.
    async fn discard(&self, _doomed: &Doomed) -> Result<()> {
        let closed = self.sessions.disconnect(&self.target).await;
        closed.map_err(|error| ProviderError {
            kind: ErrorKind::Failed,
            message: with_causes(&error),
            remedy: error.hint(),
            context: self.context(None, "discard"),
            guest_log: Vec::new(),
            untouched: false,
        })
    }

    async fn ready(&self, instance: &Instance) -> Result<Ready> {
        let Some(patience) = self.patience.ready else {
            return Ok(Ready::default());
        };
        let boot = self
            .patiently(instance, "ready", patience, |_| true)
            .await?;
        let mut access = None;
        if self.access.host_keys == HostKeys::FirstUse {
            let seen = self.sessions.seen_keys(&self.target);
            if !seen.is_empty() {
                access = Some(Access::Ssh(SshAccess {
                    host_keys: HostKeys::Pinned(seen),
                    ..self.access.clone()
                }));
            }
        }
        Ok(Ready { access, boot })
    }

    async fn boot(&self, instance: &Instance) -> Result<Option<String>> {
        let asked = self.ask_boot().await;
        asked.map_err(|error| self.failed(instance, "boot", &error))
    }

    async fn forward(
        &self,
        instance: &Instance,
        forwards: &[Forward],
        told: &(dyn for<'news> Fn(Forwarded<'news>) + Send + Sync),
    ) -> Result<()> {
        let failed = |error: TransportError| self.failed(instance, "forward", &error);
        // What cannot be reached should say so now, and not when something connects.
        self.sessions.connect(&self.target).await.map_err(failed)?;
        let mut listening = Vec::new();
        for forward in forwards {
            let forwarding = self.sessions.listen(&self.target, forward).await;
            listening.push((forward, forwarding.map_err(failed)?));
        }
        let (news, mut heard) = mpsc::unbounded_channel::<String>();
        let mut all = JoinSet::new();
        for (forward, forwarding) in listening {
            told(Forwarded::Listening {
                at: forwarding.at(),
                forward,
            });
            let (sessions, target) = (Arc::clone(&self.sessions), self.target.clone());
            let news = news.clone();
            all.spawn(async move {
                let refused = |why: &str| drop(news.send(why.to_owned()));
                sessions.forward(&target, forwarding, refused).await
            });
        }
        loop {
            tokio::select! {
                Some(why) = heard.recv() => told(Forwarded::Refused(&why)),
                ended = all.join_next() => match ended {
                    Some(Ok(Err(error))) => return Err(failed(error)),
                    Some(Ok(Ok(())) | Err(_)) => {}
                    None => return Ok(()),
                },
            }
        }
    }

    async fn restarted(&self, instance: &Instance, before: &str) -> Result<Option<String>> {
        let fresh = |boot: Option<&str>| boot.is_some_and(|boot| boot != before);
        self.patiently(instance, "reboot", self.patience.reboot, fresh)
            .await
    }

    async fn check(&self, instance: &Instance) -> Result<()> {
        self.sessions
            .reachable(&self.target)
            .await
            .map_err(|error| self.failed(instance, "check", &error))
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        Err(self.unsupported("list"))
    }

    async fn probe(&self, instance: &Instance) -> Result<Facts> {
        let command = shell("getconf _NPROCESSORS_ONLN; uname -m; uname -n");
        let output = self
            .sessions
            .output(&self.target, &command, Vec::new())
            .await
            .map_err(|error| self.failed(instance, "probe", &error))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Ok(Facts {
            cpus: lines.next().and_then(|line| line.parse().ok()),
            arch: lines.next().map(Into::into),
            hostname: lines.next().map(Into::into),
            ..Facts::default()
        })
    }

    async fn reboot(&self, instance: &Instance) -> Result<()> {
        let failed = |error: &TransportError| self.failed(instance, "reboot", error);
        let before = self.ask_boot().await.map_err(|e| failed(&e))?;
        let Some(before) = before else {
            return Err(ProviderError {
                message: "its system does not say when it was started, so that a reboot cannot be told from none".into(),
                ..self.unsupported("reboot")
            });
        };
        match self
            .sessions
            .output(&self.target, &shell(REBOOT), Vec::new())
            .await
        {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(ProviderError {
                    kind: ErrorKind::Denied,
                    message: format!(
                        "it does not let us reboot it: {}",
                        said.trim().escape_debug()
                    ),
                    remedy: Some(
                        "log in as root, or as somebody who may use `sudo` without a password"
                            .into(),
                    ),
                    context: self.context(Some(instance), "reboot"),
                    guest_log: Vec::new(),
                    untouched: false,
                });
            }
            // It may be faster than its answer.
            Err(error)
                if error.kind() == TransportKind::Unavailable
                    || matches!(error, TransportError::NoStatus { .. }) => {}
            Err(error) => return Err(failed(&error)),
        }
        self.restarted(instance, &before).await.map(drop)
    }

    async fn disconnect(&self, instance: &Instance) -> Result<()> {
        self.sessions
            .disconnect(&self.target)
            .await
            .map_err(|error| self.failed(instance, "disconnect", &error))
    }

    async fn signal(&self, _instance: &Instance, _command_id: &str, _signal: u8) -> Result<()> {
        Err(self.unsupported("signal"))
    }
}
