//! The matrix of a spread project: what projects, backends, systems, suites and tasks *are*, which jobs they make, and
//! which of them a filter selects.
//!
//! Nothing here reads a file or runs a command: a loader (`host/src/jobs/load`) fills a [`Project`], [`expand`] makes its
//! [`Job`]s, [`select`](select::select) chooses among them, and [`JobView`] answers what a worker asks about one of them.
//! A job is a handful of numbers: whatever belongs to its parts (scripts, environments, settings) stays with the
//! project and is looked up, so that a hundred thousand jobs cost a few megabytes and no environment is built for a job
//! that nobody runs.
//!
//! ```text
//! Project ─┬─ Backend ── System
//!          └─ Suite ──── Task          Job = backend × system × task × variant × sample
//! ```
//!
//! Two dialects read the same files with two differences ([`Dialect`]); both are in [`lists`] and [`names`].

pub mod dialect;
pub mod environment;
pub mod expand;
pub mod filter;
pub mod glob;
pub mod job;
pub mod lists;
pub mod names;
pub mod place;
pub mod project;
pub mod scripts;
pub mod select;
pub mod size;
pub mod timeout;
mod variants;

#[cfg(test)]
mod tests;

pub use dialect::Dialect;
pub use environment::{Environment, Variable};
pub use expand::expand;
pub use filter::Filter;
pub use job::{Job, JobView, Level};
pub use lists::NameList;
pub use place::{Place, Problem, Problems, Spot};
pub use project::{
    Backend, BackendId, Project, Settings, Suite, SuiteId, System, SystemId, Task, TaskId,
};
pub use scripts::{Script, Scripts, Skip};
pub use size::Size;
pub use timeout::{Limits, Timeout, Timeouts};
