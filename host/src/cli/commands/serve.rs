//! `runner serve`: the loop that keeps a fleet, for as long as it is left running.

use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use signal_hook::consts::SIGHUP;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};

use crate::app::App;
use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::signals::{self, Signals};
use crate::cli::{exit_code, notify};
use crate::config::{Changes, Watch};
use crate::engine::{Engine, Order, ServeOptions};

/// Keep the fleet: make ahead, serve tickets, check what is idle and in use, destroy what is over
///
/// It stays in the foreground. Nothing depends on it: every command does what it needs by itself when no `serve` runs, and
/// leaves the long work to it when one does. What it was doing when it is killed is finished by the next command, or by the
/// next `serve`. There is one per state directory; a second one names the first and ends with code 3.
///
/// When it is ready it prints one line, `serving DIRECTORY`, and tells a service manager that set `NOTIFY_SOCKET`
/// (`examples/runner.service` is a unit for systemd). What it does is logged on stderr.
///
/// Settings are read anew when their files change, and on SIGHUP. What is broken is logged, noted as an event, and leaves the
/// last good settings of that source in force. SIGTERM or SIGINT: it begins nothing new, finishes what is in flight, and ends;
/// a second one ends it at once. What applies to the whole fleet is in `[fleet]` of `config.toml`.
///
/// It sees the user's configuration, and that of the project in whose directory it is started. Requests for sources that it
/// does not know, or knows with other settings, stay with the commands that made them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner serve
  runner serve -v                       every step that is taken
  systemctl --user enable --now runner  with examples/runner.service")]
pub(crate) struct Serve {}

/// Enough for calls that block while others go on; what runs in parallel waits for other processes.
const THREADS: usize = 4;

/// Serves until a signal ends it.
pub(crate) fn run(context: &Context) -> Outcome {
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::io("the runtime for plugin calls cannot be started", &error))?;
    let ended = runtime.block_on(serve(context));
    // Threads that still read a stream must not hold up the exit.
    runtime.shutdown_background();
    ended
}

async fn serve(context: &Context) -> Outcome {
    let app = &context.app;
    let engine = context.engine()?;
    let mut signals = Signals::service()?;
    let serving = engine.become_server()?;
    // Before anything is read: what changes from now on is noticed.
    let watch = Watch::new(app.config());
    report(engine, &app.reload(), true);
    let options = options(app)?;
    let socket = app.environment().notify.clone();
    let manager = socket.as_deref();

    let (orders, obeyed) = watch::channel(Order::Run);
    let orders = Arc::new(orders);
    let fresh = Arc::new(Mutex::new(None));
    let (hangups, hung_up) = mpsc::unbounded_channel();
    let reloading = tokio::spawn(reload(
        app.clone(),
        watch,
        hung_up,
        Arc::clone(&fresh),
        Arc::clone(&orders),
    ));
    let directory = app.environment().state.display();
    let ready = context.console.print(&format!("serving {directory}\n"));
    if let Err(failure) = ready {
        // Nobody may want to know.
        tracing::debug!("{}", failure.message);
    }
    notify::tell(manager, "READY=1\n");
    tracing::info!("serving `{directory}`");

    let taken = || fresh.lock().unwrap_or_else(PoisonError::into_inner).take();
    let served = engine.serve(serving, options, obeyed, taken);
    tokio::pin!(served);
    let mut draining = false;
    let ended = loop {
        tokio::select! {
            ended = &mut served => break ended,
            arrived = signals.next() => match i32::from(arrived.number) {
                SIGHUP => drop(hangups.send(())),
                _ if draining => {
                    notify::tell(manager, "STATUS=leaving at once\n");
                    signals::die_of(arrived.number);
                }
                _ => {
                    draining = true;
                    notify::tell(manager, "STOPPING=1\nSTATUS=finishing what is in flight\n");
                    orders.send_replace(Order::Drain);
                }
            }
        }
    };
    reloading.abort();
    ended?;
    Ok(exit_code::OK)
}

/// Reads the settings anew, whenever their files change or somebody says so.
async fn reload(
    app: App,
    watch: std::io::Result<Watch>,
    mut hung_up: mpsc::UnboundedReceiver<()>,
    fresh: Arc<Mutex<Option<ServeOptions>>>,
    orders: Arc<watch::Sender<Order>>,
) {
    let mut watch = match watch {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::error!(%error, "changes of the settings are not noticed; SIGHUP reads them anew");
            None
        }
    };
    loop {
        let changed = async {
            match &mut watch {
                Some(watch) => watch.changed(app.config()).await,
                None => std::future::pending().await,
            }
        };
        let asked = tokio::select! {
            said = hung_up.recv() => said.is_some(),
            changed = changed => {
                if let Err(error) = changed {
                    tracing::error!(%error, "changes of the settings are not noticed any more; SIGHUP reads them anew");
                    watch = None;
                    continue;
                }
                false
            }
        };
        let reading = app.clone();
        // Components that are new are looked at, which takes its time.
        let Ok(changes) = tokio::task::spawn_blocking(move || reading.reload()).await else {
            tracing::error!("the settings could not be read anew");
            continue;
        };
        if let Ok(engine) = app.engine()
            && (asked || !changes.is_empty())
        {
            report(engine, &changes, false);
        }
        match options(&app) {
            Ok(options) => {
                *fresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(options);
            }
            Err(failure) => tracing::error!("{}", failure.message),
        }
        // The loop looks up.
        orders.send_modify(|_| {});
    }
}

/// Tells what reading the settings changed. `first`: everything is new, which is no news.
fn report(engine: &Engine, changes: &Changes, first: bool) {
    let note = |what: &str, source, detail: Option<&str>| {
        if let Err(error) = engine.note_serving(what, source, detail) {
            tracing::warn!("{}", crate::engine::chain(&error));
        }
    };
    let problems: Vec<String> = changes
        .problems
        .iter()
        .map(|problem| {
            let text = problem.to_string();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            lines.join("; ")
        })
        .collect();
    for problem in &problems {
        tracing::error!("{problem}");
    }
    if !problems.is_empty() {
        note("problems", None, Some(&problems.join("; ")));
    }
    let groups = [
        ("added", &changes.added),
        ("changed", &changes.changed),
        ("removed", &changes.removed),
        ("kept", &changes.kept),
        ("unusable", &changes.unusable),
    ];
    let mut told = Vec::new();
    for (what, sources) in groups {
        if sources.is_empty() || first && what == "added" {
            continue;
        }
        let names: Vec<&str> = sources.iter().map(|source| source.as_str()).collect();
        told.push(format!("{what} {}", names.join(", ")));
        for source in sources {
            let detail = match what {
                "kept" => Some("its settings are wrong: what they said last stays in force"),
                "unusable" => Some("its settings are wrong, and were never right"),
                _ => None,
            };
            note(what, Some(source), detail);
        }
    }
    if !first {
        let told = if told.is_empty() {
            "nothing changed".to_owned()
        } else {
            told.join("; ")
        };
        tracing::info!("read the settings anew: {told}");
        note("reloaded", None, Some(&told));
    } else if !told.is_empty() {
        tracing::warn!("{}", told.join("; "));
    }
}

/// `[fleet]`, as it is in force.
fn options(app: &App) -> Result<ServeOptions, Failure> {
    let settings = app
        .config()
        .settings()
        .map_err(crate::engine::EngineError::from)?;
    Ok(ServeOptions {
        orphan_grace: settings.fleet.orphan_grace,
        checks_at_once: settings.fleet.checks_at_once,
        history: settings.fleet.history,
    })
}
