//! Whose signature counts for what, and what to do without one.
//!
//! The rules are the user's: for a registry, or a part of one, keys or identities. The most precise part that has rules is the
//! one that counts, so that a rule for a team's plugins is not widened by one for the whole registry. Without a signature
//! that counts nothing is taken, unless the user says so for this one call.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::error::{RegistryError, RegistryErrorKind, Result};
use super::keyless::TrustRoot;
use super::reference::Repository;
use super::signature::{PublicKey, Signature, describe};

/// What the user says about signatures.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub rules: Vec<Rule>,
    /// Keys for this call; while there are any, the rules do not count.
    pub given: Vec<Signer>,
    /// Take what nobody who counts has signed.
    pub allow_unsigned: bool,
}

/// Who may sign what is below a registry or a part of it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `registry.example.com`, or `registry.example.com/team`.
    pub prefix: String,
    pub signer: Signer,
}

/// One whose word counts.
#[derive(Clone, Debug)]
pub enum Signer {
    Key {
        key: PublicKey,
        /// The file that it is in.
        file: String,
    },
    /// Whoever an issuer vouches for, in a certificate of this root, with a receipt of its log.
    Keyless {
        root: Box<TrustRoot>,
        /// Word for word, or up to a final `*`.
        identity: String,
        issuer: String,
    },
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// This key, by its fingerprint.
    Key(String),
    /// This identity, in the words of this issuer.
    Identity { identity: String, issuer: String },
    /// Nobody whose word counts; the user took it all the same.
    Unsigned,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Enough to tell keys apart, and to find the file that has it.
            Self::Key(fingerprint) => {
                write!(f, "key {}", fingerprint.get(..16).unwrap_or(fingerprint))
            }
            Self::Identity { identity, issuer } => write!(f, "{identity} ({issuer})"),
            Self::Unsigned => f.write_str("nobody whose signature counts"),
        }
    }
}

impl Policy {
    /// Who signed a manifest, if it is somebody who counts for this repository.
    pub fn judge(
        &self,
        repository: &Repository,
        manifest: &Digest,
        signatures: &[Signature],
    ) -> Result<Verdict> {
        let signers = self.signers(repository);
        let about: Vec<&Signature> = signatures
            .iter()
            .filter(|signature| signature.is_about(manifest))
            .collect();
        let mut reasons = Vec::new();
        for signature in &about {
            for signer in &signers {
                match signer.judge(signature) {
                    Ok(Some(verdict)) => return Ok(verdict),
                    Ok(None) => {}
                    Err(reason) => reasons.push(reason),
                }
            }
        }
        if self.allow_unsigned {
            return Ok(Verdict::Unsigned);
        }
        let found = match signatures.len() > about.len() && about.is_empty() {
            true => "its signature is about something else".to_owned(),
            false => describe(signatures),
        };
        reasons.dedup();
        let detail = match reasons.is_empty() {
            true => String::new(),
            false => format!(" ({})", reasons.join("; ")),
        };
        let subject = format!("oci://{repository}@{manifest}");
        let error = |message| RegistryError::new(RegistryErrorKind::Untrusted, subject, message);
        Err(if signers.is_empty() {
            error(format!("nobody's signature counts for this repository, and {found}{detail}")).hint(
                "name a key with `--key FILE.pub`, or for good in `[[plugins.trust]]` of your `config.toml`; \
                 `--allow-unsigned` takes it without: then nothing says who made it",
            )
        } else {
            let who: Vec<String> = signers.iter().map(|signer| signer.to_string()).collect();
            error(format!(
                "nobody whose signature counts has signed it: {found}{detail}; wanted is {}",
                who.join(", or ")
            ))
            .hint("ask its publisher which key is theirs now; `--allow-unsigned` takes it without: then nothing says who made it")
        })
    }

    fn signers(&self, repository: &Repository) -> Vec<&Signer> {
        if !self.given.is_empty() {
            return self.given.iter().collect();
        }
        let covers = |rule: &&Rule| repository.is_below(&rule.prefix);
        let length = |rule: &Rule| rule.prefix.trim_end_matches('/').len();
        let longest = self.rules.iter().filter(covers).map(length).max();
        let all = self.rules.iter().filter(covers);
        all.filter(|rule| Some(length(rule)) == longest)
            .map(|rule| &rule.signer)
            .collect()
    }
}

