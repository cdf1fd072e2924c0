//! The signals that would end us while a command runs: caught, and told apart by who sent them.
//!
//! Ctrl-C at a terminal goes to the whole foreground group, so a command in our process group has got it already and must
//! not get it twice. What `kill` sent to us alone has to be passed on. A command elsewhere (own group, other host) needs
//! both. Signals that were ignored when we were started (`nohup`, background jobs of scripts) stay ignored.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;

use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::{Handle, SignalsInfo};
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::provider::Arrived;

/// How many `Guard`s there are.
static GUARDS: AtomicUsize = AtomicUsize::new(0);

/// No guard is left: the signals do again what they do by default.
static DEFAULT: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// While it lives, the signals do not end the process.
#[derive(Debug)]
pub struct Guard {
    arriving: Handle,
}

/// Catches signals that end processes. Call it before the command is started, and keep the guard until it has ended: then
/// they do again what they do by default.
///
/// # Errors
/// When handlers or a thread cannot be made.
pub fn catch(numbers: &[i32]) -> io::Result<(Guard, UnboundedReceiver<Arrived>)> {
    let numbers = not_ignored(numbers);
    let mut arriving = SignalsInfo::<WithOrigin>::new(&numbers)?;
    default_without_guards(&numbers)?;
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
                let caught = Arrived {
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

/// Somebody catches the signals at the moment.
pub(super) fn caught() -> bool {
    GUARDS.load(Ordering::SeqCst) > 0
}

/// Those of `numbers` that were not ignored when we were started.
pub(super) fn not_ignored(numbers: &[i32]) -> Vec<i32> {
    let ignored = ignored();
    let mut numbers = numbers.to_vec();
    numbers.retain(|number| ignored & (1 << (number - 1)) == 0);
    numbers
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
fn default_without_guards(numbers: &[i32]) -> io::Result<()> {
    static INSTALLED: Mutex<Vec<i32>> = Mutex::new(Vec::new());
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    for &number in numbers {
        if !installed.contains(&number) {
            signal_hook::flag::register_conditional_default(number, DEFAULT.clone())?;
            installed.push(number);
        }
    }
    Ok(())
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
