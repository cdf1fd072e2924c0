//! Which job a worker takes next, and what it does for each: the order of scripts and what follows from a failure.
//!
//! Pure decisions. [`Queue`] holds the jobs that nobody has taken yet, shared by the workers of all systems; [`Worker`] is
//! one worker's way through prepare, execute and restore, one step at a time. Whoever drives them runs the scripts
//! (`jobs` in the host) and tells how they ended; both answer the same to the same questions, in any process.
//!
//! ```text
//! Take ─► project prepare ─► backend prepare ─► suite prepare ─► prepare ─► execute ─► artifacts ─► restore ─► Take …
//!   │        once per worker, with the first job    on entering                                        │
//!   └─ nothing left, or stopped ─► suite restore ─► backend restore ─► project restore ─► Done ◄───────┘
//! ```

mod permutation;
mod queue;
#[cfg(test)]
mod tests;
mod worker;

pub use queue::{Item, Order, Queue, Seat};
pub use worker::{Level, Mode, Outcome, Step, Verb, Verdict, Worker};
