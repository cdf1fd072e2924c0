//! Finds, layers, validates and explains settings; produces core's policy types.
//!
//! Reads files and nothing else: no environment, no plugin, no network. Project directories may select and limit;
//! nothing here can grant. `host/CONFIGURATION.md` is the manual, and a test keeps it true.

mod argument;
mod error;
mod roots;
pub mod scripts;
mod source;

pub use argument::{SourceArgument, parse_option};
pub use error::{ConfigError, Position, Problem, closest};
pub use roots::{Ignored, Origin, Roots};
pub use source::{HookConfig, PluginPath, SourceConfig, SourceKind};
