//! Machines that shell commands of the operator's make, check, clean, list and destroy: `new`, `check`, `release`, `list`
//! and `delete` are called the way resalloc calls its hooks, so that those written for it run unchanged.
//!
//! Nothing is kept but what is in the instance's own directory: written before `new` starts, read by every later call,
//! gone with the instance.

mod data;
mod hooks;
mod names;
mod orphans;

use runner_sdk::{
    Allocated, Command, Context, Doomed, Entry, Error, ExitStatus, Instance, Inventory, Liveness,
    Provider, Request, Result, Reuse, SshTarget, Stdio, log, ssh,
};

use hooks::{Hook, Known};

struct Operator;

/// As in `plugin.json`, which documents each key.
#[derive(serde::Deserialize)]
struct Config {
    new: String,
    delete: String,
    check: Option<String>,
    release: Option<String>,
    list: Option<String>,
    access: Access,
    user: Option<String>,
    port: Option<u16>,
    pool_name: Option<String>,
    name_pattern: String,
    counters: Vec<String>,
    delete_ignores_exit: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Access {
    Ssh,
    None,
}

type Ctx = Context<Config>;

/// What the commands are told as their pool.
fn pool(ctx: &Ctx) -> &str {
    ctx.config.pool_name.as_deref().unwrap_or(&ctx.source)
}

impl Provider for Operator {
    type Config = Config;

    fn allocate(ctx: &Ctx, request: &Request) -> Result<Allocated> {
        let id = names::id(&request.token);
        let name = names::fill(&ctx.config.name_pattern, pool(ctx), id, &request.token)?;
        let printed = hooks::new(ctx, request, &name)?;
        let data = data::kept(&printed);
        let mut made = Allocated::new(&name).attribute("name", &name);
        made = made.attribute("id", id.to_string());
        if ctx.config.access == Access::Ssh {
            let target = target(&ctx.config, &data)?;
            made = made.attribute("host", target.to_string()).by_ssh(target);
        }
        // For whoever hands it on: in pieces, because an attribute is short.
        for (number, piece) in data::pieces(&data::base64(&data)).enumerate() {
            let key = match number {
                0 => "data".to_owned(),
                more => format!("data-{}", more + 1),
            };
            made = made.attribute(key, piece);
        }
        Ok(made)
    }

    // For access `ssh` the host does this itself; here for callers that do not.
    fn run(ctx: &Ctx, instance: &Instance, command: Command, io: Stdio) -> Result<ExitStatus> {
        if ctx.config.access == Access::None {
            return Err(Error::unsupported(format!(
                "the instances of source `{}` take no commands: its access is `none`",
                ctx.source
            ))
            .remedy("set `access = \"ssh\"` when the first line that `new` prints is a host that you can log in to"));
        }
        let data = hooks::known(instance)?.data.unwrap_or_default();
        ssh::exec(&target(&ctx.config, &data)?, command, io)
    }

    fn discard(ctx: &Ctx, doomed: &Doomed) -> Result<()> {
        let known = match hooks::doom(doomed)? {
            Some(known) => known,
            // `new` was never started, and never will be.
            None if doomed.handle.is_none() => return Ok(()),
            None => Known::only(doomed.handle.as_deref().unwrap_or_default()),
        };
        let id = if names::is_orphan(&ctx.source, &doomed.token, &known.name) {
            0
        } else {
            names::id(&doomed.token)
        };
        let target = known
            .data
            .as_deref()
            .filter(|_| ctx.config.access == Access::Ssh)
            .and_then(|data| target(&ctx.config, data).ok());
        let ended = Hook::about(&known, &doomed.token, id, doomed.workdir.as_deref()).run(
            ctx,
            "delete",
            &ctx.config.delete,
        )?;
        if !ended.status.success() {
            let failure = hooks::failure("delete", &ended);
            if ctx.config.delete_ignores_exit {
                log::warn(format!("{}, which is ignored", failure.message));
            } else if orphans::is_gone(ctx, &known.name) {
                log::info(format!(
                    "{}, but it is not listed any more",
                    failure.message
                ));
            } else {
                return Err(Error::unavailable(failure.message).remedy(
                    "mend `delete`, or set `delete_ignores_exit = true` when its exit code says nothing",
                ));
            }
        }
        if let Some(target) = target
            && let Err(error) = ssh::disconnect(&target)
        {
            log::warn(format!("the connection to `{target}` stays open: {error}"));
        }
        Ok(())
    }
}

impl Liveness for Operator {
    fn check(ctx: &Ctx, instance: &Instance) -> Result<()> {
        match &ctx.config.check {
            Some(command) => hooks::call(ctx, "check", command, instance),
            None => Err(Error::unsupported(format!(
                "source `{}` has no command `check`",
                ctx.source
            ))),
        }
    }
}

impl Reuse for Operator {
    fn clean(ctx: &Ctx, instance: &Instance) -> Result<()> {
        match &ctx.config.release {
            Some(command) => hooks::call(ctx, "release", command, instance),
            None => Ok(()),
        }
    }
}

impl Inventory for Operator {
    fn list(ctx: &Ctx) -> Result<Vec<Entry>> {
        orphans::list(ctx)
    }
}

/// Where the machine is that printed this.
fn target(config: &Config, data: &[u8]) -> Result<SshTarget> {
    let printed = data::host(data)?;
    let mut target: SshTarget = printed.host.parse().map_err(|error: Error| {
        Error::failed(format!(
            "the first line that `new` printed is no host to reach by ssh: {error}"
        ))
        .remedy(
            "`new` prints the host on its first line; set `access = \"none\"` when there is none",
        )
    })?;
    target.port = printed.port.or(target.port).or(config.port);
    target.user = target.user.or_else(|| config.user.clone());
    Ok(target)
}

runner_sdk::provider!(
    Operator,
    manifest = "plugin.json",
    optional = [liveness, inventory, reuse]
);
