//! The door to this room: finds components, and binds them to sources.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::binding::Binding;
use super::bindings::{types, v0_1};
use super::engine::{Engines, GuestEngine};
use super::hook::PluginHook;
use super::imports::http::Clients;
use super::load::{Role, load};
use super::provider::PluginProvider;
use super::settings::Changes;
use super::state::Bound;
use super::wrap::{InFront, Inner, Wrapped};
use super::{Component, ComponentRef, LoadError, LoadErrorKind, Locator, PluginDirs, component};
use crate::provider::{Hook, Provider};
use crate::transport::SshSessions;

/// The provider behind a wrapper, and its keys that the wrapper may change.
type Behind = (Arc<dyn Inner>, BTreeSet<String>);

/// Plugins of this machine. Making one costs nothing: the engine is built when the first plugin is bound.
pub struct PluginHost {
    dirs: PluginDirs,
    engines: Engines,
    ssh: OnceLock<Arc<SshSessions>>,
    http: Arc<Clients>,
}

impl fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginHost")
            .field("dirs", &self.dirs)
            .finish_non_exhaustive()
    }
}

impl PluginHost {
    /// Over these directories; none of them is touched yet.
    pub fn new(dirs: PluginDirs) -> Self {
        Self {
            dirs,
            engines: Engines::default(),
            ssh: OnceLock::new(),
            http: Arc::default(),
        }
    }

    /// The directories.
    pub fn dirs(&self) -> &PluginDirs {
        &self.dirs
    }

    /// Reads what a component says of itself, without compiling or running it.
    pub fn inspect(&self, locator: &Locator) -> Result<Component, LoadError> {
        component::inspect(&self.dirs, locator)
    }

    /// Loads a provider and binds it to a source. Compiles it when that was never done here, which can take seconds
    /// for a component with an interpreter in it: on a runtime with other work, call it where blocking is allowed.
    pub fn provider(
        &self,
        reference: &ComponentRef,
        binding: Binding,
    ) -> Result<Arc<dyn Provider>, LoadError> {
        Ok(Arc::new(self.single(reference, binding, None)?))
    }

    /// The same with wrappers in front, the outermost first.
    pub fn wrapped(
        &self,
        reference: &ComponentRef,
        binding: Binding,
        wrappers: Vec<InFront>,
    ) -> Result<Arc<dyn Provider>, LoadError> {
        let mut chain: Arc<dyn Inner> = Arc::new(self.single(reference, binding, None)?);
        for mut wrapper in wrappers.into_iter().rev() {
            // What is looked at, recorded and spoiled is what reaches outside: the provider behind.
            wrapper.binding.services.tap = None;
            let behind = Some((Arc::clone(&chain), wrapper.sets));
            chain = Arc::new(Wrapped {
                outer: self.single(&wrapper.component, wrapper.binding, behind)?,
                inner: chain,
                purpose: None,
                changes: Changes::default(),
            });
        }
        Ok(chain)
    }

    fn single(
        &self,
        reference: &ComponentRef,
        binding: Binding,
        behind: Option<Behind>,
    ) -> Result<PluginProvider, LoadError> {
        Ok(PluginProvider {
            bound: self.bind_before(reference, binding, Role::Provider, behind)?,
            optional: reference.optional,
            purpose: None,
            subject: None,
            changes: Changes::default(),
        })
    }

    /// As `provider`, for a hook.
    pub fn hook(
        &self,
        reference: &ComponentRef,
        binding: Binding,
    ) -> Result<Arc<dyn Hook>, LoadError> {
        Ok(Arc::new(PluginHook {
            bound: self.bind(reference, binding, Role::Hook)?,
            optional: reference.optional,
        }))
    }

    /// Builds the engine for plugins with the default limits, so that the first call need not.
    pub fn warm(&self) -> Result<(), LoadError> {
        self.engine(super::Limits::default().stack).map(drop)
    }

    fn engine(&self, stack: u64) -> Result<Arc<GuestEngine>, LoadError> {
        let stack = usize::try_from(stack).unwrap_or(usize::MAX);
        self.engines.with_stack(stack).map_err(|e| {
            LoadError::new(
                LoadErrorKind::Compile,
                "wasmtime",
                format!("the engine cannot be built: {e:#}"),
            )
        })
    }

    pub(super) fn bind(
        &self,
        reference: &ComponentRef,
        binding: Binding,
        role: Role,
    ) -> Result<Arc<Bound>, LoadError> {
        self.bind_before(reference, binding, role, None)
    }

    /// The same, in front of another provider.
    fn bind_before(
        &self,
        reference: &ComponentRef,
        binding: Binding,
        role: Role,
        behind: Option<Behind>,
    ) -> Result<Arc<Bound>, LoadError> {
        let engine = self.engine(binding.limits.stack)?;
        let component = load(&engine, &self.dirs, reference, role, &binding.limits)?;
        component.fits(reference, &binding.limits)?;
        let ssh = match &binding.services.ssh {
            Some(ssh) => ssh.clone(),
            None => self
                .ssh
                .get_or_init(|| Arc::new(SshSessions::new(self.dirs.ssh.clone())))
                .clone(),
        };
        let state_id = binding.services.books.state_id().map_err(|why| {
            let subject = format!("plugin {}", reference.name);
            LoadError::new(LoadErrorKind::Unreadable, subject, why)
        })?;
        let config = serde_json::Value::Object(binding.config).to_string();
        let source = binding.source.as_str().to_owned();
        let (inner, sets) =
            behind.map_or_else(Default::default, |(inner, sets)| (Some(inner), sets));
        Ok(Arc::new(Bound {
            engine,
            component,
            plugin: reference.name.clone(),
            version: reference.version.clone(),
            context_0_1: v0_1::types::Context {
                source: source.clone(),
                config: config.clone(),
            },
            context: types::Context {
                source,
                state_id,
                config,
            },
            contract: reference.contract,
            digest: reference.digest.clone(),
            grant: binding.grant,
            limits: binding.limits,
            services: binding.services,
            inner,
            sets,
            dirs: self.dirs.clone(),
            manifest: OnceLock::new(),
            ssh,
            http_clients: self.http.clone(),
            http: OnceLock::new(),
        }))
    }
}
