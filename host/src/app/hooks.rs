//! Hook plugins of sources and pools: looked up, checked against what they are used for, granted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use runner_core::id::SourceName;
use serde_json::Value;

use super::App;
use super::consent::{Consent, Refuse};
use super::resolve::{Bound, invalid, json, locator};
use crate::config::{ConfigError, HookConfig, Problem, SourceConfig, SourceKind};
use crate::engine::{EngineError, FailureKind, Result, chain};
use crate::plugin::{Capabilities, Component, Config, Limits};
use crate::provider::{
    self, CallContext, ErrorKind, Hook, HookPoint, Instance, Occasion, ProviderError,
    RouteCandidate, RouteRequest, RouteVerdict, Target,
};

/// A hook of a source, before anybody was asked for anything.
pub(super) struct FoundHook {
    pub(super) component: Component,
    pub(super) config: Config,
    pub(super) requested: Capabilities,
}

impl FoundHook {
    /// When it wants to be told.
    fn points(&self) -> BTreeSet<HookPoint> {
        if self.component.reference.optional.hook {
            self.component.manifest.listens()
        } else {
            BTreeSet::new()
        }
    }

    fn routes(&self) -> bool {
        self.component.reference.optional.routing
    }
}

/// An entry of one of a source's lists of plugins.
pub(super) struct Named<'a> {
    pub(super) source: &'a SourceConfig,
    /// The list's key.
    pub(super) list: &'static str,
    pub(super) number: usize,
    /// What its entries are called.
    pub(super) what: &'static str,
}

impl Named<'_> {
    fn key(&self) -> String {
        format!("{}.{}", self.list, self.number)
    }

    /// Why it cannot be used, with its place in the settings.
    pub(super) fn unusable(&self, message: &str, hint: Option<&str>) -> EngineError {
        self.refused(self.source.problem(&self.key(), message, hint))
    }

    /// The same for a problem that knows its place.
    pub(super) fn refused(&self, problem: Problem) -> EngineError {
        let (what, source) = (self.what, &self.source.name);
        invalid(format!("a {what} of `{source}` cannot be used")).because(ConfigError {
            problems: vec![problem],
        })
    }
}

impl App {
    /// Component, validated keys and request of a source's hook by its number.
    pub(super) fn find_hook(&self, source: &SourceConfig, number: usize) -> Result<FoundHook> {
        let named = Named {
            source,
            list: "hooks",
            number,
            what: "hook",
        };
        self.find_named(&named, source.hooks.get(number), |component| {
            let name = &component.reference.name;
            if !component.is_hook() {
                return Err(named.unusable(&format!("`{name}` is a provider, not a hook"), None));
            }
            if matches!(source.kind, SourceKind::Pool { .. })
                && !component.reference.optional.routing
            {
                return Err(named.unusable(
                    &format!("`{name}` does not route, and nothing else happens to a pool"),
                    Some("name it under `hooks` of the sources that the pool draws on"),
                ));
            }
            Ok(())
        })
    }

    /// The same for whatever a list of a source names, if `suits` has nothing against the component.
    pub(super) fn find_named(
        &self,
        named: &Named<'_>,
        entry: Option<&HookConfig>,
        suits: impl FnOnce(&Component) -> Result<()>,
    ) -> Result<FoundHook> {
        let Some(entry) = entry else {
            return Err(named.unusable("it is not configured", None));
        };
        let component = self
            .plugins()
            .inspect(&locator(&entry.plugin))
            .map_err(|error| EngineError {
                hint: error.hint.clone(),
                ..named.unusable(&error.to_string(), None)
            })?;
        suits(&component)?;
        let table = format!("{}.options.", named.key());
        let wrong = |problems| self.plugin_problems(named.source, &table, &component, problems);
        let config = component
            .manifest
            .configure(&entry.options, &[])
            .map_err(wrong)?;
        let requested = component
            .manifest
            .requested(&config, &self.environment().path)
            .map_err(wrong)?;
        Ok(FoundHook {
            component,
            config,
            requested,
        })
    }

