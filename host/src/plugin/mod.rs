//! The only room that knows wasmtime: load, verify, grant, limit, call.

use serde::{Deserialize, Serialize};

use crate::provider::Optional;

/// Enough to load a component again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentRef {
    pub digest: String,
    pub name: String,
    pub version: String,
    pub optional: Optional,
    pub embedded: bool,
}

/// What a plugin may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {}

/// Bounds of one plugin call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {}
