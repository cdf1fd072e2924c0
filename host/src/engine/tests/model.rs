//! A model of a backend: machines are entries of a map, and calls fail where a test says so.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use runner_core::id::{InstanceName, SourceName, Timestamp, Token};
use runner_core::instance::State;
use runner_core::policy::{Policy, Tag};
use tokio::sync::Notify;

use super::super::*;
use super::{nobody, source};
use crate::provider::{
    self, Allocated, CallContext, Command, Direction, Doomed, ErrorKind, ExitStatus, Facts, Hook,
    HookPoint, Listed, Optional, ProviderError, Request, SshAccess, Stdio,
};
use crate::store::{Durability, StoreError};

/// How one `allocate` goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Error,
    /// Before anything that could have made something left the host.
    Untouched,
    Exhausted,
    MadeThenError,
    MadeThenHang,
    SameHandle,
}

#[derive(Default)]
struct Machines {
    by_token: BTreeMap<String, String>,
    allocations: u32,
    made: u32,
    faults: HashMap<u32, Fault>,
    failing_discards: u32,
    failing_checks: bool,
}

#[derive(Default)]
pub(super) struct Backend {
    machines: Mutex<Machines>,
    hanging: Notify,
}

impl Backend {
    pub(super) fn existing(&self) -> usize {
        self.machines.lock().unwrap().by_token.len()
    }

    pub(super) fn made(&self) -> u32 {
        self.machines.lock().unwrap().made
    }

    /// The `nth` allocation of the test (from 1) goes wrong.
    pub(super) fn fail_allocate(&self, nth: u32, fault: Fault) {
        self.machines.lock().unwrap().faults.insert(nth, fault);
    }

    pub(super) fn fail_discards(&self, count: u32) {
        self.machines.lock().unwrap().failing_discards = count;
    }

    pub(super) fn fail_checks(&self, fail: bool) {
        self.machines.lock().unwrap().failing_checks = fail;
    }

    /// Something that nobody asked for now.
    pub(super) fn appears(&self, token: &str, handle: &str) {
        let mut machines = self.machines.lock().unwrap();
        machines.by_token.insert(token.into(), handle.into());
    }

    /// Everything is gone, and nobody was told.
    pub(super) fn vanishes(&self) {
        self.machines.lock().unwrap().by_token.clear();
    }

    pub(super) async fn hanging(&self) {
        self.hanging.notified().await;
    }
}

fn error(kind: ErrorKind) -> ProviderError {
    ProviderError {
        kind,
        message: "the model says no".into(),
        remedy: None,
        context: CallContext::default(),
        guest_log: Vec::new(),
        untouched: false,
    }
}

#[async_trait]
impl Provider for Backend {
    fn optional(&self) -> Optional {
        Optional {
            inventory: true,
            liveness: true,
            ..Optional::default()
        }
    }

    async fn allocate(&self, request: &Request) -> provider::Result<Allocated> {
        let hang = {
            let mut machines = self.machines.lock().unwrap();
            machines.allocations += 1;
            let nth = machines.allocations;
            let fault = machines.faults.remove(&nth);
            let mut handle = format!("m{nth}");
            match fault {
                Some(Fault::Error) => return Err(error(ErrorKind::Failed)),
                Some(Fault::Untouched) => {
                    return Err(ProviderError {
                        untouched: true,
                        ..error(ErrorKind::Unavailable { retry_after: None })
                    });
                }
                Some(Fault::Exhausted) => {
                    return Err(error(ErrorKind::Exhausted { retry_after: None }));
                }
                Some(Fault::SameHandle) => {
                    handle = machines.by_token.values().next().unwrap().clone()
                }
                Some(Fault::MadeThenError | Fault::MadeThenHang) | None => {}
            }
            if !matches!(fault, Some(Fault::SameHandle)) {
                machines.made += 1;
                machines
                    .by_token
                    .insert(request.token.to_string(), handle.clone());
            }
            match fault {
                Some(Fault::MadeThenError) => {
                    return Err(error(ErrorKind::Unavailable { retry_after: None }));
                }
                Some(Fault::MadeThenHang) => true,
                _ => {
                    return Ok(Allocated {
                        handle,
                        access: Access::Plugin,
                        attributes: Vec::new(),
                    });
                }
            }
        };
        if hang {
            self.hanging.notify_one();
        }
        std::future::pending().await
    }

