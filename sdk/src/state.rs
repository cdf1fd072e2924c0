//! A little that a source's plugin remembers between its calls, kept by the host in its books: safe from crashes and from other calls
//! at the same time. Not for secrets, and not for what belongs to one instance: that is its handle.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::provider::runner::plugin::state as wit;
use crate::{Error, Result};

/// The value under a key; none when there is none.
pub fn get(key: &str) -> Result<Option<Vec<u8>>> {
    Ok(wit::get(key)?)
}

/// Sets it.
pub fn set(key: &str, value: impl AsRef<[u8]>) -> Result<()> {
    Ok(wit::set(key, value.as_ref())?)
}

/// Sets it (none: deletes it) if it is now what is expected (none: there is none), and tells whether it did.
pub fn compare_and_set(key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<bool> {
    Ok(wit::compare_and_set(key, expected, value)?)
}

/// Deletes it. Not an error when there is none.
pub fn delete(key: &str) -> Result<()> {
    Ok(wit::delete(key)?)
}

/// All keys that begin so, sorted.
pub fn list(prefix: &str) -> Result<Vec<String>> {
    Ok(wit::list(prefix)?)
}

/// The value under a key, as JSON. `failed`: it is there and something else.
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    let Some(bytes) = get(key)? else {
        return Ok(None);
    };
    let value = serde_json::from_slice(&bytes);
    value
        .map(Some)
        .map_err(|error| Error::failed(format!("the remembered `{key}` cannot be read: {error}")))
}

/// Sets it, as JSON.
pub fn set_json(key: &str, value: &impl Serialize) -> Result<()> {
    set(key, serde_json::to_vec(value)?)
}
