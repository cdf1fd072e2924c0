//! One provider, every misbehaviour: `mode` says which, `at` says in which call. With no mode it behaves.
//!
//! Its backend is a directory like the fake's (`live/TOKEN` is an instance), so that a test sees what it left. What
//! tries to reach something not granted answers `failed` with `refused: …` when it was stopped and `ESCAPED: …` when
//! it was not. `endless.rs` holds what does not come back by itself, `reach.rs` what reaches out, `lie.rs` false answers, `tell.rs` what carries
//! something out by texts and names.

mod endless;
mod lie;
mod reach;
mod tell;

use std::fs;
use std::path::{Path, PathBuf};

use runner_sdk::{
    Allocated, Command, Context, Doomed, Entry, Error, ExitStatus, Instance, Inventory, Liveness,
    Provider, Request, Result, Stdio,
};

struct Hostile;

/// What the tests choose.
#[derive(serde::Deserialize)]
pub(crate) struct Config {
    backend: PathBuf,
    mode: String,
    at: String,
    pub(crate) target: String,
}

impl Config {
    /// The directory that it was granted.
    pub(crate) fn granted(&self) -> &Path {
        &self.backend
    }

    fn live(&self, token: &str) -> PathBuf {
        self.backend.join("live").join(token)
    }

    /// The misbehaviour, whenever it comes.
    pub(crate) fn chosen(&self) -> &str {
        &self.mode
    }

    /// The misbehaviour, when it belongs to this call and the test has not called it off.
    fn mode(&self, call: &str) -> &str {
        if self.at == call && !self.backend.join("calm").exists() {
            &self.mode
        } else {
            ""
        }
    }

    /// Misbehaves; comes back only when the misbehaviour is about the answer, or is none.
    fn misbehave(&self, call: &str) -> Result<()> {
        let mode = self.mode(call);
        endless::run(mode, self);
        tell::run(mode, self)?;
        tell::kept(mode, self)?;
        tell::names(mode, self)?;
        reach::run(mode, self)
    }
}

impl Provider for Hostile {
    type Config = Config;

    fn allocate(ctx: &Context<Config>, request: &Request) -> Result<Allocated> {
        let config = &ctx.config;
        let create =
            || fs::write(config.live(&request.token), &request.name).map_err(Error::from_io);
        if config.mode("allocate") == "create-then-fail" {
            create()?;
            return Err(Error::failed("said no after doing it"));
        }
        if config.mode("allocate") == "create-then-hang" {
            create()?;
            endless::run("sleep", config);
        }
        config.misbehave("allocate")?;
        tell::keep(config)?;
        create()?;
        let made = lie::about_allocated(config.mode("allocate"), request);
        tell::about_allocated(config.mode("allocate"), config, made)
    }

    fn run(ctx: &Context<Config>, _: &Instance, _: Command, io: Stdio) -> Result<ExitStatus> {
        ctx.config.misbehave("run")?;
        if let Some(error) = lie::error(ctx.config.mode("run")) {
            return Err(error);
        }
        if !tell::archive(ctx.config.mode("run"), &io)? {
            io.write_stdout(b"ran\n")?;
        }
        Ok(ExitStatus::Code(0))
    }

    fn discard(ctx: &Context<Config>, doomed: &Doomed) -> Result<()> {
        ctx.config.misbehave("discard")?;
        if let Some(error) = lie::error(ctx.config.mode("discard")) {
            return Err(error);
        }
        match fs::remove_file(ctx.config.live(&doomed.token)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::from_io(error))
            }
            _ => Ok(()),
        }
    }
}

impl Liveness for Hostile {
    fn check(ctx: &Context<Config>, instance: &Instance) -> Result<()> {
        ctx.config.misbehave("check")?;
        if ctx.config.live(&instance.token).exists() {
            Ok(())
        } else {
            Err(Error::gone("it is not there"))
        }
    }
}

impl Inventory for Hostile {
    fn list(ctx: &Context<Config>) -> Result<Vec<Entry>> {
        ctx.config.misbehave("list")?;
        let mut found = Vec::new();
        for entry in fs::read_dir(ctx.config.backend.join("live")).map_err(Error::from_io)? {
            let token = entry.map_err(Error::from_io)?.file_name();
            let token = token.to_string_lossy().into_owned();
            found.push(Entry {
                handle: format!("hostile:{token}"),
                token,
            });
        }
        Ok(lie::about_list(
            ctx.config.mode("list"),
            &ctx.config.target,
            found,
        ))
    }
}

/// The backend's own failures, which no test expects.
trait FromIo {
    fn from_io(error: std::io::Error) -> Self;
}

impl FromIo for Error {
    fn from_io(error: std::io::Error) -> Self {
        Self::failed(format!("the backend's directory: {error}"))
    }
}

runner_sdk::provider!(
    Hostile,
    manifest = "plugin.json",
    optional = [liveness, inventory]
);
