//! A provider whose backend is a directory, so that a test can see from outside what exists and what was asked.
//!
//! `live/TOKEN` is an instance, `homes/TOKEN` is its disk, `journal` holds one file per call, `violations` what no
//! correct host asks for. A file `control/CALL` holds an error kind: that call then fails with it; `control/CALL.wait`
//! makes it wait until the file is gone. Both are how tests steer it while it runs. `control/VERSION.CALL` is for one version
//! of it, and `served/VERSION-CALL-TOKEN` tells which version was called: tests make several of one component. In the same way
//! `control/allocate@FLAVOUR` is for one setting, and `flavours/NUMBER-CALL-FLAVOUR` tells with which one a call was made.

use std::fs;
use std::io::ErrorKind as Io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use runner_sdk::{
    Allocated, Command, Context, Doomed, Entry, Error, ErrorKind, ExitStatus, Facts, Instance,
    Inventory, Liveness, Power, Probe, Provider, Request, Result, Reuse, SshAccess, SshKey, Stdio,
    process, secrets,
};

struct Fake;

/// As it stands in this very component: `variant.rs` of the tests changes it there.
static MANIFEST: &str = include_str!("../plugin.json");

/// This component's version.
fn version() -> &'static str {
    // Read when it runs, or the compiler would read it in the source.
    let manifest = std::hint::black_box(MANIFEST);
    let mut words = manifest.split('"').skip_while(|word| *word != "version");
    words.nth(2).unwrap_or_default()
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    backend: PathBuf,
    capacity: usize,
    flavour: String,
    ssh_host: Option<String>,
    ssh_port: Option<u16>,
    ssh_user: Option<String>,
    ssh_keys: Vec<String>,
    ssh_make_key: bool,
    ssh_password: Option<String>,
    ssh_pins: Vec<String>,
    ssh_first_use: bool,
}

impl Config {
    fn live(&self, token: &str) -> PathBuf {
        self.backend.join("live").join(token)
    }

    fn home(&self, token: &str) -> PathBuf {
        self.backend.join("homes").join(token)
    }

    /// Writes down that this was asked. One file per entry: appending to one file from several processes could tear.
    fn journal(&self, call: &str, token: &str) -> Result<()> {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.note("journal", &format!("{:024}-{call}-{token}", now.as_nanos()))
    }

    /// Writes down who was asked.
    fn served(&self, call: &str, token: &str) -> Result<()> {
        self.note("served", &format!("{}-{call}-{token}", version()))
    }

    /// Writes down with which setting it was asked.
    fn flavoured(&self, call: &str) -> Result<()> {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let name = format!("{:024}-{call}-{}", now.as_nanos(), self.flavour);
        self.note("flavours", &name)
    }

    fn violation(&self, what: &str) -> Result<()> {
        self.note("violations", what)
    }

    fn note(&self, directory: &str, name: &str) -> Result<()> {
        let directory = self.backend.join(directory);
        fs::create_dir_all(&directory).map_err(io)?;
        fs::write(directory.join(name), "").map_err(io)
    }

    /// Does what the test asked of this call.
    fn steer(&self, call: &str) -> Result<()> {
        let control = self.backend.join("control");
        while control.join(format!("{call}.wait")).exists() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let own = control.join(format!("{}.{call}", version()));
        let Ok(text) = fs::read_to_string(control.join(call)).or_else(|_| fs::read_to_string(own))
        else {
            return Ok(());
        };
        // `KIND COUNT`: so often, and then it works again.
        let (text, count) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if let Ok(count) = count.parse::<u32>() {
            let file = control.join(call);
            match count {
                0 | 1 => fs::remove_file(file).map_err(io)?,
                more => fs::write(file, format!("{text} {}", more - 1)).map_err(io)?,
            }
        }
        let kind = match text {
            "invalid" => ErrorKind::Invalid,
            "denied" => ErrorKind::Denied,
            "exhausted" => ErrorKind::Exhausted,
            "unavailable" => ErrorKind::Unavailable,
            "gone" => ErrorKind::Gone,
            "unsupported" => ErrorKind::Unsupported,
            _ => ErrorKind::Failed,
        };
        Err(Error::new(kind, format!("`{call}` was told to fail"))
            .remedy("remove the control file"))
    }

    /// How an instance is reached by ssh, where the test wants it so.
    fn access(&self) -> Result<Option<SshAccess>> {
        let Some(host) = &self.ssh_host else {
            return Ok(None);
        };
        let mut access = SshAccess::new(host);
        access.port = self.ssh_port;
        access.user.clone_from(&self.ssh_user);
        access.password.clone_from(&self.ssh_password);
        for file in &self.ssh_keys {
            access = access.key(SshKey::File(file.clone()));
        }
        if self.ssh_make_key {
            let public = secrets::make_ssh_key("login")?;
            fs::write(self.backend.join("authorized"), format!("{public}\n")).map_err(io)?;
            access = access.key(SshKey::Secret("login".into()));
        }
        for key in &self.ssh_pins {
            access = access.pinned(key);
        }
        if self.ssh_first_use {
            access = access.first_use();
        }
        Ok(Some(access))
    }

