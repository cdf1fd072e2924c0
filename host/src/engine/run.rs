//! `run`: a command on a leased instance, connected to the caller's own descriptors.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::Duration;

use runner_core::id::InstanceName;
use runner_core::instance::State;
use tokio::sync::mpsc::UnboundedReceiver;

use super::wait::Bell;
use super::{Arrived, Definition, Engine, EngineError, FailureKind, Result, fault, random_bytes};
use crate::provider::{
    self, CallContext, Command, ErrorKind, ExitStatus, Instance, Output, Provider, ProviderError,
    Stdio,
};
use crate::store::{Durability, InstanceRow, Lease, OperationId, StoreError};

/// What is collected of a captured stream.
const CAPTURE_LIMIT: u64 = 1 << 20;

/// Started when no command is given: the user's shell on the instance, or the best there is.
const SHELL: &str =
    r#"[ -x "$SHELL" ] && exec "$SHELL"; command -v bash >/dev/null 2>&1 && exec bash; exec sh"#;

impl Engine {
    /// Runs a command and waits for it. An empty `argv` starts an interactive shell. What comes through `signals` reaches
    /// the command.
    pub async fn run(
        &self,
        name: &InstanceName,
        mut command: Command,
        stdio: Stdio,
        signals: UnboundedReceiver<Arrived>,
    ) -> Result<ExitStatus> {
        let row = self.usable(name)?;
        let definition = self.definition(&row)?;
        self.catalogue().still_granted(&definition)?;
        let (provider, instance) = self.reach(&row, &definition)?;
        if command.argv.is_empty() {
            command.argv = vec![b"sh".to_vec(), b"-c".to_vec(), SHELL.as_bytes().to_vec()];
        }
        command.id = execution_id()?;
        let shown = command
            .argv
            .iter()
            .map(|word| String::from_utf8_lossy(word))
            .collect::<Vec<_>>()
            .join(" ");
        let operation = self
            .start(&row, &definition, &*provider, &instance, &shown)
            .await?;
        fault::point("run:started");
        let running = execute(&*provider, &instance, &command, stdio, signals);
        let status = tokio::select! {
            status = running => status,
            never = self.heartbeat(&row) => match never {},
        };
        fault::point("run:ended");
        let outcome = match &status {
            Ok(ExitStatus::Code(0)) => Ok(()),
            Ok(ExitStatus::Code(code)) => Err(format!("exited with {code}: {shown}")),
            Ok(ExitStatus::Signal(signal)) => Err(format!("killed by signal {signal}: {shown}")),
            Err(error) => Err(error.to_string()),
        };
        self.end(operation, &outcome);
        self.note_outcome(&row, status.as_ref().err());
        self.wake_runners(&row.name);
        match status {
            Ok(status) => Ok(status),
            Err(error) => {
                let rebooted = self.was_rebooted(&row, &definition, &error).await;
                if error.kind == ErrorKind::Gone && verb(self, &row) == "run" {
                    self.suspect(&row, &error.to_string());
                }
                let lost = self.lost(&row, error);
                Err(match rebooted {
                    true => {
                        lost.hint("it was rebooted meanwhile: what ran there does not run any more")
                    }
                    false => lost,
                })
            }
        }
    }

    /// An instance that commands may be run on: leased and the lease confirmed, or the script's own.
    pub(super) fn usable(&self, name: &InstanceName) -> Result<InstanceRow> {
        let reference = super::Reference::parse(name.as_str());
        let row = self.find(&reference.name)?;
        self.check_reference(&reference, &row)?;
        let scripts_own =
            self.0.identity.script_of.as_ref() == Some(&row.token) && row.handle.is_some();
        let now = self.now();
        let over = |lease: &Lease| lease.expires_at.is_some_and(|at| at <= now);
        if !scripts_own && row.lease.as_ref().is_some_and(over) {
            return Err(EngineError::new(
                FailureKind::NotLeased,
                format!("the lease of `{}` has expired", row.name),
            )
            .hint("acquire another one; `lease_ttl` or `--ttl` sets how long a lease lasts, `runner lease renew` makes it last longer"));
        }
        if !scripts_own && row.state == State::Leased && !self.holder_lives(&row) {
            return Err(EngineError::new(
                FailureKind::NotLeased,
                format!("the lease of `{}` ended with its holder", row.name),
            )
            .hint(
                "acquire another one; `--holder-pid` and `--hold` say whose end is the lease's",
            ));
        }
        if scripts_own
            || (row.state == State::Leased
                && row.lease.as_ref().is_some_and(|lease| lease.confirmed))
        {
            return Ok(row);
        }
        // This process' own, in `exec`.
        let own = row.state == State::Leased && row.worker.as_ref() == Some(self.worker()?.id());
        if own {
            return Ok(row);
        }
        Err(EngineError::new(
            FailureKind::NotLeased,
            format!(
                "instance `{name}` is not leased (it is {})",
                row.state.as_str()
            ),
        )
        .hint("get one with `runner acquire`"))
    }

