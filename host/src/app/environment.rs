//! The one reader of the process' environment.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use runner_core::id::Token;

use super::Simulated;
use super::spread::CloudEnvironment;
use crate::config::Roots;
use crate::engine::{EngineError, FailureKind, Result, SCRIPT_OF};
use crate::registry::Credentials;

/// Where things are and who we are. Directories are not made before something is put into them.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Configuration, in order of precedence.
    pub roots: Roots,
    /// `RUNNER_STATE_DIR`, else `runner` in `XDG_STATE_HOME`.
    pub state: PathBuf,
    /// `RUNNER_CACHE_DIR`, else `runner` in `XDG_CACHE_HOME`.
    pub cache: PathBuf,
    /// `RUNNER_DATA_DIR`, else `runner` in `XDG_DATA_HOME`.
    pub data: PathBuf,
    /// The user's own configuration directory: `RUNNER_CONFIG_DIR`, else `runner` in `XDG_CONFIG_HOME`.
    pub user_config: PathBuf,
    /// `HOME`, else what the system's list of users says.
    pub home: PathBuf,
    /// For sockets: `runner` in `XDG_RUNTIME_DIR`, else `/tmp/runner-UID`.
    pub runtime: PathBuf,
    /// Files with passwords for registries in docker's format, besides our own: `REGISTRY_AUTH_FILE`, and docker's.
    pub registry_auth: Vec<PathBuf>,
    /// `PATH`.
    pub path: OsString,
    pub user: String,
    pub host: String,
    /// This program.
    pub program: PathBuf,
    /// This program, however it is called and whatever has been put in its place since it was started. None: components are compiled
    /// in this process.
    pub compiler: Option<PathBuf>,
    /// The instance whose script called us.
    pub script_of: Option<Token>,
    /// `RUNNER_OWNER`: what the holder calls itself.
    pub owner: Option<String>,
    /// `RUNNER_LOG`: what to log, in tracing's filter syntax.
    pub log: Option<String>,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// `NOTIFY_SOCKET`: where a service manager wants to be told that a service is ready.
    pub notify: Option<OsString>,
    /// `JOURNAL_STREAM` is set: what is written to stderr goes to the journal, which keeps the time by itself.
    pub journal: bool,
    /// `HTTPS_PROXY`, as most programs read it: also in lower case, else `ALL_PROXY`.
    pub proxy: Option<String>,
    /// `NO_PROXY`.
    pub no_proxy: Option<String>,
    /// `RUNNER_SPREAD_DIALECT`: the dialect of spread projects, where no option says it.
    pub spread_dialect: Option<String>,
    /// `GITHUB_ACTIONS`: we are a step of a workflow there.
    pub github: Option<GitHub>,
    /// `OS_…`, `GOOGLE_APPLICATION_CREDENTIALS`: for spread projects that leave it to them.
    pub cloud: CloudEnvironment,
    /// The current directory.
    pub directory: PathBuf,
    /// What a simulated backend brought along.
    pub simulated: Simulated,
    /// `RUNNER_FAULT`: where to die, for tests.
    pub(super) fault: Option<String>,
}

/// What GitHub Actions tell a step.
#[derive(Clone, Debug, Default)]
pub struct GitHub {
    /// The file of the step's summary, which is appended to.
    pub summary: Option<PathBuf>,
    /// The top of the repository, which paths in annotations begin at.
    pub workspace: Option<PathBuf>,
}

