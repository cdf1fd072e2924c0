//! Reports of a run of a project, each in the form that somebody else reads: CI servers, spread-plus's tools, GitHub, browsers.
//!
//! Functions from a [`Tally`](crate::jobs::tally::Tally) to text; who asked for them writes them where they were wanted.

pub mod github;
pub mod html;
pub mod junit;
pub mod lines;
pub mod plus;
pub mod view;

#[cfg(test)]
mod sample;
