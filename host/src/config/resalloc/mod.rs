//! resalloc's `pools.yaml`, turned into sources of the plugin `command`.
//!
//! Only reads and translates: what comes out is text for whoever writes the files. Everything that will not behave as it
//! did is said with it.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;

use runner_core::id::SourceName;

use super::document::{Document, Format, read as read_text};
use super::error::{ConfigError, Problem};

/// How the instances of all pools are reached, which resalloc does not know.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Not at all: whoever holds an instance knows how.
    pub none: bool,
    /// The user to log in as.
    pub user: Option<String>,
}

/// One pool as a source.
#[derive(Clone, Debug)]
pub struct ImportedPool {
    /// Its name in `pools.yaml`.
    pub pool: String,
    /// The source's: the same, as far as a source can be called that.
    pub source: SourceName,
    /// The text of its `source.toml`.
    pub text: String,
    /// What will not be as it was.
    pub notes: Vec<String>,
}

/// A whole `pools.yaml`.
#[derive(Clone, Debug)]
pub struct Import {
    /// In the order of the file.
    pub pools: Vec<ImportedPool>,
    /// What was not understood and is left out, as resalloc does.
    pub warnings: Vec<Problem>,
}

/// Reads `file`.
///
/// # Errors
/// All problems at once: what resalloc would refuse too, and what has no counterpart here.
pub fn import(file: &Path, reach: &Reach) -> Result<Import, ConfigError> {
    let document = Document::parse(file, &read_text(file)?, Format::Yaml)?;
    let (pools, warnings) = read::pools(&document)?;
    let pools = pools
        .into_iter()
        .map(|pool| {
            let (text, notes) = write::source(&pool, reach);
            ImportedPool {
                pool: pool.name,
                source: pool.source,
                text,
                notes,
            }
        })
        .collect();
    Ok(Import { pools, warnings })
}
