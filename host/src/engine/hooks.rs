//! What happens when something happens to an instance: the scripts of the point, then the hook plugins that listen.

use std::sync::Arc;

use async_trait::async_trait;

use super::run::capture;
use super::{Definition, Engine, EngineError, FailureKind, Owner, Result, chain};
use crate::provider::{self, Command, HookPoint, Instance, Occasion, Output, Provider, Target};
use crate::store::InstanceRow;

/// What a hook sees of the instance.
struct HookTarget {
    provider: Arc<dyn Provider>,
    instance: Instance,
}

#[async_trait]
impl Target for HookTarget {
    async fn run(&self, command: &Command, stdin: Vec<u8>) -> provider::Result<Output> {
        capture(&*self.provider, &self.instance, command, stdin).await
    }
}

impl Engine {
    /// Whether anything is run at this point. Touches nothing.
    pub(super) fn has(&self, at: HookPoint, definition: &Definition) -> bool {
        definition.scripts.at(at).is_some() || definition.hook_points.contains(&at)
    }

    /// Runs what is to be run at this point, on behalf of whoever holds the instance. The first failure ends it; at
    /// `discard` failures are reported here, everybody is told, and the answer is success.
    pub(super) async fn tell(
        &self,
        at: HookPoint,
        definition: &Definition,
        row: &InstanceRow,
    ) -> Result<()> {
        self.tell_about(at, definition, row, Occasion::default())
            .await
    }

    /// As [`Self::tell`], saying what else is known. An owner that is not given is the lease's.
    pub(super) async fn tell_about(
        &self,
        at: HookPoint,
        definition: &Definition,
        row: &InstanceRow,
        mut occasion: Occasion,
    ) -> Result<()> {
        if !self.has(at, definition) {
            return Ok(());
        }
        if occasion.owner.is_none() {
            occasion.owner = holder(row);
        }
        let told = self.run_scripts(at, definition, row, &occasion).await;
        self.or_reported(at, row, told)?;
        let told = self.run_hooks(at, definition, row, &occasion).await;
        self.or_reported(at, row, told)
    }

    /// Nothing is kept alive by a failure of what only says goodbye.
    pub(super) fn or_reported(
        &self,
        at: HookPoint,
        row: &InstanceRow,
        told: Result<()>,
    ) -> Result<()> {
        match told {
            Err(error) if at == HookPoint::Discard => {
                tracing::error!(
                    "{}; `{}` is discarded all the same",
                    chain(&error),
                    row.name
                );
                Ok(())
            }
            told => told,
        }
    }

    /// Calls the hooks of a definition in order.
    async fn run_hooks(
        &self,
        at: HookPoint,
        definition: &Definition,
        row: &InstanceRow,
        occasion: &Occasion,
    ) -> Result<()> {
        if !definition.hook_points.contains(&at) {
            return Ok(());
        }
        let (provider, instance) = self.reach(row, definition)?;
        let target: Arc<dyn Target> = Arc::new(HookTarget {
            provider,
            instance: instance.clone(),
        });
        for hook in self.catalogue().hooks(definition, at)? {
            let told = hook
                .on_event(at, occasion, &instance, Arc::clone(&target))
                .await
                .map_err(|error| {
                    let mut failed = EngineError::provider(
                        format!(
                            "hook `{}` failed at `{}` of `{}`",
                            hook.name(),
                            at.word(),
                            row.name
                        ),
                        error,
                    );
                    failed.kind = FailureKind::Hook;
                    failed
                });
            self.or_reported(at, row, told)?;
        }
        Ok(())
    }
}

/// Who holds the instance, for people.
fn holder(row: &InstanceRow) -> Option<String> {
    let owner: Owner = serde_json::from_str(&row.lease.as_ref()?.owner).ok()?;
    Some(format!("{}@{}", owner.user, owner.host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_folder_for_each_point() {
        assert_eq!(
            HookPoint::ALL.map(HookPoint::word),
            crate::config::scripts::POINTS
        );
    }
}
