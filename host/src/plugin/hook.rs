//! The port's `Hook`, by calls of a hook component.

use std::sync::Arc;

use async_trait::async_trait;

use super::bindings::hook::exports::runner::plugin::hook::{Event, Point};
use super::bindings::v0_1::Newest as _;
use super::call::{Call, call};
use super::entries::HookEntries;
use super::purpose::{Deed, Purpose};
use super::state::Bound;
use super::{convert, route};
use crate::provider::{
    ErrorKind, Hook, HookPoint, Instance, Occasion, Optional, ProviderError, Result,
    RouteCandidate, RouteRequest, RouteVerdict, Target,
};

/// A hook plugin, bound to a source or pool.
pub(crate) struct PluginHook {
    pub(crate) bound: Arc<Bound>,
    pub(crate) optional: Optional,
}

impl PluginHook {
    fn error(&self, kind: ErrorKind, message: String) -> ProviderError {
        ProviderError {
            kind,
            message,
            remedy: None,
            context: self.bound.call_context("route", None),
            guest_log: Vec::new(),
            untouched: false,
        }
    }
}

#[async_trait]
impl Hook for PluginHook {
    fn name(&self) -> &str {
        &self.bound.plugin
    }

    fn routes(&self) -> bool {
        self.optional.routing
    }

    async fn on_event(
        &self,
        at: HookPoint,
        occasion: &Occasion,
        instance: &Instance,
        target: Arc<dyn Target>,
    ) -> Result<()> {
        if !self.optional.hook {
            return Ok(());
        }
        let of = Call {
            name: "on-event",
            purpose: Purpose::about(Deed::Change, &instance.token),
            instance: Some(instance.name.as_str().to_owned()),
            deadline: self.bound.limits.hook,
            target: Some(target),
            subject: None,
            tapped: None,
        };
        let instance = convert::instance(instance);
        let event = Event {
            at: point(at),
            owner: occasion.owner.clone(),
            shelf: occasion.shelf.clone(),
            ticket: occasion.ticket.clone(),
        };
        call(&self.bound, of, move |store, loaded, bound| {
            Box::pin(async move {
                match bound.component.hook()? {
                    HookEntries::V0_2(entries) => {
                        let indices = entries.hook.as_ref().ok_or_else(absent)?;
                        let world = indices.load(&mut *store, loaded)?;
                        let guest = world.runner_plugin_hook();
                        guest
                            .call_on_event(store, &bound.context, &event, &instance)
                            .await
                    }
                    HookEntries::V0_1(entries) => {
                        let indices = entries.hook.as_ref().ok_or_else(absent)?;
                        let world = indices.load(&mut *store, loaded)?;
                        let guest = world.runner_plugin_hook();
                        guest
                            .call_on_event(store, &bound.context_0_1, &event.into(), &instance)
                            .await
                    }
                }
            })
        })
        .await
    }

    async fn route(
        &self,
        request: &RouteRequest,
        candidates: &[RouteCandidate],
    ) -> Result<Vec<RouteVerdict>> {
        if !self.optional.routing {
            let message = "the plugin does not do `route`".to_owned();
            return Err(self.error(ErrorKind::Unsupported, message));
        }
        let of = Call {
            name: "route",
            purpose: Purpose::overview(),
            instance: None,
            deadline: self.bound.limits.route,
            target: None,
            subject: None,
            tapped: None,
        };
        let asked = candidates.len();
        let request = route::ticket(request);
        let candidates: Vec<_> = candidates.iter().map(route::candidate).collect();
        let verdicts = call(&self.bound, of, move |store, loaded, bound| {
            Box::pin(async move {
                match bound.component.hook()? {
                    HookEntries::V0_2(entries) => {
                        let indices = entries.routing.as_ref().ok_or_else(absent)?;
                        let world = indices.load(&mut *store, loaded)?;
                        let guest = world.runner_plugin_routing();
                        guest
                            .call_route(store, &bound.context, &request, &candidates)
                            .await
                    }
                    HookEntries::V0_1(entries) => {
                        let indices = entries.routing.as_ref().ok_or_else(absent)?;
                        let world = indices.load(&mut *store, loaded)?;
                        let guest = world.runner_plugin_routing();
                        let candidates: Vec<_> = candidates.into_iter().map(Into::into).collect();
                        let verdicts = guest
                            .call_route(store, &bound.context_0_1, &request.into(), &candidates)
                            .await?;
                        Ok(verdicts.map(|verdicts| verdicts.newest()))
                    }
                }
            })
        })
        .await?;
        if verdicts.len() != asked {
            let message = format!(
                "the plugin answered {} verdicts on {asked} candidates",
                verdicts.len()
            );
            return Err(self.error(ErrorKind::Malformed, message));
        }
        Ok(verdicts)
    }
}

fn absent() -> wasmtime::Error {
    wasmtime::format_err!("the export is not there")
}

fn point(at: HookPoint) -> Point {
    match at {
        HookPoint::Provision => Point::Provision,
        HookPoint::Acquire => Point::Acquire,
        HookPoint::Release => Point::Release,
        HookPoint::Check => Point::Check,
        HookPoint::Discard => Point::Discard,
    }
}
