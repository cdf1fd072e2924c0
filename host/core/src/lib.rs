//! What instances, leases and requests *are*, which transitions are legal, and what to do next.
//!
//! And what the jobs of a spread project are ([`matrix`]), and when another component has shown that it is worse ([`canary`]).
//!
//! Nothing here does I/O, reads a clock or draws a random number: time and randomness are arguments. `clippy.toml`
//! beside this crate's manifest enforces it. The engine (`host/src/engine`) carries out what is decided here.

pub mod canary;
pub mod duration;
pub mod id;
pub mod instance;
pub mod matrix;
pub mod plan;
pub mod policy;
pub mod requires;
pub mod schedule;
