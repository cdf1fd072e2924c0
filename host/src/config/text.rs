//! A source from a text that is in no file: for who looks for texts that the parsers do not survive.

use std::path::Path;

use runner_core::id::SourceName;

use super::convert::{self, Context};
use super::document::{Document, Format};
use super::error::{ConfigError, Problem};
use super::roots::Origin;
use super::source::SourceConfig;

/// How the text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceText {
    Toml,
    Yaml,
    Ini,
}

/// Reads and checks it as a file of the user's.
pub(crate) fn source_from_text(
    text: &str,
    format: SourceText,
) -> Result<SourceConfig, ConfigError> {
    let format = match format {
        SourceText::Toml => Format::Toml,
        SourceText::Yaml => Format::Yaml,
        SourceText::Ini => Format::Ini,
    };
    let folder = Path::new("/sources/it");
    let name = |text: &str| {
        SourceName::new(text).map_err(|error| Problem::nowhere(error.to_string()).into())
    };
    let own: Result<SourceName, ConfigError> = name("it");
    let other: Result<SourceName, ConfigError> = name("other");
    let document = Document::parse(&folder.join("source.toml"), text, format)?;
    convert::source(
        &document,
        &Context {
            name: &own?,
            folder,
            origin: Origin::User,
            known: &[other?],
        },
    )
}
