//! The books of a provider on trial. Whole lives are in its own state; single calls are about instances that no row stands
//! for: their intent is the trial's own list (`conformance::Bench`), and what is kept for them is kept here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use runner_core::id::Token;

use super::App;
use super::books::StateBooks;
use crate::plugin::{Books, KeepError, Room, Standing, StateError};

/// Secrets that were kept for instances of single calls.
pub(super) type KeptHere = Arc<Mutex<HashMap<(Token, String), String>>>;

/// The books of a trial over its own state.
pub(super) struct TrialBooks {
    state: StateBooks,
    kept: KeptHere,
}

impl TrialBooks {
    fn new(app: &App, kept: KeptHere) -> Self {
        Self {
            state: StateBooks(app.clone()),
            kept,
        }
    }
}

impl App {
    /// What plugins' imports, and logging in to instances, need of the state.
    pub(super) fn books(&self) -> Arc<dyn Books> {
        match &self.0.tap {
            None => Arc::new(StateBooks(self.clone())),
            Some(_) => Arc::new(TrialBooks::new(self, self.0.kept.clone())),
        }
    }
}

impl Books for TrialBooks {
    fn state_id(&self) -> Result<String, String> {
        self.state.state_id()
    }

    fn standing(&self, source: &str, token: &Token) -> Result<Standing, String> {
        // The token of a single call is always one of the bench's own: the host gives it, the plugin cannot name another.
        match self.state.standing(source, token)? {
            Standing::Unknown => Ok(Standing::Any),
            known => Ok(known),
        }
    }

    fn kept(&self, token: &Token, name: &str) -> Result<Option<String>, String> {
        let here = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match here.get(&(token.clone(), name.to_owned())) {
            Some(value) => Ok(Some(value.clone())),
            None => self.state.kept(token, name),
        }
    }

    fn all_kept(&self, token: &Token) -> Result<Vec<(String, String)>, String> {
        let mut all = self.state.all_kept(token)?;
        let here = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let own = here.iter().filter(|((other, _), _)| other == token);
        all.extend(own.map(|((_, name), value)| (name.clone(), value.clone())));
        Ok(all)
    }

    fn keep(&self, token: &Token, name: &str, value: &str, room: Room) -> Result<(), KeepError> {
        self.state.keep(token, name, value, room)?;
        // For an instance without a row that has kept nothing, and said so to nobody.
        if self
            .state
            .kept(token, name)
            .map_err(StateError::Books)?
            .is_some()
        {
            return Ok(());
        }
        let mut here = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let own = here.iter().filter(|((other, _), _)| other == token);
        let used = own.map(|(_, value)| value.len() as u64).sum::<u64>();
        if used + value.len() as u64 > room.bytes {
            return Err(StateError::Full("kept-secrets"));
        }
        here.insert((token.clone(), name.to_owned()), value.to_owned());
        Ok(())
    }

    fn value(&self, source: &str, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.state.value(source, plugin, key)
    }

    fn set_value(
        &self,
        source: &str,
        plugin: &str,
        key: &str,
        value: Option<&[u8]>,
        room: Room,
    ) -> Result<(), StateError> {
        self.state.set_value(source, plugin, key, value, room)
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
        self.state
            .swap_value(source, plugin, key, expected, value, room)
    }

    fn keys(&self, source: &str, plugin: &str, prefix: &str) -> Result<Vec<String>, String> {
        self.state.keys(source, plugin, prefix)
    }
}
