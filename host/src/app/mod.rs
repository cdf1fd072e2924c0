//! The composition root: brings configuration, plugins, store and engine together. The only room that knows all of
//! them, and the only one that reads the environment.
//!
//! Everything is opened on first use: `status` never touches a component, `run` never reads the configuration.

mod audit;
mod books;
mod canary;
mod catalogue;
mod components;
mod consent;
mod distribution;
mod environment;
mod grants;
mod hooks;
mod memo;
mod plugins;
mod resolve;
mod secrets;
mod simulator;
mod spread;
mod trial;
mod trial_books;
mod wrap;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

pub use crate::config::SourceArgument as SourceArg;
pub use audit::{Audit, Used};
pub use consent::{Answer, Consent, GrantAsk, Previous, Refuse};
pub use distribution::{
    Change, FetchOptions, Found, Installed, Outdated, PublishRequest, Published, Update,
};
pub use environment::{Environment, GitHub};
pub use plugins::{GrantListing, PluginListing};
use runner_core::id::SourceName;
pub use simulator::{Simulated, Simulator};
pub use spread::{Backends, CloudEnvironment};
pub use trial::{Played, Trial};

use runner_core::id::Timestamp;

use crate::clock::{Clock, SystemClock};
use crate::config::{Changes, Config, ConfigError, SourceConfig, SourceKind};
use crate::engine::{Engine, EngineError, FailureKind, Identity, Owner, Result};
use crate::history::History;
use crate::plugin::{Capabilities, HttpSettings, PluginDirs, PluginHost, Tap, Uses};
use crate::store::Store;
use crate::transport::SshSessions;

/// The program, not yet opened. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    environment: Environment,
    clock: Arc<dyn Clock>,
    config: OnceLock<Config>,
    store: OnceLock<Arc<Store>>,
    plugins: OnceLock<PluginHost>,
    ssh: OnceLock<Arc<SshSessions>>,
    engine: OnceLock<Engine>,
    /// Uses of rights that are not in the books yet.
    uses: Arc<Uses>,
    /// What follows from the configuration, for a process that lives on.
    memo: memo::Memo,
    /// What was granted for this call of the program only.
    once: Mutex<BTreeMap<(SourceName, String), Capabilities>>,
    /// Components that instances are about to be made with: nobody removes their copies.
    held: components::HeldHere,
    /// The components of configured sources, as they were when the configuration was read last.
    components: Mutex<BTreeMap<SourceName, String>>,
    /// Looks on at everything that providers ask for: this is a trial.
    tap: Option<Arc<dyn Tap>>,
    /// Of a trial's single calls.
    kept: trial_books::KeptHere,
}

impl App {
    /// Opens nothing yet.
    pub fn new(environment: Environment) -> Self {
        Self::with_clock(environment, Arc::new(SystemClock))
    }

    /// The same, living in the time that a clock tells.
    pub fn with_clock(environment: Environment, clock: Arc<dyn Clock>) -> Self {
        Self::assembled(environment, clock, None)
    }

    fn assembled(
        environment: Environment,
        clock: Arc<dyn Clock>,
        tap: Option<Arc<dyn Tap>>,
    ) -> Self {
        if let Some(point) = &environment.fault {
            crate::engine::fault::arm(point);
        }
        Self(Arc::new(Parts {
            environment,
            clock,
            config: OnceLock::new(),
            store: OnceLock::new(),
            plugins: OnceLock::new(),
            ssh: OnceLock::new(),
            engine: OnceLock::new(),
            uses: Arc::default(),
            memo: memo::Memo::default(),
            once: Mutex::default(),
            held: components::HeldHere::default(),
            components: Mutex::default(),
            tap,
            kept: trial_books::KeptHere::default(),
        }))
    }

    /// Where things are, and who we are.
    pub fn environment(&self) -> &Environment {
        &self.0.environment
    }

    /// The configuration; sources in it are read one by one.
    pub fn config(&self) -> &Config {
        self.0
            .config
            .get_or_init(|| Config::discover(self.environment().roots.clone()))
    }

    /// Reads the configuration anew, for a process that lives on. What is broken, be it only for its plugin, stays as it
    /// was and is reported.
    pub fn reload(&self) -> Changes {
        let mut components = BTreeMap::new();
        let found = std::cell::RefCell::new(&mut components);
        let mut changes = self.config().reload(|source| {
            let resolved = match source.kind {
                SourceKind::Pool { .. } => Ok(()),
                SourceKind::Provider { .. } => self
                    .resolve(source.clone(), source.name.to_string(), &[])
                    .map(|resolved| {
                        let digest = resolved.component.reference.digest;
                        found.borrow_mut().insert(source.name.clone(), digest);
                    }),
            };
            let mut hooks = 0..source.hooks.len();
            let mut wrappers = 0..source.wrap.len();
            resolved
                .and_then(|()| {
                    hooks.try_for_each(|number| self.find_hook(source, number).map(drop))
                })
                .and_then(|()| {
                    wrappers.try_for_each(|number| self.find_wrapper(source, number).map(drop))
                })
                .map_err(|error| problems_of(source, error))
        });
        self.note_components(components, &mut changes);
        self.0.memo.renew();
        changes
    }

