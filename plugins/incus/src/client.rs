//! The client: which program it is, how it names and lists instances, and what its complaints mean.

use runner_sdk::cloud::Value;
use runner_sdk::{Command, Complaint, Doomed, Error, ErrorKind, Instance, Output, Result, process};

use crate::Config;

/// A client, and where it is told to work.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) program: String,
    project: Option<String>,
    remote: Option<String>,
}

/// An instance that exists, as far as we know.
pub(crate) struct Made {
    client: Client,
    /// With the remote, as the client takes it.
    pub(crate) name: String,
}

impl Client {
    /// The client for a new instance: as configured, else incus where it can be started, else lxc.
    pub(crate) fn choose(config: &Config) -> Result<Self> {
        let program = match config.client.as_str() {
            "auto" => match process::output(["incus", "version", "--help"]) {
                Ok(_) => "incus",
                Err(absent) => match process::output(["lxc", "version", "--help"]) {
                    Ok(_) => "lxc",
                    Err(_) => {
                        return Err(absent
                            .remedy("install incus or LXD's lxc, and grant it to this source"));
                    }
                },
            },
            chosen => chosen,
        };
        Ok(Self::named(program, config))
    }

    fn named(program: &str, config: &Config) -> Self {
        Self {
            program: program.to_owned(),
            project: config.project.clone(),
            remote: config.location.clone(),
        }
    }

    /// The client of an instance that may have lost its handle.
    pub(crate) fn of_doomed(config: &Config, doomed: &Doomed) -> Result<Self> {
        match doomed
            .handle
            .as_deref()
            .and_then(|handle| handle.split_once(':'))
        {
            Some((program, _)) => Ok(Self::named(program, config)),
            None => Self::choose(config),
        }
    }

    /// One of its subcommands.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let project = self
            .project
            .iter()
            .map(|project| format!("--project={project}"));
        Command::from([&self.program, subcommand]).args(project)
    }

    /// The instance with this token.
    pub(crate) fn instance(&self, token: &str) -> Made {
        Made {
            client: self.clone(),
            name: self.there(&format!("runner-{token}")),
        }
    }

    /// Whether the server knows an image by this name.
    pub(crate) fn has_image(&self, image: &str) -> Result<bool> {
        let shown = process::output(self.command("image").args(["info", &self.there(image)]))?;
        if shown.status.success() {
            return Ok(true);
        }
        let error = explain(&shown);
        match error.kind {
            ErrorKind::Unavailable | ErrorKind::Denied => Err(error),
            _ => Ok(false),
        }
    }

    /// The name of something on the remote.
    fn there(&self, name: &str) -> String {
        match &self.remote {
            Some(remote) => format!("{remote}:{name}"),
            None => name.to_owned(),
        }
    }

    /// Name and token of everything whose settings `user.runner.KEY` are these.
    pub(crate) fn list(&self, settings: &[(&str, &str)]) -> Result<Vec<(String, String)>> {
        let mut command = self.command("list").args(["--format", "json"]);
        if self.remote.is_some() {
            command = command.arg(self.there(""));
        }
        let listed = process::output(command)?;
        if !listed.status.success() {
            let mut error = explain(&listed);
            // What vanishes under the question says nothing about ours.
            if error.kind == ErrorKind::Gone {
                error.kind = ErrorKind::Unavailable;
            }
            return Err(error);
        }
        // Filtered here: the clients' own filters are expressions, and match more than they say.
        let instances: Vec<Value> = listed.json()?;
        let ours = |instance: &&Value| {
            let config = &instance["config"];
            settings
                .iter()
                .all(|(key, value)| config[format!("user.runner.{key}")] == **value)
        };
        instances
            .iter()
            .filter(ours)
            .map(|instance| {
                let token = instance["config"]["user.runner.token"]
                    .as_str()
                    .unwrap_or_default();
                Ok((
                    self.there(instance["name"].as_str().unwrap_or_default()),
                    token.to_owned(),
                ))
            })
            .collect()
    }
}

impl Made {
    /// The instance behind a handle, which is `incus:TOKEN` or `lxc:TOKEN`.
    pub(crate) fn of(config: &Config, instance: &Instance) -> Result<Self> {
        match instance.handle.split_once(':') {
            Some((program, _)) => Ok(Client::named(program, config).instance(&instance.token)),
            None => Err(Error::invalid(format!(
                "`{}` is not a handle of this plugin",
                instance.handle
            ))),
        }
    }

