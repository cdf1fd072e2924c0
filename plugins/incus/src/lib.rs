//! Containers and virtual machines of Incus or LXD, by the command line of their client, which knows the user's remotes and
//! certificates. What exists is recognised by a setting of each instance, `user.runner.token`; nothing is kept here.

mod client;

use client::{Client, Made};
use runner_sdk::{
    Allocated, Command, Context, Doomed, Entry, Error, ErrorKind, ExitStatus, Facts, Instance,
    Inventory, Liveness, Power, Probe, Provider, Request, Result, Stdio, cloud, process, shell,
};
use std::collections::BTreeMap;
use std::time::Duration;

struct Incus;

/// As in `plugin.json`, which documents each key.
#[derive(serde::Deserialize)]
struct Config {
    image: String,
    #[serde(rename = "or-image")]
    or_image: Option<String>,
    client: String,
    vm: bool,
    location: Option<String>,
    project: Option<String>,
    profiles: Option<Vec<String>>,
    plan: Option<String>,
    memory: Option<String>,
    cpus: Option<u32>,
    storage: Option<String>,
    pool: Option<String>,
    networks: Vec<String>,
    options: BTreeMap<String, String>,
    shell: String,
}

type Ctx = Context<Config>;

/// How long a virtual machine may take until its agent answers; containers take no time.
const BOOT: Duration = Duration::from_secs(300);

impl Provider for Incus {
    type Config = Config;

    fn allocate(ctx: &Ctx, request: &Request) -> Result<Allocated> {
        let client = Client::choose(&ctx.config)?;
        let made = client.instance(&request.token);
        let image = image(&ctx.config, &client)?;
        let launched = process::output(launch(ctx, &client, &made, request, image))?;
        if !launched.status.success() {
            return Err(client::explain(&launched).context(format!("image `{image}`")));
        }
        ready(&ctx.config, &made)?;
        Ok(
            Allocated::new(format!("{}:{}", client.program, request.token))
                .attribute("image", image)
                .attribute("instance", &made.name),
        )
    }

    fn run(ctx: &Ctx, instance: &Instance, command: Command, io: Stdio) -> Result<ExitStatus> {
        let made = Made::of(&ctx.config, instance)?;
        let shell::Start { argv, env } = shell::start(&ctx.config.shell, &command)?;
        let mut exec = made.command("exec").arg(&made.name);
        exec.tty = command.tty;
        exec.id.clone_from(&command.id);
        exec = exec.arg(if command.tty {
            "--force-interactive"
        } else {
            "--force-noninteractive"
        });
        for (variable, value) in &env {
            exec = exec
                .arg("--env")
                .arg([variable.as_bytes(), b"=", value].concat());
        }
        match process::exec(exec.arg("--").args(argv), io)? {
            // The client's own codes, which a command may use too.
            ExitStatus::Code(1 | 127 | 255)
                if !inside(&made, &ctx.config.shell, &shell::started(&command.id)?)? =>
            {
                made.running()?;
                Err(
                    Error::failed("the client failed before it started the command")
                        .remedy("it has written the reason to standard error"),
                )
            }
            // What the server says of a signal.
            ExitStatus::Code(code @ 129..=159) => Ok(ExitStatus::Signal(code - 128)),
            status => Ok(status),
        }
    }

    fn discard(ctx: &Ctx, doomed: &Doomed) -> Result<()> {
        let client = Client::of_doomed(&ctx.config, doomed)?;
        // By name first, which is right unless somebody renamed it; then the setting decides.
        let made = client.instance(&doomed.token);
        let mut names = vec![made.name.clone()];
        for _ in 0..2 {
            let mut said = None;
            for name in &names {
                let deleted = process::output(made.command("delete").args(["--force", name]))?;
                if !deleted.status.success() {
                    said = Some(client::explain(&deleted));
                }
            }
            let left = client.list(&[("token", &doomed.token)])?;
            match (left.is_empty(), said) {
                (true, _) => return Ok(()),
                (false, Some(error)) if error.kind != ErrorKind::Gone => return Err(error),
                _ => names = left.into_iter().map(|(name, _)| name).collect(),
            }
        }
        Err(Error::unavailable(format!(
            "{} is still there",
            names.join(", ")
        )))
    }
}

impl Liveness for Incus {
    fn check(ctx: &Ctx, instance: &Instance) -> Result<()> {
        Made::of(&ctx.config, instance)?.running()
    }
}

