//! Turns events and snapshots into lines and JSON.
//!
//! Everything here is a function from values to text; the commands (`cli`) decide where it goes. Text that may come
//! from a plugin or an instance passes through `escape` on its way, always.

pub mod audit;
pub mod canary;
pub mod conformance;
pub mod distribution;
pub mod escape;
pub mod events;
pub mod fleet;
pub mod instances;
pub mod json;
pub mod leases;
pub mod loose;
pub mod metrics;
pub mod operations;
pub mod plugins;
pub mod results;
pub mod run;
pub mod settings;
pub mod shelves;
pub mod spread_log;
pub mod status;
pub mod table;
pub mod tickets;
pub mod time;
pub mod top;
pub mod why;
pub mod xml;