impl Signer {
    /// Who signed, if it is this one; the error says why a signature that claims to be this one's is not.
    fn judge(&self, signature: &Signature) -> std::result::Result<Option<Verdict>, String> {
        match self {
            Self::Key { key, .. } => Ok(key
                .signed(&signature.payload, &signature.signature)
                .then(|| Verdict::Key(key.fingerprint()))),
            Self::Keyless {
                root,
                identity,
                issuer,
            } => {
                let Some(found) = root.verify(signature)? else {
                    return Ok(None);
                };
                let fits = match identity.strip_suffix('*') {
                    Some(start) => found.identity.starts_with(start),
                    None => found.identity == *identity,
                };
                if fits && found.issuer == *issuer {
                    return Ok(Some(Verdict::Identity {
                        identity: found.identity,
                        issuer: found.issuer,
                    }));
                }
                Err(format!(
                    "it is signed by {}, in the words of {}",
                    found.identity, found.issuer
                ))
            }
        }
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { key, file } => {
                let fingerprint = key.fingerprint();
                write!(
                    f,
                    "the key `{file}` ({})",
                    fingerprint.get(..16).unwrap_or_default()
                )
            }
            Self::Keyless {
                identity, issuer, ..
            } => write!(f, "{identity} ({issuer})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::signature::SigningKey;
    use super::*;

    fn key() -> (SigningKey, Signer) {
        let (key, _) = SigningKey::generate().unwrap();
        let signer = Signer::Key {
            key: key.public(),
            file: "k.pub".into(),
        };
        (key, signer)
    }

    fn rule(prefix: &str, signer: &Signer) -> Rule {
        Rule {
            prefix: prefix.into(),
            signer: signer.clone(),
        }
    }

    #[test]
    fn the_most_precise_rule_counts() {
        let repository = Repository::parse("r.example/team/a").unwrap();
        let digest = Digest::of(b"m");
        let ((wide, wide_signer), (narrow, narrow_signer)) = (key(), key());
        let by = |key: &SigningKey| vec![Signature::make(key, &repository, &digest).unwrap()];
        let mut policy = Policy {
            rules: vec![rule("r.example", &wide_signer)],
            ..Policy::default()
        };
        let verdict = policy.judge(&repository, &digest, &by(&wide)).unwrap();
        assert_eq!(verdict, Verdict::Key(wide.public().fingerprint()));
        policy.rules.push(rule("r.example/team/", &narrow_signer));
        assert!(policy.judge(&repository, &digest, &by(&wide)).is_err());
        policy.judge(&repository, &digest, &by(&narrow)).unwrap();
        // One of several that stand beside each other is enough.
        policy.rules.push(rule("r.example/team", &wide_signer));
        policy.judge(&repository, &digest, &by(&wide)).unwrap();
        // What was named for the call counts alone.
        policy.given = vec![key().1];
        assert!(policy.judge(&repository, &digest, &by(&narrow)).is_err());
    }

    #[test]
    fn without_a_signature_that_counts_nothing_is_taken_unasked() {
        let repository = Repository::parse("r.example/a").unwrap();
        let digest = Digest::of(b"m");
        let (one, signer) = key();
        let signed = |digest: &Digest| vec![Signature::make(&one, &repository, digest).unwrap()];
        let mut policy = Policy::default();
        let error = policy.judge(&repository, &digest, &[]).unwrap_err();
        assert_eq!(error.kind, RegistryErrorKind::Untrusted);
        assert!(
            error.to_string().contains("nobody's signature counts"),
            "{error}"
        );
        assert!(error.hint.unwrap().contains("--allow-unsigned"));
        policy.rules = vec![rule("r.example", &signer)];
        for (signatures, said) in [
            (vec![], "it is not signed"),
            (signed(&Digest::of(b"other")), "about something else"),
            (
                vec![Signature::make(&key().0, &repository, &digest).unwrap()],
                "one signature, by another key",
            ),
        ] {
            let error = policy.judge(&repository, &digest, &signatures).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
            assert!(
                error.to_string().contains("wanted is the key `k.pub`"),
                "{error}"
            );
            let lax = Policy {
                allow_unsigned: true,
                ..policy.clone()
            };
            assert_eq!(
                lax.judge(&repository, &digest, &signatures).unwrap(),
                Verdict::Unsigned
            );
        }
        let lax = Policy {
            allow_unsigned: true,
            ..policy
        };
        let verdict = lax.judge(&repository, &digest, &signed(&digest)).unwrap();
        assert_eq!(verdict, Verdict::Key(one.public().fingerprint()));
    }
}
