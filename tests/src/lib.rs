//! What every suite stands on: a hermetic environment around the real binary, the backends it is tried against, and
//! small helpers. No suite lives here, and nothing here knows what a right answer is.

pub mod backends;
pub mod command;
pub mod env;
pub mod fake;
pub mod files;
pub mod guests;
pub mod liar;
pub mod pty;
pub mod redact;
pub mod service;
pub mod skip;
pub mod toolchains;
pub mod variant;
pub mod web;

pub use command::{Outcome, Runner};
pub use env::TestEnv;