    /// Notes the command, and waits until fewer than `concurrency` run before it. A script's waits for nobody and nobody for it: a
    /// check must not be held up by what the holder runs, nor hold it up, nor pass for a sign of life of the holder.
    async fn start(
        &self,
        row: &InstanceRow,
        definition: &Definition,
        provider: &dyn Provider,
        instance: &Instance,
        shown: &str,
    ) -> Result<OperationId> {
        let verb = verb(self, row);
        let operation = self
            .store()
            .write::<_, EngineError>(Durability::Process, |tx| {
                self.begin(tx, verb, row, Some(shown))
            })?;
        if verb == "script" {
            return Ok(operation);
        }
        let mut bell = None;
        let mut limit = definition.policy.concurrency;
        loop {
            let before = self.running_before(&row.name, operation)?;
            if before == 0 {
                return Ok(operation);
            }
            if limit == 0 {
                limit = self.processors(row, provider, instance).await?;
            }
            if limit == 0 || before < limit {
                return Ok(operation);
            }
            let cannot_wait = |error| {
                EngineError::new(FailureKind::Io, format!("cannot wait for `{}`", row.name))
                    .because(error)
            };
            let bell = match &bell {
                Some(bell) => bell,
                None => bell.insert(Bell::listen(self.worker()?.bell()).map_err(cannot_wait)?),
            };
            // Look once more before sleeping: the last one may have ended before the bell was there.
            if self.running_before(&row.name, operation)? >= limit {
                bell.wait(Duration::MAX).await.map_err(cannot_wait)?;
            }
            if let Err(error) = self.usable(&row.name) {
                self.end(
                    operation,
                    &Err("the lease ended while the command waited".into()),
                );
                return Err(error);
            }
        }
    }

    /// How many commands of living processes came before this one. The dead ones get their end noted.
    fn running_before(&self, name: &InstanceName, own: OperationId) -> Result<u32> {
        let mut before = 0;
        for running in self.store().read(|tx| tx.running(name, "run"))? {
            if running.id >= own {
                break;
            }
            if self.store().workers().is_alive(&running.worker) {
                before += 1;
            } else {
                self.store()
                    .write::<_, StoreError>(Durability::Process, |tx| {
                        tx.end_operation(running.id, "interrupted", None, self.now())
                    })?;
            }
        }
        Ok(before)
    }

    fn wake_runners(&self, name: &InstanceName) {
        let Ok(running) = self.store().read(|tx| tx.running(name, "run")) else {
            return;
        };
        for waiting in running {
            self.store().workers().wake(&waiting.worker);
        }
    }

    /// How many processors the instance has: asked once, when the first second command comes, and kept. 0: unknown.
    async fn processors(
        &self,
        row: &InstanceRow,
        provider: &dyn Provider,
        instance: &Instance,
    ) -> Result<u32> {
        if let Some(json) = &row.facts {
            let facts: provider::Facts = super::parse(json, "probe result")?;
            return Ok(facts.cpus.unwrap_or(0));
        }
        if !provider.optional().facts {
            return Ok(0);
        }
        let facts = match provider.probe(instance).await {
            Ok(facts) => facts,
            Err(error) => {
                tracing::warn!(%error, "cannot find out how many processors `{}` has", row.name);
                return Ok(0);
            }
        };
        let mut row = row.clone();
        row.facts = serde_json::to_string(&facts).ok();
        let saved = self
            .store()
            .write::<_, StoreError>(Durability::Process, |tx| {
                tx.save(&mut row, None, self.now())
            });
        if let Err(error) = saved {
            tracing::debug!(%error, "somebody else changed `{}` meanwhile", row.name);
        }
        Ok(facts.cpus.unwrap_or(0))
    }

