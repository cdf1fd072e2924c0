//! One plugin set up and ready: what the behaviours do with it, each in one line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runner_core::id::{InstanceName, SourceName, Token};
use runner_core::policy::Limit;
use sha2::{Digest as _, Sha256};

use super::behaviour::Miss;
use super::{Witness, faults};
use crate::engine::{Draw, Engine};
use crate::process::{CollectError, Pipes};
use crate::provider::{
    Access, Allocated, Command, Doomed, ExitStatus, Instance, Output, Provider, ProviderError,
    Request, SshAccess, Stdio,
};
use crate::tape::Faults;
use crate::workdir;

/// What a command may print here.
const PRINTED: usize = 32 << 20;

/// The way to an instance that the host reaches by itself.
pub(super) type Reach =
    dyn Fn(&Token, &SshAccess) -> Result<Arc<dyn Provider>, String> + Send + Sync;

/// What was changed, and the provider with it, or why there is none.
pub type Refusing = (String, Result<Arc<dyn Provider>, String>);

/// What a bench is made of.
pub struct Setup {
    pub source: SourceName,
    pub provider: Arc<dyn Provider>,
    /// None: the instances that the host reaches by itself cannot be reached here.
    pub reach: Option<Box<Reach>>,
    /// How whole lives are lived; none: only single calls can be made.
    pub life: Option<Life>,
    pub faults: Arc<Faults>,
    pub witness: Arc<Witness>,
    pub maximum: Limit,
    /// Where instances have their directories; none: they have none.
    pub work: Option<PathBuf>,
    /// They are made and removed; on a cassette they are only named.
    pub directories: bool,
    /// The same source with configurations that must be refused.
    pub bad: Vec<Refusing>,
    /// Decides the tokens.
    pub seed: String,
    /// How long one behaviour may take.
    pub patience: Duration,
}

/// An engine with books of its own, and what it draws on.
pub struct Life {
    pub engine: Engine,
    pub draw: Draw,
}

/// The bench.
pub struct Bench {
    pub(super) setup: Setup,
    number: AtomicU32,
    slots: Mutex<BTreeSet<u32>>,
    main: Mutex<Option<Held>>,
    /// What was asked for and is not confirmed to be gone, by token.
    unconfirmed: Mutex<BTreeMap<String, Held>>,
}

/// An instance that a call made.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) instance: Instance,
    pub(super) access: Access,
    slot: u32,
}

