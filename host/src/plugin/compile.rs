//! Compiling what a stranger wrote, in a process of its own: a component can be made so that its compilation takes hours, all
//! memory, or the compiler down with it, and none of these may be ours.
//!
//! The parent's half starts this program again (`compiler`), gives it the component and takes the code. The child's half
//! (`in_child`) bounds itself before it reads a byte. Where no program is named (tests of this room) it is compiled here. Whether it
//! must be compiled at all is decided in `load`.

use std::io::{Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal};
use wasmtime::Engine;

use super::failure::{raise, seconds};
use super::limits_config::Limits;
use super::{LoadError, LoadErrorKind, engine};

/// The first argument of the child.
pub const COMPILE: &str = "compile-component";

/// What is kept of the child's complaints.
const COMPLAINT: u64 = 64 << 10;

/// Why there is no code.
pub(super) enum Failed {
    /// The compiler refused it, or did not survive it.
    Refused(String),
    /// It went over a limit: its key, and what happened.
    Over(&'static str, String),
}

impl Failed {
    /// The same, about a plugin.
    pub(super) fn about(self, subject: String) -> LoadError {
        let told = |why: &str| {
            let message = format!("it cannot be compiled: {why}");
            LoadError::new(LoadErrorKind::Compile, subject, message)
        };
        match self {
            Self::Refused(why) if why.contains("async") => told(&why)
                .hint("components of this contract use plain functions only; with componentize-qjs, build with `--sync`"),
            Self::Refused(why) => told(&why),
            Self::Over(limit, why) => told(&why).hint(raise(limit)),
        }
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::Refused(format!("the compiler cannot be used: {error}"))
    }
}

/// The code of a component for an engine with this much guest stack.
pub(super) fn compile(
    engine: &Engine,
    compiler: Option<&Path>,
    component: &[u8],
    limits: &Limits,
) -> Result<Vec<u8>, Failed> {
    let Some(compiler) = compiler else {
        return engine
            .precompile_component(component)
            .map_err(|error| Failed::Refused(shown(&format!("{error:#}"))));
    };
    let mut child = Command::new(compiler)
        // Called as itself: under the name `spread` it would be another program.
        .arg0("runner")
        .arg(COMPILE)
        .arg(limits.stack.to_string())
        .arg(limits.compile.as_millis().to_string())
        .arg(limits.compile_memory.to_string())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C is for us to obey, and then it ends with us.
        .process_group(0)
        .spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (code, complaint) = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A child that ends before it has read everything says why itself.
            let _broken = stdin.map(|mut stdin| stdin.write_all(component));
        });
        let complaint = scope.spawn(move || {
            let mut text = Vec::new();
            let _broken = stderr.map(|mut stderr| {
                let _cut = stderr.by_ref().take(COMPLAINT).read_to_end(&mut text);
                std::io::copy(&mut stderr, &mut std::io::sink())
            });
            text
        });
        let mut code = Vec::new();
        let read = stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut code));
        (read.map(|_| code), complaint.join().unwrap_or_default())
    });
    let status = child.wait()?;
    if status.success() {
        return Ok(code?);
    }
    Err(why(status, &String::from_utf8_lossy(&complaint), limits))
}

/// What an end means.
fn why(status: ExitStatus, complaint: &str, limits: &Limits) -> Failed {
    let signal = status.signal();
    if signal == Some(Signal::XCPU.as_raw()) {
        let why = format!(
            "it takes more than {} of computing",
            seconds(limits.compile)
        );
        return Failed::Over("compile", why);
    }
    // What the allocator of Rust says at its end, and what threads that could not be started mean.
    if complaint.contains("memory allocation of") || complaint.contains("Cannot allocate memory") {
        let why = format!(
            "it takes more than {} bytes of memory",
            limits.compile_memory
        );
        return Failed::Over("compile-memory", why);
    }
    let said = shown(complaint.trim());
    Failed::Refused(match (signal, said.as_str()) {
        (Some(signal), "") => format!("the compiler died of signal {signal}"),
        (Some(signal), said) => format!("the compiler died of signal {signal}: {said}"),
        (None, "") => format!("the compiler ended without a word ({status})"),
        (None, said) => said.to_owned(),
    })
}

fn shown(text: &str) -> String {
    super::text::printable_cut(text, 2000)
}

/// Bounds of the child.
#[derive(Clone, Copy, Debug)]
pub struct CompileBounds {
    /// Bytes of the guest's stack, which is part of what code is compiled for.
    pub stack: usize,
    /// Processor time, of all threads together.
    pub time: Duration,
    /// Bytes of memory.
    pub memory: u64,
}

/// The child: bounds this process, then compiles what `read` gives. It ends with the thread that started it.
pub fn in_child(
    bounds: CompileBounds,
    read: impl FnOnce() -> std::io::Result<Vec<u8>>,
) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| error.to_string();
    // Whoever started us may be gone already: then there is nobody who reads, and writing ends us.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| failed(error.into()))?;
    let whole = bounds.time.as_secs() + u64::from(bounds.time.subsec_nanos() > 0);
    for (resource, soft, hard) in [
        (Resource::Cpu, whole, whole + 1),
        // Not the address space: each thread of the allocator reserves more of that than it uses.
        (Resource::Data, bounds.memory, bounds.memory),
        (Resource::Core, 0, 0),
    ] {
        let given = rustix::process::getrlimit(resource);
        let within =
            |wanted: u64, given: Option<u64>| Some(given.map_or(wanted, |given| given.min(wanted)));
        let limit = Rlimit {
            current: within(soft, given.maximum),
            maximum: within(hard, given.maximum),
        };
        rustix::process::setrlimit(resource, limit).map_err(|error| failed(error.into()))?;
    }
    let component = read().map_err(failed)?;
    engine::compiler(bounds.stack)
        .and_then(|engine| engine.precompile_component(&component))
        .map_err(|error| format!("{error:#}"))
}
