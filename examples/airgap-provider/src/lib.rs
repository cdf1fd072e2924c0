//! Run this without network: each instance is a directory of its own, and its commands see no
//! network but loopback. For root and for ordinary users.
#![forbid(unsafe_code)]

use runner_sdk::prelude::*;

struct Airgap;

#[derive(serde::Deserialize)]
struct Config {
    loopback: bool,
}

type Ctx = Context<Config>;

/// A user namespace gives everybody the right to a network namespace.
const UNSHARE: &str = "unshare --user --map-current-user --keep-caps --net --";

impl Provider for Airgap {
    type Config = Config;

    fn allocate(_: &Ctx, request: &Request) -> Result<Allocated> {
        let tried = process::output(Command::new("true").wrapped_in(UNSHARE.split(' ')))?;
        if !tried.status.success() {
            return Err(Error::denied(tried.complaint()).remedy("allow user namespaces"));
        }
        Ok(Allocated::new(&request.token))
    }

    fn run(ctx: &Ctx, instance: &Instance, command: Command, io: Stdio) -> Result<ExitStatus> {
        let mut command = command.starting_in(instance.workdir()?);
        if ctx.config.loopback {
            command = command.wrapped_in(["sh", "-c", "ip link set lo up; exec \"$@\"", "sh"]);
        }
        process::exec(command.wrapped_in(UNSHARE.split(' ')), io)
    }

    fn discard(_: &Ctx, _: &Doomed) -> Result<()> {
        Ok(()) // The host removes the directory, and nothing else is left.
    }
}

runner_sdk::provider!(Airgap, manifest = "plugin.json");
