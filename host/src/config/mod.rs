//! Finds, layers, validates and explains settings; produces core's policy types.

/// A source as it is configured.
#[derive(Clone, Debug)]
pub struct SourceConfig {}
