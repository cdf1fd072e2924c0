//! Secrets that the user granted by name, and those that are kept for the instance of the call.

use crate::Result;
use crate::bindings::provider::runner::plugin::secrets as wit;

/// The value of a secret, of a kept one before a granted one. `denied`: not requested or not granted. `invalid`: granted, but
/// it is not set. Never put it into a message, a handle or an attribute.
pub fn get(name: &str) -> Result<String> {
    Ok(wit::get(name)?)
}

/// Keeps what the backend made up for the instance of this call, such as a password. It is of use in every later call about the
/// instance, and gone with it. Only in `allocate`, `clean` and `reboot`.
pub fn keep(name: &str, value: &str) -> Result<()> {
    Ok(wit::keep(name, value)?)
}

/// Makes a random password and keeps it under this name, without the plugin seeing it.
pub fn make_password(name: &str) -> Result<()> {
    Ok(wit::make_password(name)?)
}

/// Makes a key and keeps its private half under this name. Answers the public one, as a line for `authorized_keys`.
pub fn make_ssh_key(name: &str) -> Result<String> {
    Ok(wit::make_ssh_key(name)?)
}
