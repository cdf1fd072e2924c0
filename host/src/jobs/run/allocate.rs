//! From a worker to a machine that takes scripts and has the project on it.

use std::time::Duration;

use runner_core::id::InstanceName;
use tokio::time::Instant;

use super::send::{SendError, send};
use super::shop::{Shop, chain};
use super::station::{Found, Station, Tree};
use super::{Login, Wish, end_of};
use crate::engine::{Ask, EngineError, FailureKind, Machine, Wait};
use crate::jobs::events::{What, WorkerNumber};
use crate::jobs::reuse::Entry;
use crate::jobs::server;
use crate::provider::ErrorKind;

/// How long a machine is asked for, and how long it may take to answer.
const ALLOCATING: Duration = Duration::from_secs(5 * 60);
const CONNECTING: Duration = Duration::from_secs(60);
/// The same trouble is told so often.
const AGAIN: Duration = Duration::from_secs(15);
/// So many machines may turn out to be of no use.
const MACHINES: u32 = 3;

/// A machine for a worker. Error: why it gets none; everything is told already. None: there is nothing left to do for it.
pub(super) async fn open(
    shop: &Shop,
    worker: WorkerNumber,
    system: usize,
) -> Result<Option<Station>, String> {
    let name = shop.system_name(system);
    let login = shop.login(system).inspect_err(|error| {
        tell_failed(shop, worker, &name, error, false);
    })?;
    let mut occupied = 0;
    loop {
        let kept = claim(shop, system, worker);
        let used = matches!(kept, Kept::One(_));
        let found = match kept {
            Kept::One(entry) => reuse(shop, worker, system, &login, entry).await?,
            Kept::NoneLeft => {
                return Err(format!("no machine of an earlier run is left for {name}"));
            }
            Kept::New => tokio::select! {
                found = allocate(shop, worker, system, &login) => found?,
                () = shop.nothing_left(system) => {
                    shop.cut_off();
                    return Ok(None);
                }
            },
        };
        let mut station = Station::new(found);
        shop.holds(worker, &station.label, &station.address);
        if let Err(error) = connect(shop, &mut station).await {
            end_of::discard(shop, station, system, used).await;
            return Err(error);
        }
        match send(shop, &mut station, used).await {
            Ok(()) => {
                station.tree = Tree::Ours;
                return Ok(Some(station));
            }
            Err(error) => {
                let (text, again) = match error {
                    SendError::Occupied(text) => {
                        station.tree = Tree::Foreign;
                        (text, !used)
                    }
                    SendError::Failed(text) => (text, false),
                    SendError::NoArchive(text) => {
                        shop.fail("cannot pack project content for delivery");
                        end_of::close(shop, station, system).await;
                        return Err(text);
                    }
                };
                shop.stream().emit(What::SendFailed {
                    worker,
                    machine: station.label.clone(),
                    error: text.clone(),
                });
                end_of::discard(shop, station, system, used).await;
                if !again {
                    return Err(text);
                }
            }
        }
        occupied += 1;
        if occupied == MACHINES {
            let error = "after too many retries".to_owned();
            tell_failed(shop, worker, &name, &error, false);
            return Err(error);
        }
    }
}

fn tell_failed(shop: &Shop, worker: WorkerNumber, system: &str, error: &str, again: bool) {
    shop.stream().emit(What::AllocationFailed {
        worker,
        system: system.to_owned(),
        error: error.to_owned(),
        again,
    });
}

/// What the reuse file has for a worker.
enum Kept {
    One(Entry),
    /// It has some, and others have them: no more are allocated beside those.
    NoneLeft,
    New,
}

fn claim(shop: &Shop, system: usize, _worker: WorkerNumber) -> Kept {
    let options = &shop.setup.options;
    if !options.reuse && options.reuse_pid.is_none() {
        return Kept::New;
    }
    let (backend, system) = shop.place(system);
    let backend = shop.setup.project.backend(backend);
    let system = &backend.system(system).name;
    shop.claim(&backend.name, system)
        .map_or(Kept::New, |entry| entry.map_or(Kept::NoneLeft, Kept::One))
}

/// A machine of an earlier run.
async fn reuse(
    shop: &Shop,
    worker: WorkerNumber,
    system: usize,
    login: &Login,
    entry: Entry,
) -> Result<Found, String> {
    let name = shop.system_name(system);
    let (place, number) = shop.place(system);
    let backend = shop.setup.project.backend(place);
    let mut login = login.clone();
    if !entry.password.is_empty() {
        login.password.clone_from(&entry.password);
    }
    let engine = &shop.setup.engine;
    let (label, machine, lease) = match entry.instance() {
        Some(instance) => {
            let instance = InstanceName::typed(instance);
            let machine = engine.machine(&instance, &name).map_err(|error| {
                let error = crate::engine::chain(&error);
                tell_failed(shop, worker, &name, &error, false);
                error
            })?;
            (instance.to_string(), machine, None)
        }
        None => {
            let wish = Wish {
                backend,
                system: backend.system(number),
                login: login.clone(),
                known: Some((&entry, false)),
            };
            let (machine, lease) = acquire(shop, &wish, &name).await.map_err(|error| {
                let error = crate::engine::chain(&error);
                tell_failed(shop, worker, &name, &error, false);
                error
            })?;
            (machine.name().to_string(), machine, Some(lease))
        }
    };
    shop.stream().emit(What::Reusing {
        worker,
        system: name.clone(),
        machine: label.clone(),
    });
    Ok(Found {
        worker,
        system: name,
        label,
        login: shell_login(&login, &machine),
        machine,
        lease,
        address: entry.address.clone(),
        entry,
    })
}

