//! For people who write plugins: a project to start from, and the last step from what a toolchain gave to a component with a
//! manifest. Nothing here runs a plugin, and nothing here needs the network.

mod error;
mod files;
mod pack;
mod scaffold;

pub use error::AuthorError;
pub use pack::pack;
pub use scaffold::{Language, Project, new_project};
