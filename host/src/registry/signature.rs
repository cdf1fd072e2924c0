//! Signatures as cosign makes them: a small statement about a manifest's digest, signed, kept under a tag of its own.
//!
//! <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>. The arithmetic is `ring`'s, which TLS uses already. Keys
//! are ECDSA on P-256 or Ed25519, in the form that `openssl` and `cosign` write (PEM; private ones as PKCS #8, without a
//! password). What is not signed is the tag: that a version is the one its tag says follows from the component, which names
//! itself, and is looked at by whoever installs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, UnparsedPublicKey, VerificationAlgorithm,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::digest::{Digest, hex};
use super::error::{RegistryError, RegistryErrorKind, Result, short};
use super::layout::{Descriptor, Manifest};
use super::reference::Repository;

const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const BUNDLE: &str = "dev.sigstore.cosign/bundle";
const STATEMENT: &str = "cosign container image signature";

/// A statement is a few hundred bytes.
const LARGEST_PAYLOAD: u64 = 64 << 10;
/// More signatures of one manifest than anybody makes.
const MOST_SIGNATURES: usize = 32;

/// What stands before the key in the only two forms of `SubjectPublicKeyInfo` that are taken (RFC 5480, RFC 8410).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const EDWARDS: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A key that signatures are looked at with.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    der: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    Ed25519,
}

/// A key to sign with.
pub struct SigningKey(Pair);

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// One signature of a manifest, not yet believed.
#[derive(Clone, Debug)]
pub struct Signature {
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
    /// Of a keyless signature: PEM.
    pub(super) certificate: Option<String>,
    pub(super) chain: Option<String>,
    /// The transparency log's receipt.
    pub(super) bundle: Option<String>,
}

/// A manifest's signatures, byte for byte.
#[derive(Debug)]
pub struct Pieces {
    /// What the manifest of the signatures is tagged.
    pub tag: String,
    pub manifest: Vec<u8>,
    /// What it refers to.
    pub contents: Vec<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    #[serde(default)]
    optional: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize, Deserialize)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Serialize, Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: Digest,
}

impl PublicKey {
    /// Reads a PEM file.
    pub fn read(path: &Path) -> Result<Self> {
        let pem = read_key(path)?;
        let der = SubjectPublicKeyInfoDer::from_pem_slice(&pem).map_err(|_| {
            RegistryError::new(
                RegistryErrorKind::Invalid,
                path.display(),
                "this is no public key in PEM (`BEGIN PUBLIC KEY`)",
            )
        })?;
        Self::from_der(path.display(), &der)
    }

    pub(super) fn from_der(subject: impl fmt::Display, der: &[u8]) -> Result<Self> {
        let (kind, length) = if der.starts_with(P256) {
            (Kind::P256, P256.len() + 65)
        } else {
            (Kind::Ed25519, EDWARDS.len() + 32)
        };
        let known = der.starts_with(P256) || der.starts_with(EDWARDS);
        if !known || der.len() != length {
            return Err(RegistryError::new(
                RegistryErrorKind::Invalid,
                subject,
                "the key is neither ECDSA on P-256 nor Ed25519",
            ));
        }
        Ok(Self {
            der: der.to_owned(),
            kind,
        })
    }

    /// The key's name: the SHA-256 of its DER form.
    pub fn fingerprint(&self) -> String {
        hex(&<sha2::Sha256 as sha2::Digest>::digest(&self.der))
    }

    /// As a file.
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &self.der)
    }

    /// Whether `signature` is this key's of `message`.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let (algorithm, key): (&'static dyn VerificationAlgorithm, _) = match self.kind {
            Kind::P256 => (&ECDSA_P256_SHA256_ASN1, &self.der[P256.len()..]),
            Kind::Ed25519 => (&ED25519, &self.der[EDWARDS.len()..]),
        };
        UnparsedPublicKey::new(algorithm, key)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

impl SigningKey {
    /// A new key, and the PEM to keep it in.
    pub fn generate() -> Result<(Self, String)> {
        let failed =
            || RegistryError::new(RegistryErrorKind::Io, "key", "no randomness for a new key");
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
                .map_err(|_| failed())?;
        let key = Self::from_der(document.as_ref()).ok_or_else(failed)?;
        Ok((key, pem("PRIVATE KEY", document.as_ref())))
    }

