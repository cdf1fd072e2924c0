//! The engine: which program it is, and what its complaints mean.

use runner_sdk::{Context, Doomed, Error, ErrorKind, Instance, Output, Result, process};

use crate::Config;

/// A container that exists, as far as we know.
pub(crate) struct Made {
    pub(crate) engine: String,
    pub(crate) name: String,
}

impl Made {
    /// The container of this instance. Its handle is `podman:TOKEN` or `docker:TOKEN`.
    pub(crate) fn of(instance: &Instance) -> Result<Self> {
        match instance.handle.split_once(':') {
            Some((engine, _)) => Ok(Self {
                engine: engine.to_owned(),
                name: name(&instance.token),
            }),
            None => Err(Error::invalid(format!(
                "`{}` is not a handle of this plugin",
                instance.handle
            ))),
        }
    }

    /// The container's state in the engine's word, such as `running`; none when it does not exist.
    pub(crate) fn state(&self) -> Result<Option<String>> {
        let shown = process::output([
            &self.engine,
            "container",
            "inspect",
            "--format={{.State.Status}}",
            &self.name,
        ])?;
        if shown.status.success() {
            return Ok(Some(shown.text()?.to_owned()));
        }
        match explain(&shown) {
            error if error.kind == ErrorKind::Gone => Ok(None),
            error => Err(error),
        }
    }
}

/// The container's name. The label says the same: people can rename containers.
pub(crate) fn name(token: &str) -> String {
    format!("runner-{token}")
}

/// The engine for a new instance: as configured, else podman where it can be started, else docker.
pub(crate) fn choose(ctx: &Context<Config>) -> Result<String> {
    if ctx.config.engine != "auto" {
        return Ok(ctx.config.engine.clone());
    }
    let Err(absent) = process::output(["podman", "--version"]) else {
        return Ok("podman".to_owned());
    };
    match process::output(["docker", "--version"]) {
        Ok(_) => Ok("docker".to_owned()),
        Err(_) => Err(absent.remedy("install podman or docker, and grant it to this source")),
    }
}

/// The engine of an instance that may have lost its handle.
pub(crate) fn of_doomed(ctx: &Context<Config>, doomed: &Doomed) -> Result<String> {
    match doomed
        .handle
        .as_deref()
        .and_then(|handle| handle.split_once(':'))
    {
        Some((engine, _)) => Ok(engine.to_owned()),
        None => choose(ctx),
    }
}

/// The error behind an engine's complaint. Neither engine has codes for it, so the words must do.
pub(crate) fn explain(output: &Output) -> Error {
    let mut error = output.failure();
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    let says = |needles: &[&str]| needles.iter().any(|needle| said.contains(needle));
    error.kind = if says(&[
        "no such container",
        "no container with name",
        "container state improper",
        "is not running",
    ]) {
        ErrorKind::Gone
    } else if says(&[
        "cannot connect to the docker daemon",
        "is the docker daemon running",
    ]) {
        error.remedy = Some("start the docker daemon, or set `engine = \"podman\"`".to_owned());
        ErrorKind::Unavailable
    } else if says(&[
        "container registry localhost",
        "no such image",
        "image not known",
        "did not resolve to an alias",
        "manifest unknown",
        "name unknown",
        "repository does not exist",
        "pull access denied",
        "unauthorized",
        "invalid reference format",
        "unable to find image",
    ]) {
        error.remedy = Some(
            "check `image`: build or pull it first, or write its full name with the registry"
                .to_owned(),
        );
        ErrorKind::Invalid
    } else if says(&[
        "unknown flag",
        "unknown shorthand",
        "invalid argument",
        "unable to find network",
        "network not found",
    ]) {
        error.remedy = Some("check `run-args` and `network` of this source".to_owned());
        ErrorKind::Invalid
    } else if says(&[
        "executable file not found",
        "no such file or directory: oci",
        "command that was not found",
    ]) {
        error.remedy = Some("the image has no such program: set `shell` to the shell it has, or to nothing when it has none".to_owned());
        ErrorKind::Invalid
    } else if says(&[
        "no space left",
        "cannot allocate memory",
        "resource temporarily unavailable",
        "toomanyrequests",
    ]) {
        ErrorKind::Exhausted
    } else if says(&[
        "dial tcp",
        "i/o timeout",
        "tls handshake",
        "connection refused",
        "connection reset",
        "no such host",
    ]) {
        ErrorKind::Unavailable
    } else if says(&["permission denied", "operation not permitted", "dial unix"]) {
        error.remedy = Some(
            "check that your user may use the engine; its own `info` command says more".to_owned(),
        );
        ErrorKind::Denied
    } else {
        ErrorKind::Failed
    };
    error
}
