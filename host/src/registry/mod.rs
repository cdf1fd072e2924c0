//! Plugins in OCI registries: what they look like there, how they are fetched and pushed, who signed them.
//!
//! A thin client of the OCI distribution protocol, and the layout that the WebAssembly guidance gives artifacts (`layout`),
//! so that `wkg` and others read what we publish and we read what they do. It knows nothing of wasmtime, of the state
//! database or of the configuration's files: `app` says which registries, keys and directories there are, and has a component
//! inspected before it is installed. Whatever comes from a registry is hostile until its digest and its signature say otherwise:
//! every read has a bound, and nothing is believed that is not covered by a digest.
//!
//! ```text
//! reference ─┐                        ┌─ auth (credentials, tokens)
//! version  ──┼─→ client (verbs) ─→ wire (HTTP, redirects, bounds)
//! layout  ───┘        │
//!                     └─→ signature, keyless ─→ trust (whose word counts)
//! ```

mod archive;
mod auth;
mod client;
mod digest;
mod error;
mod fetch;
mod keyless;
mod layout;
mod lock;
mod proof;
mod receipt;
mod reference;
mod signature;
mod trust;
mod version;
mod wire;

pub use archive::{Archive, Entry, write as write_archive};
pub use auth::Credentials;
pub use client::Client;
pub use digest::Digest;
pub use error::{RegistryError, RegistryErrorKind};
pub use fetch::{Fetched, Stock, fetch};
pub use keyless::TrustRoot;
pub use layout::{
    Artifact, CONFORMANCE, Descriptor, LARGEST_COMPONENT, Level, Manifest, Published,
    component_config,
};
pub use lock::{Lock, Locked};
pub use proof::Tested;
pub use receipt::Receipt;
pub use reference::{Reference, Repository, Wanted, Which};
pub use signature::{Pieces, PublicKey, Signature, SigningKey};
pub use trust::{Policy, Rule, Signer, Verdict};
pub use version::{Range, Versions, tag_of, yanked_tag_of};
pub use wire::{Direct, Network};
