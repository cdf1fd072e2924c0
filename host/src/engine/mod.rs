//! The verbs: load, plan, record the intent, call, record the outcome.
//!
//! The engine sees backends through the port (`provider`), facts through the `store`, and configuration through
//! the [`Catalogue`]; it never sees wasmtime, SQL or a configuration file, and it prints nothing. No transaction is open
//! while a provider is called. Restart is not special: what a dead process left behind is picked up by
//! [`Engine::repair`], which every verb that changes things runs first.

mod access;
mod acquire;
mod attributes;
mod canary;
mod catalogue;
mod clock;
mod copy;
mod discard;
mod error;
mod facts;
pub mod fault;
mod grow;
mod handover;
mod hooks;
mod knowledge;
mod lease;
mod loose;
mod machine;
mod measures;
mod news;
mod orphans;
mod outcome;
mod provision;
mod release;
mod repair;
mod round;
mod route;
mod run;
mod scripts;
mod serve;
mod server;
mod shelves;
mod status;
mod tickets;
mod types;
mod uncertain;
mod wait;
mod watchdog;
mod why;
mod why_source;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runner_core::id::{InstanceName, SourceName, Timestamp, Token};

pub use crate::store::{EventFilter, OperationFilter};
pub use acquire::Acquired;
pub use attributes::attributes_of;
pub use canary::{CanaryStatus, Side, Try};
pub use catalogue::{Catalogue, Listing};
pub use copy::CopySummary;
pub use error::{EngineError, FailureKind};
pub use loose::LooseEnd;
pub use machine::{Machine, Rebooting};
pub use measures::{Measures, Waiting};
pub use news::{News, Rung};
pub use orphans::Orphan;
pub use provision::chain;
pub use release::Destination;
pub use repair::RepairReport;
pub use route::{Routed, Routing};
pub use scripts::{SCRIPT_OF, ScriptFolders};
pub use serve::{Order, ServeOptions};
pub use server::Serving;
pub use shelves::{DEFAULT_CAPACITY, ShelfChange, ShelfStatus};
pub use tickets::{HeldInstance, TicketStatus};
pub use types::*;
pub use watchdog::Finding;
pub use why::{Considered, Explained, Happened};

use crate::clock::Clock;
use crate::provider::{Access, Instance, Provider};
use crate::store::{
    DefinitionRow, InstanceRow, OperationId, Store, StoreError, Tx, Worker, WorkerId,
};

/// The answer of every verb.
pub type Result<T> = std::result::Result<T, EngineError>;

/// Who runs this process, and what it may do without a lease.
#[derive(Clone, Debug)]
pub struct Identity {
    pub owner: Owner,
    /// Set for the scripts of an instance: the token that lets them use it while it is not leased.
    pub script_of: Option<Token>,
}

/// Everything the verbs work with. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Parts>);

struct Parts {
    store: Arc<Store>,
    catalogue: Arc<dyn Catalogue>,
    clock: Arc<dyn Clock>,
    identity: Identity,
    /// Where instances have their directories.
    work: PathBuf,
    /// This program, for scripts.
    program: PathBuf,
    /// The sources that were said to be unusable: once is enough.
    told: Mutex<HashSet<SourceName>>,
    definitions: Mutex<HashMap<i64, Arc<Definition>>>,
    asked: uncertain::Asked,
}

