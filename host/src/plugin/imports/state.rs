//! `state`: a little that a source's plugin remembers between its calls, in the books. Each plugin of a source has its own; nobody's
//! grant is needed, because nobody else is touched.

use std::future::ready;

use serde_json::json;

use super::{Answer, failed, invalid};
use crate::plugin::bindings::state::Host;
use crate::plugin::bindings::types::{Error, Retryable};
use crate::plugin::books::{Books, Room, StateError};
use crate::plugin::failure::raise;
use crate::plugin::state::State;
use crate::plugin::tap::through;
use crate::provider::wire::Wire as _;

/// Bytes of a key.
const LONGEST_KEY: usize = 256;

impl Host for State {
    async fn get(&mut self, key: String) -> Answer<Option<Vec<u8>>> {
        through!(
            self,
            "state.get",
            key.to_json(),
            ready({
                Ok(self.remembering(&key, |books, source, plugin, _room| {
                    books.value(source, plugin, &key).map_err(StateError::Books)
                }))
            })
        )
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> Answer<()> {
        through!(
            self,
            "state.set",
            json!({ "key": key, "value": value.to_json() }),
            ready({
                Ok(self.remembering(&key, |books, source, plugin, room| {
                    books.set_value(source, plugin, &key, Some(&value), room)
                }))
            })
        )
    }

    async fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
    ) -> Answer<bool> {
        through!(
            self,
            "state.compare-and-set",
            json!({ "key": key, "expected": expected.to_json(), "value": value.to_json() }),
            ready({
                let (expected, value) = (expected.as_deref(), value.as_deref());
                Ok(self.remembering(&key, |books, source, plugin, room| {
                    books.swap_value(source, plugin, &key, expected, value, room)
                }))
            })
        )
    }

    async fn delete(&mut self, key: String) -> Answer<()> {
        through!(
            self,
            "state.delete",
            key.to_json(),
            ready({
                Ok(self.remembering(&key, |books, source, plugin, room| {
                    books.set_value(source, plugin, &key, None, room)
                }))
            })
        )
    }

    async fn list(&mut self, prefix: String) -> Answer<Vec<String>> {
        through!(
            self,
            "state.list",
            prefix.to_json(),
            ready({
                let bound = &self.bound;
                let books = &bound.services.books;
                let keys = books.keys(&bound.context.source, &bound.plugin, &prefix);
                Ok(keys.map_err(|why| refused(StateError::Books(why))))
            })
        )
    }
}

impl State {
    /// Something about one key, if it is a key.
    fn remembering<T>(
        &self,
        key: &str,
        work: impl FnOnce(&dyn Books, &str, &str, Room) -> Result<T, StateError>,
    ) -> Result<T, Error> {
        if key.is_empty() || key.len() > LONGEST_KEY || key.chars().any(char::is_control) {
            return Err(invalid(format!(
                "a key has 1 to {LONGEST_KEY} bytes and no control characters"
            )));
        }
        let bound = &self.bound;
        let room = Room {
            entries: bound.limits.state_entries.into(),
            bytes: bound.limits.state_bytes,
        };
        let books = &*bound.services.books;
        work(books, &bound.context.source, &bound.plugin, room).map_err(refused)
    }
}

/// Why it was not remembered.
pub(super) fn refused(error: StateError) -> Error {
    match error {
        StateError::Full(limit) => Error::Exhausted(Retryable {
            message: format!("it would be more than the limit `{limit}` allows"),
            remedy: Some(raise(limit)),
            retry_after: None,
        }),
        StateError::Books(why) => failed(why),
    }
}
