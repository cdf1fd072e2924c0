//! The trait of a provider, and a small one for each optional interface.
//!
//! There is no `self`: each call gets a fresh store, so a plugin keeps nothing in memory. What must survive is the
//! handle. Each call may be repeated, and may run at the same time as others for the same source.

use serde::de::DeserializeOwned;

use crate::{
    Allocated, Command, Context, Direction, Doomed, Entry, Error, ExitStatus, Facts, Instance,
    Request, Result, Stdio,
};

/// What every provider does. Export it with [`crate::provider!`].
pub trait Provider {
    /// The plugin's own configuration keys. `serde::Deserialize` on a struct whose fields are the properties of the
    /// manifest's schema; `serde::de::IgnoredAny` when there are none.
    type Config: DeserializeOwned;

    /// Makes one instance, and answers when it can take commands. Called by `acquire`, after the intent with
    /// its token is on disk. When it fails, or the answer is lost, the host calls `discard` with the token.
    fn allocate(ctx: &Context<Self::Config>, request: &Request) -> Result<Allocated>;

    /// Runs a command on an instance, connected to `io`. Usually `process::exec(command.wrapped_in([…]), io)`.
    /// Not called for instances whose access is `ssh`.
    fn run(
        ctx: &Context<Self::Config>,
        instance: &Instance,
        command: Command,
        io: Stdio,
    ) -> Result<ExitStatus>;

    /// Destroys whatever carries the token. Idempotent: success, or `gone`, when there is nothing. Repeated by the
    /// host until it is confirmed, so it must not answer success while anything is left that costs.
    fn discard(ctx: &Context<Self::Config>, doomed: &Doomed) -> Result<()>;

    /// Moves a tar stream. Left out, the host uses `tar` over `run`.
    fn copy(
        _ctx: &Context<Self::Config>,
        _instance: &Instance,
        _direction: Direction,
        _io: Stdio,
    ) -> Result<()> {
        Err(Error::unsupported("the host copies with tar over `run`"))
    }
}

/// Optional (`liveness`): is the instance alive? Called while it is idle or leased, never in the way of a command.
pub trait Liveness: Provider {
    /// Success: it can take commands. `gone`: it no longer exists. Any other error: the check failed.
    fn check(ctx: &Context<Self::Config>, instance: &Instance) -> Result<()>;
}

/// Optional (`inventory`): what exists at the backend. Used to find what a crash left behind.
pub trait Inventory: Provider {
    /// Everything that carries an allocation token of this source's, complete or an error, never a part.
    fn list(ctx: &Context<Self::Config>) -> Result<Vec<Entry>>;
}

/// Optional (`facts`): measured, never guessed.
pub trait Probe: Provider {
    /// Each field is none when it is not known.
    fn probe(ctx: &Context<Self::Config>, instance: &Instance) -> Result<Facts>;
}

/// Optional (`power`).
pub trait Power: Provider {
    /// Reboots the instance and answers when it can take commands again.
    fn reboot(ctx: &Context<Self::Config>, instance: &Instance) -> Result<()>;
}

/// Optional (`reuse`): making an instance fit for its next holder.
pub trait Reuse: Provider {
    /// Called between two holders. An error means that the instance cannot be used again: the host discards it.
    fn clean(ctx: &Context<Self::Config>, instance: &Instance) -> Result<()>;
}

/// Optional (`signals`): for backends where a signal to the program that `run` started does not reach the command.
pub trait Signals: Provider {
    /// Sends `signal` (its number on Linux) to the command with this id ([`Command::id`]). Success when it has
    /// already ended.
    fn send(ctx: &Context<Self::Config>, instance: &Instance, id: &str, signal: u8) -> Result<()>;
}
