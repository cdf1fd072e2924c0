//! Signatures without a key of one's own, as Sigstore makes them: a certificate that is valid for minutes says who signed, and a
//! log's receipt says that it was used in those minutes.
//!
//! Everything is looked at offline, against a trust root that the user gives (Sigstore's `trusted_root.json`, or that of one's
//! own installation): the chain up to a certificate authority of the root at the time of the receipt, the purpose of the
//! certificate, the log's signature over the entry (its promise of inclusion), and that the entry is about this signature by this
//! certificate. Not looked at: proofs of inclusion, certificate transparency (the certificate's own log receipts), and the newer bundle
//! format; `sdk/PUBLISHING.md` says what that means.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::{Deserialize, Serialize};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::digest::hex;
use super::error::{RegistryError, RegistryErrorKind, Result};
use super::signature::{PublicKey, Signature};

/// A trust root has a few certificates and keys.
const LARGEST: u64 = 4 << 20;

/// `id-kp-codeSigning`, the purpose that such certificates are for.
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
/// Who vouches for the identity: plain text, and its successor in DER.
const ISSUER_OLD: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");
const ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");

/// How the chain may be signed: what certificate authorities use today.
static ALGORITHMS: [&dyn rustls_pki_types::SignatureVerificationAlgorithm; 4] = [
    webpki::ring::ECDSA_P256_SHA256,
    webpki::ring::ECDSA_P384_SHA384,
    webpki::ring::ED25519,
    webpki::ring::RSA_PKCS1_2048_8192_SHA256,
];

/// Authorities and logs that are believed.
#[derive(Clone, Debug)]
pub struct TrustRoot {
    authorities: Vec<Authority>,
    logs: Vec<Log>,
}

#[derive(Clone, Debug)]
struct Authority {
    /// From the one that signs to the root.
    chain: Vec<CertificateDer<'static>>,
    valid: Span,
}

#[derive(Clone, Debug)]
struct Log {
    id: String,
    key: PublicKey,
    valid: Span,
}

/// Who signed, in whose words.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) identity: String,
    pub(super) issuer: String,
}

