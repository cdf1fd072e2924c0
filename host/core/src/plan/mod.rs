//! Decisions: what to take and what to make for a request, and what to keep at a release.
