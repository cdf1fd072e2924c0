//! The bytes between the user's terminal and the command's.
//!
//! Threads, because a terminal's descriptor is shared with the shell and must not be made non-blocking.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{SpecialCodeIndex, isatty, tcgetattr};
use signal_hook::SigId;
use signal_hook::consts::{SIGCONT, SIGWINCH};
use tokio::sync::oneshot;

use super::pty::{Pty, copy_size};
use super::raw::{Mode, Raw};
use crate::provider::Stdio;

const CHUNK: usize = 64 * 1024;

/// How long a command may go on without the terminal that it had.
const PATIENCE: Duration = Duration::from_secs(10);

/// A terminal for one command.
pub struct Terminal {
    input: OwnedFd,
    output: OwnedFd,
    /// Whose size the command's terminal has.
    model: OwnedFd,
    master: OwnedFd,
}

impl Terminal {
    /// A terminal like the one on our standard input, and the streams for the command. Nothing is read and no mode is
    /// changed before [`Terminal::drive`].
    ///
    /// # Errors
    /// When the system has no pseudo-terminal left.
    pub fn open() -> io::Result<(Self, Stdio)> {
        Self::between(
            rustix::stdio::stdin().try_clone_to_owned()?,
            rustix::stdio::stdout().try_clone_to_owned()?,
        )
    }

    /// As `open`, with other descriptors than ours. `input` need not be a terminal: its end is then typed as Ctrl-D.
    ///
    /// # Errors
    /// As `open`.
    pub fn between(input: OwnedFd, output: OwnedFd) -> io::Result<(Self, Stdio)> {
        let model = if isatty(&input) { &input } else { &output }.try_clone()?;
        let Pty { master, slave } = Pty::like(&model)?;
        let stdio = Stdio {
            stdin: slave.try_clone()?,
            stdout: slave.try_clone()?,
            stderr: slave,
            terminal: true,
            own_group: false,
            signals: None,
        };
        let terminal = Self {
            input,
            output,
            model,
            master,
        };
        Ok((terminal, stdio))
    }