    /// All hooks of a source or pool, granted: those that are told of events as the definition keeps them, and what
    /// they listen to. Routers are only granted: they are looked up anew whenever something is routed.
    pub(super) fn define_hooks(
        &self,
        source: &SourceConfig,
        limits: &Limits,
        argument: &str,
        consent: &dyn Consent,
    ) -> Result<(Vec<Value>, BTreeSet<HookPoint>)> {
        let mut hooks = Vec::new();
        let mut all = BTreeSet::new();
        for number in 0..source.hooks.len() {
            let found = self.find_hook(source, number)?;
            let points = found.points();
            let bound = self.bind_hook(source, found, limits, argument, consent)?;
            if !points.is_empty() {
                all.extend(&points);
                hooks.push(json(&bound)?);
            }
        }
        Ok((hooks, all))
    }

    /// A hook with its grant.
    pub(super) fn bind_hook(
        &self,
        source: &SourceConfig,
        found: FoundHook,
        limits: &Limits,
        argument: &str,
        consent: &dyn Consent,
    ) -> Result<Bound> {
        let points = found.points();
        let FoundHook {
            component,
            config,
            requested,
        } = found;
        let grant = self.granted(source, &component, &requested, argument, consent)?;
        self.keep(&component)?;
        Ok(Bound {
            component: component.reference,
            config,
            grant,
            limits: limits.clone(),
            points,
            wrap: Vec::new(),
            sets: BTreeSet::new(),
            secrets: BTreeMap::new(),
        })
    }

    /// What of a source's hooks decides whether an idle instance fits: those that had a say when it was made.
    pub(super) fn shape_of_hooks(&self, source: &SourceConfig) -> Result<Vec<Vec<u8>>> {
        let mut parts = Vec::new();
        for (number, hook) in source.hooks.iter().enumerate() {
            let found = self.find_hook(source, number)?;
            if found.points().contains(&HookPoint::Provision) {
                parts.push(found.component.reference.digest.into_bytes());
                parts.push(json(&hook.options)?.to_string().into_bytes());
            }
        }
        Ok(parts)
    }

    /// The routers of a source or pool, bound by `bind`. One that cannot be used says so when it is asked.
    pub(super) fn routers(
        &self,
        asked: &SourceName,
        bind: impl Fn(&SourceName, &Bound) -> Result<Arc<dyn Hook>>,
    ) -> Result<Vec<Arc<dyn Hook>>> {
        let Some(source) = self.config().source(asked)? else {
            return Ok(Vec::new());
        };
        if source.hooks.is_empty() {
            return Ok(Vec::new());
        }
        let limits = self.config().limits(&source)?.calls;
        let mut routers = Vec::new();
        for number in 0..source.hooks.len() {
            let router = self.find_hook(&source, number).and_then(|found| {
                if !found.routes() {
                    return Ok(None);
                }
                let argument = asked.as_str();
                let bound = self.bind_hook(&source, found, &limits, argument, &Refuse)?;
                bind(asked, &bound).map(Some)
            });
            match router {
                Ok(router) => routers.extend(router),
                Err(error) => routers.push(Arc::new(Unusable::new(asked, number, &error))),
            }
        }
        Ok(routers)
    }
}

/// In the place of a router that cannot be used. What it was not allowed to route goes nowhere; what is merely broken
/// is passed over.
struct Unusable {
    name: String,
    error: ProviderError,
}

impl Unusable {
    fn new(asked: &SourceName, number: usize, error: &EngineError) -> Self {
        let name = format!("hooks.{number}");
        Self {
            error: ProviderError {
                kind: match error.kind {
                    FailureKind::Denied => ErrorKind::Denied,
                    _ => ErrorKind::Load,
                },
                // A rejection is one text.
                message: match &error.hint {
                    Some(hint) => format!("{}; {hint}", chain(error)),
                    None => chain(error),
                },
                remedy: None,
                context: CallContext {
                    plugin: name.clone(),
                    source: asked.to_string(),
                    call: "route",
                    ..CallContext::default()
                },
                guest_log: Vec::new(),
                untouched: false,
            },
            name,
        }
    }
}

#[async_trait]
impl Hook for Unusable {
    fn name(&self) -> &str {
        &self.name
    }

    fn routes(&self) -> bool {
        true
    }

    async fn on_event(
        &self,
        _at: HookPoint,
        _occasion: &Occasion,
        _instance: &Instance,
        _target: Arc<dyn Target>,
    ) -> provider::Result<()> {
        Err(self.error.clone())
    }

    async fn route(
        &self,
        _request: &RouteRequest,
        _candidates: &[RouteCandidate],
    ) -> provider::Result<Vec<RouteVerdict>> {
        Err(self.error.clone())
    }
}
