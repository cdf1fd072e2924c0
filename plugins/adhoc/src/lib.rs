//! Machines that the scripts of a spread project make and destroy on this machine, reached by ssh with a password.
//!
//! `runner test` makes sources of this for backends of type `adhoc`. The scripts say where a machine is through functions that
//! stand in front of them (`prelude.sh`); the address is also written into the instance's own directory, so that a machine
//! whose making was cut off can still be destroyed.

mod answer;

use runner_sdk::{
    Allocated, Command, Context, Doomed, Error, ExitStatus, Instance, Output, Provider, Request,
    Result, SshAccess, SshTarget, Stdio, log, process, secrets, ssh,
};

const PRELUDE: &str = include_str!("prelude.sh");

/// What the password is kept as.
const PASSWORD: &str = "password";

struct Adhoc;

/// As in `plugin.json`, which documents each key.
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    allocate: Option<String>,
    discard: Option<String>,
    address: Option<String>,
    directory: String,
    backend: String,
    system: String,
    username: String,
    password: String,
    session_password: bool,
}

type Ctx = Context<Config>;

impl Provider for Adhoc {
    type Config = Config;

    fn allocate(ctx: &Ctx, request: &Request) -> Result<Allocated> {
        let address = match (&ctx.config.address, &ctx.config.allocate) {
            (Some(address), _) => address.clone(),
            (None, Some(script)) => allocate(ctx, script, request.workdir()?)?,
            (None, None) => {
                return Err(Error::invalid("there is neither `allocate` nor `address`"));
            }
        };
        let access = SshAccess::from(target(ctx, &address)?)
            .password(PASSWORD)
            .first_use();
        secrets::keep(PASSWORD, &ctx.config.password)?;
        // Scripts may give the same address twice, and handles must differ.
        Ok(Allocated::new(format!("{} {address}", request.token))
            .by_ssh(access)
            .attribute("address", address))
    }

    // The host does this itself for instances reached by ssh; here for callers that do not.
    fn run(ctx: &Ctx, instance: &Instance, command: Command, io: Stdio) -> Result<ExitStatus> {
        ssh::exec(&target(ctx, address_of(&instance.handle))?, command, io)
    }

    fn discard(ctx: &Ctx, doomed: &Doomed) -> Result<()> {
        let Some(script) = &ctx.config.discard else {
            return Ok(());
        };
        let written = || {
            let path = format!("{}/address", doomed.workdir.as_deref()?);
            let read = process::output(["bash", "-c", "cat -- \"$1\"", "adhoc", &path]).ok()?;
            let text = String::from_utf8_lossy(&read.stdout).trim().to_owned();
            (read.status.success() && !text.is_empty()).then_some(text)
        };
        let address = match &doomed.handle {
            Some(handle) => Some(address_of(handle).to_owned()),
            None => written(),
        };
        let Some(address) = address else {
            log::info("`allocate` never said where the machine is: there is nothing to discard");
            return Ok(());
        };
        let ended = run(ctx, script, &address, doomed.workdir.as_deref())?;
        if ended.status.success() {
            return Ok(());
        }
        let printed = String::from_utf8_lossy(&ended.stdout);
        Err(answer::failure("discard", ended.status, &printed))
    }
}

fn allocate(ctx: &Ctx, script: &str, workdir: &str) -> Result<String> {
    let ended = run(ctx, script, "", Some(workdir))?;
    let printed = String::from_utf8_lossy(&ended.stdout);
    if !ended.status.success() {
        return Err(answer::failure("allocate", ended.status, &printed));
    }
    match answer::marker(&printed, "ADDRESS") {
        Some(address) => Ok(address.to_owned()),
        None => Err(Error::unavailable("the `allocate` script said no address")
            .remedy("it says where the machine is with `ADDRESS host[:port]`")),
    }
}

/// Runs a script as spread does: `bash -eu` in the project's directory, with our environment and these variables.
fn run(ctx: &Ctx, script: &str, address: &str, workdir: Option<&str>) -> Result<Output> {
    let config = &ctx.config;
    let text = format!("{PRELUDE}\n{script}\n");
    let file = workdir.map_or("/dev/null".to_owned(), |workdir| {
        format!("{workdir}/address")
    });
    let mut command = Command::from(["bash", "-eu", "-c", &text])
        .cwd(&config.directory)
        .env("RUNNER_ADDRESS_FILE", file)
        .env("SPREAD_BACKEND", &config.backend)
        .env("SPREAD_SYSTEM", &config.system)
        .env("SPREAD_SYSTEM_USERNAME", &config.username)
        .env("SPREAD_SYSTEM_PASSWORD", &config.password)
        .env("SPREAD_SYSTEM_ADDRESS", address);
    if config.session_password {
        command = command.env("SPREAD_PASSWORD", &config.password);
    }
    process::output(command)
}

fn address_of(handle: &str) -> &str {
    handle
        .split_once(' ')
        .map_or(handle, |(_, address)| address)
}

fn target(ctx: &Ctx, address: &str) -> Result<SshTarget> {
    let mut target: SshTarget = address.parse()?;
    let user = match ctx.config.username.as_str() {
        "" => "root",
        other => other,
    };
    target.user = Some(user.to_owned());
    Ok(target)
}

runner_sdk::provider!(Adhoc, manifest = "plugin.json");
