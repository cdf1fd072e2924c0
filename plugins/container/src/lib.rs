//! Containers of one image, run by podman or docker. The engine is asked by its command line only, and what exists
//! is recognised by labels; nothing is kept here.

mod engine;

use engine::{Made, explain};
use runner_sdk::{
    Allocated, Command, Context, Doomed, Entry, Error, ErrorKind, ExitStatus, Facts, Instance,
    Inventory, Liveness, Output, Probe, Provider, Request, Result, Signals, Stdio, log, process,
    shell::{self, Start},
};

struct Container;

/// As in `plugin.json`, which documents each key.
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    image: String,
    engine: String,
    network: String,
    run_args: Vec<String>,
    command: Vec<String>,
    shell: String,
}

impl Config {
    fn has_shell(&self) -> bool {
        !self.shell.is_empty()
    }
}

impl Provider for Container {
    type Config = Config;

    fn allocate(ctx: &Context<Config>, request: &Request) -> Result<Allocated> {
        let config = &ctx.config;
        if !config.has_shell() && config.command.is_empty() {
            return Err(
                Error::invalid("without a `shell` the container needs a `command`")
                    .remedy("set `command` to arguments that keep the image's entry point running"),
            );
        }
        let name = engine::name(&request.token);
        let engine = engine::choose(ctx)?;
        let mut start = Command::from([&engine, "run", "--detach", "--name", &name])
            .arg(format!("--label=runner.token={}", request.token))
            .arg(format!("--label=runner.source={}", ctx.source))
            .arg(format!("--label=runner.state={}", ctx.state_id))
            .arg(format!("--label=runner.name={}", request.name));
        if config.network != "default" {
            start = start.arg(format!("--network={}", config.network));
        }
        if !config.network.starts_with("container:") {
            start = start.arg(format!("--hostname={}", hostname(&request.name)));
        }
        if config.command.is_empty() {
            start = start.arg(format!("--entrypoint={}", config.shell));
        }
        start = start.args(&config.run_args).arg(&config.image);
        start = match config.command.as_slice() {
            [] => start.args(["-c", shell::IDLE]),
            command => start.args(command),
        };
        let started = process::output(start)?;
        if !started.status.success() {
            return Err(explain(&started).context(format!("image `{}`", config.image)));
        }
        let made = Made { engine, name };
        // The idle shell cannot fail once it runs; a command of the image's own may end at once.
        if !config.command.is_empty() && made.state()?.as_deref() != Some("running") {
            return Err(Error::invalid(format!(
                "image `{}`: the container stopped right after its start",
                config.image
            ))
            .remedy("`command` must keep running"));
        }
        Ok(Allocated::new(format!("{}:{}", made.engine, request.token))
            .attribute("image", &config.image)
            .attribute("engine", &made.engine)
            .attribute("container", &made.name))
    }

    fn run(
        ctx: &Context<Config>,
        instance: &Instance,
        command: Command,
        io: Stdio,
    ) -> Result<ExitStatus> {
        let made = Made::of(instance)?;
        let mut exec = Command::from([&made.engine, "exec", "--interactive"]);
        exec.tty = command.tty;
        exec.id.clone_from(&command.id);
        if command.tty {
            exec = exec.arg("--tty");
        }
        let Start { argv, env } = if ctx.config.has_shell() {
            shell::start(&ctx.config.shell, &command)?
        } else {
            bare(&command, &mut exec)?
        };
        for (variable, value) in &env {
            exec = exec
                .arg("--env")
                .arg([variable.as_bytes(), b"=", value].concat());
        }
        let status = process::exec(exec.arg(&made.name).args(argv), io)?;
        match status {
            // The engine's own codes, which a command may use too.
            ExitStatus::Code(125 | 126 | 127 | 255) => verdict(ctx, &made, &command.id, status),
            // What a shell says of a signal, an engine does too.
            ExitStatus::Code(code @ 129..=159) => Ok(ExitStatus::Signal(code - 128)),
            status => Ok(status),
        }
    }

    fn discard(ctx: &Context<Config>, doomed: &Doomed) -> Result<()> {
        let engine = engine::of_doomed(ctx, doomed)?;
        // By name first, which is right unless somebody renamed it; then the labels decide. Without `--time`
        // docker kills at once, and podman would wait.
        let mut targets = vec![engine::name(&doomed.token)];
        for _ in 0..2 {
            let mut remove = Command::from([&engine, "rm", "--force", "--volumes"]);
            if engine == "podman" {
                remove = remove.arg("--time=0");
            }
            let removed = process::output(remove.args(&targets))?;
            let label = format!("label=runner.token={}", doomed.token);
            let left = process::output([
                &engine,
                "ps",
                "--all",
                "--quiet",
                "--no-trunc",
                "--filter",
                &label,
            ])?;
            if !left.status.success() {
                let mut error = explain(&left);
                // A container that vanished under the question says nothing about ours.
                if error.kind == ErrorKind::Gone {
                    error.kind = ErrorKind::Unavailable;
                }
                return Err(error);
            }
            targets = left.text()?.lines().map(str::to_owned).collect();
            if targets.is_empty() {
                return Ok(());
            }
            log::debug(format!(
                "still there after removing: {targets:?}: {}",
                removed.complaint()
            ));
        }
        Err(Error::unavailable(format!(
            "container {} is still there",
            targets.join(", ")
        )))
    }
}