    /// Drives `command`, which owns the streams that `open` gave, with the user's terminal in raw mode, until it has ended
    /// and everything it wrote is shown. Window sizes follow. When the user's terminal goes away the command's is hung up, and
    /// a command that goes on nevertheless is dropped after [`PATIENCE`].
    ///
    /// # Errors
    /// When the pump cannot be started; the command has not been polled then. When the terminal went away and the command
    /// did not end.
    pub async fn drive<T>(self, command: impl Future<Output = T>) -> io::Result<T> {
        let raw = Raw::enter(&self.input)?;
        // The ends of these two pipes are events: the command has ended; nothing is shown any more.
        let (ended, awaiting_command) = io::pipe()?;
        let (shown_all, showing_on) = io::pipe()?;
        // A byte in this one: the user's terminal is gone.
        let (hung_up, mut hang_up) = io::pipe()?;
        let resized = Resized::watch()?;
        let (shown, all_shown) = oneshot::channel();
        let (gone, going) = oneshot::channel();
        let master = Arc::new(self.master);
        let typing = Typing {
            input: self.input,
            master: master.clone(),
            ended: ended.try_clone()?,
            shown_all,
            mode: raw.as_ref().map(Raw::mode),
            model: self.model,
        };
        let showing = Showing {
            master,
            output: self.output,
            ended,
            hung_up,
            _on: showing_on,
        };
        spawn("terminal-in", move || {
            // Another end of typing is no failure: the command may still run and show things.
            if matches!(typing.run(&resized), Ok(Over::Gone)) {
                // Whoever is not there to hear either of them has ended.
                let _shown_all = hang_up.write_all(b"!");
                let _ended = gone.send(());
            }
        })?;
        spawn("terminal-out", move || {
            drop(shown.send(showing.run()));
        })?;
        let overdue = async {
            match going.await {
                Ok(()) => tokio::time::sleep(PATIENCE).await,
                Err(_ended) => std::future::pending().await,
            }
        };
        let result = tokio::select! {
            result = command => result,
            () = overdue => {
                let what = "the terminal went away, and what ran on it did not end";
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
        };
        // Both threads see the end of this pipe.
        drop(awaiting_command);
        // An error means that nobody looks at the output any more; the command's end is what counts.
        drop(all_shown.await);
        drop(raw);
        Ok(result)
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map(drop)
}

/// Why nothing more is typed.
enum Over {
    /// The command has ended, or shows nothing any more.
    Command,
    /// The user's terminal is gone.
    Gone,
}

/// From the user to the command.
struct Typing {
    input: OwnedFd,
    master: Arc<OwnedFd>,
    ended: PipeReader,
    shown_all: PipeReader,
    mode: Option<Arc<Mode>>,
    model: OwnedFd,
}

impl Typing {
    /// When it and `Showing` have returned, the command's terminal is hung up.
    fn run(self, resized: &Resized) -> io::Result<Over> {
        let mut buffer = vec![0; 4096];
        let mut open = true;
        // It may have changed before anybody watched.
        copy_size(&self.model, &*self.master);
        loop {
            let [ended, shown_all, size, input] = ready([
                (self.ended.as_fd(), PollFlags::IN),
                (self.shown_all.as_fd(), PollFlags::IN),
                (resized.pipe.as_fd(), PollFlags::IN),
                // What is at its end would always be ready.
                (
                    if open {
                        self.input.as_fd()
                    } else {
                        self.ended.as_fd()
                    },
                    PollFlags::IN,
                ),
            ])?;
            if ended || shown_all {
                return Ok(Over::Command);
            }
            if size {
                resized.clear()?;
                if let Some(mode) = &self.mode {
                    mode.enter();
                }
                copy_size(&self.model, &*self.master);
            }
            if input && open {
                match rustix::io::read(&self.input, &mut buffer) {
                    Ok(0) | Err(Errno::IO) if self.mode.is_some() => return Ok(Over::Gone),
                    Ok(0) => {
                        open = false;
                        self.write(&[self.end_of_input()])?;
                    }
                    Ok(n) => self.write(&buffer[..n])?,
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    Err(e) => return Err(e.into()),
                }
            }
        }
    }

    /// Gives up when the command has ended: nobody will ever read it then.
    fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(&*self.master, bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(Errno::AGAIN) => {
                    let [ended, _] = ready([
                        (self.ended.as_fd(), PollFlags::IN),
                        (self.master.as_fd(), PollFlags::OUT),
                    ])?;
                    if ended {
                        return Ok(());
                    }
                }
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn end_of_input(&self) -> u8 {
        const CTRL_D: u8 = 4;
        tcgetattr(&*self.master).map_or(CTRL_D, |t| t.special_codes[SpecialCodeIndex::VEOF])
    }
}

/// From the command to the user.
struct Showing {
    master: Arc<OwnedFd>,
    output: OwnedFd,
    ended: PipeReader,
    hung_up: PipeReader,
    _on: PipeWriter,
}

impl Showing {
    fn run(self) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        let mut over = false;
        let mut typing = true;
        loop {
            match rustix::io::read(&*self.master, &mut buffer) {
                // The last process that had the terminal open is gone.
                Ok(0) | Err(Errno::IO) => return Ok(()),
                Ok(n) => write_all(&self.output, &buffer[..n])?,
                // Everything is shown, and what still has the terminal open is not the command.
                Err(Errno::AGAIN) if over => return Ok(()),
                Err(Errno::AGAIN) => {
                    let [ended, hung_up, _] = ready([
                        (self.ended.as_fd(), PollFlags::IN),
                        // What is at its end would always be ready.
                        (
                            if typing {
                                self.hung_up.as_fd()
                            } else {
                                self.ended.as_fd()
                            },
                            PollFlags::IN,
                        ),
                        (self.master.as_fd(), PollFlags::IN),
                    ])?;
                    if hung_up && typing {
                        // With nothing in it, typing has ended for another reason.
                        if (&self.hung_up).read(&mut [0])? > 0 {
                            return Ok(());
                        }
                        typing = false;
                    }
                    // Once more round: what it wrote last may have come between.
                    over = ended;
                }
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

fn write_all(output: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(output, bytes) {
            Ok(n) => bytes = &bytes[n..],
            // Somebody else made our standard output non-blocking.
            Err(Errno::AGAIN) => drop(ready([(output.as_fd(), PollFlags::OUT)])?),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Waits until something can be done with at least one of them, or it is at its end.
fn ready<const N: usize>(wanted: [(BorrowedFd<'_>, PollFlags); N]) -> io::Result<[bool; N]> {
    let mut fds = wanted.map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags));
    loop {
        match poll(&mut fds, None) {
            Ok(_) => return Ok(fds.map(|fd| !fd.revents().is_empty())),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// A pipe that is readable when the user's terminal has another size, or we were continued after a stop.
struct Resized {
    pipe: UnixStream,
    handlers: Vec<SigId>,
}

impl Resized {
    fn watch() -> io::Result<Self> {
        let (pipe, signalled) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        let mut handlers = Vec::new();
        for signal in [SIGWINCH, SIGCONT] {
            handlers.push(signal_hook::low_level::pipe::register(
                signal,
                signalled.try_clone()?,
            )?);
        }
        Ok(Self { pipe, handlers })
    }

    fn clear(&self) -> io::Result<()> {
        let mut buffer = [0; 64];
        loop {
            match rustix::io::read(&self.pipe, &mut buffer) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl Drop for Resized {
    fn drop(&mut self) {
        for &handler in &self.handlers {
            signal_hook::low_level::unregister(handler);
        }
    }
}