impl Engine {
    /// An engine over these parts. `work` is where instances have their directories, `program` the path of `runner` that
    /// scripts are told.
    pub fn new(
        store: Arc<Store>,
        catalogue: Arc<dyn Catalogue>,
        clock: Arc<dyn Clock>,
        identity: Identity,
        work: PathBuf,
        program: PathBuf,
    ) -> Self {
        Self(Arc::new(Parts {
            store,
            catalogue,
            clock,
            identity,
            work,
            program,
            told: Mutex::default(),
            definitions: Mutex::default(),
            asked: uncertain::Asked::default(),
        }))
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn catalogue(&self) -> &dyn Catalogue {
        &*self.0.catalogue
    }

    /// This process, registered with the store.
    fn worker(&self) -> Result<&Worker> {
        let mut random = Ok([0; 8]);
        let worker = self.store().workers().own(|| {
            random = random_bytes();
            *random.as_ref().unwrap_or(&[0; 8])
        })?;
        random?;
        Ok(worker)
    }

    /// The name of this process in the books.
    pub fn worker_id(&self) -> Result<WorkerId> {
        Ok(self.worker()?.id().clone())
    }

    /// Who we are, as the books have it.
    pub fn owner_json(&self) -> String {
        // A struct of three plain fields always serialises.
        serde_json::to_string(&self.0.identity.owner).unwrap_or_default()
    }

    /// The instance with this name, or the error that there is none. Discarded ones count as unknown here.
    fn find(&self, name: &InstanceName) -> Result<InstanceRow> {
        let row = self.store().read(|tx| tx.instance(name))?;
        row.filter(|row| row.state.is_live())
            .ok_or_else(|| EngineError::unknown_instance(name))
    }

    /// What a row was made by.
    fn definition(&self, row: &InstanceRow) -> Result<Arc<Definition>> {
        if let Some(known) = self.known_definitions().get(&row.definition) {
            return Ok(Arc::clone(known));
        }
        self.store().read(|tx| self.definition_in(tx, row))
    }

    /// The same inside of a transaction.
    fn definition_in(&self, tx: &Tx<'_>, row: &InstanceRow) -> Result<Arc<Definition>> {
        if let Some(known) = self.known_definitions().get(&row.definition) {
            return Ok(Arc::clone(known));
        }
        let definition = Arc::new(parse_definition(&tx.definition(row.definition)?)?);
        self.known_definitions()
            .insert(row.definition, Arc::clone(&definition));
        Ok(definition)
    }

    /// What stands behind a key never changes, so it is read once.
    fn known_definitions(&self) -> MutexGuard<'_, HashMap<i64, Arc<Definition>>> {
        self.0
            .definitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What drives a live instance, and the instance as it wants to see it.
    fn reach(
        &self,
        row: &InstanceRow,
        definition: &Definition,
    ) -> Result<(Arc<dyn Provider>, Instance)> {
        let access: Access = match &row.access {
            None => Access::Plugin,
            Some(json) => parse(json, "access")?,
        };
        let provider = match access {
            Access::Plugin => self.catalogue().provider(definition)?,
            Access::Ssh(access) => self.catalogue().ssh(definition, &row.token, &access)?,
        };
        Ok((provider, instance_of(row)))
    }

    /// Notes the beginning of an operation, as part of a transaction.
    fn begin(
        &self,
        tx: &Tx<'_>,
        verb: &str,
        row: &InstanceRow,
        detail: Option<&str>,
    ) -> Result<OperationId> {
        let id = tx.begin_operation(&crate::store::Operation {
            verb,
            instance: Some(&row.name),
            source: Some(&row.source),
            owner: &self.owner_json(),
            worker: self.worker()?.id(),
            detail,
            now: self.now(),
        })?;
        Ok(id)
    }

    /// Notes how an operation ended. The operation itself is over: a failure to note it is only logged.
    fn end(&self, id: OperationId, outcome: &std::result::Result<(), String>) {
        let (word, detail) = match outcome {
            Ok(()) => ("ok", None),
            Err(reason) => ("failed", Some(reason.as_str())),
        };
        let uses = self.catalogue().take_uses();
        let noted = self
            .store()
            .write::<_, StoreError>(crate::store::Durability::Process, |tx| {
                for used in &uses {
                    tx.add_use(used)?;
                }
                tx.end_operation(id, word, detail, self.now())
            });
        if let Err(error) = noted {
            tracing::warn!(%error, "cannot note the end of operation {}", id.0);
        }
    }
}

/// Random bytes from the system.
fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        EngineError::new(FailureKind::Io, "the system gives no random numbers").because(error)
    })?;
    Ok(bytes)
}

fn parse<T: serde::de::DeserializeOwned>(json: &str, what: &'static str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| {
        EngineError::new(
            FailureKind::State,
            format!("the state database holds a damaged {what}"),
        )
        .because(error)
    })
}

/// A definition as the books have it.
pub fn stored_definition(stored: &DefinitionRow) -> Result<Definition> {
    parse_definition(stored)
}

fn parse_definition(stored: &DefinitionRow) -> Result<Definition> {
    parse(&stored.body, "definition")
}

fn instance_of(row: &InstanceRow) -> Instance {
    Instance {
        handle: row.handle.clone().unwrap_or_default(),
        token: row.token.clone(),
        name: row.name.clone(),
        workdir: row.workdir.clone(),
    }
}

#[cfg(test)]
mod tests;
