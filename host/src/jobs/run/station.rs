//! A machine as a worker has it: leased, with a script server on it that is started when it is needed.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Acquired, Machine};
use crate::jobs::events::WorkerNumber;
use crate::jobs::reuse::Entry;
use crate::jobs::server::{self, ScriptServer, ServerError, Shell};

/// See the module.
pub(super) struct Station {
    pub(super) worker: WorkerNumber,
    /// `BACKEND:SYSTEM`.
    pub(super) system: String,
    /// The machine's label in logs.
    pub(super) label: String,
    pub(super) machine: Arc<Machine>,
    pub(super) login: server::Login,
    /// Not confirmed: should this process die, the next command of anybody's takes the machine back. None: a machine that
    /// was kept before.
    pub(super) lease: Option<Acquired>,
    /// How the reuse file describes it.
    pub(super) entry: Entry,
    pub(super) address: String,
    /// Whose files are where the project belongs.
    pub(super) tree: Tree,
    /// Not everything that was run on it was restored.
    pub(super) unrestored: bool,
    /// What paths of the project begin with here: empty, or the directory that the machine is.
    pub(super) root: String,
    server: Option<ScriptServer>,
    /// Renews the lease for as long as the station is there.
    keeping: tokio::task::JoinHandle<()>,
}

/// What lies on a machine in the place of the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    /// Nothing that we know of.
    Nothing,
    /// What a run sent.
    Ours,
    /// Something that was there before.
    Foreign,
}

/// Parts of a station that its maker knows.
pub(super) struct Found {
    pub(super) worker: WorkerNumber,
    pub(super) system: String,
    pub(super) label: String,
    pub(super) machine: Machine,
    pub(super) login: server::Login,
    pub(super) lease: Option<Acquired>,
    pub(super) entry: Entry,
    pub(super) address: String,
}

impl Station {
    pub(super) fn new(found: Found) -> Self {
        let machine = Arc::new(found.machine);
        let kept = Arc::clone(&machine);
        Self {
            worker: found.worker,
            system: found.system,
            label: found.label,
            login: found.login,
            lease: found.lease,
            entry: found.entry,
            address: found.address,
            tree: Tree::Nothing,
            unrestored: false,
            root: machine.directory().unwrap_or_default(),
            machine,
            server: None,
            keeping: tokio::spawn(async move { match kept.keep().await {} }),
        }
    }

    /// The script server, started if there is none.
    pub(super) async fn server(&mut self) -> Result<&mut ScriptServer, ServerError> {
        let server = match self.server.take() {
            Some(server) => server,
            None => {
                let shell: Arc<dyn Shell> = Arc::clone(&self.machine) as _;
                ScriptServer::start(shell, self.login).await?
            }
        };
        Ok(self.server.insert(server))
    }

    /// Tries for a while: the machine may still be on its way up. `tell` hears of each attempt in vain.
    pub(super) async fn connect(
        &mut self,
        patience: Duration,
        mut tell: impl FnMut(&ServerError),
    ) -> Result<(), ServerError> {
        let begun = tokio::time::Instant::now();
        let mut pause = Duration::from_millis(200);
        loop {
            let Err(error) = self.server().await else {
                return Ok(());
            };
            // A machine without bash does not get one by waiting, and who may not become root stays as he is.
            let lasting = matches!(error, ServerError::NotBash(_) | ServerError::NotRoot(_));
            if lasting || begun.elapsed() + pause > patience {
                return Err(error);
            }
            tell(&error);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// The server is gone, or is not to be trusted any more: the next script starts another one.
    pub(super) fn drop_server(&mut self) {
        self.server = None;
    }

    /// Ends the server in order, the heartbeat, and with them the machine's operation: what is left on it is known now.
    pub(super) async fn close(mut self) -> (Arc<Machine>, Option<Acquired>, Entry) {
        if let Some(server) = self.server.take() {
            // One that hangs is not waited for: its end of the pipe is closed.
            let _closed = tokio::time::timeout(Duration::from_secs(5), server.close()).await;
        }
        self.keeping.abort();
        self.machine.finish();
        let machine = Arc::clone(&self.machine);
        let lease = self.lease.take();
        let entry = self.entry.clone();
        (machine, lease, entry)
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}
