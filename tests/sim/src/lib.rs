//! The simulator: the real engine over the real store, in virtual time, with a model of a backend that fails in every way
//! there is, and processes that are killed at any step.
//!
//! A *process* is a store of its own (its own connection, its own lock) and an engine; many live in one thread. Time is
//! tokio's paused clock: it passes only when nobody works, so that an hour of waiting costs nothing. What must never
//! happen is written into [`Backend::problems`] by whoever sees it, and a history passes when that stays empty.
#![allow(
    clippy::unwrap_used,
    reason = "a harness: what cannot go on ends the test"
)]
#![allow(
    clippy::result_large_err,
    reason = "the errors are the port's, whose calls box their futures anyway"
)]

pub mod arm;
pub mod backend;
pub mod chance;
pub mod fates;
pub mod history;
pub mod life;
pub mod rest;
pub mod users;
pub mod world;

pub use arm::Traits;
pub use backend::Backend;
pub use chance::Chance;
pub use fates::{Call, Fate};
pub use history::{Length, play};
pub use life::Life;
pub use world::World;
