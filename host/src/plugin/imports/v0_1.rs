//! What components of version 0.1 of the contract ask for: the same as those of the newest, and answered by the same code. Only
//! what had another shape is translated here.

use wasmtime::component::Resource;

use super::Answer;
use crate::plugin::bindings::types::{Command, ExitStatus, SshTarget};
use crate::plugin::bindings::v0_1::{http, log, process, secrets, ssh, target};
use crate::plugin::bindings::{self as newest};
use crate::plugin::state::{CallerStdio, State};

fn captured(captured: newest::process::Captured) -> process::Captured {
    process::Captured {
        status: captured.status,
        stdout: captured.stdout,
        stderr: captured.stderr,
    }
}

impl process::Host for State {
    async fn exec(&mut self, cmd: Command, io: Resource<CallerStdio>) -> Answer<ExitStatus> {
        newest::process::Host::exec(self, cmd, io).await
    }

    async fn output(&mut self, cmd: Command, stdin: Vec<u8>) -> Answer<process::Captured> {
        let outcome = newest::process::Host::output(self, cmd, stdin).await?;
        Ok(outcome.map(captured))
    }
}

impl process::HostStdio for State {
    async fn read_stdin(&mut self, io: Resource<CallerStdio>, max: u32) -> Answer<Vec<u8>> {
        newest::process::HostStdio::read_stdin(self, io, max).await
    }

    async fn write_stdout(&mut self, io: Resource<CallerStdio>, bytes: Vec<u8>) -> Answer<()> {
        newest::process::HostStdio::write_stdout(self, io, bytes).await
    }

    async fn write_stderr(&mut self, io: Resource<CallerStdio>, bytes: Vec<u8>) -> Answer<()> {
        newest::process::HostStdio::write_stderr(self, io, bytes).await
    }

    async fn drop(&mut self, io: Resource<CallerStdio>) -> wasmtime::Result<()> {
        newest::process::HostStdio::drop(self, io).await
    }
}

impl ssh::Host for State {
    async fn exec(
        &mut self,
        target: SshTarget,
        cmd: Command,
        io: Resource<CallerStdio>,
    ) -> Answer<ExitStatus> {
        newest::ssh::Host::exec(self, target, cmd, io).await
    }

    async fn output(
        &mut self,
        target: SshTarget,
        cmd: Command,
        stdin: Vec<u8>,
    ) -> Answer<process::Captured> {
        let outcome = newest::ssh::Host::output(self, target, cmd, stdin).await?;
        Ok(outcome.map(captured))
    }

    async fn disconnect(&mut self, target: SshTarget) -> Answer<()> {
        newest::ssh::Host::disconnect(self, target).await
    }
}

impl http::Host for State {
    async fn fetch(&mut self, req: http::Request) -> Answer<http::Response> {
        let request = newest::http::Request {
            method: req.method,
            url: req.url,
            headers: req.headers,
            body: req.body,
            timeout: req.timeout,
            auth: None,
        };
        let outcome = newest::http::Host::fetch(self, request).await?;
        Ok(outcome.map(|response| http::Response {
            status: response.status,
            headers: response.headers,
            body: response.body,
        }))
    }
}

impl secrets::Host for State {
    async fn get(&mut self, name: String) -> Answer<String> {
        newest::secrets::Host::get(self, name).await
    }
}

impl log::Host for State {
    async fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Trace => newest::log::Level::Trace,
            log::Level::Debug => newest::log::Level::Debug,
            log::Level::Info => newest::log::Level::Info,
            log::Level::Warn => newest::log::Level::Warn,
            log::Level::Error => newest::log::Level::Error,
        };
        newest::log::Host::write(self, level, message).await
    }
}

impl target::Host for State {
    async fn run(&mut self, cmd: Command, stdin: Vec<u8>) -> Answer<process::Captured> {
        let outcome = newest::target::Host::run(self, cmd, stdin).await?;
        Ok(outcome.map(captured))
    }
}