impl Held {
    pub(super) fn doomed(&self, handle: bool) -> Doomed {
        Doomed {
            token: self.instance.token.clone(),
            handle: handle.then(|| self.instance.handle.clone()),
            name: self.instance.name.clone(),
            workdir: self.instance.workdir.clone(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bench {
    /// A bench over these parts.
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            number: AtomicU32::new(0),
            slots: Mutex::default(),
            main: Mutex::default(),
            unconfirmed: Mutex::default(),
        }
    }

    pub(super) fn provider(&self) -> &dyn Provider {
        &*self.setup.provider
    }

    /// A request that was never made before.
    pub(super) fn request(&self) -> Result<Request, Miss> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let slot = {
            let mut slots = lock(&self.slots);
            let free = (0..).find(|slot| !slots.contains(slot)).unwrap_or(u32::MAX);
            slots.insert(free);
            free
        };
        let name = format!("{}-{number}", self.setup.source);
        let workdir = match &self.setup.work {
            Some(work) => {
                let path = work.join(&name);
                if self.setup.directories {
                    std::fs::create_dir_all(&path).map_err(|e| {
                        Miss::Failed(format!("cannot make `{}`: {e}", path.display()))
                    })?;
                }
                Some(path)
            }
            None => None,
        };
        let request = Request {
            token: self.token(number),
            name: InstanceName::typed(name),
            slot,
            workdir,
        };
        // Intent before effect, here as well.
        self.held(&request, nothing());
        Ok(request)
    }

    /// The token of the n-th request: the same in each play of one recording, and nobody else's.
    fn token(&self, number: u32) -> Token {
        let digest = Sha256::digest(format!("{} {number}", self.setup.seed));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Token::from_bytes(bytes)
    }

    /// A token that nothing carries.
    pub(super) fn unknown_token(&self) -> Token {
        self.token(self.number.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes an instance.
    pub(super) async fn allocate(&self) -> Result<Held, Miss> {
        let request = self.request()?;
        match self.provider().allocate(&request).await {
            Ok(allocated) => Ok(self.held(&request, allocated)),
            Err(error) => {
                // As the host does it.
                let doomed = self.held(&request, nothing());
                let _first_error_counts = self.discard_by(&doomed, false).await;
                Err(error.into())
            }
        }
    }

    /// An instance, remembered until its discard is confirmed.
    pub(super) fn held(&self, request: &Request, allocated: Allocated) -> Held {
        let held = Held {
            instance: Instance {
                handle: allocated.handle,
                token: request.token.clone(),
                name: request.name.clone(),
                workdir: request.workdir.clone(),
            },
            access: allocated.access,
            slot: request.slot,
        };
        let token = request.token.as_str().to_owned();
        lock(&self.unconfirmed).insert(token, held.clone());
        held
    }

    /// Destroys what is left of everything that was tried. Answers what would not go.
    pub async fn clear(&self) -> Vec<String> {
        self.take_main();
        self.setup.faults.disarm();
        let mut stays = Vec::new();
        if let Some(life) = &self.setup.life
            && let Err(why) = faults::clear(life).await
        {
            stays.push(why);
        }
        let left: Vec<Held> = lock(&self.unconfirmed).values().cloned().collect();
        for held in left {
            // Without its handle where it never had one.
            let handle = !held.instance.handle.is_empty();
            if let Err(Miss::Failed(why) | Miss::NotShown(why)) =
                self.discard_by(&held, handle).await
            {
                let why = why.lines().next().unwrap_or_default();
                stays.push(format!(
                    "an instance with token {} and handle `{}`, which was not discarded: {why}",
                    held.instance.token.as_str(),
                    held.instance.handle
                ));
            }
        }
        stays
    }

    /// Makes an instance beside the main one, or in its place where there is room for one only.
    pub(super) async fn allocate_beside(&self) -> Result<Held, Miss> {
        if self.room_for(2).is_err()
            && let Some(main) = self.take_main()
        {
            self.discard(&main).await?;
        }
        self.allocate().await
    }

    /// Destroys an instance, and its directory as the host does.
    pub(super) async fn discard(&self, held: &Held) -> Result<(), Miss> {
        self.discard_by(held, true).await
    }

    /// The same; without its handle, as after a lost answer.
    pub(super) async fn discard_by(&self, held: &Held, handle: bool) -> Result<(), Miss> {
        let doomed = held.doomed(handle);
        self.provider().discard(&doomed).await?;
        if let Some(way) = self.way(held)? {
            // A connection to what is gone ends by itself, only later.
            let _closed = way.discard(&doomed).await;
        }
        self.forget(held)
    }

    /// Only the plugin's part.
    pub(super) async fn discard_only(&self, held: &Held) -> Result<(), Miss> {
        Ok(self.provider().discard(&held.doomed(true)).await?)
    }

    /// The host's part of a discard.
    pub(super) fn forget(&self, held: &Held) -> Result<(), Miss> {
        if self.setup.directories
            && let Some(path) = &held.instance.workdir
        {
            workdir::remove(path).map_err(|error| {
                Miss::Failed(format!(
                    "`discard` answered success, and the instance's directory cannot be removed: {error}"
                ))
            })?;
        }
        lock(&self.slots).remove(&held.slot);
        lock(&self.unconfirmed).remove(held.instance.token.as_str());
        Ok(())
    }

    /// The instance that the commands run on, made when it is first asked for.
    pub(super) async fn main(&self) -> Result<Held, Miss> {
        if let Some(held) = lock(&self.main).clone() {
            return Ok(held);
        }
        let held = self.allocate().await?;
        *lock(&self.main) = Some(held.clone());
        if let Some(way) = self.way(&held)? {
            // A machine that runs may still be on its way up.
            way.ready(&held.instance).await?;
        }
        Ok(held)
    }

    /// Takes it away from the bench, to be destroyed.
    pub(super) fn take_main(&self) -> Option<Held> {
        lock(&self.main).take()
    }

    /// Room for so many at once, or why not.
    pub(super) fn room_for(&self, count: u32) -> Result<(), Miss> {
        match self.setup.maximum {
            Limit::At(maximum) if maximum < count => Err(Miss::NotShown(format!(
                "the source has room for {maximum} at once, and this takes {count}"
            ))),
            _ => Ok(()),
        }
    }

    /// What drives the instance.
    pub(super) fn reach(&self, held: &Held) -> Result<Arc<dyn Provider>, Miss> {
        if held.access == Access::Plugin {
            return Ok(self.setup.provider.clone());
        }
        self.way(held)?.ok_or_else(|| {
            Miss::NotShown(
                "the host reaches this instance by itself, which is on no cassette".to_owned(),
            )
        })
    }

    /// The host's own way to the instance, where there is one.
    fn way(&self, held: &Held) -> Result<Option<Arc<dyn Provider>>, Miss> {
        match (&held.access, &self.setup.reach) {
            (Access::Ssh(access), Some(reach)) => {
                let way = reach(&held.instance.token, access);
                way.map(Some).map_err(Miss::Failed)
            }
            _ => Ok(None),
        }
    }

    /// Runs a command with this input and collects what it prints.
    pub(super) async fn run(
        &self,
        held: &Held,
        command: &Command,
        input: Vec<u8>,
    ) -> Result<Output, Miss> {
        let reach = self.reach(held)?;
        let (pipes, ends) = Pipes::new().map_err(broken)?;
        let stdio = Stdio::apart(ends.stdin, ends.stdout, ends.stderr);
        let running = reach.run(&held.instance, command, stdio);
        let collected = pipes.collect(input, PRINTED, running).await;
        let collected = collected.map_err(|error| match error {
            CollectError::TooMuch(stream) => {
                Miss::Failed(format!("the {stream} has more than {PRINTED} bytes"))
            }
            CollectError::Io(error) => broken(error),
        })?;
        Ok(Output {
            status: collected.ended?,
            stdout: collected.stdout,
            stderr: collected.stderr,
        })
    }

    /// Runs a shell script, with arguments, on the main instance.
    pub(super) async fn sh(&self, script: &str, args: &[&[u8]]) -> Result<Output, Miss> {
        let held = self.main().await?;
        self.run(&held, &command(script, args), Vec::new()).await
    }

    /// The tokens that the plugin lists; none when it does not list.
    pub(super) async fn listed(&self) -> Result<Option<BTreeSet<String>>, Miss> {
        if !self.provider().optional().inventory {
            return Ok(None);
        }
        match self.provider().list().await {
            Ok(entries) => Ok(Some(
                entries
                    .into_iter()
                    .map(|entry| entry.token.as_str().to_owned())
                    .collect(),
            )),
            // Whether it can may depend on its configuration.
            Err(error) if error.kind == crate::provider::ErrorKind::Unsupported => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

pub(super) fn nothing() -> Allocated {
    Allocated {
        handle: String::new(),
        access: Access::Plugin,
        attributes: Vec::new(),
    }
}

fn broken(error: std::io::Error) -> Miss {
    Miss::Failed(format!(
        "the streams of a command cannot be set up: {error}"
    ))
}

/// `sh -c SCRIPT sh ARGS…`.
pub(super) fn command(script: &str, args: &[&[u8]]) -> Command {
    let mut argv: Vec<Vec<u8>> = ["sh", "-c", script, "sh"]
        .map(|word| word.as_bytes().to_vec())
        .into();
    argv.extend(args.iter().map(|arg| arg.to_vec()));
    plain(argv)
}

/// A command and nothing else.
pub(super) fn plain(argv: Vec<Vec<u8>>) -> Command {
    Command {
        argv,
        env: Vec::new(),
        cwd: None,
        tty: false,
        id: "00000000c0ffee00".to_owned(),
    }
}

/// An exit status in words.
pub(super) fn status(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("code {code}"),
        ExitStatus::Signal(signal) => format!("signal {signal}"),
    }
}

/// A command's end in words, with the beginning of what it complained of.
pub(super) fn told(output: &Output) -> String {
    let complaint: String = String::from_utf8_lossy(&output.stderr)
        .chars()
        .take(200)
        .collect();
    let ended = status(output.status);
    match complaint.trim() {
        "" => ended,
        complaint => format!("{ended}, saying `{complaint}`"),
    }
}

/// For lists of errors.
pub(super) fn error(error: &ProviderError) -> String {
    format!("`{}`: {error}", error.kind.word())
}