    async fn run(
        &self,
        _instance: &Instance,
        _command: &Command,
        _stdio: Stdio,
    ) -> provider::Result<ExitStatus> {
        Ok(ExitStatus::Code(0))
    }

    async fn copy(
        &self,
        _instance: &Instance,
        _direction: &Direction,
        _stdio: Stdio,
    ) -> provider::Result<()> {
        Err(error(ErrorKind::Unsupported))
    }

    async fn discard(&self, doomed: &Doomed) -> provider::Result<()> {
        let mut machines = self.machines.lock().unwrap();
        if machines.failing_discards > 0 {
            machines.failing_discards -= 1;
            return Err(error(ErrorKind::Unavailable { retry_after: None }));
        }
        machines.by_token.remove(doomed.token.as_str());
        Ok(())
    }

    async fn check(&self, instance: &Instance) -> provider::Result<()> {
        let machines = self.machines.lock().unwrap();
        if !machines.by_token.contains_key(instance.token.as_str()) {
            return Err(error(ErrorKind::Gone));
        }
        if machines.failing_checks {
            return Err(error(ErrorKind::Unavailable { retry_after: None }));
        }
        Ok(())
    }

    async fn list(&self) -> provider::Result<Vec<Listed>> {
        let machines = self.machines.lock().unwrap();
        let listed = machines.by_token.iter();
        Ok(listed
            .map(|(token, handle)| Listed {
                token: Token::stored(token),
                handle: handle.clone(),
            })
            .collect())
    }

    async fn probe(&self, _instance: &Instance) -> provider::Result<Facts> {
        Ok(Facts::default())
    }

    async fn reboot(&self, _instance: &Instance) -> provider::Result<()> {
        Ok(())
    }

    async fn signal(
        &self,
        _instance: &Instance,
        _command_id: &str,
        _signal: u8,
    ) -> provider::Result<()> {
        Ok(())
    }
}

/// A clock that tests move.
pub(super) struct TestClock {
    wall: AtomicI64,
    steady: AtomicI64,
}

impl TestClock {
    pub(super) fn advance(&self, by: Duration) {
        self.set_by(by);
        self.steady
            .fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }

    /// Somebody sets it, and no time passes.
    pub(super) fn set_by(&self, by: Duration) {
        self.wall.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Option<(String, i64)> {
        Some(("boot".into(), self.steady.load(Ordering::SeqCst)))
    }
}

struct TestCatalogue {
    backend: Arc<Backend>,
    sources: Mutex<BTreeMap<SourceName, Policy>>,
    routers: Mutex<Vec<Arc<dyn Hook>>>,
}

impl Catalogue for TestCatalogue {
    fn provider(&self, _definition: &Definition) -> Result<Arc<dyn Provider>> {
        Ok(Arc::clone(&self.backend) as _)
    }

    fn ssh(
        &self,
        _definition: &Definition,
        _token: &Token,
        _access: &SshAccess,
    ) -> Result<Arc<dyn Provider>> {
        Ok(Arc::clone(&self.backend) as _)
    }

    fn hooks(&self, _definition: &Definition, _at: HookPoint) -> Result<Vec<Arc<dyn Hook>>> {
        Ok(Vec::new())
    }

    fn routers(&self, _asked: &SourceName) -> Result<Vec<Arc<dyn Hook>>> {
        Ok(self.routers.lock().unwrap().clone())
    }

    fn still_granted(&self, _definition: &Definition) -> Result<()> {
        Ok(())
    }

    fn current(&self, source: &SourceName) -> Result<Option<(Policy, String)>> {
        Ok(self
            .sources
            .lock()
            .unwrap()
            .get(source)
            .map(|policy| (*policy, "shape".into())))
    }

    fn definition(&self, source: &SourceName) -> Result<Definition> {
        let policy = self.sources.lock().unwrap().get(source).copied();
        let policy = policy.ok_or_else(|| EngineError::unknown_source(source))?;
        Ok(definition_of(source.as_str(), policy))
    }

    fn tags(&self, _source: &SourceName) -> Vec<Tag> {
        Vec::new()
    }

    fn machines_differ(&self, _source: &SourceName) -> bool {
        false
    }

