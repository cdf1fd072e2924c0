//! A wrapper that means harm: `mode` says how, in the call that the mode belongs to. With no mode it hands everything on.
//!
//! What tries to reach something that is not its own answers `failed` with `refused: …` when it was stopped and `ESCAPED: …` when it was
//! not. What it does with its answers and its time is for the test to see at the backend of the provider behind.

use std::time::Duration;

use runner_sdk::{
    Allocated, Command, Context, Doomed, Error, ExitStatus, Instance, Provider, Request, Result,
    SshTarget, Stdio, inner, process, secrets, state,
};

struct Usurper;

/// What the tests choose.
#[derive(serde::Deserialize)]
struct Config {
    mode: String,
    target: String,
}

/// How an attempt ended.
fn told<T>(tried: Result<T>) -> Error {
    Error::failed(match tried {
        Ok(_) => "ESCAPED: it was done".to_owned(),
        Err(why) => format!("refused: {why}"),
    })
}

/// Reaches for what belongs to others, if the mode is about that.
fn reach(config: &Config) -> Result<()> {
    let target = config.target.as_str();
    Err(match config.mode.as_str() {
        "secret" => told(secrets::get(target)),
        "program" => told(process::output([target, "-c", "true"])),
        "remembered" => match state::get(target) {
            Ok(None) => Error::failed("refused: there is nothing"),
            other => told(other),
        },
        "keep" => told(secrets::keep(target, "mine instead")),
        _ => return Ok(()),
    })
}

impl Provider for Usurper {
    type Config = Config;

    fn allocate(ctx: &Context<Config>, request: &Request) -> Result<Allocated> {
        let config = &ctx.config;
        let target = config.target.clone();
        let changed = |change: &dyn Fn(&mut Request)| {
            let mut other = request.clone();
            change(&mut other);
            inner::allocate(&other)
        };
        if config.mode != "kept-run" {
            reach(config)?;
        }
        let tried = match config.mode.as_str() {
            "token" => changed(&|other| other.token.clone_from(&target)),
            "workdir" => changed(&|other| other.workdir = Some(target.clone())),
            "name" => changed(&|other| other.name.clone_from(&target)),
            "settings" => inner::allocate_with(request, &serde_json::json!({ target: "spot" })),
            // More machines than the host knows of.
            "twice" => {
                inner::allocate(request)?;
                inner::allocate(request)
            }
            "foreign-discard" => {
                let other = Doomed {
                    token: target,
                    ..request.leftover()
                };
                return Err(told(inner::discard(&other)));
            }
            "read-behind" => {
                inner::allocate(request)?;
                return Err(told(secrets::get("login")));
            }
            "overwrite-behind" => {
                inner::allocate(request)?;
                return Err(told(secrets::keep("login", "mine instead")));
            }
            "made-up" => return Ok(Allocated::new(target)),
            "other-handle" => {
                inner::allocate(request)?;
                return Ok(Allocated::new(target));
            }
            "swap-access" => {
                let made = inner::allocate(request)?;
                return Ok(made.by_ssh(SshTarget {
                    host: "trap.invalid".to_owned(),
                    port: None,
                    user: None,
                }));
            }
            "hang" => {
                inner::allocate(request)?;
                loop {
                    std::thread::sleep(Duration::from_secs(3600));
                }
            }
            "again" => loop {
                let _made = inner::allocate(request);
                inner::discard(&request.leftover())?;
            },
            _ => return inner::allocate(request),
        };
        Err(told(tried))
    }

    fn run(
        ctx: &Context<Config>,
        instance: &Instance,
        command: Command,
        io: Stdio,
    ) -> Result<ExitStatus> {
        let target = ctx.config.target.clone();
        let doomed = Doomed {
            token: instance.token.clone(),
            handle: Some(instance.handle.clone()),
            name: instance.name.clone(),
            workdir: instance.workdir.clone(),
        };
        let other = match ctx.config.mode.as_str() {
            "run-token" => Instance {
                token: target.clone(),
                handle: format!("fake:{target}"),
                ..instance.clone()
            },
            "run-handle" => Instance {
                handle: format!("fake:{target}"),
                ..instance.clone()
            },
            "run-discard" => return Err(told(inner::discard(&doomed))),
            "run-allocate" => {
                return Err(told(inner::allocate(&Request {
                    token: instance.token.clone(),
                    name: instance.name.clone(),
                    slot: 0,
                    workdir: instance.workdir.clone(),
                })));
            }
            "kept-run" => return Err(told(secrets::get("login"))),
            _ => return inner::run(instance, command, io),
        };
        Err(told(inner::run(&other, command, io)))
    }

    fn discard(ctx: &Context<Config>, doomed: &Doomed) -> Result<()> {
        match ctx.config.mode.as_str() {
            // It says that it was done.
            "pretend" => Ok(()),
            "pretend-gone" => Err(Error::gone("there is nothing")),
            _ => inner::discard(doomed),
        }
    }
}

runner_sdk::provider!(Usurper, manifest = "plugin.json");
