//! Virtual machines run by QEMU, without a service: each is one process, on an overlay of one image, reached through a port of
//! the loopback address that its user network forwards. The host drives them by ssh.

mod arguments;

use runner_sdk::{
    Allocated, Command, Context, Doomed, Entry, Error, ExitStatus, Instance, Inventory, Liveness,
    Output, Provider, Request, Result, SshAccess, SshKey, Stdio, cloud, log, process, secrets,
    state,
};

/// The processes behind the machines; see there.
const SCRIPT: &str = include_str!("machine.sh");

struct Qemu;

/// As in `plugin.json`, which documents each key.
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    image: String,
    image_format: String,
    kernel: Option<String>,
    initrd: Option<String>,
    append: String,
    system: String,
    machine: String,
    accel: String,
    kvm_patience: u32,
    memory: String,
    cpus: u32,
    storage: Option<String>,
    bios: String,
    warm: Option<String>,
    username: String,
    password: Option<String>,
    password_secret: Option<String>,
    identity: Option<String>,
    user_data: Option<String>,
    restrict: bool,
    extra_args: Vec<String>,
}

impl Config {
    /// Nobody said how to log in: the image's cloud-init is told a key.
    fn makes_a_key(&self) -> bool {
        self.password.is_none() && self.password_secret.is_none() && self.identity.is_none()
    }

    fn has_seed(&self) -> bool {
        self.makes_a_key() || self.user_data.is_some()
    }
}

type Ctx = Context<Config>;

impl Provider for Qemu {
    type Config = Config;

    fn allocate(ctx: &Ctx, request: &Request) -> Result<Allocated> {
        let config = &ctx.config;
        let work = request.workdir()?;
        if config.warm.is_some() && config.makes_a_key() {
            return Err(
                Error::invalid("a saved machine is booted already, and takes no new key").remedy(
                    "set `identity` or `password` to what its image trusts, or leave `warm` out",
                ),
            );
        }
        let access = access(config)?;
        if config.has_seed() {
            seed(config, request)?;
        }
        same_format(&config.image, &config.image_format)?;
        let firmware = firmware(config)?;
        let name = format!("runner.{}.{}.{}", request.token, ctx.state_id, ctx.source);
        let machine = arguments::Machine {
            config,
            firmware: firmware.as_deref(),
            kvm: kvm(ctx, work, &name, firmware.as_deref())?,
        };
        let disk = format!("{work}/disk.qcow2");
        let (start_in, backing, incoming) = match &config.warm {
            None => (work.to_owned(), None, None),
            Some(parent) => {
                let command = |name: &str| machine.command(name, "disk.qcow2", "qcow2", "console");
                let key = String::from_utf8_lossy(&command("").argv.join(&b' ')).into_owned();
                let save = script("save", [parent, &key, &config.image])
                    .args(command(&name).argv)
                    .env("RUNNER_SEED", format!("{work}/seed"))
                    .env("RUNNER_FORMAT", &config.image_format)
                    .env("RUNNER_SIZE", config.storage.as_deref().unwrap_or(""));
                let saved = run(save)?.text()?.to_owned();
                let backing = format!("{saved}/disk.qcow2");
                (saved, Some(backing), Some("exec:cat state"))
            }
        };
        let (backing, format) = match &backing {
            Some(saved) => (saved, "qcow2"),
            None => (&config.image, config.image_format.as_str()),
        };
        let overlay = Command::from(["qemu-img", "create", "-q", "-f", "qcow2"])
            .args(["-b", backing, "-F", format, &disk])
            .args(config.storage.iter().filter(|_| incoming.is_none()));
        run(overlay)?;
        let mut start = script("start", [&format!("{work}/log"), &start_in]).args(
            machine
                .command(&name, &disk, "qcow2", &format!("{work}/console"))
                .argv,
        );
        if let Some(incoming) = incoming {
            start = start.args(["-incoming", incoming]);
        }
        let started = run(start)?;
        let port = started.text()?.parse().map_err(|_| {
            Error::failed(format!(
                "`{}` is not the port of a machine",
                started.text().unwrap_or("")
            ))
        })?;
        Ok(Allocated::new(handle(&request.token, port))
            .by_ssh(access.port(port))
            .attribute("accelerator", if machine.kvm { "kvm" } else { "tcg" })
            .attribute("console", format!("{work}/console"))
            .attribute("image", &config.image))
    }

