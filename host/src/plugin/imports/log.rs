//! `log`: messages for the operator. Escaped, bounded by the limit `log`, and never an error.

use crate::plugin::bindings::log::{Host, Level};
use crate::plugin::state::State;
use crate::plugin::{LogLevel, text};
use crate::provider::wire::Wire as _;

/// Characters of one message.
const LONGEST: usize = 4000;

impl Host for State {
    async fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let message = self.secrecy.text(message);
        self.said("log.write", || message.to_json());
        let size = message.len() as u64 + 1;
        if self.used.log_bytes.saturating_add(size) > self.bound.limits.log {
            self.used.log_dropped += 1;
            return Ok(());
        }
        self.used.log_bytes += size;
        let level = match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        deliver(self, level, &text::printable_cut(&message, LONGEST));
        Ok(())
    }
}

/// Hands a message on; it is escaped already.
pub(crate) fn deliver(state: &State, level: LogLevel, message: &str) {
    let context = &state.context;
    match level {
        LogLevel::Trace => tracing::trace!(target: "plugin", %context, "{message}"),
        LogLevel::Debug => tracing::debug!(target: "plugin", %context, "{message}"),
        LogLevel::Info => tracing::info!(target: "plugin", %context, "{message}"),
        LogLevel::Warn => tracing::warn!(target: "plugin", %context, "{message}"),
        LogLevel::Error => tracing::error!(target: "plugin", %context, "{message}"),
    }
    state.bound.services.log.write(context, level, message);
}
