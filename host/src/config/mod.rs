//! Finds, layers, validates and explains settings; produces core's policy types.
//!
//! Reads files and nothing else: no environment, no plugin, no network. Project directories may select and limit;
//! nothing here can grant. `host/CONFIGURATION.md` is the manual, and a test keeps it true.

mod argument;
mod convert;
mod discover;
mod document;
mod error;
mod explain;
mod fleet;
mod found;
mod keys;
mod limits;
mod plugin_lists;
mod pools;
mod read_ini;
mod read_toml;
mod read_yaml;
mod registries;
mod reload;
pub mod resalloc;
mod roots;
mod schedule;
pub mod scripts;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod text;
mod values;
mod watch;

pub use argument::{SourceArgument, parse_option};
pub use discover::{Config, SourceListing};
pub use error::{ConfigError, Position, Problem, closest};
pub use explain::{ExplainedValue, Explanation, explain_source};
pub use keys::{
    FLEET_KEYS, HOOK_KEYS, Key, PLUGIN_KEYS, POOL_KEYS, SCHEDULE_KEYS, SETTINGS_KEYS, SOURCE_KEYS,
    TAG_KEYS, TRUST_KEYS, WRAP_KEYS,
};
pub use limits::{SourceLimits, limit_names};
pub use registries::{TrustRule, TrustedSigner};
pub use reload::Changes;
pub use roots::{Ignored, Origin, Roots};
pub use schedule::{InvalidSchedule, Schedule, in_force};
pub use settings::{Fleet, Setting, Settings};
pub use source::{HookConfig, PluginPath, SourceConfig, SourceKind};
pub(crate) use text::{SourceText, source_from_text};
pub use watch::Watch;

/// The built-in settings as a commented `config.toml`, for people to print and copy from.
pub const DEFAULTS: &str = include_str!("defaults.toml");
