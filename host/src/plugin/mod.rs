//! The only room that knows wasmtime: load, verify, grant, limit, call.
//!
//! Two halves. Inspection (`locate`, `sections`, `manifest`, `exports`, `component`, `schema`, `requests`,
//! `capabilities`, `consent`, `limits_config`, `compiled`) never runs or compiles guest code. The other half calls it.

mod capabilities;
mod coerce;
mod compiled;
mod component;
mod consent;
mod embedded;
mod error;
mod exports;
#[cfg(test)]
mod fixtures;
mod limits_config;
mod locate;
mod manifest;
mod requests;
mod schema;
mod schema_bounds;
mod sections;
mod text;

pub use capabilities::{Capabilities, DirectoryAccess, HttpRight, Programs};
pub use compiled::{CompiledCache, CompiledFile};
pub use component::{Component, ComponentRef, inspect};
pub use error::{LoadError, LoadErrorKind};
pub use limits_config::Limits;
pub use locate::{Locator, Origin, PluginDirs, digest_of};
pub use manifest::{Config, Kind, Manifest, Maximum};
pub use requests::{DirectoryRequest, HttpRequest, Port, Requests};
pub use schema::ConfigProblem;
pub use text::{printable, printable_cut};
