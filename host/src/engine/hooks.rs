//! Hook plugins: called at a point of an instance's life, with the right to run commands on it.

use std::sync::Arc;

use async_trait::async_trait;

use super::run::capture;
use super::{Definition, Engine, EngineError, FailureKind, Result};
use crate::provider::{self, Command, HookPoint, Instance, Output, Provider, Target};
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
    /// Calls the hooks of a definition in order; the first failure ends it.
    pub(super) async fn run_hooks(
        &self,
        at: HookPoint,
        definition: &Definition,
        row: &InstanceRow,
    ) -> Result<()> {
        if definition.hooks.is_empty() {
            return Ok(());
        }
        let (provider, instance) = self.reach(row, definition)?;
        let target: Arc<dyn Target> = Arc::new(HookTarget {
            provider,
            instance: instance.clone(),
        });
        for hook in self.catalogue().hooks(definition)? {
            hook.on_event(at, &instance, Arc::clone(&target))
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
                })?;
        }
        Ok(())
    }
}
