//! The engine: which program it is, and what its complaints mean.

use runner_sdk::{Complaint, Context, Doomed, Error, ErrorKind, Instance, Output, Result, process};

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

/// What the engines say, in lower case, and what it means. The first that fits counts.
const COMPLAINTS: &[Complaint] = &[
    Complaint {
        kind: ErrorKind::Gone,
        words: &[
            "no such container",
            "no container with name",
            "container state improper",
            "is not running",
        ],
        remedy: "",
    },
    Complaint {
        kind: ErrorKind::Unavailable,
        words: &["cannot connect to the docker daemon"],
        remedy: "start the docker daemon, or set `engine = \"podman\"`",
    },
    Complaint {
        kind: ErrorKind::Invalid,
        words: &[
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
        ],
        remedy: "check `image`: build or pull it first, or write its full name with the registry",
    },
    Complaint {
        kind: ErrorKind::Invalid,
        words: &[
            "unknown flag",
            "unknown shorthand",
            "invalid argument",
            "network not found",
        ],
        remedy: "check `run-args` and `network` of this source",
    },
    Complaint {
        kind: ErrorKind::Invalid,
        words: &["executable file not found", "command that was not found"],
        remedy: "the image has no such program: set `shell` to the shell it has, or to nothing when it has none",
    },
    Complaint {
        kind: ErrorKind::Exhausted,
        words: &[
            "no space left",
            "cannot allocate memory",
            "resource temporarily unavailable",
            "toomanyrequests",
        ],
        remedy: "",
    },
    Complaint {
        kind: ErrorKind::Unavailable,
        words: &[
            "dial tcp",
            "i/o timeout",
            "tls handshake",
            "connection refused",
            "connection reset",
            "no such host",
        ],
        remedy: "",
    },
    Complaint {
        kind: ErrorKind::Denied,
        words: &["permission denied", "operation not permitted"],
        remedy: "check that your user may use the engine; its own `info` command says more",
    },
];

/// The error behind an engine's complaint. Neither engine has codes for it, so the words must do.
pub(crate) fn explain(output: &Output) -> Error {
    let text = String::from_utf8_lossy(&output.stderr);
    // The last line may point to the manual, and lines before it may be warnings.
    let noise = |line: &str| {
        ["See ", "Run ", "time="]
            .iter()
            .any(|word| line.starts_with(word))
    };
    let mut lines = text.lines().rev().map(str::trim);
    let reason = lines.find(|line| !line.is_empty() && !noise(line));
    let reason = reason.unwrap_or("it did not say why");
    let error = Error::failed(format!("`{}`: {reason}", output.command));
    match output.known_by(COMPLAINTS) {
        Some(complaint) => complaint.tell(error),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_of_both_engines_are_understood() {
        for (said, kind) in [
            (
                "Error: no container with name or ID \"x\" found: no such container",
                ErrorKind::Gone,
            ),
            (
                "Error: can only create exec sessions on running containers: container state improper",
                ErrorKind::Gone,
            ),
            (
                "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
                ErrorKind::Unavailable,
            ),
            (
                "Error: short-name \"x:1\" did not resolve to an alias and no …",
                ErrorKind::Invalid,
            ),
            (
                "time=\"x\" level=warning msg=\"y\"\nError: unknown flag: --bogus\nSee 'podman run --help'",
                ErrorKind::Invalid,
            ),
            (
                "Error: initializing source docker://quay.io/x: dial tcp 1.2.3.4:443: i/o timeout",
                ErrorKind::Unavailable,
            ),
            (
                "permission denied while trying to connect to the Docker daemon socket",
                ErrorKind::Denied,
            ),
            ("Error: something new", ErrorKind::Failed),
        ] {
            let error = explain(&Output {
                command: "podman run".to_owned(),
                status: runner_sdk::ExitStatus::Code(125),
                stdout: Vec::new(),
                stderr: said.as_bytes().to_vec(),
            });
            assert_eq!(error.kind, kind, "{said}");
            assert!(
                !error.message.contains("--help") && !error.message.contains("warning"),
                "{error}"
            );
        }
    }
}
