//! Interactive use: a terminal of the command's own, fed from the user's; and the signals that reach us meanwhile.
//!
//! ```text
//! user's terminal (raw) ◄──► two threads ◄──► pty ◄──► command, in a session of its own
//! ```
//!
//! The user's terminal is raw only while the pump runs, and is put back on every way out. Nothing here knows where the
//! command runs.

mod pty;
mod pump;
mod raw;
mod screen;
pub mod signals;

pub use pump::Terminal;
pub use screen::{Screen, Wish, size};
