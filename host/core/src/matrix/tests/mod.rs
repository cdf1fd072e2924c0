//! Tests of the matrix, over projects that are put together here.

mod filters;
mod lists;
