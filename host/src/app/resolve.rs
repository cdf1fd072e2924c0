//! From the name of a source to its definition: configuration, component, validated keys, grant.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use runner_core::id::{SourceName, Timestamp};
use runner_core::policy::{Limit, Policy};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::consent::{Consent, Noting};
use super::{App, unloadable};
use crate::config::{
    ConfigError, Origin, PluginPath, Problem, SourceArgument, SourceConfig, SourceKind,
    SourceLimits, in_force,
};
use crate::engine::{Definition, Draw, EngineError, FailureKind, Result};
use crate::plugin::{
    Capabilities, Component, ComponentRef, ConfigProblem, Limits, LoadError, Locator, Maximum,
    digest_of,
};
use crate::provider::HookPoint;

/// What the engine keeps of a plugin without being able to read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Bound {
    pub(super) component: ComponentRef,
    pub(super) config: Map<String, Value>,
    pub(super) grant: Capabilities,
    pub(super) limits: Limits,
    /// Of a hook: when it is told.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) points: BTreeSet<HookPoint>,
    /// Of a provider: what stands in front of it, the outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) wrap: Vec<Self>,
    /// Of a wrapper: the provider's keys that it may change.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) sets: BTreeSet<String>,
    /// Values that whoever described the source gave for secrets of its own, before the user's: kept in the books for as long
    /// as there are instances, since nobody else could destroy them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) secrets: BTreeMap<String, String>,
}

/// A source brought together, before anybody was asked for anything.
pub(super) struct Resolved {
    pub(super) source: SourceConfig,
    pub(super) component: Component,
    pub(super) config: Map<String, Value>,
    pub(super) requested: Capabilities,
    pub(super) limits: Limits,
    pub(super) script_deadline: Duration,
    /// With the schedule as it is now.
    pub(super) policy: Policy,
    /// When the schedule may say something else.
    pub(super) policy_until: Option<Timestamp>,
    /// The command line's way to name it, for the command that grants.
    pub(super) argument: String,
}

/// A source whose plugin cannot be loaded: with the place where it is named, when it was configured.
pub(super) fn unusable_type(source: &SourceConfig, error: LoadError) -> EngineError {
    if source.file.is_none() {
        return unloadable(error);
    }
    let hint = error.hint.clone();
    let problem = source.schema_problem("type", &error.to_string(), None);
    EngineError {
        hint,
        ..invalid(format!(
            "the plugin of source `{}` cannot be used",
            source.name
        ))
        .because(ConfigError {
            problems: vec![problem],
        })
    }
}

/// A mistake of the operator's.
pub(super) fn invalid(message: impl Into<String>) -> EngineError {
    EngineError::new(FailureKind::Invalid, message)
}

impl From<ConfigError> for EngineError {
    fn from(error: ConfigError) -> Self {
        invalid("the configuration is wrong").because(error)
    }
}

impl App {
    /// The source `-s` defaults to.
    pub fn default_source(&self) -> Result<SourceName> {
        Ok(self.config().default_source()?)
    }

    /// What `acquire` draws on: looks everything up, and asks for what is not granted yet. `options` are `-o`.
    pub fn draw(
        &self,
        source: &SourceArgument,
        options: &[(String, String)],
        consent: &dyn Consent,
    ) -> Result<Draw> {
        let consent = &Noting::new(consent);
        let config = self.source_config(source)?;
        let SourceKind::Pool { .. } = config.kind else {
            let resolved = self.resolve(config, argument_of(source, options), options)?;
            let definition = self.define(resolved, consent)?;
            return Ok(Draw {
                asked: Some(definition.source.clone()),
                pool: None,
                tags: Vec::new(),
                weights: vec![0],
                custom: !options.is_empty()
                    || matches!(source, SourceArgument::File { .. })
                    || consent.once(),
                sources: vec![definition],
            });
        };
        if !options.is_empty() {
            return Err(invalid(format!(
                "`{}` is a pool: `-o` belongs to a plugin",
                config.name
            ))
            .hint("give the options in the configuration of the pool's sources"));
        }
        let policy = config.policy(Limit::Unlimited);
        let asked = config.name.clone();
        let limits = self.config().limits(&config)?.calls;
        self.define_hooks(&config, &limits, asked.as_str(), consent)?;
        let mut sources = Vec::new();
        for child in self.config().expand(&config)? {
            let name = child.name.to_string();
            sources.push(self.define(self.resolve(child, name, &[])?, consent)?);
        }
        Ok(Draw {
            asked: Some(asked),
            pool: Some(policy),
            tags: Vec::new(),
            weights: vec![0; sources.len()],
            custom: consent.once(),
            sources,
        })
    }

