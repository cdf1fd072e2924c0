//! Scripts on one machine, over one connection: a bash that stays there takes them one after another, so that each costs one
//! round trip and one shell, and no login.
//!
//! ```text
//! ScriptServer ── stdin ──► server.sh ──► bash -eu per script
//!      ▲                        │               │
//!      └──────── stdout ◄───────┴───────────────┘   output as it comes; a line of ours when the script has ended
//! ```
//!
//! Works over any instance that the engine can run commands on; over there it needs bash, tar, grep and coreutils, and
//! writes nothing. `protocol` is the language of the two, `connection` our side of it, `script` what one script is made of.

mod connection;
mod protocol;
pub mod script;

#[cfg(test)]
mod tests;

pub use connection::{Event, Login, Piece, Running, ScriptServer, ServerError, Shell};
pub use protocol::Hello;