impl Environment {
    /// Reads the environment of this process. `here` is where to look for the project's configuration; none: the current
    /// directory.
    pub fn from_process(here: Option<&Path>) -> Result<Self> {
        let home = home()?;
        let xdg = |variable: &str, fallback: &str| match env::var_os(variable).map(PathBuf::from) {
            Some(path) if path.is_absolute() => path,
            _ => home.join(fallback),
        };
        let own = |variable: &str, xdg: PathBuf| match env::var_os(variable) {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => xdg.join("runner"),
        };
        let user_config = own("RUNNER_CONFIG_DIR", xdg("XDG_CONFIG_HOME", ".config"));
        let current = match here {
            Some(here) => here.to_owned(),
            None => env::current_dir().map_err(|error| {
                EngineError::new(FailureKind::Io, "the current directory cannot be read")
                    .because(error)
            })?,
        };
        let absolute = std::path::absolute(&current).map_err(|error| {
            EngineError::new(FailureKind::Io, "the current directory cannot be read").because(error)
        })?;
        let docker = match env::var_os("DOCKER_CONFIG") {
            Some(folder) if !folder.is_empty() => PathBuf::from(folder),
            _ => home.join(".docker"),
        };
        let named = env::var_os("REGISTRY_AUTH_FILE").filter(|path| !path.is_empty());
        let uid = rustix::process::geteuid();
        let runtime = match env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
            Some(path) if path.is_absolute() && path.is_dir() => path.join("runner"),
            _ => env::temp_dir().join(format!("runner-{}", uid.as_raw())),
        };
        let text = |variable: &str| env::var(variable).ok().filter(|text| !text.is_empty());
        let data = own("RUNNER_DATA_DIR", xdg("XDG_DATA_HOME", ".local/share"));
        let mut roots = Roots::find(user_config.clone(), home.join(".config/crcache"), &absolute);
        roots.plugins = Some(data.join("plugins"));
        Ok(Self {
            // crcache knows nothing of XDG: its directory is this one, wherever ours is.
            roots,
            state: own("RUNNER_STATE_DIR", xdg("XDG_STATE_HOME", ".local/state")),
            cache: own("RUNNER_CACHE_DIR", xdg("XDG_CACHE_HOME", ".cache")),
            data,
            user_config,
            home,
            runtime,
            registry_auth: named
                .map(PathBuf::from)
                .into_iter()
                .chain([docker.join("config.json")])
                .collect(),
            path: env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()),
            user: text("USER")
                .or_else(|| text("LOGNAME"))
                .unwrap_or_else(|| account(uid.as_raw())),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            compiler: Some("/proc/self/exe".into())
                .filter(|path: &PathBuf| path.exists())
                .or_else(|| env::current_exe().ok()),
            program: env::current_exe().unwrap_or_else(|_| "runner".into()),
            script_of: text(SCRIPT_OF).map(Token::stored),
            owner: text("RUNNER_OWNER"),
            log: text("RUNNER_LOG"),
            no_color: text("NO_COLOR").is_some(),
            notify: env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()),
            journal: env::var_os("JOURNAL_STREAM").is_some(),
            proxy: ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
                .into_iter()
                .find_map(text),
            no_proxy: text("NO_PROXY").or_else(|| text("no_proxy")),
            spread_dialect: text("RUNNER_SPREAD_DIALECT"),
            github: (text("GITHUB_ACTIONS").as_deref() == Some("true")).then(|| GitHub {
                summary: text("GITHUB_STEP_SUMMARY").map(PathBuf::from),
                workspace: text("GITHUB_WORKSPACE").map(PathBuf::from),
            }),
            cloud: CloudEnvironment {
                openstack: env::vars_os()
                    .filter_map(|(name, value)| {
                        Some((name.into_string().ok()?, value.into_string().ok()?))
                    })
                    .filter(|(name, _)| name.starts_with("OS_"))
                    .collect(),
                google: text("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from),
            },
            directory: absolute,
            simulated: Simulated::default(),
            fault: text("RUNNER_FAULT"),
        })
    }

    /// The same, for a holder who says on the command line who it is.
    #[must_use]
    pub fn owned_by(self, owner: Option<String>) -> Self {
        Self {
            owner: owner.or(self.owner),
            ..self
        }
    }

    /// The value of a secret that was set in the environment.
    pub(super) fn secret(&self, name: &str) -> Option<OsString> {
        match self.simulated.secrets.get(name) {
            Some(value) => Some(value.into()),
            None => env::var_os(format!("RUNNER_SECRET_{name}")),
        }
    }

    /// Passwords for registries.
    pub(super) fn credentials(&self) -> Credentials {
        let own = self.user_config.join("registry-auth.json");
        Credentials::new(own, self.registry_auth.clone())
    }

    /// The project's directory: that with `.runner` or `.crcache`, else where we are.
    pub(super) fn project(&self) -> PathBuf {
        let settings = self.roots.project.first();
        let folder = settings.and_then(|settings| settings.parent());
        folder.unwrap_or(&self.directory).to_owned()
    }

    /// Everything, for ssh to pick from what the user's configuration sends (`SendEnv`).
    pub(super) fn variables(&self) -> env::VarsOs {
        env::vars_os()
    }
}

fn home() -> Result<PathBuf> {
    etcetera::home_dir().map_err(|error| {
        EngineError::new(FailureKind::Invalid, "there is no home directory")
            .hint("set `HOME`, or all of `RUNNER_CONFIG_DIR`, `RUNNER_STATE_DIR`, `RUNNER_CACHE_DIR` and `RUNNER_DATA_DIR`")
            .because(error)
    })
}

/// The name of a user as the account file has it, or the number.
fn account(uid: u32) -> String {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let found = accounts
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&number));
    found
        .and_then(|line| line.split(':').next())
        .unwrap_or(&number)
        .to_owned()
}