    // The host does this by ssh.
    fn run(_: &Ctx, _: &Instance, _: Command, _: Stdio) -> Result<ExitStatus> {
        Err(Error::unsupported("a machine is reached by ssh"))
    }

    fn discard(_: &Ctx, doomed: &Doomed) -> Result<()> {
        // Without its disk no machine can start any more: what is being started now fails, or is seen.
        if let Some(work) = &doomed.workdir {
            run(Command::from([
                "sh",
                "-c",
                "rm -f -- \"$1\"/disk.qcow2",
                "sh",
                work,
            ]))?;
        }
        run(script("end", [&doomed.token]))?;
        Ok(())
    }
}

impl Liveness for Qemu {
    fn check(_: &Ctx, instance: &Instance) -> Result<()> {
        let listed = run(script("list", [&instance.token]))?;
        let mut found = listed.text()?.lines().filter_map(entry);
        match found.next() {
            Some((_, entry)) if entry.handle == instance.handle => Ok(()),
            Some(_) => Err(Error::failed(
                "the machine does not listen for ssh any more",
            )),
            None => Err(Error::gone("the machine does not run").remedy(
                "its console, and what QEMU said, are in its directory until it is discarded",
            )),
        }
    }
}

impl Inventory for Qemu {
    fn list(ctx: &Ctx) -> Result<Vec<Entry>> {
        let listed = run(script("list", [""]))?;
        let ours = format!("{}.{}", ctx.state_id, ctx.source);
        let found = listed.text()?.lines().filter_map(entry);
        Ok(found
            .filter(|(whose, _)| *whose == ours)
            .map(|(_, entry)| entry)
            .collect())
    }
}

/// Of a line `runner.TOKEN.STATE.SOURCE PORT`: whose it is, and the entry. A machine that does not listen yet has no port.
fn entry(line: &str) -> Option<(&str, Entry)> {
    let (name, port) = line.split_once(' ').unwrap_or((line, ""));
    let (token, whose) = name.strip_prefix("runner.")?.split_once('.')?;
    let handle = handle(token, port.parse().unwrap_or(0));
    Some((
        whose,
        Entry {
            token: token.to_owned(),
            handle,
        },
    ))
}

/// The port alone would be another machine's some day.
fn handle(token: &str, port: u16) -> String {
    format!("{token}:{port}")
}

/// How to log in. Keys of the machine are taken as they come: whoever could answer instead of it on the loopback address is on
/// this machine already.
fn access(config: &Config) -> Result<SshAccess> {
    let mut access = SshAccess::new("127.0.0.1")
        .user(&config.username)
        .first_use();
    if let Some(password) = &config.password {
        secrets::keep("password", password)?;
        access = access.password("password");
    }
    if let Some(secret) = &config.password_secret {
        access = access.password(secret);
    }
    if let Some(file) = &config.identity {
        access = access.key(SshKey::File(file.clone()));
    }
    if config.makes_a_key() {
        access = access.key(SshKey::Secret("ssh-key".to_owned()));
    }
    Ok(access)
}

/// What cloud-init finds on a second, tiny disk.
fn seed(config: &Config, request: &Request) -> Result<()> {
    let key = if config.makes_a_key() {
        secrets::make_ssh_key("ssh-key")?
    } else {
        String::new()
    };
    let data = match &config.user_data {
        Some(given) => cloud::fill(given, &config.username, &key),
        None => cloud::user_data(&config.username, &key),
    };
    let write = "mkdir -p -- \"$1\" && cat > \"$1/user-data\" && printf 'instance-id: %s\\nlocal-hostname: %s\\n' \"$2\" \"$3\" > \"$1/meta-data\"";
    let directory = format!("{}/seed", request.workdir()?);
    let command = Command::from([
        "sh",
        "-c",
        write,
        "sh",
        &directory,
        &request.token,
        &request.name,
    ]);
    process::output_with(command, data.as_bytes())?.success()?;
    Ok(())
}

