//! `target`: the instance that a hook's event is about. The hook can run commands there and nothing else.

use serde_json::json;

use super::{Answer, failed, invalid};
use crate::plugin::bindings::process::Captured;
use crate::plugin::bindings::target::Host;
use crate::plugin::bindings::types::Command;
use crate::plugin::convert;
use crate::plugin::state::State;
use crate::plugin::tap::through;
use crate::provider::wire::Wire as _;

impl Host for State {
    async fn run(&mut self, cmd: Command, stdin: Vec<u8>) -> Answer<Captured> {
        through!(
            self,
            "target.run",
            json!({ "command": cmd.to_json(), "stdin": stdin.to_json() }),
            self.run_on_target(cmd, stdin)
        )
    }
}

impl State {
    async fn run_on_target(&mut self, cmd: Command, stdin: Vec<u8>) -> Answer<Captured> {
        let Some(target) = self.target.clone() else {
            return Ok(Err(failed(
                "this call is about no instance that takes commands",
            )));
        };
        if cmd.argv.is_empty() {
            return Ok(Err(invalid(
                "the command is empty: it has not even a program",
            )));
        }
        self.count_process()?;
        let _quiet = self.running.pause();
        let outcome = target.run(&convert::port_command(cmd), stdin).await;
        Ok(outcome.map(convert::captured).map_err(convert::guest_error))
    }
}
