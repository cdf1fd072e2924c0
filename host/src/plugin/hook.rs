//! The port's `Hook`, by calls of a hook component.

use std::sync::Arc;

use async_trait::async_trait;

use super::bindings::hook::exports::runner::plugin::hook::Point;
use super::call::{Call, call};
use super::convert;
use super::state::Bound;
use crate::provider::{Hook, HookPoint, Instance, Result, Target};

/// A hook plugin, bound to a source.
pub(crate) struct PluginHook {
    pub(crate) bound: Arc<Bound>,
}

#[async_trait]
impl Hook for PluginHook {
    fn name(&self) -> &str {
        &self.bound.plugin
    }

    async fn on_event(
        &self,
        at: HookPoint,
        instance: &Instance,
        target: Arc<dyn Target>,
    ) -> Result<()> {
        let of = Call {
            name: "on-event",
            instance: Some(instance.name.as_str().to_owned()),
            deadline: self.bound.limits.hook,
            target: Some(target),
        };
        let instance = convert::instance(instance);
        let point = match at {
            HookPoint::Provision => Point::Provision,
            HookPoint::Discard => Point::Discard,
        };
        call(&self.bound, of, move |store, loaded, bound| {
            Box::pin(async move {
                let world = bound.component.hook()?.load(&mut *store, loaded)?;
                let guest = world.runner_plugin_hook();
                guest
                    .call_on_event(store, &bound.context, point, &instance)
                    .await
            })
        })
        .await
    }
}