    /// The instance exists at the backend.
    fn exists(&self, token: &str) -> Result<()> {
        if self.live(token).exists() {
            Ok(())
        } else {
            Err(Error::gone(format!("the backend has no `{token}`")))
        }
    }
}

fn io(error: std::io::Error) -> Error {
    Error::failed(format!("the backend's directory: {error}"))
}

fn remove(path: &Path, how: fn(&Path) -> std::io::Result<()>) -> Result<()> {
    match how(path) {
        Err(error) if error.kind() != Io::NotFound => Err(io(error)),
        _ => Ok(()),
    }
}

impl Provider for Fake {
    type Config = Config;

    fn allocate(ctx: &Context<Config>, request: &Request) -> Result<Allocated> {
        let (config, token) = (&ctx.config, request.token.as_str());
        config.journal("allocate", token)?;
        config.served("allocate", token)?;
        config.flavoured("allocate")?;
        config.steer("allocate")?;
        config.steer(&format!("allocate@{}", config.flavour))?;
        if config.live(token).exists() {
            config.violation(&format!("token-twice-{token}"))?;
        }
        fs::create_dir_all(config.home(token)).map_err(io)?;
        fs::write(config.live(token), &request.name).map_err(io)?;
        let count = fs::read_dir(config.backend.join("live"))
            .map_err(io)?
            .count();
        if config.capacity > 0 && count > config.capacity {
            config.violation(&format!("{count}-at-once"))?;
        }
        config.steer("allocated")?;
        let made = Allocated::new(format!("fake:{token}"))
            .attribute("home", config.home(token).to_string_lossy());
        Ok(match config.access()? {
            Some(access) => made.by_ssh(access),
            None => made,
        })
    }

    // The instance's shell is the one that says 126 and 127.
    fn run(
        ctx: &Context<Config>,
        instance: &Instance,
        mut command: Command,
        io: Stdio,
    ) -> Result<ExitStatus> {
        let config = &ctx.config;
        config.exists(&instance.token)?;
        config.served("run", &instance.token)?;
        config.flavoured("run")?;
        config.steer("run")?;
        let home = config.home(&instance.token);
        let home = home.to_string_lossy();
        let start = command
            .cwd
            .take()
            .unwrap_or_else(|| home.as_bytes().to_vec());
        let script = "cd \"$1\" && cd \"$2\" && shift 2 && exec \"$@\"";
        let prefix = [
            b"sh",
            b"-c".as_slice(),
            script.as_bytes(),
            b"sh",
            home.as_bytes(),
            &start,
        ];
        process::exec(command.wrapped_in(prefix), io)
    }

    fn discard(ctx: &Context<Config>, doomed: &Doomed) -> Result<()> {
        let (config, token) = (&ctx.config, doomed.token.as_str());
        config.journal("discard", token)?;
        config.served("discard", token)?;
        config.flavoured("discard")?;
        config.steer("discard")?;
        remove(&config.home(token), |path| fs::remove_dir_all(path))?;
        remove(&config.live(token), |path| fs::remove_file(path))
    }
}

impl Liveness for Fake {
    fn check(ctx: &Context<Config>, instance: &Instance) -> Result<()> {
        ctx.config.served("check", &instance.token)?;
        ctx.config.steer("check")?;
        ctx.config.exists(&instance.token)
    }
}

impl Inventory for Fake {
    fn list(ctx: &Context<Config>) -> Result<Vec<Entry>> {
        ctx.config.steer("list")?;
        let mut found = Vec::new();
        for entry in fs::read_dir(ctx.config.backend.join("live")).map_err(io)? {
            let token = entry
                .map_err(io)?
                .file_name()
                .to_string_lossy()
                .into_owned();
            found.push(Entry {
                handle: format!("fake:{token}"),
                token,
            });
        }
        Ok(found)
    }
}

impl Probe for Fake {
    fn probe(ctx: &Context<Config>, instance: &Instance) -> Result<Facts> {
        ctx.config.exists(&instance.token)?;
        Ok(Facts {
            arch: Some("x86_64".into()),
            cpus: Some(4),
            memory: Some(1 << 30),
            os: Some("fake-1".into()),
            hostname: Some(instance.name.clone()),
            address: None,
        })
    }
}

impl Power for Fake {
    fn reboot(ctx: &Context<Config>, instance: &Instance) -> Result<()> {
        ctx.config.journal("reboot", &instance.token)?;
        ctx.config.exists(&instance.token)
    }
}

impl Reuse for Fake {
    fn clean(ctx: &Context<Config>, instance: &Instance) -> Result<()> {
        ctx.config.journal("clean", &instance.token)?;
        ctx.config.steer("clean")?;
        ctx.config.exists(&instance.token)
    }
}

runner_sdk::provider!(
    Fake,
    manifest = "plugin.json",
    optional = [liveness, inventory, facts, power, reuse]
);