impl Liveness for Container {
    fn check(_: &Context<Config>, instance: &Instance) -> Result<()> {
        match Made::of(instance)?.state()?.as_deref() {
            Some("running") => Ok(()),
            Some(state) => Err(Error::failed(format!("the container is {state}"))),
            None => Err(Error::gone("the container does not exist")),
        }
    }
}

impl Inventory for Container {
    fn list(ctx: &Context<Config>) -> Result<Vec<Entry>> {
        let engine = engine::choose(ctx)?;
        let format = match engine.as_str() {
            "docker" => r#"--format={{.Label "runner.token"}}"#,
            _ => r#"--format={{index .Labels "runner.token"}}"#,
        };
        let source = format!("label=runner.source={}", ctx.source);
        // Another state may have a source of this name.
        let state = format!("label=runner.state={}", ctx.state_id);
        let listed = process::output([
            &engine, "ps", "--all", "--filter", &source, "--filter", &state, format,
        ])?;
        if !listed.status.success() {
            return Err(explain(&listed));
        }
        let tokens = listed.text()?.lines().filter(|token| !token.is_empty());
        Ok(tokens
            .map(|token| Entry {
                token: token.to_owned(),
                handle: format!("{engine}:{token}"),
            })
            .collect())
    }
}

impl Probe for Container {
    fn probe(ctx: &Context<Config>, instance: &Instance) -> Result<Facts> {
        let made = Made::of(instance)?;
        if !ctx.config.has_shell() {
            return Err(Error::unsupported(
                "an image without a shell cannot be measured",
            ));
        }
        let printed = inside(&made, [&ctx.config.shell, "-c", Facts::SCRIPT])?;
        if !printed.status.success() {
            return Err(explain(&printed));
        }
        Ok(Facts::measured(&printed.stdout))
    }
}

impl Signals for Container {
    fn send(ctx: &Context<Config>, instance: &Instance, id: &str, signal: u8) -> Result<()> {
        let made = Made::of(instance)?;
        if !ctx.config.has_shell() {
            return Err(Error::unsupported(
                "an image without a shell passes no signals on",
            ));
        }
        let sent = inside(&made, [&ctx.config.shell, "-c", &shell::send(id, signal)?])?;
        if sent.status.success() {
            Ok(())
        } else {
            Err(explain(&sent))
        }
    }
}

/// Runs a control command in the container.
fn inside<const N: usize>(made: &Made, argv: [&str; N]) -> Result<Output> {
    process::output(Command::from([&made.engine, "exec", &made.name]).args(argv))
}

/// The command for an image without a shell: the engine does what it can.
fn bare(command: &Command, exec: &mut Command) -> Result<Start> {
    let all = command
        .argv
        .iter()
        .chain(&command.cwd)
        .chain(command.env.iter().map(|(_, value)| value));
    if !all
        .into_iter()
        .all(|bytes| std::str::from_utf8(bytes).is_ok())
    {
        return Err(Error::invalid(
            "bytes that are not UTF-8 need a shell in the image",
        ));
    }
    if let Some(cwd) = &command.cwd {
        exec.argv.push(b"--workdir".to_vec());
        exec.argv.push(cwd.clone());
    }
    Ok(Start {
        argv: command.argv.clone(),
        env: command.env.clone(),
    })
}

/// Whose code it is, the command's or the engine's.
fn verdict(ctx: &Context<Config>, made: &Made, id: &str, status: ExitStatus) -> Result<ExitStatus> {
    match made.state()?.as_deref() {
        Some("running") => {}
        Some(state) => return Err(Error::gone(format!("the container is {state}"))),
        None => return Err(Error::gone("the container does not exist")),
    }
    // 126 and 127 are the shell's answer, or without one the engine's in the same sense.
    if matches!(status, ExitStatus::Code(126 | 127)) || !ctx.config.has_shell() {
        return Ok(status);
    }
    if inside(made, [&ctx.config.shell, "-c", &shell::started(id)?])?
        .status
        .success()
    {
        Ok(status)
    } else {
        Err(Error::failed(format!(
            "`{} exec` failed before it started the command",
            made.engine
        ))
        .remedy("it has written the reason to standard error"))
    }
}

/// A host name close to the instance's name: letters, digits and dashes, at most 63.
fn hostname(name: &str) -> String {
    let legal = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    let name: String = legal.take(63).collect();
    name.trim_matches('-').to_owned()
}

runner_sdk::provider!(
    Container,
    manifest = "plugin.json",
    optional = [liveness, inventory, facts, signals]
);
