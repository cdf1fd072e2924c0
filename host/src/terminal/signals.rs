//! The signals that would end us while a command runs: caught, and told apart by who sent them.
//!
//! Ctrl-C at a terminal goes to the whole foreground group, so a command in our process group has got it already and must
//! not get it twice. What `kill` sent to us alone has to be passed on. A command elsewhere (own group, other host) needs
//! both. Signals that were ignored when we were started (`nohup`, background jobs of scripts) stay ignored.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Once};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::{Handle, SignalsInfo};
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const FATAL: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// How many `Guard`s there are.
static GUARDS: AtomicUsize = AtomicUsize::new(0);

/// No guard is left: the signals do again what they do by default.
static DEFAULT: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// A signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caught {
    pub number: u8,
    /// The kernel sent it for a terminal, to the whole foreground process group.
    pub from_terminal: bool,
}

/// While it lives, `HUP`, `INT`, `QUIT` and `TERM` do not end the process.
#[derive(Debug)]
pub struct Guard {
    arriving: Handle,
}

/// Catches the signals. Call it before the command is started, and keep the guard until it has ended.
///
/// # Errors
/// When handlers or a thread cannot be made.
pub fn catch() -> io::Result<(Guard, UnboundedReceiver<Caught>)> {
    let mut arriving = SignalsInfo::<WithOrigin>::new(not_ignored())?;
    default_without_guards()?;
    let guard = Guard {
        arriving: arriving.handle(),
    };
    GUARDS.fetch_add(1, Ordering::SeqCst);
    DEFAULT.store(false, Ordering::SeqCst);
    let (sender, receiver) = unbounded_channel();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for origin in arriving.forever() {
                let caught = Caught {
                    // There are 64 signals.
                    number: u8::try_from(origin.signal).unwrap_or_default(),
                    from_terminal: matches!(origin.cause, Cause::Kernel),
                };
                // Nobody listens any more: the signal has been survived, which is all that is left to do.
                let _ = sender.send(caught);
            }
        })?;
    Ok((guard, receiver))
}

/// The numbers to pass on to a command. `shares_group`: it runs in our process group, where the terminal's signals reach
/// it by themselves. Needs a runtime.
pub fn for_command(
    mut caught: UnboundedReceiver<Caught>,
    shares_group: bool,
) -> UnboundedReceiver<u8> {
    let (sender, receiver) = unbounded_channel();
    drop(tokio::spawn(async move {
        while let Some(signal) = caught.recv().await {
            if !(shares_group && signal.from_terminal) && sender.send(signal.number).is_err() {
                return;
            }
        }
    }));
    receiver
}

/// Somebody catches the signals at the moment.
pub(super) fn caught() -> bool {
    GUARDS.load(Ordering::SeqCst) > 0
}

/// The signals that end us unless they are caught.
pub(super) fn not_ignored() -> Vec<i32> {
    let ignored = ignored();
    FATAL
        .into_iter()
        .filter(|signal| ignored & (1 << (signal - 1)) == 0)
        .collect()
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.arriving.close();
        if GUARDS.fetch_sub(1, Ordering::SeqCst) == 1 {
            DEFAULT.store(true, Ordering::SeqCst);
        }
    }
}

/// A handler once installed stays; without this one the signals would be ignored after the last guard.
fn default_without_guards() -> io::Result<()> {
    static INSTALLED: Once = Once::new();
    let mut result = Ok(());
    INSTALLED.call_once(|| {
        for signal in not_ignored() {
            let installed =
                signal_hook::flag::register_conditional_default(signal, DEFAULT.clone());
            if let Err(error) = installed {
                result = Err(error);
            }
        }
    });
    result
}

/// The mask of ignored signals, as it is now: read once, before the first handler.
fn ignored() -> u64 {
    static AT_START: LazyLock<u64> = LazyLock::new(read_ignored);
    *AT_START
}

#[cfg(target_os = "linux")]
fn read_ignored() -> u64 {
    // Without /proc we assume what is usual: nothing is ignored.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn read_ignored() -> u64 {
    0
}
