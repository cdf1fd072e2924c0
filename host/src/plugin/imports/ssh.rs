//! `ssh`: commands on granted hosts, through the user's OpenSSH.

use serde_json::json;
use wasmtime::component::Resource;

use super::{Answer, chain, invalid};
use crate::plugin::bindings::process::Captured;
use crate::plugin::bindings::ssh::Host;
use crate::plugin::bindings::types::{self, Command, Error, ExitStatus, Failure, Retryable};
use crate::plugin::convert;
use crate::plugin::guard::Leave;
use crate::plugin::ssh_access;
use crate::plugin::state::{CallerStdio, State};
use crate::plugin::tap::{through, through_connected};
use crate::provider::wire::Wire as _;
use crate::provider::{SshTarget, Stdio};
use crate::transport::{TransportError, TransportKind};

impl Host for State {
    async fn exec(
        &mut self,
        target: types::SshTarget,
        cmd: Command,
        io: Resource<CallerStdio>,
    ) -> Answer<ExitStatus> {
        let stdio = self.table.delete(io)?.0;
        through_connected!(
            self,
            "ssh.exec",
            json!({ "target": target.to_json(), "command": cmd.to_json() }),
            stdio,
            self.exec_on(target, cmd, stdio)
        )
    }

    async fn output(
        &mut self,
        target: types::SshTarget,
        cmd: Command,
        stdin: Vec<u8>,
    ) -> Answer<Captured> {
        through!(
            self,
            "ssh.output",
            json!({ "target": target.to_json(), "command": cmd.to_json(), "stdin": stdin.to_json() }),
            self.output_on(target, cmd, stdin)
        )
    }

    async fn disconnect(&mut self, target: types::SshTarget) -> Answer<()> {
        through!(
            self,
            "ssh.disconnect",
            target.to_json(),
            self.disconnect_from(target)
        )
    }
}

impl State {
    async fn exec_on(
        &mut self,
        target: types::SshTarget,
        cmd: Command,
        stdio: Stdio,
    ) -> Answer<ExitStatus> {
        let target = match self.granted_target(target, Some(&cmd)) {
            Ok(target) => target,
            Err(refused) => return Ok(Err(refused)),
        };
        let leave = match self.guard.ssh(&target.host) {
            Ok(leave) => leave,
            Err(refused) => return Ok(Err(refused)),
        };
        self.count_process()?;
        let _quiet = self.running.pause();
        let sessions = &self.bound.ssh;
        let outcome = sessions
            .exec(&target, &convert::port_command(cmd), stdio)
            .await;
        Ok(outcome
            .map(convert::guest_exit_status)
            .map_err(|e| self.not_done(&e, leave)))
    }

    async fn output_on(
        &mut self,
        target: types::SshTarget,
        cmd: Command,
        stdin: Vec<u8>,
    ) -> Answer<Captured> {
        let target = match self.granted_target(target, Some(&cmd)) {
            Ok(target) => target,
            Err(refused) => return Ok(Err(refused)),
        };
        let leave = match self.guard.ssh(&target.host) {
            Ok(leave) => leave,
            Err(refused) => return Ok(Err(refused)),
        };
        self.count_process()?;
        let _quiet = self.running.pause();
        let sessions = &self.bound.ssh;
        let outcome = sessions
            .output(&target, &convert::port_command(cmd), stdin)
            .await;
        Ok(outcome
            .map(convert::captured)
            .map_err(|e| self.not_done(&e, leave)))
    }

    fn not_done(&self, error: &TransportError, leave: Leave) -> Error {
        if error.never_started() {
            self.guard.never_left(leave);
        }
        guest_error(error)
    }

    async fn disconnect_from(&mut self, target: types::SshTarget) -> Answer<()> {
        let target = match self.granted_target(target, None) {
            Ok(target) => target,
            Err(refused) => return Ok(Err(refused)),
        };
        let _quiet = self.running.pause();
        let outcome = self.bound.ssh.disconnect(&target).await;
        Ok(outcome.map_err(|e| guest_error(&e)))
    }

    fn granted_target(
        &self,
        target: types::SshTarget,
        cmd: Option<&Command>,
    ) -> Result<SshTarget, Error> {
        let target = convert::ssh_target(target);
        ssh_access::target(&target).map_err(invalid)?;
        if !self.bound.grant.allows_ssh(&target.host) {
            let message = format!("ssh to `{}` is not granted", target.host);
            return Err(self.bound.rights().denied(message, "ssh"));
        }
        if cmd.is_some_and(|cmd| cmd.argv.is_empty()) {
            return Err(invalid("the command is empty: it has not even a program"));
        }
        Ok(target)
    }
}

fn guest_error(error: &TransportError) -> Error {
    let failure = || Failure {
        message: chain(error),
        remedy: error.hint(),
    };
    match error.kind() {
        TransportKind::Invalid => Error::Invalid(failure()),
        TransportKind::Denied => Error::Denied(failure()),
        TransportKind::Failed => Error::Failed(failure()),
        TransportKind::Unavailable => Error::Unavailable(Retryable {
            message: chain(error),
            remedy: error.hint(),
            retry_after: None,
        }),
    }
}
