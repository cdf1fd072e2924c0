//! Makes the calls of a cassette again, one after the other, of a provider that a `Player` answers.

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;

use serde_json::Value;

use super::Recorded;
use crate::provider::wire::{Wire as _, field};
use crate::provider::{Command, Direction, Doomed, Instance, Provider, Request, Stdio};

/// A recorded call that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("call {call} (`{verb}`) of the cassette cannot be made again: {why}")]
pub struct NotRepeatable {
    pub call: u64,
    pub verb: String,
    pub why: String,
}

/// Makes one call. What it answers is the player's to compare.
pub async fn repeat(provider: &dyn Provider, call: &Recorded) -> Result<(), NotRepeatable> {
    let again = again(provider, &call.verb, &call.args).await;
    again.map_err(|why| NotRepeatable {
        call: call.call,
        verb: call.verb.clone(),
        why,
    })
}

async fn again(provider: &dyn Provider, verb: &str, args: &Value) -> Result<(), String> {
    let instance = || Instance::from_json(args);
    match verb {
        "allocate" => drop(provider.allocate(&Request::from_json(args)?).await),
        "discard" => drop(provider.discard(&Doomed::from_json(args)?).await),
        "check" => drop(provider.check(&instance()?).await),
        "list" => drop(provider.list().await),
        "probe" => drop(provider.probe(&instance()?).await),
        "reboot" => drop(provider.reboot(&instance()?).await),
        "clean" => drop(provider.clean(&instance()?).await),
        "run" => {
            let instance: Instance = field(args, "instance")?;
            let command: Command = field(args, "command")?;
            drop(provider.run(&instance, &command, nowhere()?).await);
        }
        "copy" => {
            let instance: Instance = field(args, "instance")?;
            let direction: Direction = field(args, "direction")?;
            drop(provider.copy(&instance, &direction, nowhere()?).await);
        }
        "signal" => {
            let instance: Instance = field(args, "instance")?;
            let command: String = field(args, "command")?;
            let signal: u16 = field(args, "signal")?;
            let signal = u8::try_from(signal).map_err(|error| error.to_string())?;
            drop(provider.signal(&instance, &command, signal).await);
        }
        other => return Err(format!("`{other}` is no call of a provider")),
    }
    Ok(())
}

/// Streams that hold nothing and take everything: what passed on them is the player's to answer and to compare.
fn nowhere() -> Result<Stdio, String> {
    let open = || -> std::io::Result<OwnedFd> {
        let null = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")?;
        Ok(null.into())
    };
    let (stdin, stdout, stderr) = (open(), open(), open());
    let broken = |error: std::io::Error| format!("cannot open `/dev/null`: {error}");
    Ok(Stdio::apart(
        stdin.map_err(broken)?,
        stdout.map_err(broken)?,
        stderr.map_err(broken)?,
    ))
}
