//! The port between the engine and whatever makes and drives instances.
//!
//! `plugin` implements it for WebAssembly components and `transport` for instances that are reached by ssh; the
//! simulator and the fake in `tests` implement it too. The engine sees nothing else of them. The shapes follow
//! `wit/provider.wit`, which explains each item.

mod error;
mod hook;
mod types;
pub(crate) mod wire;

use async_trait::async_trait;

pub use error::{CallContext, ErrorKind, ProviderError};
pub use hook::{Hook, HookPoint, Occasion, RouteCandidate, RouteRequest, RouteVerdict, Target};
pub use types::{
    Access, Allocated, Arrived, Command, Direction, Doomed, ExitStatus, Facts, Forward, Forwarded,
    HostKeys, Instance, Listed, Optional, Output, Ready, Request, SshAccess, SshKey, SshTarget,
    Stdio,
};

/// The answer of every provider call.
pub type Result<T> = std::result::Result<T, ProviderError>;

/// One source's provider. Every call may be repeated and may run beside others. Dropping the future cancels the call.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Which of the optional calls exist; the others answer `unsupported`.
    fn optional(&self) -> Optional;

    /// Makes an instance.
    async fn allocate(&self, request: &Request) -> Result<Allocated>;

    /// Runs a command connected to `stdio` and waits for it.
    async fn run(&self, instance: &Instance, command: &Command, stdio: Stdio)
    -> Result<ExitStatus>;

    /// Moves a tar stream; `unsupported` means: use `tar` over `run`.
    async fn copy(&self, instance: &Instance, direction: &Direction, stdio: Stdio) -> Result<()>;

    /// Destroys whatever carries the token. Success also when there is nothing.
    async fn discard(&self, doomed: &Doomed) -> Result<()>;

    /// Is it alive?
    async fn check(&self, instance: &Instance) -> Result<()>;

    /// Everything at the backend that carries a token of this source's.
    async fn list(&self) -> Result<Vec<Listed>>;

    /// Measured facts.
    async fn probe(&self, instance: &Instance) -> Result<Facts>;

    /// Reboots, and answers when commands are taken again.
    async fn reboot(&self, instance: &Instance) -> Result<()>;

    /// Sends a signal to the running command with this id.
    async fn signal(&self, instance: &Instance, command_id: &str, signal: u8) -> Result<()>;

    /// Forgets the connection to it, if there is one that outlives commands: the next command opens another.
    async fn disconnect(&self, _instance: &Instance) -> Result<()> {
        Ok(())
    }

    /// Waits until a new instance takes commands, where the host reaches it itself. Answers what was learned on the way.
    async fn ready(&self, _instance: &Instance) -> Result<Ready> {
        Ok(Ready::default())
    }

    /// What is different after each start of the instance's system; none: it does not say.
    async fn boot(&self, _instance: &Instance) -> Result<Option<String>> {
        Ok(None)
    }

    /// Waits until the instance takes commands after another start than this one; answers the new one.
    async fn restarted(&self, _instance: &Instance, _before: &str) -> Result<Option<String>> {
        Ok(None)
    }

    /// Forwards ports to the instance, until the future is dropped.
    async fn forward(
        &self,
        instance: &Instance,
        _forwards: &[Forward],
        _told: &(dyn for<'news> Fn(Forwarded<'news>) + Send + Sync),
    ) -> Result<()> {
        Err(ProviderError {
            kind: ErrorKind::Unsupported,
            message: "ports can only be forwarded to instances that are reached by ssh".to_owned(),
            remedy: None,
            context: CallContext {
                call: "forward",
                instance: Some(instance.name.to_string()),
                ..CallContext::default()
            },
            guest_log: Vec::new(),
            untouched: false,
        })
    }

    /// Makes it fit for the next holder, between two. Only where `optional().reuse` says so; any error means that
    /// it cannot be used again.
    async fn clean(&self, instance: &Instance) -> Result<()> {
        Err(ProviderError {
            kind: ErrorKind::Unsupported,
            message: "instances are not cleaned between two holders".to_owned(),
            remedy: None,
            context: CallContext {
                call: "clean",
                instance: Some(instance.name.to_string()),
                ..CallContext::default()
            },
            guest_log: Vec::new(),
            untouched: false,
        })
    }
}
