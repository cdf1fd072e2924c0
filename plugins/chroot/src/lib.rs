//! A root file system with a layer of its own per instance: overlay, mount, process, host name and IPC namespaces, held
//! by a small process 1. Everything about an instance is in its directory and in that process; a reboot of the
//! machine ends them all.
//!
//! The work is done by the shell scripts beside this file. This one chooses and explains.

use runner_sdk::{
    Allocated, Command, Context, Doomed, Entry, Error, ExitStatus, Facts, Instance, Inventory,
    Liveness, Output, Probe, Provider, Request, Result, Signals, Stdio, process,
};

struct Chroot;

/// As in `plugin.json`, which documents each key.
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    rootfs: Option<String>,
    tarball: Option<String>,
    keep_network: bool,
}

/// A script, behind the functions that it uses.
macro_rules! script {
    ($name:literal) => {
        concat!(include_str!("alive.sh"), include_str!($name))
    };
}

impl Provider for Chroot {
    type Config = Config;

    fn allocate(ctx: &Context<Config>, request: &Request) -> Result<Allocated> {
        let (kind, path) = match (&ctx.config.rootfs, &ctx.config.tarball) {
            (Some(path), None) => ("rootfs", path),
            (None, Some(path)) => ("tarball", path),
            _ => {
                return Err(Error::invalid("either `rootfs` or `tarball` is needed")
                    .remedy("set `rootfs` to a directory, or `tarball` to an archive of one"));
            }
        };
        let network = if ctx.config.keep_network {
            "keep"
        } else {
            "none"
        };
        let made = process::output([
            "sh",
            "-c",
            script!("make.sh"),
            &format!("runner-chroot:{}", request.token),
            &ctx.source,
            &request.name,
            request.workdir()?,
            network,
            kind,
            path,
            script!("init.sh"),
            &ctx.state_id,
        ])?;
        if !made.status.success() {
            return Err(explain(&made));
        }
        Ok(Allocated::new(&request.token).attribute(kind, path))
    }

    fn run(
        _: &Context<Config>,
        instance: &Instance,
        command: Command,
        io: Stdio,
    ) -> Result<ExitStatus> {
        match process::exec(enter(instance, command)?, io)? {
            // The command's own, or `nsenter`'s because there is nothing to enter.
            status @ ExitStatus::Code(1 | 125) => alive(instance).map(|()| status),
            status => Ok(status),
        }
    }

    fn discard(_: &Context<Config>, doomed: &Doomed) -> Result<()> {
        let workdir = doomed.workdir.as_deref().unwrap_or_default();
        let killed = process::output([
            "sh",
            "-c",
            script!("kill.sh"),
            "kill",
            &doomed.token,
            workdir,
        ])?;
        if killed.status.success() {
            Ok(())
        } else {
            Err(Error::unavailable(killed.complaint()))
        }
    }
}

impl Liveness for Chroot {
    fn check(_: &Context<Config>, instance: &Instance) -> Result<()> {
        alive(instance)
    }
}

impl Inventory for Chroot {
    // What lives. The directories are the host's own, and it knows them without us.
    fn list(ctx: &Context<Config>) -> Result<Vec<Entry>> {
        let found = process::output(["sh", "-c", script!("list.sh")])?.success()?;
        let text = String::from_utf8_lossy(&found.stdout);
        Ok(tokens(&text, &ctx.source, &ctx.state_id)
            .into_iter()
            .map(|token| Entry {
                token: token.to_owned(),
                handle: token.to_owned(),
            })
            .collect())
    }
}

impl Probe for Chroot {
    fn probe(_: &Context<Config>, instance: &Instance) -> Result<Facts> {
        let mut measure = Command::from(["/bin/sh", "-c", Facts::SCRIPT]);
        measure.id = "facts".to_owned();
        let printed = process::output(enter(instance, measure)?)?;
        alive(instance)?;
        Ok(Facts::measured(&printed.success()?.stdout))
    }
}

impl Signals for Chroot {
    fn send(_: &Context<Config>, instance: &Instance, id: &str, signal: u8) -> Result<()> {
        let workdir = instance.workdir()?;
        let signal = signal.to_string();
        process::output(["sh", "-c", script!("send.sh"), "send", workdir, id, &signal])?
            .success()?;
        Ok(())
    }
}

/// The caller's command, inside. The shell of the instance is needed for nothing but a directory to start in.
fn enter(instance: &Instance, command: Command) -> Result<Command> {
    let workdir = instance.workdir()?;
    let terminal = if command.tty { "--ctty" } else { "" };
    let mut outer = Command::from([
        "sh",
        "-c",
        script!("enter.sh"),
        "enter",
        workdir,
        &command.id,
        terminal,
    ]);
    for (name, value) in &command.env {
        outer = outer.arg([name.as_bytes(), b"=", value].concat());
    }
    outer = outer.arg("chroot").arg(format!("{workdir}/root"));
    if let Some(cwd) = &command.cwd {
        let change = "cd -- \"$1\" || exit 126; shift; exec \"$@\"";
        outer = outer.args(["/bin/sh", "-c", change, "sh"]).arg(cwd);
    }
    outer.tty = command.tty;
    outer.id = command.id;
    Ok(outer.args(command.argv))
}

/// Success when the instance's process 1 is there.
fn alive(instance: &Instance) -> Result<()> {
    let holder = format!("{}/holder", instance.workdir()?);
    let check = concat!(
        include_str!("alive.sh"),
        "{ read -r pid start <\"$1\"; } 2>/dev/null && alive \"$pid\" \"$start\""
    );
    if process::output(["sh", "-c", check, "check", &holder])?
        .status
        .success()
    {
        Ok(())
    } else {
        Err(Error::gone(
            "the instance is not running: its process 1 is not there",
        ))
    }
}

/// The error behind the exit code of `make.sh`.
fn explain(made: &Output) -> Error {
    let complaint = made.complaint();
    match made.status {
        ExitStatus::Code(64) => Error::invalid(complaint),
        ExitStatus::Code(77) => {
            Error::denied(complaint).remedy("run `runner` as root, or use `container`")
        }
        _ if complaint.contains("ermission denied") || complaint.contains("not permitted") => {
            Error::denied(complaint).remedy(
                "this machine does not let root mount: inside a container it needs `--privileged`",
            )
        }
        _ if complaint.contains("No space left") => Error::exhausted(complaint),
        _ => Error::failed(complaint),
    }
}

/// The tokens of this source among what `list.sh` printed: a marker, the source, and the id of the state, because another one
/// may have a source of this name.
fn tokens<'a>(printed: &'a str, source: &str, state: &str) -> Vec<&'a str> {
    let lines: Vec<&str> = printed.lines().collect();
    let mut tokens: Vec<&str> = lines
        .windows(3)
        .filter(|words| words[1] == source && words[2] == state)
        .filter_map(|words| words[0].strip_prefix("runner-chroot:"))
        .collect();
    // The process that waits for process 1 has its words too.
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

runner_sdk::provider!(
    Chroot,
    manifest = "plugin.json",
    optional = [liveness, inventory, facts, signals]
);

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn only_this_sources_tokens_are_listed_and_each_once() {
        let words = "unshare\n--\nsh\ninit\nrunner-chroot:aa\nbox\n0a\nbox-0\nsh\ninit\nrunner-chroot:aa\nbox\n0a\nsh\nrunner-chroot:bb\nother\n0a\nrunner-chroot:cc\nbox\n0b\nrunner-chroot:dd";
        assert_eq!(tokens(words, "box", "0a"), ["aa"]);
        assert_eq!(tokens(words, "other", "0a"), ["bb"]);
    }
}
