//! The verbs: load, plan, record the intent, call, record the outcome.
//!
//! The engine sees providers through the port (`provider`) and facts through the `store`; it never sees `plugin`'s
//! insides or SQL. It prints nothing.

mod error;
mod types;

pub use error::{EngineError, FailureKind};
pub use types::*;

/// The answer of every verb.
pub type Result<T> = std::result::Result<T, EngineError>;