    /// What a request by tags draws on: of the sources asked for (all that are configured, if none is) those that carry every
    /// one of the tags. Nobody waits for a tag that nothing carries.
    pub fn draw_tagged(
        &self,
        source: Option<&SourceArgument>,
        tags: &[String],
        consent: &dyn Consent,
    ) -> Result<Draw> {
        let consent = &Noting::new(consent);
        let (asked, pool, names) = match source {
            None => (None, None, self.config().source_names()),
            Some(argument) => {
                let config = self.source_config(argument)?;
                let name = config.name.clone();
                match &config.kind {
                    SourceKind::Pool { .. } => {
                        let children = self.config().expand(&config)?;
                        let names = children.into_iter().map(|child| child.name).collect();
                        (Some(name), Some(config.policy(Limit::Unlimited)), names)
                    }
                    SourceKind::Provider { .. } => (Some(name.clone()), None, vec![name]),
                }
            }
        };
        let mut known = BTreeSet::new();
        let mut sources = Vec::new();
        let mut weights = Vec::new();
        for name in names {
            let config = match self.named(&name) {
                Ok(config) => config,
                // One broken source must not hide the others.
                Err(error) if source.is_none() => {
                    tracing::warn!(
                        "source `{name}` is left out: {}",
                        crate::engine::chain(&error)
                    );
                    continue;
                }
                Err(error) => return Err(error),
            };
            if matches!(config.kind, SourceKind::Pool { .. }) {
                continue;
            }
            known.extend(config.tags.iter().map(|tag| tag.name.clone()));
            let priorities = tags.iter().map(|tag| {
                config
                    .tags
                    .iter()
                    .find(|own| own.name == *tag)
                    .map(|own| own.priority)
            });
            let Some(priorities) = priorities.collect::<Option<Vec<i32>>>() else {
                continue;
            };
            sources.push(self.define(self.resolve(config, name.to_string(), &[])?, consent)?);
            weights.push(priorities.into_iter().fold(0, i32::saturating_add));
        }
        if sources.is_empty() {
            let unknown: Vec<&str> = tags
                .iter()
                .filter(|tag| !known.contains(*tag))
                .map(String::as_str)
                .collect();
            let message = if unknown.is_empty() {
                format!("no source has all the tags `{}`", tags.join("`, `"))
            } else {
                format!("no source has the tag `{}`", unknown.join("`, `"))
            };
            let known: Vec<String> = known.into_iter().collect();
            let hint = if known.is_empty() {
                "no source has tags: they are set with `tags` in its configuration".to_owned()
            } else {
                format!("the known tags are `{}`", known.join("`, `"))
            };
            return Err(invalid(message).hint(hint));
        }
        Ok(Draw {
            asked,
            pool,
            sources,
            tags: tags.to_vec(),
            weights,
            custom: consent.once(),
        })
    }

    /// Configuration of a source that was named on the command line.
    pub(super) fn source_config(&self, source: &SourceArgument) -> Result<SourceConfig> {
        match source {
            SourceArgument::Named(name) => self.named(name),
            SourceArgument::File {
                path,
                options: inline,
            } => {
                let absolute = std::path::absolute(path).map_err(|error| {
                    invalid(format!("`{}` is not a usable path", path.display())).because(error)
                })?;
                Ok(SourceConfig::adhoc(&absolute, inline))
            }
        }
    }

    pub(super) fn named(&self, name: &SourceName) -> Result<SourceConfig> {
        match self.config().source(name)? {
            Some(source) => Ok(source),
            None => {
                let problem = self.config().unknown(name);
                Err(EngineError {
                    hint: problem.hint.or(EngineError::unknown_source(name).hint),
                    ..EngineError::unknown_source(name)
                })
            }
        }
    }

    /// Component, validated keys, limits and request of one source. Nothing is asked.
    pub(super) fn resolve(
        &self,
        source: SourceConfig,
        argument: String,
        options: &[(String, String)],
    ) -> Result<Resolved> {
        let component = self.component_of(&source)?;
        self.resolve_as(source, component, argument, options)
    }

    /// The same with this component, whatever the configuration names.
    pub(super) fn resolve_as(
        &self,
        source: SourceConfig,
        component: Component,
        argument: String,
        options: &[(String, String)],
    ) -> Result<Resolved> {
        if component.is_hook() {
            return Err(invalid(format!(
                "`{}` is a hook, not a provider",
                component.reference.name
            ))
            .hint("name it under `hooks` in a source's configuration"));
        }
        if component.wraps() {
            return Err(invalid(format!(
                "`{}` is a wrapper, not a provider of its own",
                component.reference.name
            ))
            .hint("name it under `wrap` of a source with another `type`"));
        }
        let (typed, overrides) = source.for_schema(options);
        let config = component
            .manifest
            .configure(&typed, &overrides)
            .map_err(|problems| self.plugin_problems(&source, "", &component, problems))?;
        let requested = component
            .manifest
            .requested(&config, &self.environment().path)
            .map_err(|problems| self.plugin_problems(&source, "", &component, problems))?;
        let SourceLimits { calls, scripts } = self.config().limits(&source)?;
        let of_plugin = component.manifest.default_maximum(&config);
        let mut policy = source.policy(of_plugin);
        if matches!(component.manifest.maximum, Some(Maximum::CountOf(_))) {
            // There are no more machines than were listed.
            policy.maximum = policy.maximum.tighter(of_plugin);
        }
        let (policy, policy_until) = in_force(&source.schedule, policy, self.now());
        Ok(Resolved {
            source,
            component,
            config,
            requested,
            limits: calls,
            script_deadline: scripts,
            policy,
            policy_until,
            argument,
        })
    }

