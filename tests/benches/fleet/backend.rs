//! A fleet over a backend that answers at once.
#![expect(
    clippy::result_large_err,
    reason = "the errors are the port's, whose calls box their futures anyway"
)]

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runner::clock::SystemClock;
use runner::engine::{
    Ask, Catalogue, Definition, Draw, Engine, EngineError, Identity, Listing, Owner, Result,
    ScriptFolders,
};
use runner::provider::{
    self, Access, Allocated, CallContext, Command, Direction, Doomed, ErrorKind, ExitStatus, Facts,
    Hook, HookPoint, Instance, Listed, Optional, Provider, ProviderError, Request, SshAccess,
    Stdio,
};
use runner::store::{Durability, Lease, NewInstance, Store, StoreError};
use runner_core::id::{SourceName, Timestamp, Token};
use runner_core::instance::Event;
use runner_core::policy::{Limit, Policy, Tag};

/// What clients ask for.
pub(super) fn ask(count: u32) -> Ask {
    Ask {
        count,
        ..Ask::default()
    }
}

/// Books in a directory, with one source `fleet`.
pub(super) struct Fleet {
    directory: PathBuf,
    policy: Policy,
}

/// One client, as a process would be one.
pub(super) struct Client {
    pub(super) engine: Engine,
    pub(super) draw: Draw,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

fn source() -> SourceName {
    SourceName::new("fleet").unwrap()
}

impl Fleet {
    pub(super) fn new(directory: &Path, instances: u32) -> Self {
        Self {
            directory: directory.to_owned(),
            policy: Policy {
                maximum: Limit::At(instances),
                reserve: instances,
                ..Policy::default()
            },
        }
    }

    pub(super) fn store(&self) -> Store {
        Store::open(&self.directory).unwrap()
    }

    pub(super) fn client(&self) -> Client {
        let definition = definition(self.policy);
        let engine = Engine::new(
            Arc::new(self.store()),
            Arc::new(Single(definition.clone())),
            Arc::new(SystemClock),
            Identity {
                owner: owner(),
                script_of: None,
            },
            self.directory.join("work"),
            PathBuf::from("runner"),
        );
        Client {
            engine,
            draw: Draw {
                asked: Some(source()),
                pool: None,
                sources: vec![definition],
                tags: Vec::new(),
                weights: vec![0],
                custom: false,
            },
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    /// Puts idle instances into the books.
    pub(super) fn fill(&self, count: u32) {
        let store = self.store();
        let worker = store.workers().own(|| *b"the fill").unwrap().id().clone();
        let body = serde_json::to_string(&definition(self.policy)).unwrap();
        store
            .write::<_, StoreError>(Durability::Full, |tx| {
                let definition = tx.keep_definition(&source(), "shape", &body)?;
                for number in 0..count {
                    let mut row = tx.insert_intent(NewInstance {
                        asked: &source(),
                        source: &source(),
                        definition,
                        token: Token::from_bytes(u128::from(number).to_be_bytes()),
                        workdir: None,
                        worker: &worker,
                        ticket: None,
                        now: Timestamp(1),
                    })?;
                    row.handle = Some(format!("m{number}"));
                    tx.save(&mut row, Some(Event::Allocated), Timestamp(1))?;
                    row.worker = None;
                    tx.save(&mut row, Some(Event::Provisioned), Timestamp(1))?;
                }
                Ok(())
            })
            .unwrap();
    }

    /// Everything but the first is leased, by somebody who is not there any more.
    pub(super) fn lease_all_but_one(&self) {
        let store = self.store();
        let owner = serde_json::to_string(&owner()).unwrap();
        store
            .write::<_, StoreError>(Durability::Full, |tx| {
                for mut row in tx.live_instances(None)?.into_iter().skip(1) {
                    row.lease = Some(Lease {
                        owner: owner.clone(),
                        since: Timestamp(1),
                        confirmed: true,
                        fence: tx.next_fence()?,
                        ttl: None,
                        expires_at: None,
                        holder: None,
                    });
                    tx.save(&mut row, Some(Event::Assigned), Timestamp(2))?;
                }
                Ok(())
            })
            .unwrap();
    }
}

fn owner() -> Owner {
    Owner {
        user: "bench".into(),
        host: "here".into(),
        pid: 1,
        label: None,
    }
}

fn definition(policy: Policy) -> Definition {
    Definition {
        source: source(),
        policy,
        tags: Vec::new(),
        check_command: None,
        label: "`bench` 1".into(),
        component: String::new(),
        shape: "shape".into(),
        workdir: false,
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

/// A catalogue of one source.
struct Single(Definition);

impl Catalogue for Single {
    fn provider(&self, _definition: &Definition) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(AtOnce))
    }

    fn ssh(
        &self,
        _definition: &Definition,
        _token: &Token,
        _access: &SshAccess,
    ) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(AtOnce))
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

    fn current(&self, _source: &SourceName) -> Result<Option<(Policy, String)>> {
        Ok(Some((self.0.policy, self.0.shape.clone())))
    }

    fn definition(&self, source: &SourceName) -> Result<Definition> {
        if *source == self.0.source {
            Ok(self.0.clone())
        } else {
            Err(EngineError::unknown_source(source))
        }
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
        Ok(Vec::new())
    }
}

/// The backend.
struct AtOnce;

fn unsupported<T>() -> provider::Result<T> {
    Err(ProviderError {
        kind: ErrorKind::Unsupported,
        message: "not in this bench".into(),
        remedy: None,
        context: CallContext::default(),
        guest_log: Vec::new(),
        untouched: false,
    })
}

#[async_trait]
impl Provider for AtOnce {
    fn optional(&self) -> Optional {
        Optional::default()
    }

    async fn allocate(&self, request: &Request) -> provider::Result<Allocated> {
        Ok(Allocated {
            handle: request.token.to_string(),
            access: Access::Plugin,
            attributes: Vec::new(),
        })
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
        unsupported()
    }

    async fn discard(&self, _doomed: &Doomed) -> provider::Result<()> {
        Ok(())
    }

    async fn check(&self, _instance: &Instance) -> provider::Result<()> {
        Ok(())
    }

    async fn list(&self) -> provider::Result<Vec<Listed>> {
        unsupported()
    }

    async fn probe(&self, _instance: &Instance) -> provider::Result<Facts> {
        unsupported()
    }

    async fn reboot(&self, _instance: &Instance) -> provider::Result<()> {
        unsupported()
    }

    async fn signal(
        &self,
        _instance: &Instance,
        _command_id: &str,
        _signal: u8,
    ) -> provider::Result<()> {
        unsupported()
    }

    async fn clean(&self, _instance: &Instance) -> provider::Result<()> {
        unsupported()
    }
}
