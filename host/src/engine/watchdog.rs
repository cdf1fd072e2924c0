//! The watchdog: idle and leased instances are asked whether they live, in parallel and bounded.
//!
//! One failed check keeps an idle instance from being handed out until one passes; so many in a row destroy it, whoever holds it.

use runner_core::id::{InstanceName, Timestamp};
use runner_core::instance::State;
use runner_core::policy::{Checks, Millis};

use super::provision::{chain, first_check};
use super::run::capture;
use super::{Definition, Engine, EngineError, FailureKind, Result};
use crate::provider::{Access, Command, ErrorKind, HookPoint};
use crate::store::{Durability, InstanceRow, NewEvent, StoreError, TicketState};

/// How many checks that a user asked for run at the same time.
const AT_ONCE: usize = 8;

/// What a check found.
#[derive(Debug)]
pub enum Finding {
    /// It takes commands.
    Alive,
    /// Nobody can tell: the provider has no check, and the source no command.
    Unknown,
    /// It did not answer well; this many times in a row now.
    Failed { failures: u32, error: EngineError },
    /// It is gone, or failed too often: it is being destroyed.
    Dead(EngineError),
    /// It changed while it was being checked.
    Overtaken,
}

impl Engine {
    /// The instances whose check is due, at most so many.
    pub(super) fn due_checks(&self, most: u32) -> Result<Vec<InstanceRow>> {
        let now = self.now();
        Ok(self
            .store()
            .read::<_, StoreError>(|tx| tx.due_checks(now, most))?)
    }

    /// Checks these instances now, several at once.
    pub async fn check_all(&self, names: &[InstanceName]) -> Result<Vec<(InstanceName, Finding)>> {
        let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
        let mut tasks = tokio::task::JoinSet::new();
        for (number, name) in names.iter().cloned().enumerate() {
            let (engine, gate) = (self.clone(), std::sync::Arc::clone(&gate));
            tasks.spawn(async move {
                // The gate is never closed.
                let _turn = gate.acquire().await;
                (number, engine.check(&name).await, name)
            });
        }
        let mut found = Vec::new();
        while let Some(checked) = tasks.join_next().await {
            let (number, finding, name) = checked.map_err(|error| {
                EngineError::new(FailureKind::Provider, "a check ended unexpectedly").because(error)
            })?;
            found.push((number, name, finding?));
        }
        found.sort_by_key(|(number, ..)| *number);
        Ok(found
            .into_iter()
            .map(|(_, name, finding)| (name, finding))
            .collect())
    }

    /// Checks one instance by name, now.
    pub async fn check(&self, name: &InstanceName) -> Result<Finding> {
        let row = self.find(name)?;
        if !matches!(row.state, State::Ready | State::Leased) {
            return Err(EngineError::new(
                FailureKind::State,
                format!("`{name}` cannot be checked: it is {}", row.state.as_str()),
            ));
        }
        self.check_row(row).await
    }

    /// Checks an instance and writes down what was found.
    pub(super) async fn check_row(&self, row: InstanceRow) -> Result<Finding> {
        let definition = self.definition(&row)?;
        let checks = match self.catalogue().current(&row.source) {
            Ok(Some((policy, _))) => policy.checks,
            _ => definition.policy.checks,
        };
        match self.examine(&row, &definition).await {
            Ok(known) => self.passed(&row, checks, known),
            Err(error) => self.failed(row, checks, error).await,
        }
    }

    /// Everything there is to ask. `false`: there was nothing to ask.
    async fn examine(&self, row: &InstanceRow, definition: &Definition) -> Result<bool> {
        let (provider, instance) = self.reach(row, definition)?;
        let by_ssh = row
            .access
            .as_deref()
            .and_then(|json| serde_json::from_str(json).ok())
            .is_some_and(|access: Access| matches!(access, Access::Ssh(_)));
        let own = self.catalogue().provider(definition);
        let failed =
            |error| EngineError::provider(format!("the check of `{}` failed", row.name), error);
        let mut asked = match own {
            Ok(own) if own.optional().liveness => match own.check(&instance).await {
                Ok(()) => true,
                // Whether it can tell may depend on its configuration.
                Err(error) if error.kind == ErrorKind::Unsupported => false,
                Err(error) => return Err(failed(error)),
            },
            _ => false,
        };
        if !asked && by_ssh && definition.check_command.is_none() {
            // No plugin on the way: whoever takes commands lives.
            self.command_passes(&*provider, &instance, row, "true")
                .await?;
            asked = true;
        }
        if let Some(command) = &definition.check_command {
            self.command_passes(&*provider, &instance, row, command)
                .await?;
            asked = true;
        }
        if self.has(HookPoint::Check, definition) {
            self.tell(HookPoint::Check, definition, row).await?;
            asked = true;
        }
        Ok(asked)
    }

