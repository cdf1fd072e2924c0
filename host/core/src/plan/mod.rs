//! Decisions: what to take and what to make for a request, and what to keep at a release.
//!
//! Each function takes a view of the world (as little of it as it needs) and answers with a plan or with the reasons
//! why not. Nothing here changes anything.

mod acquire;
mod release;

pub use acquire::{Decline, DrawView, Plan, PoolView, Refusal, SourceView, Why, acquire};
pub use release::{ReleaseView, Verdict, release};

/// The store's key of an instance row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub i64);
