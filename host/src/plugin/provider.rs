//! The port's `Provider`, by calls of a component. Which function, which deadline, which arguments; nothing more.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runner_core::id::InstanceName;
use serde_json::{Value, json};
use wasmtime::component::Resource;

use super::bindings::v0_1::{Newest as _, Spoken as _};
use super::call::{Call, call};
use super::convert;
use super::entries::ProviderEntries;
use super::purpose::{Deed, Purpose};
use super::settings::Changes;
use super::state::{Bound, CallerStdio, State};
use super::tap::Tapped;
use super::wrap::{Inner, Subject};
use crate::provider::wire::Wire as _;
use crate::provider::{
    Allocated, Command, Direction, Doomed, ErrorKind, ExitStatus, Facts, Instance, Listed,
    Optional, Provider, ProviderError, Request, Result, Stdio,
};

/// A provider plugin, bound to a source.
#[derive(Clone)]
pub(crate) struct PluginProvider {
    pub(crate) bound: Arc<Bound>,
    pub(crate) optional: Optional,
    /// Behind a wrapper: what the wrapper's call is for, instead of what the own call would be.
    pub(crate) purpose: Option<Purpose>,
    /// Of a wrapper: what its call is about.
    pub(crate) subject: Option<Arc<Subject>>,
    /// Behind wrappers: the settings that these replace where an instance is made.
    pub(crate) changes: Changes,
}

impl Inner for PluginProvider {
    fn under(&self, purpose: &Purpose, changes: Changes) -> Arc<dyn Provider> {
        Arc::new(Self {
            purpose: Some(purpose.clone()),
            changes,
            ..self.clone()
        })
    }
}

impl PluginProvider {
    /// `args` is what a tap is shown of the arguments.
    fn call(
        &self,
        name: &'static str,
        purpose: Purpose,
        instance: Option<&InstanceName>,
        deadline: Duration,
        args: impl FnOnce() -> Value,
    ) -> Call {
        let tap = self.bound.services.tap.clone();
        Call {
            name,
            purpose: self.purpose.clone().unwrap_or(purpose),
            instance: instance.map(ToString::to_string),
            deadline,
            target: None,
            subject: self.subject.clone(),
            tapped: tap.map(|tap| Tapped::begin(tap, name, &args())),
        }
    }

    fn unsupported(&self, of: Call) -> ProviderError {
        ProviderError {
            kind: ErrorKind::Unsupported,
            message: format!("the plugin does not do `{}`", of.name),
            remedy: None,
            context: self.bound.call_context(of.name, of.instance),
            guest_log: Vec::new(),
            untouched: false,
        }
    }
}

/// A call of a function of the world's own interface, in the version of the contract that the component speaks.
macro_rules! required {
    ($self:ident, $of:expr, |$store:ident, $guest:ident, $context:ident| $body:expr) => {
        call(&$self.bound, $of, move |$store, instance, bound| {
            Box::pin(async move {
                match bound.component.provider()? {
                    ProviderEntries::V0_2(entries) => {
                        let $context = &bound.context;
                        let world = entries.world.load(&mut *$store, instance)?;
                        let $guest = world.runner_plugin_provider();
                        $body
                    }
                    ProviderEntries::V0_1(entries) => {
                        let $context = &bound.context_0_1;
                        let world = entries.world.load(&mut *$store, instance)?;
                        let $guest = world.runner_plugin_provider();
                        Ok($body?.map(|answer| answer.newest()))
                    }
                }
            })
        })
        .await
    };
}

/// A call of a function of an optional interface; `unsupported` where the component has none.
macro_rules! optional {
    ($self:ident, $of:expr, $field:ident . $interface:ident, |$store:ident, $guest:ident, $context:ident| $body:expr) => {{
        let of: Call = $of;
        if !$self.optional.$field {
            return Err($self.unsupported(of));
        }
        call(&$self.bound, of, move |$store, instance, bound| {
            Box::pin(async move {
                let absent = || wasmtime::format_err!("the export is not there");
                match bound.component.provider()? {
                    ProviderEntries::V0_2(entries) => {
                        let $context = &bound.context;
                        let indices = entries.$field.as_ref().ok_or_else(absent)?;
                        let world = indices.load(&mut *$store, instance)?;
                        let $guest = world.$interface();
                        $body
                    }
                    ProviderEntries::V0_1(entries) => {
                        let $context = &bound.context_0_1;
                        let indices = entries.$field.as_ref().ok_or_else(absent)?;
                        let world = indices.load(&mut *$store, instance)?;
                        let $guest = world.$interface();
                        Ok($body?.map(|answer| answer.newest()))
                    }
                }
            })
        })
        .await
    }};
}

fn push_stdio(
    store: &mut wasmtime::Store<State>,
    stdio: Stdio,
) -> wasmtime::Result<Resource<CallerStdio>> {
    Ok(store.data_mut().table.push(CallerStdio(stdio))?)
}

#[async_trait]
impl Provider for PluginProvider {
    fn optional(&self) -> Optional {
        self.optional
    }