    fn pool(&self, _pool: &SourceName) -> Option<Policy> {
        None
    }

    fn listings(&self) -> Result<Vec<Listing>> {
        let sources = self.sources.lock().unwrap();
        Ok(sources
            .iter()
            .map(|(name, policy)| Listing {
                name: name.clone(),
                tags: Vec::new(),
                policy: *policy,
                policy_until: None,
                children: None,
            })
            .collect())
    }
}

fn definition_of(name: &str, policy: Policy) -> Definition {
    Definition {
        source: source(name),
        policy,
        tags: Vec::new(),
        check_command: None,
        label: "`model` 1".into(),
        component: String::new(),
        shape: "shape".into(),
        workdir: true,
        project: false,
        cleans: false,
        owns_listing: false,
        scripts: ScriptFolders::default(),
        script_deadline: Duration::from_secs(60),
        plugin: serde_json::Value::Null,
        hooks: Vec::new(),
        hook_points: Default::default(),
    }
}

/// An engine over a store in a directory of its own.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) store: Arc<Store>,
    pub(super) backend: Arc<Backend>,
    pub(super) clock: Arc<TestClock>,
    catalogue: Arc<TestCatalogue>,
    _directory: tempfile::TempDir,
}

impl World {
    pub(super) fn new(sources: &[(&str, Policy)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(directory.path()).unwrap());
        let backend = Arc::new(Backend::default());
        let clock = Arc::new(TestClock {
            wall: AtomicI64::new(1_000_000),
            steady: AtomicI64::new(0),
        });
        let catalogue = Arc::new(TestCatalogue {
            backend: Arc::clone(&backend),
            sources: Mutex::new(
                sources
                    .iter()
                    .map(|(name, policy)| (source(name), *policy))
                    .collect(),
            ),
            routers: Mutex::default(),
        });
        let identity = Identity {
            owner: Owner {
                user: "u".into(),
                host: "h".into(),
                pid: 1,
                label: None,
            },
            script_of: None,
        };
        let engine = Engine::new(
            Arc::clone(&store),
            Arc::clone(&catalogue) as _,
            Arc::clone(&clock) as _,
            identity,
            directory.path().join("work"),
            PathBuf::from("runner"),
        );
        Self {
            engine,
            store,
            backend,
            clock,
            catalogue,
            _directory: directory,
        }
    }

    fn definition(&self, name: &str) -> Definition {
        let policy = self.catalogue.sources.lock().unwrap()[&source(name)];
        definition_of(name, policy)
    }

    pub(super) fn draw(&self, name: &str) -> Draw {
        Draw {
            asked: Some(source(name)),
            pool: None,
            sources: vec![self.definition(name)],
            tags: Vec::new(),
            weights: vec![0],
            custom: false,
        }
    }

    pub(super) fn pool(&self, name: &str, children: &[&str], policy: Policy) -> Draw {
        let sources: Vec<Definition> = children
            .iter()
            .map(|child| self.definition(child))
            .collect();
        Draw {
            asked: Some(source(name)),
            pool: Some(policy),
            weights: vec![0; sources.len()],
            sources,
            tags: Vec::new(),
            custom: false,
        }
    }

    pub(super) fn route_by(&self, routers: Vec<Arc<dyn Hook>>) {
        *self.catalogue.routers.lock().unwrap() = routers;
    }

    pub(super) fn unconfigure(&self, name: &str) {
        self.catalogue.sources.lock().unwrap().remove(&source(name));
    }

    pub(super) fn state(&self, name: &InstanceName) -> State {
        self.store
            .read(|tx| tx.instance(name))
            .unwrap()
            .unwrap()
            .state
    }

    pub(super) fn live(&self) -> usize {
        self.store.read(|tx| tx.live_instances(None)).unwrap().len()
    }

    /// Makes these look as if the process that works on them had died.
    pub(super) fn orphan(&self, names: &[String]) {
        let dead = nobody();
        for name in names {
            let mut row = self
                .store
                .read(|tx| tx.instance(&InstanceName::typed(name.as_str())))
                .unwrap()
                .unwrap();
            row.worker = Some(dead.clone());
            self.store
                .write::<_, StoreError>(Durability::Process, |tx| {
                    tx.save(&mut row, None, Timestamp(1))
                })
                .unwrap();
        }
    }
}