    /// Reads a PEM file.
    pub fn read(path: &Path) -> Result<Self> {
        let pem = read_key(path)?;
        let wrong =
            |message| RegistryError::new(RegistryErrorKind::Invalid, path.display(), message);
        let text = String::from_utf8_lossy(&pem);
        if text.contains("ENCRYPTED") {
            return Err(wrong("the key is protected by a password, which is not supported").hint(
                "sign with the tool that made it: `cosign sign --key FILE --tlog-upload=false REFERENCE`",
            ));
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| {
            wrong("this is no private key in PEM and PKCS #8 (`BEGIN PRIVATE KEY`)")
                .hint("`runner plugin keygen` makes one; `openssl pkcs8 -topk8 -nocrypt -in FILE` converts one")
        })?;
        Self::from_der(der.secret_pkcs8_der())
            .ok_or_else(|| wrong("the key is neither ECDSA on P-256 nor Ed25519"))
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        let random = SystemRandom::new();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &random) {
            return Some(Self(Pair::P256(pair)));
        }
        // OpenSSL leaves the public half out, which can be computed.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
        Some(Self(Pair::Ed25519(pair)))
    }

    /// The half that others look at signatures with.
    pub fn public(&self) -> PublicKey {
        let (prefix, key, kind) = match &self.0 {
            Pair::P256(pair) => (P256, pair.public_key().as_ref(), Kind::P256),
            Pair::Ed25519(pair) => (EDWARDS, pair.public_key().as_ref(), Kind::Ed25519),
        };
        PublicKey {
            der: [prefix, key].concat(),
            kind,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        match &self.0 {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::P256(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| RegistryError::new(RegistryErrorKind::Io, "key", "signing failed")),
        }
    }
}

impl Signature {
    /// Signs a manifest.
    pub fn make(key: &SigningKey, repository: &Repository, manifest: &Digest) -> Result<Self> {
        let payload = Payload {
            critical: Critical {
                identity: Identity {
                    reference: repository.to_string(),
                },
                image: Image {
                    digest: manifest.clone(),
                },
                kind: STATEMENT.to_owned(),
            },
            optional: None,
        };
        let payload = serde_json::to_vec(&payload).unwrap_or_default();
        Ok(Self {
            signature: key.sign(&payload)?,
            payload,
            certificate: None,
            chain: None,
            bundle: None,
        })
    }

    /// Whether the statement is about this manifest. Says nothing about who made it.
    pub(super) fn is_about(&self, manifest: &Digest) -> bool {
        serde_json::from_slice::<Payload>(&self.payload).is_ok_and(|payload| {
            payload.critical.kind == STATEMENT && payload.critical.image.digest == *manifest
        })
    }

    /// The tag that a manifest's signatures are kept under.
    pub fn tag(manifest: &Digest) -> String {
        format!("sha256-{}.sig", manifest.hex())
    }

    /// The signatures of a manifest that a registry has, about it or not.
    pub fn fetch(client: &Client, repository: &Repository, manifest: &Digest) -> Result<Vec<Self>> {
        let tag = Self::tag(manifest);
        let Some(bytes) = client.manifest_if_there(repository, &tag)? else {
            return Ok(Vec::new());
        };
        let subject = format!("oci://{repository}:{tag}");
        let list = Manifest::parse(&subject, &bytes)?;
        Self::collect(&subject, &list, |layer| client.blob(repository, layer))
    }

    /// The manifest of a manifest's signatures and all that it refers to, byte for byte, for those who carry them elsewhere.
    pub fn pieces(
        client: &Client,
        repository: &Repository,
        manifest: &Digest,
    ) -> Result<Option<Pieces>> {
        let tag = Self::tag(manifest);
        let Some(bytes) = client.manifest_if_there(repository, &tag)? else {
            return Ok(None);
        };
        let subject = format!("oci://{repository}:{tag}");
        let list = Manifest::parse(&subject, &bytes)?;
        // Bounds their number and their sizes.
        Self::collect(&subject, &list, |_| Ok(Vec::new()))?;
        let mut contents = Vec::new();
        for piece in list.layers.iter().chain([&list.config]) {
            if piece.size <= LARGEST_PAYLOAD {
                contents.push(client.blob(repository, piece)?);
            }
        }
        Ok(Some(Pieces {
            tag,
            manifest: bytes,
            contents,
        }))
    }

    /// The signatures of a manifest of signatures.
    pub(super) fn collect(
        subject: &str,
        list: &Manifest,
        mut content: impl FnMut(&Descriptor) -> Result<Vec<u8>>,
    ) -> Result<Vec<Self>> {
        let too_large =
            |message: String| RegistryError::new(RegistryErrorKind::TooLarge, subject, message);
        if list.layers.len() > MOST_SIGNATURES {
            return Err(too_large(format!(
                "there are {} signatures, more than the {MOST_SIGNATURES} that are looked at",
                list.layers.len()
            )));
        }
        let mut found = Vec::new();
        for layer in list
            .layers
            .iter()
            .filter(|layer| layer.media_type == PAYLOAD_TYPE)
        {
            if layer.size > LARGEST_PAYLOAD {
                return Err(too_large(format!(
                    "a signature's statement has {} bytes",
                    layer.size
                )));
            }
            let note = |name: &str| layer.annotations.get(name).cloned();
            let decoded = note(SIGNATURE).map(|text| STANDARD.decode(text.trim()));
            let Some(Ok(signature)) = decoded else {
                continue;
            };
            found.push(Self {
                payload: content(layer)?,
                signature,
                certificate: note(CERTIFICATE),
                chain: note(CHAIN),
                bundle: note(BUNDLE),
            });
        }
        Ok(found)
    }