    async fn allocate(&self, request: &Request) -> Result<Allocated> {
        let changed = self.changes.applied(&self.bound, request.name.as_str())?;
        let of = self.call(
            "allocate",
            Purpose::about(Deed::Make, &request.token),
            Some(&request.name),
            self.bound.limits.allocate,
            || request.to_json(),
        );
        let request = convert::request(request);
        required!(self, of, |store, guest, context| {
            let mut context = context.clone();
            if let Some(config) = changed {
                context.config = config;
            }
            guest.call_allocate(store, &context, &request).await
        })
    }

    async fn run(
        &self,
        instance: &Instance,
        command: &Command,
        stdio: Stdio,
    ) -> Result<ExitStatus> {
        let of = self.call(
            "run",
            Purpose::about(Deed::Use, &instance.token),
            Some(&instance.name),
            self.bound.limits.run,
            || json!({ "instance": instance.to_json(), "command": command.to_json() }),
        );
        let instance = convert::instance(instance);
        let command = convert::command(command);
        required!(self, of, |store, guest, context| {
            let stdio = push_stdio(store, stdio)?;
            guest
                .call_run(store, context, &instance, &command, stdio)
                .await
        })
    }

    async fn copy(&self, instance: &Instance, direction: &Direction, stdio: Stdio) -> Result<()> {
        let of = self.call(
            "copy",
            Purpose::about(Deed::Use, &instance.token),
            Some(&instance.name),
            self.bound.limits.copy,
            || json!({ "instance": instance.to_json(), "direction": direction.to_json() }),
        );
        let instance = convert::instance(instance);
        let direction = convert::direction(direction);
        required!(self, of, |store, guest, context| {
            let stdio = push_stdio(store, stdio)?;
            guest
                .call_copy(store, context, &instance, &direction.spoken(), stdio)
                .await
        })
    }

    async fn discard(&self, doomed: &Doomed) -> Result<()> {
        let of = self.call(
            "discard",
            Purpose::about(Deed::Destroy, &doomed.token),
            Some(&doomed.name),
            self.bound.limits.discard,
            || doomed.to_json(),
        );
        let doomed = convert::doomed(doomed);
        let outcome = required!(self, of, |store, guest, context| guest
            .call_discard(store, context, &doomed)
            .await);
        match outcome {
            Err(error) if error.kind == ErrorKind::Gone => Ok(()),
            outcome => outcome,
        }
    }

    async fn check(&self, instance: &Instance) -> Result<()> {
        let of = self.call(
            "check",
            Purpose::about(Deed::Look, &instance.token),
            Some(&instance.name),
            self.bound.limits.check,
            || instance.to_json(),
        );
        let instance = convert::instance(instance);
        optional!(
            self,
            of,
            liveness.runner_plugin_liveness,
            |store, guest, context| guest.call_check(store, context, &instance).await
        )
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        let of = self.call(
            "list",
            Purpose::overview(),
            None,
            self.bound.limits.list,
            || Value::Null,
        );
        optional!(
            self,
            of,
            inventory.runner_plugin_inventory,
            |store, guest, context| guest.call_list(store, context).await
        )
    }

    async fn probe(&self, instance: &Instance) -> Result<Facts> {
        let of = self.call(
            "probe",
            Purpose::about(Deed::Look, &instance.token),
            Some(&instance.name),
            self.bound.limits.probe,
            || instance.to_json(),
        );
        let instance = convert::instance(instance);
        optional!(
            self,
            of,
            facts.runner_plugin_facts,
            |store, guest, context| guest.call_probe(store, context, &instance).await
        )
    }

    async fn reboot(&self, instance: &Instance) -> Result<()> {
        let of = self.call(
            "reboot",
            Purpose::about(Deed::Change, &instance.token),
            Some(&instance.name),
            self.bound.limits.reboot,
            || instance.to_json(),
        );
        let instance = convert::instance(instance);
        optional!(
            self,
            of,
            power.runner_plugin_power,
            |store, guest, context| guest.call_reboot(store, context, &instance).await
        )
    }

    async fn signal(&self, instance: &Instance, command_id: &str, signal: u8) -> Result<()> {
        let of = self.call(
            "signal",
            Purpose::about(Deed::Use, &instance.token),
            Some(&instance.name),
            self.bound.limits.signal,
            || json!({ "instance": instance.to_json(), "command": command_id, "signal": signal }),
        );
        let instance = convert::instance(instance);
        let command_id = command_id.to_owned();
        optional!(
            self,
            of,
            signals.runner_plugin_signals,
            |store, guest, context| guest
                .call_send(store, context, &instance, &command_id, signal)
                .await
        )
    }

    async fn clean(&self, instance: &Instance) -> Result<()> {
        let of = self.call(
            "clean",
            Purpose::about(Deed::Change, &instance.token),
            Some(&instance.name),
            self.bound.limits.clean,
            || instance.to_json(),
        );
        let instance = convert::instance(instance);
        optional!(
            self,
            of,
            reuse.runner_plugin_reuse,
            |store, guest, context| guest.call_clean(store, context, &instance).await
        )
    }
}
