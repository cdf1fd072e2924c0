//! Where a call happens: the source, and its configuration as the author's type.

use serde::de::DeserializeOwned;

use crate::Error;
use crate::bindings::provider::runner::plugin::types as wit;

/// The source a call is for. The same for every call until the operator changes the configuration.
#[derive(Clone, Debug)]
pub struct Context<C> {
    /// The name of the source, as the operator wrote it.
    pub source: String,
    /// Which books this is for: 16 hexadecimal digits, the same for ever. Two of them may have a source of one name over one
    /// backend: label what you make with this too, and list only what carries it.
    pub state_id: String,
    /// The plugin's own keys: already validated against the manifest's schema, its defaults filled in.
    pub config: C,
}

impl<C: DeserializeOwned> Context<C> {
    /// Reads the author's type from what the host sent.
    pub(crate) fn read(ctx: wit::Context) -> Result<Self, Error> {
        match serde_json::from_str(&ctx.config) {
            Ok(config) => Ok(Self {
                source: ctx.source,
                state_id: ctx.state_id,
                config,
            }),
            // The host validated it, so the schema in the manifest and the Rust type disagree.
            Err(error) => Err(Error::invalid(format!(
                "the configuration of source `{}` does not fit this plugin: {error}",
                ctx.source
            ))),
        }
    }
}
