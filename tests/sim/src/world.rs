//! A state directory, a configuration and a backend, and the processes over them.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runner::clock::Clock;
use runner::engine::{
    Catalogue, Definition, Draw, Engine, EngineError, Identity, Listing, Owner, Result,
    ScriptFolders, ServeOptions,
};
use runner::provider::{Hook, HookPoint, Provider, SshAccess};
use runner::store::Store;
use runner_core::id::{SourceName, Timestamp, Token};
use runner_core::policy::{Limit, Millis, Policy, Tag};
use tokio::time::Instant;

use super::arm::{Arm, Traits};
use super::backend::Backend;
use super::chance::Chance;
use super::life::{Life, SimClock};

/// A source of the simulated configuration.
#[derive(Clone, Debug)]
pub struct Source {
    pub policy: Policy,
    pub traits: Traits,
}

/// What is configured now.
#[derive(Default)]
pub struct Configuration {
    pub sources: BTreeMap<SourceName, Source>,
    /// The limits of the pool over all of them.
    pub pool: Option<Policy>,
}

/// Everything of one history.
pub struct World {
    directory: tempfile::TempDir,
    pub configuration: Arc<Mutex<Configuration>>,
    /// What was configured at first: providers work also after their source is not configured any more.
    known: BTreeMap<SourceName, Traits>,
    pub backend: Arc<Backend>,
    pub began: Instant,
    /// Looks at the books, and never changes them.
    pub observer: Store,
}

/// The pool's name.
pub const POOL: &str = "pool";

/// A name that is a literal here.
pub fn name(text: &str) -> SourceName {
    SourceName::new(text).unwrap()
}

