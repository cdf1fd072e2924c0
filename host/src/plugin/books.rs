//! What a plugin's imports need of the host's books: what an instance stands for, what is kept for it, and what a source
//! remembers. The composition root implements it over the store; this room sees no more of that than this.

use runner_core::id::Token;

/// What the books say of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: no intent of it is recorded, or it is over and done with.
    Unknown,
    /// An intent: nothing of it may exist yet.
    Intended,
    /// An instance.
    Live,
    /// Whatever is asked: there are no books.
    Any,
    /// An instance that is to be destroyed, or a stranger at the backend that is written down as one.
    Doomed,
}

/// Why a source's value was not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateError {
    /// It would be more than the limit of this name allows.
    Full(&'static str),
    /// The books cannot be used.
    Books(String),
}

/// Why a secret was not kept.
pub type KeepError = StateError;

/// Bounds on what is remembered: how many, and how many bytes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub entries: u64,
    pub bytes: u64,
}

/// The books. Every call is one short transaction; errors are for people.
pub trait Books: Send + Sync {
    /// The random id of this state.
    fn state_id(&self) -> Result<String, String>;

    /// What a token of this source's stands for.
    fn standing(&self, source: &str, token: &Token) -> Result<Standing, String>;

    /// A secret that was kept for an instance.
    fn kept(&self, token: &Token, name: &str) -> Result<Option<String>, String>;

    /// All that were kept for it: names and values.
    fn all_kept(&self, token: &Token) -> Result<Vec<(String, String)>, String>;

    /// Keeps one, until the instance is gone.
    fn keep(&self, token: &Token, name: &str, value: &str, room: Room) -> Result<(), KeepError>;

    /// A value that a source's plugin remembers.
    fn value(&self, source: &str, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, String>;

    /// Sets a value, or with none deletes it.
    fn set_value(
        &self,
        source: &str,
        plugin: &str,
        key: &str,
        value: Option<&[u8]>,
        room: Room,
    ) -> Result<(), StateError>;

    /// The same, if the value is what is expected; tells whether it was.
    fn swap_value(
        &self,
        source: &str,
        plugin: &str,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        room: Room,
    ) -> Result<bool, StateError>;

    /// The keys that begin so, sorted.
    fn keys(&self, source: &str, plugin: &str, prefix: &str) -> Result<Vec<String>, String>;
}

/// For callers without a state: they say the same of everything, and remember nothing.
pub struct NoBooks {
    pub state_id: String,
    pub standing: Standing,
}

impl Default for NoBooks {
    /// Whatever is asked about is the caller's.
    fn default() -> Self {
        Self {
            state_id: "0".repeat(16),
            standing: Standing::Any,
        }
    }
}

const NONE: &str = "nothing is remembered here: there is no state directory";

impl Books for NoBooks {
    fn state_id(&self) -> Result<String, String> {
        Ok(self.state_id.clone())
    }

    fn standing(&self, _source: &str, _token: &Token) -> Result<Standing, String> {
        Ok(self.standing)
    }

    fn kept(&self, _token: &Token, _name: &str) -> Result<Option<String>, String> {
        Ok(None)
    }

    fn all_kept(&self, _token: &Token) -> Result<Vec<(String, String)>, String> {
        Ok(Vec::new())
    }

    fn keep(&self, _: &Token, _: &str, _: &str, _: Room) -> Result<(), KeepError> {
        Err(StateError::Books(NONE.to_owned()))
    }

    fn value(&self, _: &str, _: &str, _: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }

    fn set_value(
        &self,
        _: &str,
        _: &str,
        _: &str,
        _: Option<&[u8]>,
        _: Room,
    ) -> Result<(), StateError> {
        Err(StateError::Books(NONE.to_owned()))
    }

    fn swap_value(
        &self,
        _: &str,
        _: &str,
        _: &str,
        _: Option<&[u8]>,
        _: Option<&[u8]>,
        _: Room,
    ) -> Result<bool, StateError> {
        Err(StateError::Books(NONE.to_owned()))
    }

    fn keys(&self, _: &str, _: &str, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }
}
