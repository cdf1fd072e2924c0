//! The books, as plugins' imports see them: short transactions on the store, and its words for what went wrong.

use runner_core::id::Token;
use runner_core::instance::State;

use super::App;
use crate::plugin::{Books, KeepError, Room, Standing, StateError};
use crate::store::{Bounds, Durability, Kept, Store, StoreError, Tx};

/// The state of this user.
pub(super) struct StateBooks(pub(super) App);

impl StateBooks {
    fn store(&self) -> Result<&Store, String> {
        self.0
            .store()
            .map(|store| &**store)
            .map_err(|error| crate::engine::chain(&error))
    }

    fn read<T>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>) -> Result<T, String> {
        self.store()?.read(work).map_err(|error| words(&error))
    }

    fn write<T>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StateError> {
        let store = self.store().map_err(StateError::Books)?;
        // A backend was told, or will be: it must not be forgotten by a power loss.
        let written = store.write::<_, StoreError>(Durability::Full, work);
        written.map_err(|error| StateError::Books(words(&error)))
    }
}

impl Books for StateBooks {
    fn state_id(&self) -> Result<String, String> {
        self.read(|tx| tx.state_id())
    }

    fn standing(&self, source: &str, token: &Token) -> Result<Standing, String> {
        self.read(|tx| {
            let row = tx.token_of(token)?;
            Ok(match row.map(|row| row.state) {
                Some(State::Allocating) => Standing::Intended,
                Some(State::Provisioning | State::Ready | State::Leased | State::Releasing) => {
                    Standing::Live
                }
                Some(State::Broken | State::Discarding) => Standing::Doomed,
                Some(State::Discarded) | None if tx.is_orphan(source, token)? => Standing::Doomed,
                Some(State::Discarded) | None => Standing::Unknown,
            })
        })
    }

    fn kept(&self, token: &Token, name: &str) -> Result<Option<String>, String> {
        self.read(|tx| tx.kept_secret(token, name))
    }

    fn all_kept(&self, token: &Token) -> Result<Vec<(String, String)>, String> {
        self.read(|tx| tx.kept_secrets(token))
    }

    fn keep(&self, token: &Token, name: &str, value: &str, room: Room) -> Result<(), KeepError> {
        let kept = self.write(|tx| tx.keep_secret(token, name, value, bounds(room)))?;
        admitted(kept, "kept-secrets", "kept-bytes")
    }

    fn value(&self, source: &str, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.read(|tx| tx.plugin_value(source, plugin, key))
    }

    fn set_value(
        &self,
        source: &str,
        plugin: &str,
        key: &str,
        value: Option<&[u8]>,
        room: Room,
    ) -> Result<(), StateError> {
        let kept = self.write(|tx| set(tx, source, plugin, key, value, room))?;
        admitted(kept, "state-entries", "state-bytes")
    }

    fn swap_value(
        &self,
        source: &str,
        plugin: &str,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        room: Room,
    ) -> Result<bool, StateError> {
        let kept = self.write(|tx| {
            if tx.plugin_value(source, plugin, key)?.as_deref() != expected {
                return Ok(None);
            }
            set(tx, source, plugin, key, value, room).map(Some)
        })?;
        match kept {
            None => Ok(false),
            Some(kept) => admitted(kept, "state-entries", "state-bytes").map(|()| true),
        }
    }

    fn keys(&self, source: &str, plugin: &str, prefix: &str) -> Result<Vec<String>, String> {
        self.read(|tx| tx.plugin_keys(source, plugin, prefix))
    }
}

fn set(
    tx: &Tx<'_>,
    source: &str,
    plugin: &str,
    key: &str,
    value: Option<&[u8]>,
    room: Room,
) -> Result<Kept, StoreError> {
    match value {
        Some(value) => tx.put_plugin_value(source, plugin, key, value, bounds(room)),
        None => tx
            .drop_plugin_value(source, plugin, key)
            .map(|()| Kept::Yes),
    }
}

fn bounds(room: Room) -> Bounds {
    Bounds {
        entries: room.entries,
        bytes: room.bytes,
    }
}

fn admitted(kept: Kept, many: &'static str, large: &'static str) -> Result<(), StateError> {
    match kept {
        Kept::Yes => Ok(()),
        Kept::TooMany => Err(StateError::Full(many)),
        Kept::TooLarge => Err(StateError::Full(large)),
    }
}

/// An error of the store with its cause, in one line.
fn words(error: &StoreError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
