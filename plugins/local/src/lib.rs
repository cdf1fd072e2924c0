//! Commands on this machine, each instance in a directory of its own. Nothing isolates them: that is what `chroot` and
//! `container` are for.

use runner_sdk::{
    Allocated, Command, Context, Doomed, Error, ExitStatus, Facts, Instance, Liveness, Probe,
    Provider, Request, Result, Stdio, process,
};

struct Local;

/// There is nothing to configure.
#[derive(serde::Deserialize)]
struct Config {}

impl Provider for Local {
    type Config = Config;

    // Starts no program: this is in the way of every `runner exec`.
    fn allocate(_: &Context<Config>, request: &Request) -> Result<Allocated> {
        Ok(Allocated::new(&request.token).attribute("directory", request.workdir()?))
    }

    fn run(
        _: &Context<Config>,
        instance: &Instance,
        command: Command,
        io: Stdio,
    ) -> Result<ExitStatus> {
        process::exec(command.starting_in(instance.workdir()?), io)
    }

    // The host removes the directory.
    fn discard(_: &Context<Config>, _: &Doomed) -> Result<()> {
        Ok(())
    }
}

impl Liveness for Local {
    fn check(_: &Context<Config>, instance: &Instance) -> Result<()> {
        let workdir = instance.workdir()?;
        if process::output(["test", "-d", workdir])?.status.success() {
            Ok(())
        } else {
            Err(Error::gone(format!(
                "its directory `{workdir}` is not there"
            )))
        }
    }
}

impl Probe for Local {
    fn probe(_: &Context<Config>, _: &Instance) -> Result<Facts> {
        let printed = process::output(["sh", "-c", Facts::SCRIPT])?.success()?;
        Ok(Facts::measured(&printed.stdout))
    }
}

runner_sdk::provider!(
    Local,
    manifest = "plugin.json",
    optional = [liveness, facts]
);