impl World {
    /// A world with these sources. The directory is in memory where the system has such a place.
    pub fn new(chance: Chance, sources: &[(&str, Source)], pool: Option<Policy>) -> Arc<Self> {
        let memory = PathBuf::from("/dev/shm");
        let directory = if memory.is_dir() {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        let backend = Arc::new(Backend::new(chance));
        let mut configuration = Configuration {
            pool,
            ..Configuration::default()
        };
        let mut known = BTreeMap::new();
        for (text, source) in sources {
            if let Limit::At(maximum) = source.policy.maximum {
                backend.inner().maxima.insert(name(text), maximum);
            }
            known.insert(name(text), source.traits);
            configuration.sources.insert(name(text), source.clone());
        }
        Arc::new(Self {
            observer: Store::open(directory.path()).unwrap(),
            directory,
            configuration: Arc::new(Mutex::new(configuration)),
            known,
            backend,
            began: Instant::now(),
        })
    }

    /// Now, as the processes' clocks show it.
    pub fn now(&self) -> Timestamp {
        SimClock::at(self.began)
    }

    /// When a timestamp will be, or was.
    pub fn instant(&self, at: Timestamp) -> Instant {
        let left = (at.0 - self.now().0).max(0);
        Instant::now() + Duration::from_millis(left as u64)
    }

    /// A new process of this owner.
    pub fn process(&self, owner: Option<&str>, life: &Arc<Life>) -> Engine {
        let identity = Identity {
            owner: Owner {
                user: "u".into(),
                host: "h".into(),
                pid: 1,
                label: owner.map(str::to_owned),
            },
            script_of: None,
        };
        let catalogue = SimCatalogue {
            configuration: Arc::clone(&self.configuration),
            known: self.known.clone(),
            backend: Arc::clone(&self.backend),
            life: Arc::clone(life),
        };
        Engine::new(
            Arc::new(Store::open(self.directory.path()).unwrap()),
            Arc::new(catalogue),
            Arc::new(SimClock {
                began: self.began,
                life: Arc::clone(life),
            }) as Arc<dyn Clock>,
            identity,
            self.directory.path().join("work"),
            PathBuf::from("runner"),
        )
    }

    /// Runs a command in a process of its own. None: it was killed.
    pub async fn command<T, F: Future<Output = T>>(
        &self,
        owner: Option<&str>,
        life: &Arc<Life>,
        command: impl FnOnce(Engine) -> F,
    ) -> Option<T> {
        let engine = self.process(owner, life);
        let done = life.main(async move { command(engine).await }).await;
        // What it left running ends with it, as tasks of a process do.
        life.kill();
        tokio::task::yield_now().await;
        done
    }

    /// Runs `serve` until it is killed or has drained.
    pub async fn serve(
        &self,
        life: &Arc<Life>,
        orders: tokio::sync::watch::Receiver<runner::engine::Order>,
    ) -> Option<Result<()>> {
        let options = ServeOptions {
            orphan_grace: Millis::seconds(5),
            checks_at_once: 4,
            ..ServeOptions::default()
        };
        self.command(None, life, |engine| async move {
            let serving = engine.become_server()?;
            engine.serve(serving, options, orders, || None).await
        })
        .await
    }

    /// What an `acquire` of a source, or of the pool, draws on.
    pub fn draw(&self, asked: &str) -> Draw {
        let configuration = self.configuration.lock().unwrap();
        let pool = (asked == POOL).then_some(configuration.pool).flatten();
        let chosen = configuration.sources.iter();
        let sources: Vec<Definition> = chosen
            .filter(|(source, _)| asked == POOL || source.as_str() == asked)
            .map(|(source, it)| definition(source, it))
            .collect();
        Draw {
            asked: Some(name(asked)),
            pool,
            weights: vec![0; sources.len()],
            sources,
            tags: Vec::new(),
            custom: false,
        }
    }
}

fn definition(source: &SourceName, it: &Source) -> Definition {
    Definition {
        source: source.clone(),
        policy: it.policy,
        tags: Vec::new(),
        check_command: None,
        label: "`model` 1".into(),
        component: String::new(),
        shape: "shape".into(),
        workdir: false,
        project: false,
        cleans: it.traits.cleans,
        owns_listing: false,
        scripts: ScriptFolders::default(),
        script_deadline: Duration::from_secs(60),
        plugin: serde_json::Value::Null,
        hooks: Vec::new(),
        hook_points: Default::default(),
    }
}

struct SimCatalogue {
    configuration: Arc<Mutex<Configuration>>,
    known: BTreeMap<SourceName, Traits>,
    backend: Arc<Backend>,
    life: Arc<Life>,
}

impl Catalogue for SimCatalogue {
    fn provider(&self, definition: &Definition) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Arm {
            backend: Arc::clone(&self.backend),
            life: Arc::clone(&self.life),
            source: definition.source.clone(),
            traits: self.known[&definition.source],
        }))
    }

    fn ssh(
        &self,
        definition: &Definition,
        _token: &Token,
        _access: &SshAccess,
    ) -> Result<Arc<dyn Provider>> {
        self.provider(definition)
    }

    fn hooks(&self, _definition: &Definition, _at: HookPoint) -> Result<Vec<Arc<dyn Hook>>> {
        Ok(Vec::new())
    }

    fn routers(&self, _asked: &SourceName) -> Result<Vec<Arc<dyn Hook>>> {
        Ok(Vec::new())
    }

    fn still_granted(&self, _definition: &Definition) -> Result<()> {
        Ok(())
    }

    fn current(&self, source: &SourceName) -> Result<Option<(Policy, String)>> {
        let configuration = self.configuration.lock().unwrap();
        let found = configuration.sources.get(source);
        Ok(found.map(|it| (it.policy, "shape".into())))
    }

    fn definition(&self, source: &SourceName) -> Result<Definition> {
        let configuration = self.configuration.lock().unwrap();
        let found = configuration.sources.get(source);
        found
            .map(|it| definition(source, it))
            .ok_or_else(|| EngineError::unknown_source(source))
    }

    fn tags(&self, _source: &SourceName) -> Vec<Tag> {
        Vec::new()
    }

    fn machines_differ(&self, _source: &SourceName) -> bool {
        false
    }

    fn pool(&self, pool: &SourceName) -> Option<Policy> {
        let configuration = self.configuration.lock().unwrap();
        configuration.pool.filter(|_| pool.as_str() == POOL)
    }

    fn listings(&self) -> Result<Vec<Listing>> {
        let configuration = self.configuration.lock().unwrap();
        let listing = |name: &SourceName, policy, children| Listing {
            name: name.clone(),
            tags: Vec::new(),
            policy,
            policy_until: None,
            children,
        };
        let sources = configuration.sources.iter();
        let mut all: Vec<Listing> = sources
            .map(|(name, it)| listing(name, it.policy, None))
            .collect();
        if let Some(policy) = configuration.pool {
            let children = configuration.sources.keys().cloned().collect();
            all.push(listing(&name(POOL), policy, Some(children)));
        }
        Ok(all)
    }
}
