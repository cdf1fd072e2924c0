//! Secrets that the user granted by name.

use crate::Result;
use crate::bindings::provider::runner::plugin::secrets as wit;

/// The value of a secret. `denied`: not requested or not granted. `invalid`: granted, but it is not set. Never put
/// it into a message, a handle or an attribute.
pub fn get(name: &str) -> Result<String> {
    Ok(wit::get(name)?)
}
