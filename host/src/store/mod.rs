//! The only SQL: schema, migrations, compare-and-set transitions, operation log.
//!
//! Everything happens in short transactions on the calling thread; none can contain a provider call, because the
//! closures that run inside them are synchronous. What is committed with [`Durability::Full`] survives power loss.
//! Writers queue for a file lock in front of SQLite's own, so that many processes wait their turn instead of failing;
//! nothing is held between transactions.

mod canaries;
mod deadlines;
mod definitions;
mod error;
mod events;
mod grants;
mod health;
mod instances;
mod kept;
mod lock;
mod lookup;
mod metrics;
mod migrations;
mod open;
mod operations;
mod orphans;
mod prune;
mod record_queries;
mod records;
mod shelves;
mod snapshot;
mod tickets;
mod uses;
mod workers;
mod world;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, TransactionBehavior};

pub use canaries::{CanaryRow, CanaryState, NewCanary};
pub use definitions::DefinitionRow;
pub use error::StoreError;
pub use events::{EventFilter, EventRow, NewEvent};
pub use grants::GrantRow;
pub use health::HealthRow;
pub use instances::{InstanceRow, Lease, NewInstance};
pub use kept::{Bounds, Kept};
pub use metrics::Metric;
pub use operations::{Operation, OperationFilter, OperationId, OperationRow};
pub use orphans::OrphanRow;
pub use record_queries::{
    RecordAttachment, RecordFilter, RecordResult, RecordRow, RecordTask, TaskHistory,
};
pub use records::{NewAttachment, NewRecord, NewResult, NewTask, RecordId, TaskEnd};
pub use shelves::ShelfRow;
pub use tickets::{NewTicket, TicketRow, TicketSource, TicketState};
pub use uses::UseRow;
pub use workers::{Worker, WorkerId, Workers};
pub use world::{Class, Loaded, PoolQuery, SourceQuery, WorldQuery};

/// The answer of every call.
pub type Result<T> = std::result::Result<T, StoreError>;

/// How far a commit must have come before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On the disk: survives power loss.
    Full,
    /// In the file: survives the death of every process, not of the machine. For what means nothing after a reboot.
    Process,
}

/// The state database and what lies beside it.
pub struct Store {
    connection: Mutex<Connection>,
    /// What the connection was told last; 0: nothing yet.
    synchronous: AtomicU8,
    queue: lock::Queue,
    directory: PathBuf,
    workers: Workers,
}

impl Store {
    /// Opens or creates the database in this directory.
    pub fn open(directory: &Path) -> Result<Self> {
        let connection = open::open(directory)?;
        let workers = Workers::new(directory.join("workers"));
        Ok(Self {
            connection: Mutex::new(connection),
            synchronous: AtomicU8::new(0),
            queue: lock::Queue::new(directory),
            directory: directory.to_owned(),
            workers,
        })
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The processes that work with this database.
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Runs `work` in a write transaction: all of it happens, or nothing.
    pub fn write<T, E: From<StoreError>>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Tx<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let mut connection = self.connection();
        let turn = self.queue.turn()?;
        self.synchronise(&connection, durability)?;
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::from)?;
        let tx = Tx {
            connection: &transaction,
        };
        let answer = work(&tx)?;
        transaction.commit().map_err(StoreError::from)?;
        drop(turn);
        Ok(answer)
    }

    /// Runs `work` on one consistent view of the database.
    pub fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let mut connection = self.connection();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Deferred)
            .map_err(StoreError::from)?;
        work(&Tx {
            connection: &transaction,
        })
    }

    /// Sets how far commits must come, where that is not what the last one had.
    fn synchronise(&self, connection: &Connection, durability: Durability) -> Result<()> {
        let (word, number) = match durability {
            Durability::Full => ("FULL", 2),
            Durability::Process => ("NORMAL", 1),
        };
        if self.synchronous.swap(number, Ordering::Relaxed) != number {
            connection.pragma_update(None, "synchronous", word)?;
        }
        Ok(())
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a transaction rolled it back: the connection is as good as before.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open transaction. Its methods are in the files named for what they store.
pub struct Tx<'store> {
    connection: &'store Connection,
}

#[cfg(test)]
mod tests;
