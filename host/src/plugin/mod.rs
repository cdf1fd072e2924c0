//! The only room that knows wasmtime: load, verify, grant, limit, call.
//!
//! Two halves. Inspection (`locate`, `sections`, `manifest`, `exports`, `component`, `schema`, `requests`,
//! `capabilities`, `consent`, `limits_config`, `compiled`, and for authors `authoring`) never runs or compiles guest code. The other half calls it: `host` is the door,
//! `load` compiles (through `compile`) and links, `call` makes one call in a fresh `state`, `imports` are what a guest can ask for (each through the
//! seam of `tap`), and `answer` and `failure` are what comes back.

mod answer;
mod authoring;
mod binding;
mod bindings;
mod books;
mod call;
mod capabilities;
mod clocks;
mod coerce;
mod compile;
mod compiled;
mod component;
mod compute;
mod consent;
mod convert;
mod embedded;
mod engine;
mod entries;
mod error;
mod exports;
mod failure;
#[cfg(test)]
mod fixtures;
mod guard;
mod guest_log;
mod hook;
mod host;
mod imports;
mod keep;
mod limiter;
mod limits_config;
mod load;
mod locate;
mod manifest;
mod provider;
mod purpose;
mod requests;
mod requests_http;
mod rights;
mod route;
mod schema;
mod schema_bounds;
mod secrecy;
mod secret_use;
mod sections;
mod settings;
mod shapes;
mod ssh_access;
mod state;
mod tap;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod uses;
mod wrap;

pub use authoring::{inspect_bytes, with_manifest};
pub use binding::{Binding, LogLevel, LogSink, NoSecrets, NoSink, Secrets, Services};
pub use books::{Books, KeepError, NoBooks, Room, Standing, StateError};
pub use capabilities::{Capabilities, DirectoryAccess, HttpRight, Programs};
pub use compile::{COMPILE, CompileBounds, in_child as compile_in_child};
pub use compiled::{CompiledCache, CompiledFile};
pub use component::{Component, ComponentRef, Contract, inspect, inspect_fetched};
pub use error::{LoadError, LoadErrorKind};
pub use host::PluginHost;
pub use imports::http::HttpSettings;
pub(crate) use imports::http::read_address;
pub use keep::Held;
pub use limits_config::Limits;
pub use locate::{Locator, Origin, PluginDirs, digest_of};
pub use manifest::{Config, Kind, Manifest, Maximum};
pub use requests::{DirectoryRequest, Requests};
pub(crate) use requests_http::is_host_rule as is_host_pattern;
pub use requests_http::{HttpRequest, Port, SecretRequest};
pub use schema::ConfigProblem;
pub use secret_use::{Place, SecretUse};
pub(crate) use ssh_access::target as check_ssh_target;
pub use tap::{Ask, Tap, Verdict};
pub use text::{printable, printable_cut};
pub use uses::{Right, Use, Uses};
pub use wrap::InFront;

/// A provider that does nothing, for tests of what reads components.
#[cfg(test)]
pub(crate) fn smallest_component() -> Vec<u8> {
    fixtures::provider(fixtures::MANIFEST)
}
