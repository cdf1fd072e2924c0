//! The generated shapes of `wit/` as JSON: what a tap sees of the imports. One line per type; the rules are
//! `provider::wire`'s.

use serde_json::Value;

use super::bindings::{http, process, types};
use super::convert;
use crate::provider::wire::{Wire, status_from_json, wire_record, wire_variant};

wire_record!(types::Failure { message, remedy });
wire_record!(types::Retryable {
    message,
    remedy,
    retry_after
});
wire_variant!(types::Error {
    ;
    Invalid = "invalid",
    Denied = "denied",
    Exhausted = "exhausted",
    Unavailable = "unavailable",
    Gone = "gone",
    Unsupported = "unsupported",
    Failed = "failed",
});
wire_record!(types::Command {
    argv,
    env,
    cwd,
    tty,
    id
});
wire_record!(types::SshTarget { host, port, user });
wire_record!(process::Captured {
    status,
    stdout,
    stderr
});
wire_record!(http::Request {
    method,
    url,
    headers,
    body,
    timeout
});
wire_record!(http::Response {
    status,
    headers,
    body
});

impl Wire for types::ExitStatus {
    fn to_json(&self) -> Value {
        match self {
            Self::Code(code) => crate::provider::ExitStatus::Code(*code),
            Self::Signal(signal) => crate::provider::ExitStatus::Signal(*signal),
        }
        .to_json()
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        status_from_json(value).map(convert::guest_exit_status)
    }
}