    async fn command_passes(
        &self,
        provider: &dyn crate::provider::Provider,
        instance: &crate::provider::Instance,
        row: &InstanceRow,
        command: &str,
    ) -> Result<()> {
        let argv = [b"sh".as_slice(), b"-c", command.as_bytes()];
        let run = Command {
            argv: argv.iter().map(|word| word.to_vec()).collect(),
            env: Vec::new(),
            cwd: None,
            tty: false,
            id: super::run::execution_id()?,
        };
        let running = capture(provider, instance, &run, Vec::new());
        let what = || format!("the check of `{}` failed", row.name);
        let Ok(output) = tokio::time::timeout(CHECK_COMMAND, running).await else {
            return Err(EngineError::new(
                FailureKind::Provider,
                format!(
                    "{}: `{command}` took longer than {} s",
                    what(),
                    CHECK_COMMAND.as_secs()
                ),
            ));
        };
        let output = output.map_err(|error| EngineError::provider(what(), error))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(EngineError::new(
            FailureKind::Provider,
            format!(
                "{}: `{command}` ended with {:?} {}",
                what(),
                output.status,
                said.lines().last().unwrap_or_default().escape_debug()
            ),
        ))
    }

    fn passed(&self, row: &InstanceRow, checks: Checks, known: bool) -> Result<Finding> {
        let now = self.now();
        let found = self
            .store()
            .write::<_, StoreError>(Durability::Process, |tx| {
                let mut current = tx.instance_by_id(row.id)?;
                if !same_life(&current, row) {
                    return Ok(Finding::Overtaken);
                }
                if current.check_failures > 0 {
                    tx.note(&NewEvent {
                        instance: Some(&row.name),
                        source: Some(&row.source),
                        ticket: current.ticket,
                        ..NewEvent::new("check", "recovered", now)
                    })?;
                }
                current.check_failures = 0;
                current.checked_at = Some(now);
                current.check_due_at = next_check(checks, row, now);
                tx.save(&mut current, None, now)?;
                Ok(if known {
                    Finding::Alive
                } else {
                    Finding::Unknown
                })
            })?;
        if row.check_failures > 0 {
            self.settle_waiters(&row.source);
        }
        Ok(found)
    }

    async fn failed(
        &self,
        row: InstanceRow,
        checks: Checks,
        error: EngineError,
    ) -> Result<Finding> {
        let now = self.now();
        let gone = error
            .source
            .as_ref()
            .and_then(|source| source.downcast_ref::<crate::provider::ProviderError>())
            .is_some_and(|error| error.kind == ErrorKind::Gone);
        let text = chain(&error);
        let counted = self
            .store()
            .write::<_, StoreError>(Durability::Full, |tx| {
                let mut current = tx.instance_by_id(row.id)?;
                if !same_life(&current, &row) {
                    return Ok(None);
                }
                current.check_failures += 1;
                current.checked_at = Some(now);
                current.check_due_at = next_check(checks, &row, now);
                current.trouble = Some(text.clone());
                tx.save(&mut current, None, now)?;
                tx.count("checks_failed_total", row.source.as_str(), 1.0)?;
                tx.note(&NewEvent {
                    instance: Some(&row.name),
                    source: Some(&row.source),
                    ticket: current.ticket,
                    detail: Some(&text),
                    ..NewEvent::new("check", "failed", now)
                })?;
                Ok(Some(current))
            })?;
        let Some(current) = counted else {
            return Ok(Finding::Overtaken);
        };
        let failures = current.check_failures;
        if gone || failures >= checks.attempts.max(1) {
            self.bury(current, &error).await?;
            return Ok(Finding::Dead(error));
        }
        Ok(Finding::Failed { failures, error })
    }