    pub(crate) fn command(&self, subcommand: &str) -> Command {
        self.client.command(subcommand)
    }

    /// Success when it runs.
    pub(crate) fn running(&self) -> Result<()> {
        match self.state()?["status"].as_str() {
            Some("Running" | "RUNNING") => Ok(()),
            status => Err(Error::failed(format!(
                "the instance is {}",
                status.unwrap_or("in no known state").to_lowercase()
            ))),
        }
    }

    /// Its first address that others can reach.
    pub(crate) fn address(&self) -> Result<Option<String>> {
        let state = self.state()?;
        let networks = state["network"].as_object().into_iter().flatten();
        let addresses =
            networks.flat_map(|(_, network)| network["addresses"].as_array().into_iter().flatten());
        let reachable = addresses.filter(|address| address["scope"] == "global");
        // `inet` is less than `inet6`.
        let first = reachable.min_by_key(|address| address["family"].as_str().map(str::to_owned));
        Ok(first
            .and_then(|address| address["address"].as_str())
            .map(str::to_owned))
    }

    fn state(&self) -> Result<Value> {
        let name = self.name.rsplit(':').next().unwrap_or(&self.name);
        let path = format!("/1.0/instances/{name}/state");
        let asked = process::output(self.command("query").arg(self.client.there(&path)))?;
        if asked.status.success() {
            return asked.json();
        }
        Err(explain(&asked))
    }
}

/// What the clients say, in lower case, and what it means. The first that fits counts.
const COMPLAINTS: &[Complaint] = &[
    Complaint {
        kind: ErrorKind::Unavailable,
        words: &[
            "vm agent isn't currently running",
            "vm agent isn't currently connected",
        ],
        remedy: "",
    },
    Complaint {
        kind: ErrorKind::Gone,
        words: &[
            "instance not found",
            "instance is not running",
            "container is not running",
        ],
        remedy: "",
    },
    Complaint {
        kind: ErrorKind::Unavailable,
        words: &[
            "server doesn't appear to be started",
            "cannot connect to the",
            "connect: connection refused",
            "i/o timeout",
            "connection reset",
            "no such host",
        ],
        remedy: "start the daemon, or check `location`",
    },
    Complaint {
        kind: ErrorKind::Invalid,
        words: &[
            "couldn't be found",
            "image not found",
            "not found",
            "unknown configuration key",
            "invalid config",
            "no root device",
            "unknown flag",
            "bad instance type",
            "instance type",
        ],
        remedy: "check `image`, `profiles` and the other keys of this source",
    },
    Complaint {
        kind: ErrorKind::Exhausted,
        words: &[
            "no space left",
            "cannot allocate memory",
            "quota",
            "reached maximum number",
        ],
        remedy: "",
    },
    Complaint {
        kind: ErrorKind::Denied,
        words: &["not authorized", "permission denied", "forbidden"],
        remedy: "check that your user may use the server",
    },
];

/// The error behind a client's complaint. It has no codes for it, so the words must do.
pub(crate) fn explain(output: &Output) -> Error {
    output.failure_by(COMPLAINTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_understood() {
        for (said, kind) in [
            (
                "Error: Failed to fetch instance \"x\" in project \"default\": Instance not found",
                ErrorKind::Gone,
            ),
            ("Error: Instance is not running", ErrorKind::Gone),
            (
                "Error: VM agent isn't currently running",
                ErrorKind::Unavailable,
            ),
            (
                "Error: The incus daemon doesn't appear to be started (socket path: /x): server doesn't appear to be started",
                ErrorKind::Unavailable,
            ),
            (
                "Error: Failed getting image: The requested image couldn't be found",
                ErrorKind::Invalid,
            ),
            (
                "Error: Failed instance creation: write: no space left on device",
                ErrorKind::Exhausted,
            ),
            ("Error: something new", ErrorKind::Failed),
        ] {
            let error = explain(&Output {
                command: "incus".to_owned(),
                status: runner_sdk::ExitStatus::Code(1),
                stdout: Vec::new(),
                stderr: said.as_bytes().to_vec(),
            });
            assert_eq!(error.kind, kind, "{said}");
        }
    }
}
