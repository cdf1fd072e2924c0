//! One call of the binary under test: arguments and input in; exit code, both streams and peak memory out.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A guard against hangs, far beyond what any call may take. Not a limit that a test is about.
pub const HANG: Duration = Duration::from_secs(6 * 60);

/// A call of `runner`, ready to be made. Built by [`crate::TestEnv::runner`].
#[derive(Debug)]
pub struct Runner {
    command: Command,
    input: Input,
}

#[derive(Debug)]
enum Input {
    Nothing,
    Bytes(Vec<u8>),
    From(Stdio),
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Peak resident memory of the process in KiB, as last seen while it ran; 0 when it was too short to be seen.
    pub peak_kib: u64,
    /// How long it took. For reports, never for assertions.
    pub took: Duration,
    /// What was called, for messages.
    pub call: String,
}

impl Runner {
    /// Wraps a command whose environment is already what it must be.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            input: Input::Nothing,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable for this call.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// The directory to call from.
    #[must_use]
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.command.current_dir(directory.into());
        self
    }

    /// These bytes are the standard input, followed by its end.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Bytes(bytes.into());
        self
    }

    /// Standard input comes from there.
    #[must_use]
    pub fn stdin_from(mut self, stdio: impl Into<Stdio>) -> Self {
        self.input = Input::From(stdio.into());
        self
    }

    /// The command itself, for tests that connect and wait by themselves.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Makes the call and waits for its end.
    pub fn run(self) -> Outcome {
        let (outcome, ()) = self.drain(|mut stdout| {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).expect("stdout is readable");
            (bytes, ())
        });
        outcome
    }

    /// Makes the call and gives its standard output to `sink`, whose answer comes back; `Outcome::stdout` is empty.
    pub fn run_into<T: Send + 'static>(
        self,
        sink: impl FnOnce(std::process::ChildStdout) -> T + Send + 'static,
    ) -> (Outcome, T) {
        self.drain(move |stdout| (Vec::new(), sink(stdout)))
    }

    fn drain<T: Send + 'static>(
        mut self,
        sink: impl FnOnce(std::process::ChildStdout) -> (Vec<u8>, T) + Send + 'static,
    ) -> (Outcome, T) {
        let call = describe(&self.command);
        let mut bytes = None;
        self.command.stdin(match self.input {
            Input::Nothing => Stdio::null(),
            Input::Bytes(given) => {
                bytes = Some(given);
                Stdio::piped()
            }
            Input::From(stdio) => stdio,
        });
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let begun = Instant::now();
        let mut child = self
            .command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start `{call}`: {error}"));
        // The command keeps the caller's descriptors (`stdin_from`) open; whoever waits for the end of that pipe would
        // wait for us.
        drop(self.command);
        let watch = Watch::start(&child);
        let feed = bytes.map(|given| {
            let mut stdin = child.stdin.take().expect("stdin is a pipe");
            // A command may end without reading its input: a broken pipe is its right.
            std::thread::spawn(move || drop(stdin.write_all(&given)))
        });
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let mut stderr = child.stderr.take().expect("stderr is a pipe");
        let out = std::thread::spawn(move || sink(stdout));
        let err = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).expect("stderr is readable");
            bytes
        });
        let status = child.wait().expect("the child can be waited for");
        let took = begun.elapsed();
        let (peak_kib, hung) = watch.stop();
        if let Some(feed) = feed {
            feed.join().expect("the input thread does not panic");
        }
        wait_for_end(&call, || out.is_finished() && err.is_finished());
        let (stdout, answer) = out.join().expect("the output thread does not panic");
        let outcome = Outcome {
            code: status.code(),
            signal: status.signal(),
            stdout,
            stderr: err.join().expect("the error thread does not panic"),
            peak_kib,
            took,
            call,
        };
        assert!(!hung, "killed after {HANG:?} without an end: {outcome:?}");
        (outcome, answer)
    }
}

/// The call as it could be typed, roughly.
fn describe(command: &Command) -> String {
    let words: Vec<_> = command
        .get_args()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    format!("runner {}", words.join(" "))
}

/// After the process ended its streams must end too: something it left behind and that still holds them is a bug of its
/// own (a connection master, say), and would hang every caller that reads to the end.
fn wait_for_end(call: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(
            begun.elapsed() < HANG / 5,
            "`{call}` has ended, but something it started still holds its stdout or stderr open"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Samples a process' peak memory, and kills it when it hangs.
struct Watch {
    done: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<bool>,
}

impl Watch {
    fn start(child: &Child) -> Self {
        let pid = child.id();
        let done = Arc::new(AtomicBool::new(false));
        let peak = Arc::new(AtomicU64::new(0));
        let thread = {
            let (done, peak) = (Arc::clone(&done), Arc::clone(&peak));
            std::thread::spawn(move || {
                let begun = Instant::now();
                let mut pause = Duration::from_millis(1);
                while !done.load(Ordering::Acquire) {
                    if let Some(kib) = peak_kib(pid) {
                        peak.fetch_max(kib, Ordering::AcqRel);
                    }
                    if begun.elapsed() > HANG {
                        // Still our child, not yet waited for: the id cannot be somebody else's.
                        kill(pid, rustix::process::Signal::KILL);
                        return true;
                    }
                    std::thread::park_timeout(pause);
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
                false
            })
        };
        Self { done, peak, thread }
    }

    fn stop(self) -> (u64, bool) {
        self.done.store(true, Ordering::Release);
        self.thread.thread().unpark();
        let hung = self.thread.join().expect("the watch does not panic");
        (self.peak.load(Ordering::Acquire), hung)
    }
}

/// `VmHWM` of a process.
pub fn peak_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").trim().parse().ok()
}

/// Sends a signal to a process that the caller started and has not waited for.
pub fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .expect("a process id");
    // It may have ended meanwhile.
    let _ = rustix::process::kill_process(pid, signal);
}

impl Outcome {
    /// From a finished process that a test waited for by itself.
    pub fn from_status(status: ExitStatus, stdout: Vec<u8>, stderr: Vec<u8>) -> Self {
        Self {
            code: status.code(),
            signal: status.signal(),
            stdout,
            stderr,
            peak_kib: 0,
            took: Duration::ZERO,
            call: String::new(),
        }
    }

    /// It must have ended with 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// It must have ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Standard output as text.
    #[track_caller]
    pub fn out(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap_or_else(|_| panic!("stdout is not UTF-8: {self}"))
    }

    /// Standard error as text.
    #[track_caller]
    pub fn err(&self) -> &str {
        std::str::from_utf8(&self.stderr).unwrap_or_else(|_| panic!("stderr is not UTF-8: {self}"))
    }

    /// The words on standard output.
    #[track_caller]
    pub fn words(&self) -> Vec<String> {
        self.out().split_whitespace().map(str::to_owned).collect()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON ({error}): {self}"))
    }

    /// Standard error must hold each of these, whatever the case of letters.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        let text = String::from_utf8_lossy(&self.stderr).to_lowercase();
        // The report wraps and indents; words are what counts.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(
                text.contains(&part.to_lowercase()),
                "stderr does not say `{part}`: {self}"
            );
        }
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let show = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let cut: String = text.chars().take(4000).collect();
            cut.replace('\u{1b}', "<ESC>")
        };
        let Self {
            code, signal, call, ..
        } = self;
        write!(f, "\n  call: {call}\n  code: {code:?}, signal: {signal:?}")?;
        write!(f, "\n  stdout: {}", show(&self.stdout))?;
        write!(f, "\n  stderr: {}", show(&self.stderr))
    }
}

/// Arguments of mixed kinds.
pub fn os(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}