    fn lost(&self, row: &InstanceRow, error: ProviderError) -> EngineError {
        let gone = error.kind == ErrorKind::Gone;
        let failed =
            EngineError::provider(format!("cannot run the command on `{}`", row.name), error);
        if gone {
            failed.hint(format!(
                "it does not exist any more: `runner release {}`",
                row.name
            ))
        } else {
            failed
        }
    }
}

/// What a command is in the log: one of the holder's, or of a script about the instance.
fn verb(engine: &Engine, row: &InstanceRow) -> &'static str {
    match engine.0.identity.script_of.as_ref() == Some(&row.token) {
        true => "script",
        false => "run",
    }
}

/// Runs a command and passes signals on: by the provider's own way where it has one, else by whoever starts a program
/// for the command, who knows which of them reach it without us.
async fn execute(
    provider: &dyn Provider,
    instance: &Instance,
    command: &Command,
    mut stdio: Stdio,
    mut signals: UnboundedReceiver<Arrived>,
) -> provider::Result<ExitStatus> {
    if !provider.optional().signals || stdio.terminal {
        stdio.signals = Some(signals);
        return provider.run(instance, command, stdio).await;
    }
    stdio.own_group = true;
    let mut running = provider.run(instance, command, stdio);
    let mut open = true;
    loop {
        let arrived = tokio::select! {
            ended = &mut running => return ended,
            arrived = signals.recv(), if open => arrived,
        };
        match arrived {
            None => open = false,
            Some(arrived) => {
                let number = arrived.number;
                if let Err(error) = provider.signal(instance, &command.id, number).await {
                    tracing::warn!(%error, "signal {number} did not reach the command");
                }
            }
        }
    }
}

/// Runs a command and collects what it prints, at most 1 MiB of each stream.
pub(super) async fn capture(
    provider: &dyn Provider,
    instance: &Instance,
    command: &Command,
    stdin: Vec<u8>,
) -> provider::Result<Output> {
    let failed = |what: &str, error: std::io::Error| ProviderError {
        kind: ErrorKind::Failed,
        message: format!("{what}: {error}"),
        remedy: None,
        context: CallContext {
            instance: Some(instance.name.to_string()),
            call: "run",
            ..CallContext::default()
        },
        guest_log: Vec::new(),
        untouched: false,
    };
    let pipe = || std::io::pipe().map_err(|error| failed("cannot make a pipe", error));
    let (input_read, mut input_write) = pipe()?;
    let (mut out_read, out_write) = pipe()?;
    let (mut err_read, err_write) = pipe()?;
    let feed = tokio::task::spawn_blocking(move || input_write.write_all(&stdin));
    let read = |stream: &mut std::io::PipeReader| {
        let mut bytes = Vec::new();
        stream
            .take(CAPTURE_LIMIT)
            .read_to_end(&mut bytes)
            .map(|_| bytes)
    };
    let out = tokio::task::spawn_blocking(move || read(&mut out_read));
    let err = tokio::task::spawn_blocking(move || read(&mut err_read));
    let stdio = Stdio::apart(
        OwnedFd::from(input_read),
        OwnedFd::from(out_write),
        OwnedFd::from(err_write),
    );
    let status = provider.run(instance, command, stdio).await?;
    // A command that does not read its input is no failure.
    drop(feed.await);
    let collect = |joined: std::result::Result<
        std::io::Result<Vec<u8>>,
        tokio::task::JoinError,
    >| match joined {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(failed("cannot read what the command prints", error)),
        Err(error) => Err(failed("cannot read what the command prints", error.into())),
    };
    Ok(Output {
        status,
        stdout: collect(out.await)?,
        stderr: collect(err.await)?,
    })
}

/// A fresh name for an execution: 16 hexadecimal digits.
pub(super) fn execution_id() -> Result<String> {
    Ok(format!("{:016x}", u64::from_be_bytes(random_bytes()?)))
}
