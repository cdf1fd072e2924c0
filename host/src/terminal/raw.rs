//! The user's terminal in raw mode, for as long as a value lives.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::signals;

/// Puts the terminal back when dropped (return, cancellation, panic), and when a signal ends the process.
pub(super) struct Raw {
    mode: Arc<Mode>,
    watch: Handle,
}

/// The terminal, and how it was.
pub(super) struct Mode {
    terminal: OwnedFd,
    settings: Termios,
    /// Under a lock, so that nobody makes it raw after it was put back.
    raw: Mutex<bool>,
}

impl Mode {
    /// Makes it raw; once more after a stop and a continuation, for which the shell took the terminal back.
    pub(super) fn enter(&self) {
        let raw = self.raw.lock().unwrap_or_else(PoisonError::into_inner);
        if *raw {
            let mut settings = self.settings.clone();
            settings.make_raw();
            // A terminal that refuses is still usable, line by line.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &settings);
        }
    }

    fn leave(&self) {
        let mut raw = self.raw.lock().unwrap_or_else(PoisonError::into_inner);
        *raw = false;
        // Nothing is left to do if the terminal is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.settings);
    }
}

impl Raw {
    /// None: it is not a terminal.
    pub(super) fn enter(terminal: &OwnedFd) -> io::Result<Option<Self>> {
        if !isatty(terminal) {
            return Ok(None);
        }
        let mode = Arc::new(Mode {
            terminal: terminal.try_clone()?,
            settings: tcgetattr(terminal)?,
            raw: Mutex::new(true),
        });
        // Before the mode changes: no moment without somebody who puts it back.
        let watch = watch(mode.clone())?;
        let raw = Self { mode, watch };
        raw.mode.enter();
        Ok(Some(raw))
    }

    pub(super) fn mode(&self) -> Arc<Mode> {
        self.mode.clone()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.mode.leave();
        self.watch.close();
    }
}

/// Restores before a signal kills us, unless somebody catches the signals: then the normal way out will do it.
fn watch(mode: Arc<Mode>) -> io::Result<Handle> {
    let mut arriving = Signals::new(signals::not_ignored(&[SIGHUP, SIGINT, SIGQUIT, SIGTERM]))?;
    let handle = arriving.handle();
    thread::Builder::new()
        .name("terminal-guard".to_owned())
        .spawn(move || {
            for signal in arriving.forever() {
                if !signals::caught() {
                    mode.leave();
                    // Ends the process; an error would mean that there is no such signal.
                    drop(signal_hook::low_level::emulate_default_handler(signal));
                }
            }
        })?;
    Ok(handle)
}
