//! The whole terminal for a picture that is drawn again and again: the other screen, without a cursor, keys one by one.
//!
//! Everything is put back when the value is dropped. Signals that would end us are only noted meanwhile, so that it is.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::termios::{isatty, tcgetwinsize};
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::low_level::{pipe, unregister};
use tokio::sync::mpsc::UnboundedReceiver;

use super::raw::Raw;
use super::signals::{self, Guard};
use crate::provider::Arrived;

/// Enter: the other screen, no cursor, no line wrap. Leave: the reverse.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &[u8] = b"\x1b[?7h\x1b[?25h\x1b[?1049l";

/// A terminal that is ours.
pub struct Screen {
    output: File,
    input: OwnedFd,
    /// A byte for each signal that concerns us.
    told: UnixStream,
    wakers: Vec<SigId>,
    arrived: UnboundedReceiver<Arrived>,
    _raw: Raw,
    // Last: while the terminal is put back no signal ends us.
    _guard: Guard,
}

/// Columns and rows of the terminal on our standard output.
pub fn size() -> (usize, usize) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            (usize::from(size.ws_col), usize::from(size.ws_row))
        }
        _ => (80, 24),
    }
}

/// What a look at the keys says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Stay,
    /// `q`, Ctrl-C, Escape, or nobody there any more.
    Leave,
    /// This signal ends us.
    Signal(u8),
}

impl Screen {
    /// None: standard input or output is no terminal.
    ///
    /// # Errors
    /// When the terminal or the signals cannot be set up.
    pub fn enter() -> io::Result<Option<Self>> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        if !isatty(&input) || !isatty(io::stdout()) {
            return Ok(None);
        }
        let (told, teller) = UnixStream::pair()?;
        told.set_nonblocking(true)?;
        let ending = [SIGHUP, SIGINT, SIGTERM];
        let (guard, arrived) = signals::catch(&ending)?;
        let mut wakers = Vec::new();
        for number in signals::not_ignored(&ending).into_iter().chain([SIGWINCH]) {
            wakers.push(pipe::register(number, teller.try_clone()?)?);
        }
        let Some(raw) = Raw::enter(&input)? else {
            return Ok(None);
        };
        // The terminal, not a stream that results are printed to.
        let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        output.write_all(ENTER)?;
        Ok(Some(Self {
            input,
            output,
            told,
            wakers,
            arrived,
            _raw: raw,
            _guard: guard,
        }))
    }

    /// What to wait on: keys, and signals.
    pub fn wakers(&self) -> [BorrowedFd<'_>; 2] {
        [self.input.as_fd(), self.told.as_fd()]
    }

    /// Columns and rows.
    pub fn size(&self) -> (usize, usize) {
        size()
    }

    /// Draws these lines, the first one highlighted, in one write so that nothing flickers.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut picture = String::from("\x1b[H");
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                picture.push_str("\r\n");
            }
            if number == 0 {
                picture.push_str("\x1b[7m");
            }
            picture.push_str(line);
            if number == 0 {
                picture.push_str("\x1b[0m");
            }
            picture.push_str("\x1b[K");
        }
        picture.push_str("\x1b[J");
        (&self.output).write_all(picture.as_bytes())
    }

    /// Reads `ready` input (or signals) away. To be called when one of the wakers woke.
    pub fn wish(&mut self, ready: bool) -> Wish {
        let mut buffer = [0; 64];
        while rustix::io::read(&self.told, &mut buffer).is_ok_and(|length| length > 0) {}
        if let Ok(arrived) = self.arrived.try_recv() {
            return Wish::Signal(arrived.number);
        }
        if !ready {
            return Wish::Stay;
        }
        match rustix::io::read(&self.input, &mut buffer) {
            Ok(0) | Err(_) => Wish::Leave,
            Ok(length) => {
                let keys = &buffer[..length];
                // A lone Escape; a longer sequence is some other key.
                let leaves =
                    keys == b"\x1b" || keys.iter().any(|key| matches!(key, b'q' | b'Q' | 3 | 4));
                if leaves { Wish::Leave } else { Wish::Stay }
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing is left to do if the terminal is gone.
        let _gone = self.output.write_all(LEAVE);
        for waker in &self.wakers {
            unregister(*waker);
        }
    }
}
