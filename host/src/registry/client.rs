//! The verbs of the distribution protocol that plugins need: fetch and push manifests and blobs, list tags and repositories.
//!
//! Nothing is believed: a digest is computed over what came, lists end after a bounded number of pages, and who is asked for
//! content is asked for as much as was promised and one byte more.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ureq::http::{Method, StatusCode, header};

use super::auth::{Challenge, Credentials};
use super::digest::Digest;
use super::error::{RegistryError, RegistryErrorKind, Result, short};
use super::layout::{Descriptor, MANIFEST_TYPE, Manifest};
use super::reference::Repository;
use super::wire::{Address, Answer, Ask, Network, Wire};

/// A manifest lists a handful of digests; registries take no more than this either.
const LARGEST_MANIFEST: u64 = 4 << 20;
/// One page of a list.
const LARGEST_PAGE: u64 = 4 << 20;
/// Pages of one list, whatever is said about more.
const MOST_PAGES: usize = 100;
/// Entries of one list.
const MOST_ENTRIES: usize = 20_000;
/// A token.
const LARGEST_TOKEN: u64 = 256 << 10;
/// What docker calls its registry, and where that is.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// A conversation with registries.
pub struct Client {
    wire: Wire,
    credentials: Credentials,
    /// `Authorization` by host and scope.
    known: Mutex<BTreeMap<(String, String), String>>,
}

/// What a request may do, in the protocol's words.
#[derive(Clone, Copy)]
enum Right {
    Pull,
    Push,
}

impl Client {
    /// Connects to nothing yet.
    pub fn new(network: &Network, credentials: Credentials) -> Self {
        Self {
            wire: network.wire(),
            credentials,
            known: Mutex::default(),
        }
    }

    /// A manifest by its tag.
    pub fn manifest(&self, repository: &Repository, tag: &str) -> Result<(Digest, Vec<u8>)> {
        self.fetch_manifest(repository, tag, &format!("oci://{repository}:{tag}"))
    }

    /// A manifest by its digest.
    pub fn manifest_by_digest(&self, repository: &Repository, digest: &Digest) -> Result<Vec<u8>> {
        let subject = format!("oci://{repository}@{digest}");
        let (found, bytes) = self.fetch_manifest(repository, &digest.to_string(), &subject)?;
        match found == *digest {
            true => Ok(bytes),
            false => Err(other_content(&subject, digest, &found)),
        }
    }

