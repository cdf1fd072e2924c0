//! Turns events and snapshots into lines and JSON.