/// Sigstore's file, the parts that are used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RootFile {
    media_type: String,
    #[serde(default)]
    tlogs: Vec<LogEntry>,
    #[serde(default)]
    certificate_authorities: Vec<AuthorityEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogEntry {
    public_key: LogKey,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogKey {
    raw_bytes: String,
    #[serde(default)]
    valid_for: Span,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorityEntry {
    cert_chain: Chain,
    #[serde(default)]
    valid_for: Span,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<RawCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCertificate {
    raw_bytes: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "WrittenSpan")]
struct Span {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

#[derive(Deserialize)]
struct WrittenSpan {
    start: Option<String>,
    end: Option<String>,
}

impl TryFrom<WrittenSpan> for Span {
    type Error = jiff::Error;

    fn try_from(written: WrittenSpan) -> std::result::Result<Self, jiff::Error> {
        let read = |text: Option<String>| text.map(|text| text.parse()).transpose();
        Ok(Self {
            start: read(written.start)?,
            end: read(written.end)?,
        })
    }
}

impl Span {
    fn has(&self, time: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }
}

/// What cosign keeps beside a signature.
#[derive(Deserialize)]
struct Bundle {
    #[serde(rename = "SignedEntryTimestamp")]
    promise: String,
    #[serde(rename = "Payload")]
    payload: Receipt,
}

/// What the log signs: just these, in this order, without blanks.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Receipt {
    body: String,
    #[serde(rename = "integratedTime")]
    time: i64,
    #[serde(rename = "logID")]
    log: String,
    #[serde(rename = "logIndex")]
    index: i64,
}

/// An entry of the kind `hashedrekord`.
#[derive(Deserialize)]
struct Entry {
    kind: String,
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    data: Data,
    signature: EntrySignature,
}

#[derive(Deserialize)]
struct Data {
    hash: Hash,
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntrySignature {
    content: String,
    public_key: EntryKey,
}

#[derive(Deserialize)]
struct EntryKey {
    content: String,
}

impl TrustRoot {
    /// Reads Sigstore's `trusted_root.json`.
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = |message: String| {
            RegistryError::new(RegistryErrorKind::Invalid, path.display(), message)
        };
        let bytes = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() && metadata.len() <= LARGEST => std::fs::read(path),
            Ok(_) => return Err(wrong("this is no trust root".into())),
            Err(error) => Err(error),
        };
        let bytes = bytes.map_err(|error| {
            RegistryError::new(
                RegistryErrorKind::Io,
                path.display(),
                "the trust root cannot be read",
            )
            .because(error)
        })?;
        Self::parse(&bytes).map_err(|why| wrong(format!("this is no trust root: {why}")))
    }

    fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let file: RootFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if !file
            .media_type
            .starts_with("application/vnd.dev.sigstore.trustedroot")
        {
            return Err(format!("its kind is `{}`", file.media_type));
        }
        let decode = |text: &str| STANDARD.decode(text).map_err(|error| error.to_string());
        let mut authorities = Vec::new();
        for entry in file.certificate_authorities {
            let chain = entry.cert_chain.certificates.iter();
            let chain = chain.map(|one| decode(&one.raw_bytes).map(CertificateDer::from));
            let chain: Vec<_> = chain.collect::<std::result::Result<_, _>>()?;
            let root = chain.last().ok_or("an authority without a certificate")?;
            anchor_from_trusted_cert(root)
                .map_err(|error| format!("an authority's certificate is wrong: {error}"))?;
            authorities.push(Authority {
                chain,
                valid: entry.valid_for,
            });
        }
        let mut logs = Vec::new();
        for entry in file.tlogs {
            let der = decode(&entry.public_key.raw_bytes)?;
            // Keys of other kinds are of logs that cannot be read here.
            if let Ok(key) = PublicKey::from_der("log", &der) {
                logs.push(Log {
                    id: key.fingerprint(),
                    key,
                    valid: entry.public_key.valid_for,
                });
            }
        }
        match (authorities.is_empty(), logs.is_empty()) {
            (true, _) => Err("it has no certificate authority".into()),
            (_, true) => Err("it has no log with a key that can be used".into()),
            (false, false) => Ok(Self { authorities, logs }),
        }
    }

    /// Who made a signature; none when it is not a keyless one. The error says what is wrong with one that claims to be.
    pub(super) fn verify(
        &self,
        signature: &Signature,
    ) -> std::result::Result<Option<Signed>, String> {
        let Some(pem) = &signature.certificate else {
            return Ok(None);
        };
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "its certificate cannot be read")?;
        let certificate =
            x509_cert::Certificate::from_der(&der).map_err(|_| "its certificate cannot be read")?;
        let key = certificate
            .tbs_certificate()
            .subject_public_key_info()
            .to_der()
            .map_err(|_| "its certificate's key cannot be read")?;
        let key = PublicKey::from_der("certificate", &key).map_err(|error| error.message)?;
        if !key.signed(&signature.payload, &signature.signature) {
            return Err("it was not made with the key of its certificate".into());
        }
        let bundle = signature
            .bundle
            .as_deref()
            .ok_or("it has no receipt of a log")?;
        let time = self.logged(bundle, &der, signature)?;
        self.vouched(&der, signature, time)?;
        Ok(Some(Signed {
            identity: identity(&certificate).ok_or("its certificate names nobody")?,
            issuer: issuer(&certificate)
                .ok_or("its certificate does not say who vouches for the name")?,
        }))
    }

    /// When a log that is believed took in just this signature by just this certificate.
    fn logged(
        &self,
        bundle: &str,
        certificate: &CertificateDer<'_>,
        signature: &Signature,
    ) -> std::result::Result<Timestamp, String> {
        let bundle: Bundle =
            serde_json::from_str(bundle).map_err(|_| "the log's receipt cannot be read")?;
        let receipt = bundle.payload;
        let time =
            Timestamp::from_second(receipt.time).map_err(|_| "the log's receipt has no time")?;
        let log = self
            .logs
            .iter()
            .find(|log| log.id == receipt.log && log.valid.has(time));
        let log = log.ok_or("the receipt is of a log that the trust root does not have")?;
        let promise = STANDARD
            .decode(&bundle.promise)
            .map_err(|_| "the log's receipt cannot be read")?;
        let said = serde_json::to_vec(&receipt).unwrap_or_default();
        if !log.key.signed(&said, &promise) {
            return Err("the receipt was not signed by its log".into());
        }
        let entry = STANDARD.decode(&receipt.body).ok();
        let entry = entry.and_then(|bytes| serde_json::from_slice::<Entry>(&bytes).ok());
        let entry = entry
            .filter(|entry| entry.kind == "hashedrekord")
            .ok_or("the log's entry is of a kind that cannot be read")?;
        let hash = &entry.spec.data.hash;
        let hashed = hex(&<sha2::Sha256 as sha2::Digest>::digest(&signature.payload));
        let same_content = hash.algorithm == "sha256" && hash.value == hashed;
        let decode = |text: &str| STANDARD.decode(text).unwrap_or_default();
        let same_signature = decode(&entry.spec.signature.content) == signature.signature;
        let logged = decode(&entry.spec.signature.public_key.content);
        let same_certificate =
            CertificateDer::from_pem_slice(&logged).is_ok_and(|logged| logged == *certificate);
        match same_content && same_signature && same_certificate {
            true => Ok(time),
            false => Err("the log's receipt is about another signature".into()),
        }
    }

    /// An authority that is believed issued the certificate for signing, and it was valid at that time.
    fn vouched(
        &self,
        certificate: &CertificateDer<'_>,
        signature: &Signature,
        time: Timestamp,
    ) -> std::result::Result<(), String> {
        let seconds =
            u64::try_from(time.as_second()).map_err(|_| "the log's receipt has no time")?;
        let moment = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let end = EndEntityCert::try_from(certificate)
            .map_err(|error| format!("its certificate cannot be used: {error}"))?;
        let brought = CertificateDer::pem_slice_iter(
            signature.chain.as_deref().unwrap_or_default().as_bytes(),
        );
        let brought: Vec<CertificateDer<'_>> = brought
            .take(8)
            .filter_map(std::result::Result::ok)
            .collect();
        let mut why = "no authority of the trust root is of that time".to_owned();
        for authority in self.authorities.iter().filter(|one| one.valid.has(time)) {
            let Some((root, between)) = authority.chain.split_last() else {
                continue;
            };
            let Ok(anchor) = anchor_from_trusted_cert(root) else {
                continue;
            };
            let between: Vec<_> = between
                .iter()
                .cloned()
                .chain(brought.iter().cloned())
                .collect();
            let path = end.verify_for_usage(
                &ALGORITHMS,
                std::slice::from_ref(&anchor),
                &between,
                moment,
                KeyUsage::required(CODE_SIGNING),
                None,
                None,
            );
            match path {
                Ok(_) => return Ok(()),
                Err(error) => why = format!("its certificate is not believed: {error}"),
            }
        }
        Err(why)
    }
}

/// The mail address or URI that a certificate is for.
fn identity(certificate: &x509_cert::Certificate) -> Option<String> {
    let (_, names) = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>()
        .ok()??;
    // One name, as the authority writes it; of several nobody could say which is meant.
    let [name] = names.0.as_slice() else {
        return None;
    };
    match name {
        GeneralName::Rfc822Name(name) => Some(name.to_string()),
        GeneralName::UniformResourceIdentifier(name) => Some(name.to_string()),
        _ => None,
    }
}

/// Who vouches for it.
fn issuer(certificate: &x509_cert::Certificate) -> Option<String> {
    let extensions = certificate.tbs_certificate().extensions()?;
    let value = |id: ObjectIdentifier| {
        let found = extensions
            .iter()
            .find(|extension| extension.extn_id == id)?;
        Some(found.extn_value.as_bytes())
    };
    match value(ISSUER) {
        Some(der) => String::from_der(der).ok(),
        None => String::from_utf8(value(ISSUER_OLD)?.to_vec()).ok(),
    }
}