    /// The same, where its absence is an answer.
    pub(super) fn manifest_if_there(
        &self,
        repository: &Repository,
        tag: &str,
    ) -> Result<Option<Vec<u8>>> {
        match self.manifest(repository, tag) {
            Ok((_, bytes)) => Ok(Some(bytes)),
            Err(error) if error.kind == RegistryErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn fetch_manifest(
        &self,
        repository: &Repository,
        which: &str,
        subject: &str,
    ) -> Result<(Digest, Vec<u8>)> {
        let path = format!("/v2/{}/manifests/{which}", repository.path());
        let mut ask = self.ask(Method::GET, repository.host(), &path);
        ask.headers.push((header::ACCEPT, MANIFEST_TYPE.to_owned()));
        let answer = self.send(repository, Right::Pull, subject, ask)?;
        if answer.status != StatusCode::OK {
            return Err(answer.refused("the request for it"));
        }
        let promised = answer
            .header(header::HeaderName::from_static("docker-content-digest"))
            .map(Digest::parse)
            .transpose()?;
        let bytes = answer.bytes(LARGEST_MANIFEST)?;
        let found = Digest::of(&bytes);
        match promised.filter(|promised| *promised != found) {
            None => Ok((found, bytes)),
            Some(promised) => Err(other_content(subject, &promised, &found)),
        }
    }

    /// The content of a descriptor, which is what the descriptor says or an error.
    pub fn blob(&self, repository: &Repository, wanted: &Descriptor) -> Result<Vec<u8>> {
        let digest = &wanted.digest;
        let subject = format!("oci://{repository}@{digest}");
        let path = format!("/v2/{}/blobs/{digest}", repository.path());
        let mut ask = self.ask(Method::GET, repository.host(), &path);
        ask.follow = true;
        let answer = self.send(repository, Right::Pull, &subject, ask)?;
        if answer.status != StatusCode::OK {
            return Err(answer.refused("the request for it"));
        }
        let bytes = answer.bytes(wanted.size)?;
        if bytes.len() as u64 != wanted.size {
            return Err(RegistryError::new(
                RegistryErrorKind::Digest,
                subject,
                format!(
                    "the registry promises {} bytes and sends {}",
                    wanted.size,
                    bytes.len()
                ),
            ));
        }
        match digest.is_of(&bytes) {
            true => Ok(bytes),
            false => Err(other_content(&subject, digest, &Digest::of(&bytes))),
        }
    }

    /// The tags of a repository.
    pub fn tags(&self, repository: &Repository) -> Result<Vec<String>> {
        let path = format!("/v2/{}/tags/list?n=1000", repository.path());
        let subject = format!("oci://{repository}");
        self.list(repository, &path, &subject, "tags")
    }

    /// The repositories of a registry whose names begin with a prefix's.
    pub fn catalogue(&self, prefix: &str) -> Result<Vec<Repository>> {
        // Somewhere in the registry; the catalogue itself has no name.
        let anywhere = Repository::parse(&format!("{}/x", prefix.trim_end_matches('/')))?;
        let subject = format!("oci://{prefix}");
        let names = self.list(&anywhere, "/v2/_catalog?n=1000", &subject, "repositories");
        let names = names.map_err(|error| {
            let hint = "this registry may not show what it has; `runner plugin install oci://HOST/NAME` needs no list";
            error.hint(hint)
        })?;
        let all = names
            .iter()
            .filter_map(|name| Repository::parse(&format!("{}/{name}", anywhere.host())).ok());
        Ok(all.filter(|one| one.is_below(prefix)).collect())
    }

    /// All pages of a list. What comes is names, and names that are none are somebody else's.
    fn list(
        &self,
        repository: &Repository,
        path: &str,
        subject: &str,
        key: &str,
    ) -> Result<Vec<String>> {
        let endless = || {
            RegistryError::new(
                RegistryErrorKind::TooLarge,
                subject,
                format!("the registry's list of {key} does not end (after {MOST_ENTRIES} entries or {MOST_PAGES} pages)"),
            )
            .hint("name the version that you want in full")
        };
        let mut all: Vec<String> = Vec::new();
        let mut next = self.wire.address(api_host(repository.host()), path);
        for _ in 0..MOST_PAGES {
            let ask = Ask {
                method: Method::GET,
                address: next.clone(),
                headers: Vec::new(),
                body: None,
                follow: false,
            };
            let answer = self.send(repository, Right::Pull, subject, ask)?;
            if answer.status != StatusCode::OK {
                return Err(answer.refused(&format!("the request for its {key}")));
            }
            let link = answer
                .header(header::LINK)
                .and_then(next_page)
                .map(str::to_owned);
            let bytes = answer.bytes(LARGEST_PAGE)?;
            all.extend(names_in(subject, &bytes, key)?);
            if all.len() > MOST_ENTRIES {
                return Err(endless());
            }
            let Some(link) = link else {
                return Ok(all);
            };
            next = next
                .join(&link)
                .filter(|address| address.same_place(&next))
                .ok_or_else(|| {
                    RegistryError::new(
                        RegistryErrorKind::Protocol,
                        subject,
                        format!(
                            "the list of {key} goes on at `{}`, which is not followed",
                            short(&link)
                        ),
                    )
                })?;
        }
        Err(endless())
    }

    /// Pushes content, unless it is there.
    pub(super) fn push_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        content: &[u8],
    ) -> Result<()> {
        let subject = format!("oci://{repository}");
        let host = repository.host();
        let path = repository.path();
        let ask = self.ask(Method::HEAD, host, &format!("/v2/{path}/blobs/{digest}"));
        let answer = self.send(repository, Right::Push, &subject, ask)?;
        if answer.status == StatusCode::OK {
            return Ok(());
        }
        let mut ask = self.ask(Method::POST, host, &format!("/v2/{path}/blobs/uploads/"));
        ask.body = Some(b"");
        let begun = ask.address.clone();
        let answer = self.send(repository, Right::Push, &subject, ask)?;
        if answer.status != StatusCode::ACCEPTED {
            return Err(answer.refused("the beginning of an upload"));
        }
        let place = answer.header(header::LOCATION).unwrap_or_default();
        let address = begun
            .join(place)
            .filter(|address| address.same_place(&begun))
            .ok_or_else(|| {
                RegistryError::new(
                    RegistryErrorKind::Protocol,
                    &subject,
                    format!(
                        "the registry wants the upload at `{}`, which is not followed",
                        short(place)
                    ),
                )
            })?;
        let ask = Ask {
            method: Method::PUT,
            address: address.with_query(&[("digest", &digest.to_string())]),
            headers: vec![(header::CONTENT_TYPE, "application/octet-stream".to_owned())],
            body: Some(content),
            follow: false,
        };
        let answer = self.send(repository, Right::Push, &subject, ask)?;
        match answer.status {
            StatusCode::CREATED => Ok(()),
            _ => Err(answer.refused("the upload")),
        }
    }

    /// Pushes a manifest under a tag.
    pub fn push_manifest(&self, repository: &Repository, tag: &str, content: &[u8]) -> Result<()> {
        let subject = format!("oci://{repository}:{tag}");
        let path = format!("/v2/{}/manifests/{tag}", repository.path());
        let mut ask = self.ask(Method::PUT, repository.host(), &path);
        ask.headers
            .push((header::CONTENT_TYPE, MANIFEST_TYPE.to_owned()));
        ask.body = Some(content);
        let answer = self.send(repository, Right::Push, &subject, ask)?;
        match answer.status {
            StatusCode::CREATED | StatusCode::OK => Ok(()),
            _ => Err(answer.refused("the push of the manifest")),
        }
    }

    /// Pushes a manifest with everything that it refers to, the manifest last: nobody sees half of it.
    pub fn push(
        &self,
        repository: &Repository,
        tag: &str,
        manifest: &[u8],
        pieces: &[&[u8]],
    ) -> Result<()> {
        for piece in pieces {
            self.push_blob(repository, &Digest::of(piece), piece)?;
        }
        self.push_manifest(repository, tag, manifest)
    }

    /// A manifest, read, by its tag; none where there is no such tag.
    pub fn published(&self, repository: &Repository, tag: &str) -> Result<Option<Manifest>> {
        let bytes = self.manifest_if_there(repository, tag)?;
        let subject = format!("oci://{repository}:{tag}");
        bytes
            .map(|bytes| Manifest::parse(subject, &bytes))
            .transpose()
    }

    fn ask<'a>(&self, method: Method, host: &str, path: &str) -> Ask<'a> {
        Ask {
            method,
            address: self.wire.address(api_host(host), path),
            headers: Vec::new(),
            body: None,
            follow: false,
        }
    }

    /// Sends a request as whoever we are, and finds out who we must be when the registry asks.
    fn send(
        &self,
        repository: &Repository,
        right: Right,
        subject: &str,
        mut ask: Ask<'_>,
    ) -> Result<Answer> {
        let actions = match right {
            Right::Pull => "pull",
            Right::Push => "pull,push",
        };
        let scope = format!("repository:{}:{actions}", repository.path());
        let key = (repository.host().to_owned(), scope.clone());
        let known = self.known().get(&key).cloned();
        let had = known.is_some();
        ask.headers
            .extend(known.map(|word| (header::AUTHORIZATION, word)));
        let answer = self.wire.send(subject, &ask)?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let challenge = answer
            .header(header::WWW_AUTHENTICATE)
            .and_then(Challenge::parse);
        let word = match challenge {
            // What we said last time is not taken any more: asked once more, and not again.
            Some(challenge) => self
                .introduce(repository, &scope, &ask.address, challenge)
                .map_err(|error| error.on_the_way_to(repository.host(), subject))?,
            None => None,
        };
        let Some(word) = word else {
            return Err(answer.refused("the request"));
        };
        if had {
            ask.headers
                .retain(|(name, _)| *name != header::AUTHORIZATION);
        }
        ask.headers.push((header::AUTHORIZATION, word.clone()));
        let answer = self.wire.send(subject, &ask)?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(answer.refused("the request"));
        }
        self.known().insert(key, word);
        Ok(answer)
    }

