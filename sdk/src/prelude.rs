//! Everything that a provider usually names: `use runner_sdk::prelude::*;`.

pub use crate::{
    Allocated, Command, Context, Doomed, Error, ExitStatus, Instance, Provider, Request, Result,
    Stdio, log, process,
};