    /// The time, for schedules.
    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The day it is, in UTC: the same one on every machine of a fleet.
    pub fn today(&self) -> jiff::civil::Date {
        let now = jiff::Timestamp::from_millisecond(self.now().0).unwrap_or_default();
        now.to_zoned(jiff::tz::TimeZone::UTC).date()
    }

    /// The state database.
    pub fn store(&self) -> Result<&Arc<Store>> {
        if let Some(store) = self.0.store.get() {
            return Ok(store);
        }
        let opened = Arc::new(Store::open(&self.environment().state)?);
        Ok(self.0.store.get_or_init(|| opened))
    }

    /// The room of plugins.
    pub fn plugins(&self) -> &PluginHost {
        self.0
            .plugins
            .get_or_init(|| PluginHost::new(self.plugin_dirs()))
    }

    fn plugin_dirs(&self) -> PluginDirs {
        let environment = self.environment();
        PluginDirs {
            installed: environment.data.join("plugins"),
            components: environment.state.join("components"),
            compiled: environment.cache.join("compiled"),
            ssh: environment.runtime.clone(),
            compiler: environment.compiler.clone(),
        }
    }

    /// OpenSSH sessions, for plugins and for instances that are reached by ssh.
    fn ssh(&self) -> Result<&Arc<SshSessions>> {
        if let Some(ssh) = self.0.ssh.get() {
            return Ok(ssh);
        }
        let environment = self.environment();
        let mut sessions =
            SshSessions::new(environment.runtime.clone()).with_environment(environment.variables());
        if let Some(file) = &self.config().settings()?.ssh_config {
            sessions = sessions.with_options(["-F".into(), file.value.clone().into_os_string()]);
        }
        Ok(self.0.ssh.get_or_init(|| Arc::new(sessions)))
    }

    /// How plugins' HTTP requests leave: the operator's settings, or what the environment says.
    fn http(&self) -> Result<HttpSettings> {
        let environment = self.environment();
        let set = &self.config().settings()?.http;
        let proxy = match &set.proxy {
            Some(set) => Some(set.value.clone()),
            None => environment.proxy.clone(),
        };
        let no_proxy = match &set.no_proxy {
            Some(set) => Some(&set.value),
            None => environment.no_proxy.as_ref(),
        };
        Ok(HttpSettings {
            ca_file: match &environment.simulated.ca_file {
                Some(file) => Some(file.clone()),
                None => set.ca_file.as_ref().map(|set| set.value.clone()),
            },
            proxy: proxy.filter(|address| !address.is_empty()),
            no_proxy: no_proxy
                .into_iter()
                .flat_map(|all| all.split(',').map(|one| one.trim().to_owned()))
                .collect(),
            tokens: Some(environment.state.join("tokens")),
        })
    }

    /// What was tried and what came of it.
    pub fn history(&self) -> Result<History> {
        let engine = self.engine()?;
        Ok(History::new(
            Arc::clone(self.store()?),
            Arc::clone(&self.0.clock),
            engine.worker_id()?,
            engine.owner_json(),
        ))
    }

    /// The verbs.
    pub fn engine(&self) -> Result<&Engine> {
        if let Some(engine) = self.0.engine.get() {
            return Ok(engine);
        }
        let environment = self.environment();
        let identity = Identity {
            owner: Owner {
                user: environment.user.clone(),
                host: environment.host.clone(),
                pid: std::process::id(),
                label: environment.owner.clone(),
            },
            script_of: environment.script_of.clone(),
        };
        let engine = Engine::new(
            Arc::clone(self.store()?),
            Arc::new(catalogue::AppCatalogue(self.clone())),
            Arc::clone(&self.0.clock),
            identity,
            environment.state.join("work"),
            environment.program.clone(),
        );
        Ok(self.0.engine.get_or_init(|| engine))
    }
}

/// A source that cannot be used, as problems of its file: those that are the cause, if there are.
fn problems_of(source: &SourceConfig, error: EngineError) -> ConfigError {
    let chain = crate::engine::chain(&error);
    let cause = error.source.map(|cause| cause.downcast::<ConfigError>());
    match cause {
        Some(Ok(problems)) => *problems,
        _ => source.problem("", &chain, error.hint.as_deref()).into(),
    }
}

/// A component that cannot be loaded, as an error of a verb.
fn unloadable(error: crate::plugin::LoadError) -> EngineError {
    let hint = error.hint.clone();
    let mut failed = EngineError::new(FailureKind::Invalid, "the plugin cannot be used");
    failed.hint = hint;
    failed.because(error)
}

#[cfg(test)]
mod tests;