    /// Adds a signature to those that a registry has of a manifest.
    pub fn push(&self, client: &Client, repository: &Repository, manifest: &Digest) -> Result<()> {
        let tag = Self::tag(manifest);
        let mut layers = match client.published(repository, &tag)? {
            Some(list) => list.layers,
            None => Vec::new(),
        };
        let mut layer = Descriptor::of(PAYLOAD_TYPE, &self.payload);
        layer
            .annotations
            .insert(SIGNATURE.to_owned(), STANDARD.encode(&self.signature));
        layers.push(layer);
        // What image tools expect of a configuration: the layers' digests, so that it is a different one for each list.
        let digests: Vec<_> = layers
            .iter()
            .map(|layer| layer.digest.to_string())
            .collect();
        let config = serde_json::json!({
            "architecture": "", "os": "", "config": {},
            "rootfs": { "type": "layers", "diff_ids": digests },
        })
        .to_string();
        let config = config.as_bytes();
        let list = Manifest::new(Descriptor::of(CONFIG_TYPE, config), layers, BTreeMap::new());
        client.push(repository, &tag, &list.to_json(), &[config, &self.payload])
    }
}

fn read_key(path: &Path) -> Result<Vec<u8>> {
    let failed = |message: &str| RegistryError::new(RegistryErrorKind::Io, path.display(), message);
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= 1 << 20 => {}
        Ok(_) => return Err(failed("this is no key file")),
        Err(error) => return Err(failed("the key cannot be read").because(error)),
    }
    std::fs::read(path).map_err(|error| failed("the key cannot be read").because(error))
}

/// RFC 7468: a label, and lines of 64 characters.
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// For errors: whose signatures there are.
pub(super) fn describe(signatures: &[Signature]) -> String {
    match signatures {
        [] => "it is not signed".to_owned(),
        [one] if one.certificate.is_some() => "it has one signature, keyless".to_owned(),
        [_] => "it has one signature, by another key".to_owned(),
        many => short(&format!("it has {} signatures, by other keys", many.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> Repository {
        Repository::parse("r.example/a").unwrap()
    }

    fn write(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_key_signs_and_its_other_half_sees_it() {
        let (key, private) = SigningKey::generate().unwrap();
        let (_folder, path) = write(&private);
        let again = SigningKey::read(&path).unwrap();
        assert_eq!(again.public(), key.public());
        let (_folder, path) = write(&key.public().to_pem());
        let public = PublicKey::read(&path).unwrap();
        assert_eq!(public, key.public());
        assert_eq!(public.fingerprint().len(), 64);

        let digest = Digest::of(b"manifest");
        let made = Signature::make(&key, &repository(), &digest).unwrap();
        assert!(made.is_about(&digest) && !made.is_about(&Digest::of(b"other")));
        assert!(public.signed(&made.payload, &made.signature));
        let (other, _) = SigningKey::generate().unwrap();
        assert!(!other.public().signed(&made.payload, &made.signature));
        assert!(!public.signed(b"other", &made.signature));
        let mut changed = made.signature.clone();
        changed[10] ^= 1;
        assert!(!public.signed(&made.payload, &changed));
        assert_eq!(
            String::from_utf8(made.payload).unwrap(),
            format!(
                r#"{{"critical":{{"identity":{{"docker-reference":"r.example/a"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
            )
        );
    }

    /// A key that `openssl genpkey -algorithm ed25519` wrote, and its public half.
    #[test]
    fn keys_of_openssl_are_read() {
        let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
        let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
        let (_folder, path) = write(private);
        let key = SigningKey::read(&path).unwrap();
        assert_eq!(key.public().to_pem(), public);
        let made = Signature::make(&key, &repository(), &Digest::of(b"m")).unwrap();
        assert!(key.public().signed(&made.payload, &made.signature));
    }

    #[test]
    fn what_is_no_key_is_named() {
        for (text, said) in [
            ("", "no public key"),
            (
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
                "neither ECDSA",
            ),
            (&pem("PUBLIC KEY", &P256.repeat(3)), "neither ECDSA"),
        ] {
            let (_folder, path) = write(text);
            let error = PublicKey::read(&path).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("key`"), "{error}");
        }
        for (text, said) in [
            ("", "no private key"),
            (
                "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n",
                "protected by a password",
            ),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "neither ECDSA",
            ),
        ] {
            let (_folder, path) = write(text);
            let error = SigningKey::read(&path).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(
            PublicKey::read(Path::new("/nonexistent"))
                .unwrap_err()
                .to_string()
                .contains("cannot be read")
        );
    }

    #[test]
    fn statements_about_something_else_are_none() {
        let digest = Digest::of(b"m");
        let statement = |payload: &str| Signature {
            payload: payload.as_bytes().to_vec(),
            signature: Vec::new(),
            certificate: None,
            chain: None,
            bundle: None,
        };
        let good = format!(
            r#"{{"critical":{{"identity":{{"docker-reference":""}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{STATEMENT}"}},"optional":{{"a":1}}}}"#
        );
        assert!(statement(&good).is_about(&digest));
        for bad in [
            "",
            "{}",
            &good.replace(STATEMENT, "atomic container signature"),
            &good.replace("\"critical\"", "\"optional\""),
        ] {
            assert!(!statement(bad).is_about(&digest), "{bad}");
        }
    }
}