/// A new machine, with patience.
async fn allocate(
    shop: &Shop,
    worker: WorkerNumber,
    system: usize,
    login: &Login,
) -> Result<Found, String> {
    let name = shop.system_name(system);
    let (place, number) = shop.place(system);
    let backend = shop.setup.project.backend(place);
    let wish = Wish {
        backend,
        system: backend.system(number),
        login: login.clone(),
        known: None,
    };
    shop.stream().emit(What::Allocating {
        worker,
        system: name.clone(),
    });
    let begun = Instant::now();
    let mut pause = Duration::from_millis(250);
    let mut told: Option<(String, Instant)> = None;
    let (machine, lease) = loop {
        let error = match acquire(shop, &wish, &name).await {
            Ok(made) => break made,
            Err(error) => error,
        };
        let text = words(&error);
        let again = !fatal(&error) && begun.elapsed() + pause < ALLOCATING;
        let gist = gist(&text);
        let known = told
            .as_ref()
            .is_some_and(|(last, at)| *last == gist && at.elapsed() < AGAIN);
        if !known || !again {
            tell_failed(shop, worker, &name, &text, again);
            told = Some((gist, Instant::now()));
        }
        if !again {
            return Err(text);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    };
    let label = machine.name().to_string();
    let address = address(&machine);
    let entry = Entry {
        username: login.username.clone(),
        password: login.password.clone(),
        address: address.clone(),
        data: Some(serde_json::json!({ "instance": label })),
    };
    if let Some(file) = shop.reuse().as_mut()
        && let Err(error) = file.add(&backend.name, &backend.system(number).name, entry.clone())
    {
        shop.stream().emit(What::Note {
            text: chain(&error),
        });
    }
    shop.stream().emit(What::Allocated {
        worker,
        system: name.clone(),
        machine: label.clone(),
    });
    Ok(Found {
        worker,
        system: name,
        label,
        login: shell_login(login, &machine),
        machine,
        lease: Some(lease),
        entry,
        address,
    })
}

async fn acquire(
    shop: &Shop,
    wish: &Wish<'_>,
    what: &str,
) -> Result<(Machine, crate::engine::Acquired), EngineError> {
    let draw = shop.setup.machines.draw(wish)?;
    // A source of the user's may have to be waited for; whoever allocates anew is asked again.
    let wait = if shop.setup.machines.gives_back(wish.backend) {
        Wait::Forever
    } else {
        Wait::No
    };
    let ask = Ask {
        wait,
        ..Ask::default()
    };
    let engine = &shop.setup.engine;
    let acquired = engine.acquire(&draw, &ask).await?;
    let names = acquired.names();
    let Some(name) = names.first() else {
        return Err(EngineError::new(
            FailureKind::State,
            "no instance was handed out",
        ));
    };
    let machine = engine.machine(name, what)?;
    Ok((machine, acquired))
}

async fn connect(shop: &Shop, station: &mut Station) -> Result<(), String> {
    let (worker, system, machine) = (
        station.worker,
        station.system.clone(),
        station.label.clone(),
    );
    shop.stream().emit(What::Connecting {
        worker,
        system: system.clone(),
        machine: machine.clone(),
    });
    let connected = station
        .connect(CONNECTING, |error| {
            tracing::debug!("not connected yet: {}", chain(error));
        })
        .await;
    match connected {
        Ok(()) => {
            shop.stream().emit(What::Connected {
                worker,
                system,
                machine,
                address: station.address.clone(),
            });
            Ok(())
        }
        Err(error) => {
            let error = chain(&error);
            shop.stream().emit(What::ConnectionFailed {
                worker,
                system,
                machine,
                error: error.clone(),
            });
            Err(error)
        }
    }
}

/// Scripts run as root: whoever logs in as somebody else becomes it. Whom a machine is reached as is its provider's word, where
/// the project has none.
fn shell_login(login: &Login, machine: &Machine) -> server::Login {
    let own = machine.ssh().ok().flatten().and_then(|target| target.user);
    match own.as_deref().unwrap_or(&login.username) {
        "" | "root" => server::Login::Plain,
        _ => server::Login::Sudo,
    }
}

/// Where a machine is, for people and for the reuse file.
fn address(machine: &Machine) -> String {
    match machine.ssh() {
        Ok(Some(target)) => {
            let host = if target.host.contains(':') {
                format!("[{}]", target.host)
            } else {
                target.host
            };
            target
                .port
                .map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
        }
        Ok(None) | Err(_) => machine.name().to_string(),
    }
}

/// Asking again cannot help.
fn fatal(error: &EngineError) -> bool {
    match error.provider_error().map(|error| &error.kind) {
        Some(kind) => matches!(
            kind,
            ErrorKind::Invalid
                | ErrorKind::Denied
                // What a new machine is made from is not there, or the backend has looked into it and said no.
                | ErrorKind::Gone
                | ErrorKind::Failed
                | ErrorKind::Unsupported
                | ErrorKind::Load
                | ErrorKind::Malformed
        ),
        None => matches!(
            error.kind,
            FailureKind::Invalid | FailureKind::Denied | FailureKind::UnknownSource
        ),
    }
}

/// A text without what is different each time although it says the same: tokens and other numbers.
fn gist(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let lasting = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    lasting.collect::<Vec<_>>().join(" ")
}

/// What the provider said, without the frame that the engine puts around it.
fn words(error: &EngineError) -> String {
    match error.provider_error() {
        Some(provider) => provider.message.clone(),
        None => match &error.hint {
            // The user must do something, and nobody else says what.
            Some(hint) if error.kind == FailureKind::Denied => {
                format!("{}; {hint}", crate::engine::chain(error))
            }
            _ => crate::engine::chain(error),
        },
    }
}