/// Refuses an image that is not what `image-format` says: as `raw`, anything starts and nothing boots, and the other way round
/// QEMU says that it is not, and not what it is. The guess is never used, only told.
fn same_format(image: &str, said: &str) -> Result<()> {
    let info = process::output(["qemu-img", "info", "-U", "--", image])?;
    if !info.status.success() {
        // What is wrong with it is said where it is used.
        return Ok(());
    }
    let lines = String::from_utf8_lossy(&info.stdout);
    match format_in(&lines) {
        Some(found) if found != said => Err(Error::invalid(format!(
            "the image `{image}` is in the format `{found}`, and `image-format` says `{said}`"
        ))
        .remedy(match found {
            "qcow2" | "raw" => format!("set `image-format = \"{found}\"`, or name another `image`"),
            _ => format!("`qemu-img convert -O {said} {image} OUTPUT` makes one that it is"),
        })),
        _ => Ok(()),
    }
}

/// Of the image itself: what it lies in has lines of its own, indented.
fn format_in(info: &str) -> Option<&str> {
    info.lines()
        .find_map(|line| line.strip_prefix("file format: "))
}

/// The firmware's file, if there is to be another than QEMU's own.
fn firmware(config: &Config) -> Result<Option<String>> {
    const PLACES: [&str; 5] = [
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/qemu/edk2-x86_64-code.fd",
        "/usr/share/AAVMF/AAVMF_CODE.fd",
    ];
    match config.bios.as_str() {
        "bios" => Ok(None),
        "uefi" => {
            let first = "for file; do [ ! -e \"$file\" ] || { echo \"$file\" && exit; }; done";
            let found = run(Command::from(["sh", "-c", first, "sh"]).args(PLACES))?;
            match found.text()? {
                "" => Err(
                    Error::invalid("there is no UEFI firmware where it usually lies")
                        .remedy("install `ovmf`, or set `bios` to the path of a firmware"),
                ),
                file => Ok(Some(file.to_owned())),
            }
        }
        path => Ok(Some(path.to_owned())),
    }
}

/// Whether to use KVM. `/dev/kvm` says nothing: on some machines it opens and no guest ever comes up. So this very machine is booted
/// with it once, and what came of it is remembered for the source.
fn kvm(ctx: &Ctx, work: &str, name: &str, firmware: Option<&str>) -> Result<bool> {
    match ctx.config.accel.as_str() {
        "kvm" => return Ok(true),
        "tcg" => return Ok(false),
        _ => {}
    }
    let machine = arguments::Machine {
        config: &ctx.config,
        firmware,
        kvm: true,
    };
    let key = format!("kvm {}", cloud::cut(&ctx.config.image, 200));
    if let Some(known) = state::get(&key)? {
        return Ok(known == b"yes");
    }
    let probe = script("boots", [&ctx.config.kvm_patience.to_string()])
        .args(
            machine
                .command(
                    name,
                    &ctx.config.image,
                    &ctx.config.image_format,
                    "/dev/null",
                )
                .argv,
        )
        .arg("-snapshot")
        .cwd(work);
    let boots = process::output(["sh", "-c", "[ -w /dev/kvm ]"])?
        .status
        .success()
        && process::output(probe)?.status.success();
    log::info(if boots {
        "this machine boots with KVM, which is used from now on"
    } else {
        "this machine does not boot with KVM: it is emulated, which is slow"
    });
    state::set(&key, if boots { "yes" } else { "no" })?;
    Ok(boots)
}

/// A function of the script.
fn script<const N: usize>(function: &str, arguments: [&str; N]) -> Command {
    Command::from(["sh", "-c", SCRIPT, "sh", function]).args(arguments)
}

/// Runs it, and tells what a complaint means.
fn run(command: Command) -> Result<Output> {
    let output = process::output(command)?;
    if output.status.success() {
        return Ok(output);
    }
    // The file's name stands in the first line, and the last one alone says little.
    let lines = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let said = cloud::cut(&lines.join("; "), 600).to_owned();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let error = if has(&[
        "No such file",
        "Could not open",
        "not found",
        "Image is not in",
    ]) {
        Error::invalid(format!("the machine cannot be started: {said}"))
            .remedy("check the paths of this source")
    } else if has(&[
        "Cannot allocate memory",
        "cannot set up guest memory",
        "No space left",
    ]) {
        Error::exhausted(format!("the machine cannot be started: {said}"))
    } else if has(&["KVM"]) {
        Error::invalid(format!("the machine cannot be started: {said}"))
            .remedy("set `accel = \"auto\"`")
    } else {
        Error::failed(format!("QEMU {}: {said}", output.status))
    };
    Err(error)
}

runner_sdk::provider!(
    Qemu,
    manifest = "plugin.json",
    optional = [liveness, inventory]
);
