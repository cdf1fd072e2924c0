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
        let workdir = directory(request.workdir.as_deref())?;
        Ok(Allocated::new(&request.token).attribute("directory", workdir))
    }

    fn run(
        _: &Context<Config>,
        instance: &Instance,
        mut command: Command,
        io: Stdio,
    ) -> Result<ExitStatus> {
        let workdir = directory(instance.workdir.as_deref())?;
        command.cwd = Some(inside(workdir, command.cwd.as_deref()));
        process::exec(command, io)
    }

    // The host removes the directory.
    fn discard(_: &Context<Config>, _: &Doomed) -> Result<()> {
        Ok(())
    }
}

impl Liveness for Local {
    fn check(_: &Context<Config>, instance: &Instance) -> Result<()> {
        let workdir = directory(instance.workdir.as_deref())?;
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

/// The instance's directory; the manifest requests it, so a host that gives none is broken.
fn directory(workdir: Option<&str>) -> Result<&str> {
    workdir.ok_or_else(|| Error::invalid("the host gave this instance no working directory"))
}

/// Where to start: what the caller says, seen from the instance's directory.
fn inside(workdir: &str, cwd: Option<&[u8]>) -> Vec<u8> {
    match cwd {
        None => workdir.as_bytes().to_vec(),
        Some(absolute @ [b'/', ..]) => absolute.to_vec(),
        Some(relative) => [workdir.as_bytes(), b"/", relative].concat(),
    }
}

runner_sdk::provider!(
    Local,
    manifest = "plugin.json",
    optional = [liveness, facts]
);

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn the_caller_starts_in_the_instances_directory() {
        assert_eq!(inside("/w", None), b"/w");
        assert_eq!(inside("/w", Some(b"a\xff")), b"/w/a\xff");
        assert_eq!(inside("/w", Some(b"/etc")), b"/etc");
    }
}
