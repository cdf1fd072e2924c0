//! What to start: plain data, and its translation into the standard library's builder.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

/// A program of this machine and what it is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NativeCommand {
    /// A path, or a bare name that is looked up in `PATH`.
    pub program: PathBuf,
    /// What the program is told that it was called; none: `program`. Some programs do different things by it.
    pub arg0: Option<OsString>,
    /// The arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// Added to, or replacing, what we inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The directory to start in; none: ours.
    pub cwd: Option<PathBuf>,
}

impl NativeCommand {
    /// A program without arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            ..Self::default()
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// The builder that starts it. Nothing here may force `fork`: without extra hooks, the standard library takes
    /// `posix_spawn`, which does not copy our page tables (wasmtime makes them large).
    pub(super) fn builder(&self) -> std::process::Command {
        let mut builder = std::process::Command::new(&self.program);
        if let Some(arg0) = &self.arg0 {
            builder.arg0(arg0);
        }
        builder
            .args(&self.args)
            .envs(self.env.iter().map(|(k, v)| (k, v)));
        if let Some(cwd) = &self.cwd {
            builder.current_dir(cwd);
        }
        builder
    }
}
