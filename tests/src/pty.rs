//! A program on a terminal: a real pty, with a size, whose other end the test holds.

use std::fs::File;
use std::io::{PipeWriter, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcgetwinsize, tcsetwinsize};

/// A program that believes a person sits in front of it.
#[derive(Debug)]
pub struct Terminal {
    /// None once it is closed.
    master: Option<File>,
    slave: OwnedFd,
    child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
    /// Its end stops the reader.
    reading: Option<(PipeWriter, JoinHandle<()>)>,
}

impl Terminal {
    /// Starts `command` on a new terminal of this size, in a session of its own.
    pub fn start(command: &Command, columns: u16, rows: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("a pty");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let name = ptsname(&master, Vec::new()).expect("the name of the pty");
        let name = name.to_str().expect("an ASCII path").to_owned();
        let slave: OwnedFd = File::options()
            .read(true)
            .write(true)
            .open(name)
            .expect("the other end of the pty")
            .into();
        let size = Winsize {
            ws_col: columns,
            ws_row: rows,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&slave, size).expect("the window size");
        let end = || Stdio::from(slave.try_clone().expect("a copy of the descriptor"));
        // util-linux' setsid makes it the controlling terminal without unsafe code here.
        let mut wrapped = Command::new("setsid");
        wrapped
            .args(["--ctty", "--wait"])
            .arg(command.get_program());
        wrapped.args(command.get_args()).env_clear();
        for (key, value) in command.get_envs() {
            if let Some(value) = value {
                wrapped.env(key, value);
            }
        }
        if let Some(directory) = command.get_current_dir() {
            wrapped.current_dir(directory);
        }
        let child = wrapped
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("setsid (util-linux) starts");
        let master = File::from(master);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut reader = master.try_clone().expect("a copy of the descriptor");
        let sink = Arc::clone(&seen);
        let (stopped, stop) = std::io::pipe().expect("a pipe");
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let mut both = [
                    PollFd::new(&reader, PollFlags::IN),
                    PollFd::new(&stopped, PollFlags::IN),
                ];
                match poll(&mut both, None) {
                    Err(Errno::INTR) => continue,
                    other => drop(other.expect("polling")),
                }
                if !both[1].revents().is_empty() {
                    return;
                }
                // An error when the last holder of the other end closes it.
                let Ok(count @ 1..) = reader.read(&mut buffer) else {
                    return;
                };
                sink.lock()
                    .expect("no panic")
                    .extend_from_slice(&buffer[..count]);
            }
        });
        Self {
            master: Some(master),
            slave,
            child,
            seen,
            reading: Some((stop, thread)),
        }
    }

    fn master(&self) -> &File {
        self.master.as_ref().expect("the terminal is closed")
    }

    /// Closes the terminal, as closing its window does. What was shown stays readable.
    pub fn hang_up(&mut self) {
        let (stop, thread) = self.reading.take().expect("the terminal is closed");
        drop(stop);
        thread.join().expect("no panic");
        self.master = None;
    }

    /// Types.
    pub fn type_in(&mut self, keys: &str) {
        self.master()
            .write_all(keys.as_bytes())
            .expect("the terminal takes keys");
    }

    /// Changes the size of the window, as dragging its corner does.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize {
            ws_col: columns,
            ws_row: rows,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(self.master(), size).expect("the window size");
    }

    /// The window size as the terminal has it now.
    pub fn size(&self) -> (u16, u16) {
        let size = tcgetwinsize(&self.slave).expect("the window size");
        (size.ws_col, size.ws_row)
    }

    /// The terminal's settings, to see that they are put back.
    pub fn settings(&self) -> String {
        let Termios {
            input_modes,
            output_modes,
            control_modes,
            local_modes,
            ..
        } = tcgetattr(&self.slave).expect("the settings");
        format!("{input_modes:?} {output_modes:?} {control_modes:?} {local_modes:?}")
    }

    /// Everything shown so far.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("no panic")).into_owned()
    }

    /// Waits until `text` is on the screen.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        let begun = Instant::now();
        while !self.seen().contains(text) {
            assert!(
                begun.elapsed() < crate::command::HANG,
                "`{text}` never appeared:\n{}",
                self.seen()
            );
            if self.child.try_wait().expect("waiting").is_some() {
                // What it wrote last may still be on its way from the reader.
                std::thread::sleep(Duration::from_millis(200));
                assert!(
                    self.seen().contains(text),
                    "it ended without showing `{text}`:\n{}",
                    self.seen()
                );
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end; the exit code as a shell tells it.
    pub fn wait(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt as _;
        let status = self.child.wait().expect("waiting");
        status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
    }
}