    /// What to say to a challenge; none: there is nothing that we could say.
    fn introduce(
        &self,
        repository: &Repository,
        scope: &str,
        home: &Address,
        challenge: Challenge,
    ) -> Result<Option<String>> {
        let host = repository.host();
        let login = self.credentials.find(host)?;
        let (realm, service, wanted) = match challenge {
            Challenge::Basic => return Ok(login.map(|login| login.header())),
            Challenge::Bearer {
                realm,
                service,
                scope,
            } => (realm, service, scope),
        };
        let address = Address::parse(&realm)
            .filter(|address| address.is_private() || address.same_place(home));
        let address = address.ok_or_else(|| {
            RegistryError::new(
                RegistryErrorKind::Protocol,
                host,
                format!(
                    "the registry wants a token from `{}`, where none is asked for",
                    short(&realm)
                ),
            )
            .hint("tokens come from `https` addresses, or from the registry itself")
        })?;
        // What the registry says it needs comes first: a catalogue has a scope of its own.
        let wanted = wanted.as_deref().unwrap_or(scope);
        let mut parameters = vec![("scope", wanted)];
        parameters.extend(service.as_deref().map(|service| ("service", service)));
        let mut ask = Ask {
            method: Method::GET,
            address: address.with_query(&parameters),
            headers: Vec::new(),
            body: None,
            follow: false,
        };
        ask.headers
            .extend(login.map(|login| (header::AUTHORIZATION, login.header())));
        let answer = self.wire.send(host, &ask)?;
        if answer.status != StatusCode::OK {
            return Err(answer.refused("the request for a token"));
        }
        let bytes = answer.bytes(LARGEST_TOKEN)?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let token = ["token", "access_token"]
            .into_iter()
            .find_map(|key| value.get(key)?.as_str())
            .filter(|token| token.bytes().all(|b| b.is_ascii_graphic()));
        token
            .map(|token| Some(format!("Bearer {token}")))
            .ok_or_else(|| {
                RegistryError::new(
                    RegistryErrorKind::Protocol,
                    host,
                    "the answer to the request for a token has none",
                )
            })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), String>> {
        // A map of finished entries is never half-changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a registry answers.
fn api_host(host: &str) -> &str {
    match host == HUB.0 {
        true => HUB.1,
        false => host,
    }
}

fn other_content(subject: &str, promised: &Digest, found: &Digest) -> RegistryError {
    RegistryError::new(
        RegistryErrorKind::Digest,
        subject,
        format!("the content is not what was promised: that has {promised}, this {found}"),
    )
    .hint("the registry, or somebody between it and you, changed it: nothing was taken")
}

/// The address of `<…>; rel="next"`.
fn next_page(link: &str) -> Option<&str> {
    let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("rel=\"next\"").then_some(address)
}

fn names_in(subject: &str, bytes: &[u8], key: &str) -> Result<Vec<String>> {
    let wrong = || {
        RegistryError::new(
            RegistryErrorKind::Protocol,
            subject,
            format!("the registry's list of {key} is not one"),
        )
    };
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|_| wrong())?;
    match value.get(key) {
        // A repository whose last tag was removed.
        Some(serde_json::Value::Null) => Ok(Vec::new()),
        Some(serde_json::Value::Array(names)) => Ok(names
            .iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect()),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        assert_eq!(
            next_page("</v2/a?n=1&last=x>; rel=\"next\""),
            Some("/v2/a?n=1&last=x")
        );
        for link in ["", "</v2/a>; rel=\"prev\"", "/v2/a; rel=\"next\"", "<"] {
            assert_eq!(next_page(link), None, "{link}");
        }
        let names = |text: &str| names_in("r", text.as_bytes(), "tags");
        assert_eq!(names(r#"{"tags":["a",1,"b"]}"#).unwrap(), ["a", "b"]);
        assert!(names(r#"{"tags":null}"#).unwrap().is_empty());
        for text in ["", "[]", "{}", r#"{"tags":{}}"#, "<html>"] {
            assert!(names(text).is_err(), "{text}");
        }
    }
}
