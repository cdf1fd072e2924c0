//! From a manifest to a component that may be inspected: signature first, then the pieces, each what its digest says.
//!
//! The same over a registry and over an archive. Nothing large is fetched of what nobody who counts has signed.

use super::archive::Archive;
use super::client::Client;
use super::digest::Digest;
use super::error::{RegistryError, RegistryErrorKind, Result};
use super::layout::{Descriptor, Manifest, component_config};
use super::reference::{Repository, Which};
use super::signature::Signature;
use super::trust::{Policy, Verdict};

/// Where artifacts are.
pub trait Stock {
    /// A manifest by tag or digest.
    fn manifest(&self, repository: &Repository, which: &Which) -> Result<(Digest, Vec<u8>)>;
    /// What a descriptor describes.
    fn content(&self, repository: &Repository, wanted: &Descriptor) -> Result<Vec<u8>>;
    /// The signatures of a manifest, believed or not.
    fn signatures(&self, repository: &Repository, manifest: &Digest) -> Result<Vec<Signature>>;
}

/// A component that came whole, and who signed it.
#[derive(Debug)]
pub struct Fetched {
    pub repository: Repository,
    pub manifest: Manifest,
    pub digest: Digest,
    pub signed: Verdict,
    pub component: Vec<u8>,
    /// As they came, for those who carry them elsewhere.
    pub pieces: (Vec<u8>, Vec<u8>),
}

/// Fetches one artifact.
pub fn fetch(
    stock: &dyn Stock,
    repository: &Repository,
    which: &Which,
    policy: &Policy,
) -> Result<Fetched> {
    let (digest, bytes) = stock.manifest(repository, which)?;
    let subject = format!("oci://{repository}@{digest}");
    let manifest = Manifest::parse(&subject, &bytes)?;
    let layer = manifest.component(&subject)?.clone();
    let signatures = stock.signatures(repository, &digest)?;
    let signed = policy.judge(repository, &digest, &signatures)?;
    let config = stock.content(repository, &manifest.config)?;
    component_config(&subject, &config, &layer)?;
    let component = stock.content(repository, &layer)?;
    Ok(Fetched {
        repository: repository.clone(),
        manifest,
        digest,
        signed,
        component,
        pieces: (bytes, config),
    })
}

impl Stock for Client {
    fn manifest(&self, repository: &Repository, which: &Which) -> Result<(Digest, Vec<u8>)> {
        match which {
            Which::Tag(tag) => Self::manifest(self, repository, tag),
            Which::Digest(digest) => {
                let bytes = self.manifest_by_digest(repository, digest)?;
                Ok((digest.clone(), bytes))
            }
            Which::Newest(_) => Err(unresolved(repository)),
        }
    }

    fn content(&self, repository: &Repository, wanted: &Descriptor) -> Result<Vec<u8>> {
        self.blob(repository, wanted)
    }

    fn signatures(&self, repository: &Repository, manifest: &Digest) -> Result<Vec<Signature>> {
        Signature::fetch(self, repository, manifest)
    }
}

impl Stock for Archive {
    fn manifest(&self, repository: &Repository, which: &Which) -> Result<(Digest, Vec<u8>)> {
        let wanted = self.plugins().find(|entry| {
            entry.repository == *repository
                && match which {
                    Which::Tag(tag) => entry.tag == *tag,
                    Which::Digest(digest) => entry.manifest.digest == *digest,
                    Which::Newest(_) => false,
                }
        });
        let wanted = wanted.ok_or_else(|| unresolved(repository))?;
        let bytes = Self::content(self, &wanted.manifest)?;
        Ok((wanted.manifest.digest.clone(), bytes))
    }

    fn content(&self, _: &Repository, wanted: &Descriptor) -> Result<Vec<u8>> {
        Self::content(self, wanted)
    }

    fn signatures(&self, repository: &Repository, manifest: &Digest) -> Result<Vec<Signature>> {
        Self::signatures(self, repository, manifest)
    }
}

fn unresolved(repository: &Repository) -> RegistryError {
    let message = "there is no such version of it here";
    RegistryError::new(
        RegistryErrorKind::NotFound,
        format!("oci://{repository}"),
        message,
    )
}