impl Inventory for Incus {
    fn list(ctx: &Ctx) -> Result<Vec<Entry>> {
        let client = Client::choose(&ctx.config)?;
        let listed = client.list(&[("source", &ctx.source), ("state", &ctx.state_id)])?;
        let entry = |(_, token): (String, String)| Entry {
            handle: format!("{}:{token}", client.program),
            token,
        };
        Ok(listed.into_iter().map(entry).collect())
    }
}

impl Probe for Incus {
    fn probe(ctx: &Ctx, instance: &Instance) -> Result<Facts> {
        let made = Made::of(&ctx.config, instance)?;
        let script = [&ctx.config.shell, "-c", Facts::SCRIPT];
        let printed = process::output(made.command("exec").args([&made.name, "--"]).args(script))?;
        if !printed.status.success() {
            return Err(client::explain(&printed));
        }
        Ok(Facts {
            address: made.address()?,
            ..Facts::measured(&printed.stdout)
        })
    }
}

impl Power for Incus {
    fn reboot(ctx: &Ctx, instance: &Instance) -> Result<()> {
        let made = Made::of(&ctx.config, instance)?;
        // An init that does not listen would hold it up for ever; its machine is switched off after a while.
        let restart = made
            .command("restart")
            .args(["--timeout", "30", &made.name]);
        let mut done = process::output(restart)?;
        if !done.status.success() {
            done = process::output(made.command("restart").args(["--force", &made.name]))?;
        }
        if !done.status.success() {
            return Err(client::explain(&done));
        }
        ready(&ctx.config, &made)
    }
}

/// The image that is there.
fn image<'a>(config: &'a Config, client: &Client) -> Result<&'a str> {
    match &config.or_image {
        Some(other) if !client.has_image(&config.image)? => Ok(other),
        _ => Ok(&config.image),
    }
}

/// The command that makes and starts one, labelled in the same step.
fn launch(ctx: &Ctx, client: &Client, made: &Made, request: &Request, image: &str) -> Command {
    let config = &ctx.config;
    let mut launch = client
        .command("launch")
        .args([image, &made.name, "--quiet"]);
    if config.vm {
        launch = launch.arg("--vm");
    }
    for profile in config.profiles.iter().flatten() {
        launch = launch.args(["--profile", profile]);
    }
    if config.profiles.as_ref().is_some_and(Vec::is_empty) {
        launch = launch.arg("--no-profiles");
    }
    for (flag, value) in [("--type", &config.plan), ("--storage", &config.pool)] {
        launch = value
            .iter()
            .fold(launch, |launch, value| launch.args([flag, value]));
    }
    for network in &config.networks {
        launch = launch.args(["--network", network]);
    }
    if let Some(size) = &config.storage {
        launch = launch.arg("--device").arg(format!("root,size={size}"));
    }
    let limits = [
        ("limits.memory", config.memory.clone()),
        ("limits.cpu", config.cpus.map(|n| n.to_string())),
    ];
    let ours = [
        ("user.runner.token", &request.token),
        ("user.runner.source", &ctx.source),
        ("user.runner.state", &ctx.state_id),
        ("user.runner.name", &request.name),
    ];
    let limits = limits
        .iter()
        .filter_map(|(key, value)| Some((*key, value.as_ref()?)));
    let more = config
        .options
        .iter()
        .map(|(key, value)| (key.as_str(), value));
    // Ours come last: nobody takes an instance's token away by `options`.
    for (key, value) in limits.chain(more).chain(ours) {
        launch = launch.arg("--config").arg(format!("{key}={value}"));
    }
    launch
}

/// Waits until it takes commands: a virtual machine has to boot first.
fn ready(config: &Config, made: &Made) -> Result<()> {
    cloud::wait("the agent in the machine", BOOT, || {
        let tried = process::output(made.command("exec").args([
            &made.name,
            "--",
            &config.shell,
            "-c",
            ":",
        ]))?;
        if tried.status.success() {
            return Ok(Some(()));
        }
        let error = client::explain(&tried);
        match error.kind {
            ErrorKind::Unavailable => Ok(None),
            _ => Err(error),
        }
    })
}

/// Whether a control script succeeds inside.
fn inside(made: &Made, shell: &str, script: &str) -> Result<bool> {
    let command = made
        .command("exec")
        .args([&made.name, "--", shell, "-c", script]);
    Ok(process::output(command)?.status.success())
}

runner_sdk::provider!(
    Incus,
    manifest = "plugin.json",
    optional = [liveness, inventory, facts, power]
);