    /// A command found it gone. Its holder keeps the lease; nobody is given the instance after that.
    pub(super) fn suspect(&self, row: &InstanceRow, text: &str) {
        let now = self.now();
        let noted = self.store().write::<_, StoreError>(Durability::Full, |tx| {
            let mut current = tx.instance_by_id(row.id)?;
            if !same_life(&current, row) {
                return Ok(());
            }
            current.check_failures += 1;
            current.trouble = Some(text.to_owned());
            tx.save(&mut current, None, now)?;
            tx.note(&NewEvent {
                instance: Some(&row.name),
                source: Some(&row.source),
                ticket: current.ticket,
                detail: Some(text),
                ..NewEvent::new("check", "failed", now)
            })
        });
        if let Err(error) = noted {
            tracing::warn!(%error, "cannot note that `{}` is gone", row.name);
        }
    }

    /// A dead instance: whoever holds it is told, and what may be left of it is destroyed.
    pub(super) async fn bury(&self, row: InstanceRow, why: &EngineError) -> Result<()> {
        let now = self.now();
        let text = format!("`{}` died: {}", row.name, chain(why));
        self.store()
            .write::<_, StoreError>(Durability::Full, |tx| {
                tx.note(&NewEvent {
                    instance: Some(&row.name),
                    source: Some(&row.source),
                    ticket: row.ticket,
                    detail: Some(&text),
                    ..NewEvent::new("instance", "dead", now)
                })?;
                tx.count("source_dead_total", row.source.as_str(), 1.0)?;
                self.count_outcome(tx, &row, false, now)?;
                if let Some(shelf) = row.shelf
                    && let Some(shelf) = tx.shelf_by_id(shelf)?
                    && row.state == State::Ready
                {
                    tx.count("shelf_dead_total", &shelf.name, 1.0)?;
                    tx.count("shelf_removals_total", &shelf.name, 1.0)?;
                }
                if let Some(ticket) = row.ticket
                    && let Some(held) = tx.ticket(ticket)?
                    && held.state == TicketState::Served
                {
                    self.note_failed(tx, ticket, &text, now)?;
                }
                Ok(())
            })?;
        let ticket = row.ticket;
        // What cannot be destroyed now stays in the books and is tried again.
        if let Err(error) = self.condemn(row, why).await {
            tracing::warn!("{}", chain(&error));
        }
        if let Some(ticket) = ticket {
            self.ring(ticket);
        }
        Ok(())
    }

    /// Gives instances that never had one a time for their check, and an earlier one where the period became shorter.
    pub(super) fn schedule_checks(&self, sources: &[runner_core::id::SourceName]) -> Result<()> {
        let now = self.now();
        for source in sources {
            let current = match self.catalogue().current(source) {
                Ok(Some((policy, _))) => Some(policy),
                _ => None,
            };
            if let Some(period) = current.and_then(|policy| policy.checks.period) {
                let latest = Millis(period.0.saturating_add(period.0 / 10)).after(now);
                self.store()
                    .write::<_, StoreError>(Durability::Process, |tx| {
                        tx.hasten_checks(source, latest)
                    })?;
            }
            let rows = self
                .store()
                .read::<_, StoreError>(|tx| tx.unscheduled(source))?;
            for mut row in rows {
                let mut definition = Definition::clone(&*self.definition(&row)?);
                definition.policy = current.unwrap_or(definition.policy);
                row.check_due_at = first_check(&definition, &row.token, now);
                if row.check_due_at.is_none() {
                    continue;
                }
                let saved = self
                    .store()
                    .write::<_, StoreError>(Durability::Process, |tx| tx.save(&mut row, None, now));
                match saved {
                    Ok(()) | Err(StoreError::Stale { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

/// How long the command of a source may take to say that an instance is well.
const CHECK_COMMAND: std::time::Duration = std::time::Duration::from_secs(60);

/// Still in the same hands as when the check began.
fn same_life(now: &InstanceRow, then: &InstanceRow) -> bool {
    let fence = |row: &InstanceRow| row.lease.as_ref().map(|lease| lease.fence);
    now.state == then.state && fence(now) == fence(then)
}

/// A period later, give or take a tenth, so that instances drift apart. After a failure sooner.
fn next_check(checks: Checks, row: &InstanceRow, now: Timestamp) -> Option<Timestamp> {
    let period = checks.period?;
    let generation = row.generation.0.wrapping_mul(2_654_435_761) % 201;
    let jittered = period.0 / 1000 * (900 + generation) + period.0 % 1000;
    Some(Millis(jittered.max(1)).after(now))
}
