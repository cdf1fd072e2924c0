//! Machines that exist already. Allocating one means to pick it from the list and to see that it answers; the host then
//! runs commands by OpenSSH with no plugin on the way. Discarding leaves the machine as it is.

use runner_sdk::{
    Allocated, Command, Context, Doomed, Error, ExitStatus, Facts, Instance, Liveness, Probe,
    Provider, Request, Result, SshTarget, Stdio, log, ssh,
};

struct Ssh;

/// As in `plugin.json`, which documents each key.
#[derive(serde::Deserialize)]
struct Config {
    #[serde(default)]
    hosts: Vec<String>,
    ssh_host: Option<String>,
}

impl Provider for Ssh {
    type Config = Config;

    fn allocate(ctx: &Context<Config>, request: &Request) -> Result<Allocated> {
        let targets = targets(&ctx.config)?;
        let slot = usize::try_from(request.slot).unwrap_or(usize::MAX);
        let Some(target) = targets.get(slot) else {
            return Err(Error::exhausted(format!(
                "source `{}` has {} hosts, and all are in use",
                ctx.source,
                targets.len()
            )));
        };
        answers(target)?;
        Ok(Allocated::new(target.to_string())
            .by_ssh(target.clone())
            .attribute("host", target.to_string()))
    }

    // The host does this itself for instances reached by ssh; here for callers that do not.
    fn run(
        _: &Context<Config>,
        instance: &Instance,
        command: Command,
        io: Stdio,
    ) -> Result<ExitStatus> {
        ssh::exec(&instance.handle.parse()?, command, io)
    }

    fn discard(_: &Context<Config>, doomed: &Doomed) -> Result<()> {
        // Without a handle nothing was ever connected that would not close by itself.
        if let Some(handle) = &doomed.handle
            && let Err(error) = ssh::disconnect(&handle.parse()?)
        {
            log::warn(format!("the connection to `{handle}` stays open: {error}"));
        }
        Ok(())
    }
}

impl Liveness for Ssh {
    fn check(_: &Context<Config>, instance: &Instance) -> Result<()> {
        answers(&instance.handle.parse()?)
    }
}

impl Probe for Ssh {
    fn probe(_: &Context<Config>, instance: &Instance) -> Result<Facts> {
        let target: SshTarget = instance.handle.parse()?;
        let printed = ssh::output(&target, ["sh", "-c", Facts::SCRIPT])?.success()?;
        let mut facts = Facts::measured(&printed.stdout);
        // A name may be an alias, or behind a jump host: only an address is known to be one.
        if target.host.parse::<std::net::IpAddr>().is_ok() {
            facts.address = Some(target.host);
        }
        Ok(facts)
    }
}

/// The configured machines, in their order.
fn targets(config: &Config) -> Result<Vec<SshTarget>> {
    let texts: Vec<&String> = match (&config.hosts[..], &config.ssh_host) {
        ([], None) => {
            return Err(Error::invalid("no machine is configured")
                .remedy("set `hosts = [\"user@host:port\", …]`"));
        }
        ([], Some(host)) => vec![host],
        (hosts, None) => hosts.iter().collect(),
        (_, Some(_)) => {
            return Err(
                Error::invalid("`hosts` and `ssh_host` are both set").remedy("keep `hosts`")
            );
        }
    };
    let mut targets: Vec<SshTarget> = Vec::new();
    for text in texts {
        let target = text.parse()?;
        if targets.contains(&target) {
            return Err(Error::invalid(format!("`hosts` has `{target}` twice"))
                .remedy("a machine can be one instance only; raise `concurrency` to run more on it at once"));
        }
        targets.push(target);
    }
    Ok(targets)
}

/// The machine takes commands.
fn answers(target: &SshTarget) -> Result<()> {
    let answer = ssh::output(target, ["true"])?;
    if answer.status.success() {
        return Ok(());
    }
    Err(answer
        .failure()
        .remedy(format!("see what `ssh {target} true` says in a terminal")))
}

runner_sdk::provider!(Ssh, manifest = "plugin.json", optional = [liveness, facts]);

#[cfg(test)]
mod tests {
    use super::*;

    fn config(hosts: &[&str], ssh_host: Option<&str>) -> Config {
        Config {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            ssh_host: ssh_host.map(str::to_owned),
        }
    }

    #[test]
    fn hosts_keep_their_order_and_ssh_host_is_one() {
        let names = |config: &Config| -> Vec<String> {
            let found = targets(config).unwrap();
            found.iter().map(SshTarget::to_string).collect()
        };
        assert_eq!(names(&config(&["b", "me@a:7"], None)), ["b", "me@a:7"]);
        assert_eq!(names(&config(&[], Some("a"))), ["a"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for config in [
            config(&[], None),
            config(&["a"], Some("b")),
            config(&["a", "b", "a"], None),
            config(&["::1", "[::1]"], None),
            config(&["-oProxyCommand=x"], None),
        ] {
            assert_eq!(
                targets(&config).unwrap_err().kind,
                runner_sdk::ErrorKind::Invalid
            );
        }
    }
}
