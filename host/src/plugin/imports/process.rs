//! `process`: granted programs on the host's machine.

use std::io::Write as _;
use std::os::fd::OwnedFd;

use serde_json::json;
use wasmtime::component::Resource;

use super::program::{Program, Refused, resolve};
use super::{Answer, chain, failed};
use crate::plugin::bindings::process::{Captured, Host};
use crate::plugin::bindings::types::{Command, Error, ExitStatus};
use crate::plugin::convert;
use crate::plugin::state::{CallerStdio, State};
use crate::plugin::tap::{through, through_connected};
use crate::process::{self, ProcessError};
use crate::provider::Stdio;
use crate::provider::wire::Wire as _;

/// What `output` collects of each stream.
const CAPTURED: usize = 1 << 20;

/// Tells a plugin's own programs where the private directories of all instances are: a plugin that lists keeps nothing
/// itself, and a call that is about no instance knows no directory.
const WORK: &str = "RUNNER_WORK_DIR";

/// What a shell answers for a program that is not there.
const NOT_FOUND: u8 = 127;

impl Host for State {
    async fn exec(&mut self, cmd: Command, io: Resource<CallerStdio>) -> Answer<ExitStatus> {
        let stdio = self.table.delete(io)?.0;
        through_connected!(
            self,
            "process.exec",
            cmd.to_json(),
            stdio,
            self.exec_granted(cmd, stdio)
        )
    }

    async fn output(&mut self, cmd: Command, stdin: Vec<u8>) -> Answer<Captured> {
        through!(
            self,
            "process.output",
            json!({ "command": cmd.to_json(), "stdin": stdin.to_json() }),
            self.output_granted(cmd, stdin)
        )
    }
}

impl State {
    async fn exec_granted(&mut self, cmd: Command, stdio: Stdio) -> Answer<ExitStatus> {
        let (shown, reads) = self.shown(&cmd);
        let program = match resolve(self.bound.rights(), &self.bound.services.path, cmd) {
            Ok(program) => program,
            Err(Refused::Error(refused)) => return Ok(Err(refused)),
            Err(Refused::NotFound { name }) => {
                complain(stdio.stderr, &format!("`{name}` not found"));
                return Ok(Ok(ExitStatus::Code(NOT_FOUND)));
            }
        };
        let leave = match self.guard.program(shown, reads) {
            Ok(leave) => leave,
            Err(refused) => return Ok(Err(refused)),
        };
        self.count_process()?;
        let _quiet = self.running.pause();
        // Where the plugin starts the user's own command, what cannot be started is the command's failure and not ours:
        // a shell would say so on its standard error, with these codes.
        let stderr = match program.any {
            true => stdio.stderr.try_clone().ok(),
            false => None,
        };
        Ok(match process::connect(&program.native, stdio).await {
            Ok(status) => Ok(convert::guest_exit_status(status)),
            Err(error) => {
                if error.never_started() {
                    self.guard.never_left(leave);
                }
                match (error.shell_code(), stderr) {
                    (Some(code), Some(stderr)) => {
                        complain(stderr, &chain(&error));
                        Ok(ExitStatus::Code(code))
                    }
                    _ => Err(not_started(&error)),
                }
            }
        })
    }

    async fn output_granted(&mut self, cmd: Command, stdin: Vec<u8>) -> Answer<Captured> {
        let (shown, reads) = self.shown(&cmd);
        let Program { mut native, .. } =
            match resolve(self.bound.rights(), &self.bound.services.path, cmd) {
                Ok(program) => program,
                Err(Refused::Error(refused)) => return Ok(Err(refused)),
                Err(Refused::NotFound { name }) => {
                    return Ok(Err(failed(format!("program `{name}` not found"))));
                }
            };
        let leave = match self.guard.program(shown, reads) {
            Ok(leave) => leave,
            Err(refused) => return Ok(Err(refused)),
        };
        if let (true, Some(work)) = (self.bound.grant.workdir, &self.bound.services.work) {
            native.env.push((WORK.into(), work.into()));
        }
        self.count_process()?;
        let _quiet = self.running.pause();
        let outcome = process::capture(&native, stdin, CAPTURED).await;
        if matches!(&outcome, Err(error) if error.never_started()) {
            self.guard.never_left(leave);
        }
        Ok(outcome.map(convert::captured).map_err(|e| not_started(&e)))
    }
}

impl State {
    /// The name of a command's program, and whether it is declared to look only.
    fn shown(&self, cmd: &Command) -> (String, bool) {
        let name = cmd.argv.first().map(Vec::as_slice).unwrap_or_default();
        let shown = crate::plugin::text::printable_cut(&String::from_utf8_lossy(name), 200);
        (shown, self.bound.grant.programs.only_looks(&cmd.argv))
    }
}

fn not_started(error: &ProcessError) -> Error {
    failed(chain(error))
}

/// Tells the command's caller, as a shell would. A stream that takes nothing any more is no reason to fail.
fn complain(stderr: OwnedFd, what: &str) {
    let what = crate::plugin::text::printable(what);
    let _nobody_listens = writeln!(std::fs::File::from(stderr), "runner: {what}");
}
