//! new-plugin: commands on this machine, each instance in a directory of its own, giving way to everything else.
//!
//! Replace `nice` and the directory by your backend. What the calls mean, what the host promises and what it expects stands
//! in `vendor/runner-sdk/wit/*.wit`.
#![forbid(unsafe_code)]

use runner_sdk::Liveness;
use runner_sdk::prelude::*;

struct Plugin;

/// The keys of `plugin.json`'s schema.
#[derive(serde::Deserialize)]
struct Config {
    niceness: u8,
}

impl Provider for Plugin {
    type Config = Config;

    // What is made here must carry the token from the moment it exists: it is how `discard` finds it after a crash.
    fn allocate(_: &Context<Config>, request: &Request) -> Result<Allocated> {
        Ok(Allocated::new(&request.token).attribute("directory", request.workdir()?))
    }

    fn run(
        ctx: &Context<Config>,
        instance: &Instance,
        command: Command,
        io: Stdio,
    ) -> Result<ExitStatus> {
        let command = command.starting_in(instance.workdir()?);
        process::exec(command.wrapped_in(nice(&ctx.config)), io)
    }

    // Success means: nothing with this token exists any more. Here, the host removes the directory.
    fn discard(_: &Context<Config>, _: &Doomed) -> Result<()> {
        Ok(())
    }
}

impl Liveness for Plugin {
    fn check(_: &Context<Config>, instance: &Instance) -> Result<()> {
        let directory = instance.workdir()?;
        if process::output(["test", "-d", directory])?.status.success() {
            return Ok(());
        }
        Err(Error::gone(format!(
            "its directory `{directory}` is not there"
        )))
    }
}

/// What stands in front of each command.
fn nice(config: &Config) -> [String; 4] {
    [
        "nice".into(),
        "-n".into(),
        config.niceness.to_string(),
        "--".into(),
    ]
}

runner_sdk::provider!(Plugin, manifest = "plugin.json", optional = [liveness]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_give_way_as_configured() {
        assert_eq!(nice(&Config { niceness: 5 }), ["nice", "-n", "5", "--"]);
    }
}
