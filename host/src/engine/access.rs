//! Instances that the host reaches itself: waiting until a new one is up, rebooting, forwarding ports to it.

use runner_core::id::InstanceName;

use super::{Definition, Engine, EngineError, FailureKind, Result, parse};
use crate::provider::{Access, Doomed, ErrorKind, Forward, Forwarded, ProviderError};
use crate::store::{Durability, InstanceRow, StoreError};

impl Engine {
    /// Waits until a new instance takes commands, where nobody else did. What is learned on the way (the host key that it showed
    /// first) belongs to it from then on.
    pub(super) async fn await_ready(
        &self,
        row: &mut InstanceRow,
        definition: &Definition,
    ) -> Result<()> {
        if !by_ssh(row) {
            return Ok(());
        }
        let (provider, instance) = self.reach(row, definition)?;
        let ready = provider.ready(&instance).await.map_err(|error| {
            EngineError::provider(
                format!("`{}` was made, and does not take commands", row.name),
                error,
            )
        })?;
        if ready.access.is_none() && ready.boot.is_none() {
            return Ok(());
        }
        if let Some(access) = &ready.access {
            let json = serde_json::to_string(access).map_err(|error| {
                EngineError::new(FailureKind::State, "cannot store the way to an instance")
                    .because(error)
            })?;
            row.access = Some(json);
        }
        let now = self.now();
        self.store()
            .write::<_, EngineError>(Durability::Full, |tx| {
                if let Some(boot) = &ready.boot {
                    tx.put_boot(&row.token, boot)?;
                }
                Ok(tx.save(row, None, now)?)
            })
    }

    /// Reboots a leased instance, by its provider's own way where it has one, and waits until it takes commands again.
    pub async fn reboot(&self, name: &InstanceName) -> Result<()> {
        let row = self.usable(name)?;
        let definition = self.definition(&row)?;
        self.catalogue().still_granted(&definition)?;
        let (way, instance) = self.reach(&row, &definition)?;
        let operation = self
            .store()
            .write::<_, EngineError>(Durability::Process, |tx| {
                self.begin(tx, "reboot", &row, None)
            })?;
        let rebooted = async {
            let own = self.catalogue().provider(&definition)?;
            let failed =
                |error| EngineError::provider(format!("cannot reboot `{}`", row.name), error);
            if !own.optional().power {
                return way.reboot(&instance).await.map_err(failed);
            }
            // What it was started as must be known before: afterwards it is too late to tell.
            let before = way.boot(&instance).await.ok().flatten();
            own.reboot(&instance).await.map_err(failed)?;
            match before {
                Some(before) => way.restarted(&instance, &before).await.map_err(failed)?,
                None => way.ready(&instance).await.map_err(failed)?.boot,
            };
            Ok(())
        }
        .await;
        self.end(
            operation,
            &rebooted.as_ref().map(drop).map_err(super::provision::chain),
        );
        rebooted?;
        if let Ok(Some(boot)) = way.boot(&instance).await {
            self.store()
                .write::<_, StoreError>(Durability::Process, |tx| tx.put_boot(&row.token, &boot))?;
        }
        Ok(())
    }

    /// Forwards ports to a leased instance, until the future is dropped. `told` hears what is listened on, and what the instance
    /// refuses.
    pub async fn forward(
        &self,
        name: &InstanceName,
        forwards: &[Forward],
        told: &(dyn for<'news> Fn(Forwarded<'news>) + Send + Sync),
    ) -> Result<()> {
        let row = self.usable(name)?;
        let definition = self.definition(&row)?;
        self.catalogue().still_granted(&definition)?;
        let (way, instance) = self.reach(&row, &definition)?;
        let forwarding = way.forward(&instance, forwards, told);
        let ended = tokio::select! {
            ended = forwarding => ended,
            never = self.heartbeat(&row) => match never {},
        };
        ended.map_err(|error| {
            EngineError::provider(format!("cannot forward ports to `{}`", row.name), error)
        })
    }

    /// Closes the host's own way to an instance that is gone.
    pub(super) async fn leave(&self, row: &InstanceRow, definition: &Definition, gone: &Doomed) {
        if !by_ssh(row) {
            return;
        }
        let left = match self.reach(row, definition) {
            Ok((way, _instance)) => way.discard(gone).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = left {
            tracing::warn!("the connection to `{}` stays open: {why}", row.name);
        }
    }

    /// Whether the instance was rebooted since it was last seen to start, after a command was cut off.
    pub(super) async fn was_rebooted(
        &self,
        row: &InstanceRow,
        definition: &Definition,
        error: &ProviderError,
    ) -> bool {
        if !by_ssh(row) || !matches!(error.kind, ErrorKind::Unavailable { .. }) {
            return false;
        }
        let known = self
            .store()
            .read::<_, StoreError>(|tx| tx.boot(&row.token))
            .ok()
            .flatten();
        let (Some(known), Ok((way, instance))) = (known, self.reach(row, definition)) else {
            return false;
        };
        let Ok(Some(now)) = way.boot(&instance).await else {
            return false;
        };
        if now == known {
            return false;
        }
        let noted = self
            .store()
            .write::<_, StoreError>(Durability::Process, |tx| tx.put_boot(&row.token, &now));
        if let Err(error) = noted {
            tracing::warn!(%error, "cannot note that `{}` was rebooted", row.name);
        }
        true
    }
}

/// It is reached by ssh.
fn by_ssh(row: &InstanceRow) -> bool {
    let access = row.access.as_deref();
    access.is_some_and(|json| matches!(parse(json, "access"), Ok(Access::Ssh(_))))
}