    /// The problems of a schema with the keys below `table` of a source.
    pub(super) fn plugin_problems(
        &self,
        source: &SourceConfig,
        table: &str,
        component: &Component,
        problems: Vec<ConfigProblem>,
    ) -> EngineError {
        let problems: Vec<Problem> = problems
            .iter()
            .map(|problem| {
                let key = format!("{table}{}", problem.key);
                source.schema_problem(&key, &problem.message, problem.suggestion.as_deref())
            })
            .collect();
        let reference = &component.reference;
        invalid(format!(
            "the configuration of source `{}` does not suit its plugin `{}` {}",
            source.name, reference.name, reference.version
        ))
        .hint(format!(
            "`runner plugin inspect {}` shows the keys it knows",
            reference.name
        ))
        .because(ConfigError { problems })
    }

    /// The definition of a source, once everything it asks for is granted.
    pub(super) fn define(&self, resolved: Resolved, consent: &dyn Consent) -> Result<Definition> {
        let (hooks, hook_points) = self.define_hooks(
            &resolved.source,
            &resolved.limits,
            &resolved.argument,
            consent,
        )?;
        let grant = self.granted(
            &resolved.source,
            &resolved.component,
            &resolved.requested,
            &resolved.argument,
            consent,
        )?;
        self.keep(&resolved.component)?;
        let wrap = self.define_wrappers(&resolved, consent)?;
        let shape = self.shape(&resolved)?;
        let bound = Bound {
            component: resolved.component.reference.clone(),
            config: resolved.config,
            grant,
            limits: resolved.limits,
            points: BTreeSet::new(),
            wrap,
            sets: BTreeSet::new(),
            secrets: BTreeMap::new(),
        };
        Ok(Definition {
            source: resolved.source.name.clone(),
            policy: resolved.policy,
            tags: resolved.source.tags.clone(),
            check_command: resolved.source.check_command.clone(),
            label: format!(
                "`{}` {}",
                resolved.component.reference.name, resolved.component.reference.version
            ),
            component: resolved.component.reference.digest.clone(),
            shape,
            workdir: resolved.requested.workdir,
            scripts: resolved.source.scripts.clone().into(),
            script_deadline: resolved.script_deadline,
            project: resolved.source.origin == Origin::Project,
            cleans: resolved.component.reference.optional.reuse,
            owns_listing: resolved.component.manifest.owns_listing,
            plugin: json(&bound)?,
            hooks,
            hook_points,
        })
    }

    /// A digest of what decides whether an idle instance fits.
    pub(super) fn shape(&self, resolved: &Resolved) -> Result<String> {
        let mut parts = Vec::new();
        let mut add = |part: &[u8]| {
            parts.extend((part.len() as u64).to_le_bytes());
            parts.extend(part);
        };
        add(resolved.component.reference.digest.as_bytes());
        add(json(&resolved.config)?.to_string().as_bytes());
        let wrappers = self.shape_of_wrappers(&resolved.source)?;
        for part in self
            .shape_of_hooks(&resolved.source)?
            .iter()
            .chain(&wrappers)
        {
            add(part);
        }
        if let Some(directory) = resolved.source.scripts.get(HookPoint::Provision.word()) {
            for script in scripts(directory)? {
                add(script.as_os_str().as_encoded_bytes());
                add(&read(&script)?);
            }
        }
        Ok(digest_of(&parts))
    }
}

fn scripts(directory: &Path) -> Result<Vec<std::path::PathBuf>> {
    crate::config::scripts::list(directory).map_err(|error| {
        invalid(format!(
            "cannot read the scripts in `{}`",
            directory.display()
        ))
        .because(error)
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        invalid(format!("cannot read the script `{}`", path.display())).because(error)
    })
}

pub(super) fn locator(plugin: &PluginPath) -> Locator {
    match plugin {
        PluginPath::Name(name) => Locator::Name(name.clone()),
        PluginPath::File(path) => Locator::File(path.clone()),
    }
}

/// How the command line names it.
pub(super) fn argument_of(source: &SourceArgument, options: &[(String, String)]) -> String {
    match source {
        SourceArgument::Named(name) => name.to_string(),
        SourceArgument::File {
            path,
            options: inline,
        } => {
            let mut text = path.display().to_string();
            let mut before = ':';
            let replaced = |key: &String| options.iter().any(|(other, _)| other == key);
            let kept = inline.iter().filter(|(key, _)| !replaced(key));
            for (key, value) in kept.chain(options) {
                let value = value.replace('\\', r"\\").replace(',', r"\,");
                text.push_str(&format!("{before}{key}={value}"));
                before = ',';
            }
            text
        }
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| {
        EngineError::new(
            FailureKind::State,
            "cannot store the definition of the source",
        )
        .because(error)
    })
}
