//! A leased instance that one holder runs many commands on, noted as one operation: what `test` works with.
//!
//! Unlike [`Engine::run`] nobody takes turns here: the holder alone decides how many commands run at once, and the books are
//! not touched for each of them. The lease is kept alive by [`Machine::keep`], for as long as somebody polls it.

use std::convert::Infallible;
use std::sync::Arc;

use runner_core::id::InstanceName;

use super::run::execution_id;
use super::{Engine, EngineError, Result, parse};
use crate::provider::{
    Access, Command, ErrorKind, ExitStatus, Instance, Provider, SshTarget, Stdio,
};
use crate::store::{Durability, InstanceRow, OperationId};

/// What its operation is called. One without an end dooms the instance when it is released: whoever had it was killed, and nobody
/// knows what is on it.
pub(super) const VERB: &str = "test";

/// See the module. Only [`Machine::finish`] notes the end: who drops it without that leaves it as a killed process does.
pub struct Machine {
    engine: Engine,
    row: InstanceRow,
    provider: Arc<dyn Provider>,
    instance: Instance,
    operation: OperationId,
}

/// How it can be started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebooting {
    /// By the provider.
    Provider,
    /// By a command on it: it is a machine of its own, reached by ssh.
    Command,
    /// Not at all: it shares the kernel of something else.
    Impossible,
}

impl Engine {
    /// An instance that this process or its user holds. `what` stands in the log of operations.
    pub fn machine(&self, name: &InstanceName, what: &str) -> Result<Machine> {
        let row = self.usable(name)?;
        let definition = self.definition(&row)?;
        self.catalogue().still_granted(&definition)?;
        let (provider, instance) = self.reach(&row, &definition)?;
        let operation = self
            .store()
            .write::<_, EngineError>(Durability::Process, |tx| {
                self.begin(tx, VERB, &row, Some(what))
            })?;
        Ok(Machine {
            engine: self.clone(),
            row,
            provider,
            instance,
            operation,
        })
    }
}

impl Machine {
    /// The instance's name.
    pub fn name(&self) -> &InstanceName {
        &self.row.name
    }

    /// The host that it is reached at, when that is by ssh.
    pub fn ssh(&self) -> Result<Option<SshTarget>> {
        match &self.row.access {
            None => Ok(None),
            Some(json) => match parse(json, "access")? {
                Access::Plugin => Ok(None),
                Access::Ssh(access) => Ok(Some(access.target())),
            },
        }
    }

    /// What its provider says about it.
    pub fn attributes(&self) -> Vec<(String, String)> {
        let said = self.row.attributes.as_deref();
        said.and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default()
    }

    /// The directory of this machine's that it is, when it is nothing more than that: what belongs to it is put below.
    pub fn directory(&self) -> Option<String> {
        let own = self.row.workdir.as_ref()?.to_str()?;
        let said = ("directory".to_owned(), own.to_owned());
        self.attributes().contains(&said).then_some(said.1)
    }

    /// Runs a command, connected to these streams.
    pub async fn run(&self, mut command: Command, stdio: Stdio) -> Result<ExitStatus> {
        command.id = execution_id()?;
        let ended = self.provider.run(&self.instance, &command, stdio).await;
        ended.map_err(|error| {
            EngineError::provider(format!("cannot run commands on `{}`", self.row.name), error)
        })
    }

    /// Notes that nothing more is run on it, and that what is left on it is known. To be called before it is released.
    pub fn finish(&self) {
        self.engine.end(self.operation, &Ok(()));
    }

    /// Renews the lease again and again.
    pub async fn keep(&self) -> Infallible {
        self.engine.heartbeat(&self.row).await
    }

    /// How it can be rebooted.
    pub fn rebooting(&self) -> Result<Rebooting> {
        Ok(if self.ssh()?.is_some() {
            Rebooting::Command
        } else if self.provider.optional().power {
            Rebooting::Provider
        } else {
            Rebooting::Impossible
        })
    }

    /// Has the provider reboot it; answers when it takes commands again.
    pub async fn reboot(&self) -> Result<()> {
        self.provider.reboot(&self.instance).await.map_err(|error| {
            EngineError::provider(format!("cannot reboot `{}`", self.row.name), error)
        })
    }

    /// Forgets connections that a reboot has made worthless, so that the next command opens a new one and does not
    /// wait for a machine that has forgotten the old one.
    pub async fn disconnect(&self) -> Result<()> {
        match self.provider.disconnect(&self.instance).await {
            Ok(()) => Ok(()),
            Err(error) if error.kind == ErrorKind::Unsupported => Ok(()),
            Err(error) => Err(EngineError::provider(
                format!("cannot close the connection to `{}`", self.row.name),
                error,
            )),
        }
    }
}
