//! Messages for the operator: in the operation log, and with `runner -v`. What is over the limit is dropped and counted.

use crate::bindings::provider::runner::plugin::log::{Level, write};

/// Every step, for the plugin's author.
pub fn trace(message: impl AsRef<str>) {
    write(Level::Trace, message.as_ref());
}

/// Detail that explains a failure afterwards.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message.as_ref());
}

/// What an operator wants to see with `-v`.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message.as_ref());
}

/// Something is wrong, and the call goes on.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message.as_ref());
}

/// Something failed that the answer does not say.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message.as_ref());
}
