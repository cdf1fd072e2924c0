//! Names of things in registries: `oci://HOST[:PORT]/PATH[:TAG][@DIGEST]`, and what a user wants installed.
//!
//! Only what the distribution specification allows is taken, so that a name can become part of an address as it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::error::{RegistryError, RegistryErrorKind, Result, short};
use super::version::Range;

/// A repository of a registry: where the versions of one plugin are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository {
    host: String,
    path: String,
}

/// One artifact: a tag or a digest in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub repository: Repository,
    pub which: Which,
}

/// Which of a repository's artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The newest version in a range.
    Newest(Range),
    /// The one with this tag.
    Tag(String),
    /// The one with this digest.
    Digest(Digest),
}

/// What a user wants: by the name that configured registries know, or by its full reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Named(String, Range),
    At(Reference),
}

impl Repository {
    /// Reads `HOST[:PORT]/PATH`, with or without `oci://`.
    pub fn parse(text: &str) -> Result<Self> {
        let bare = text.strip_prefix("oci://").unwrap_or(text);
        let Some((host, path)) = bare.split_once('/') else {
            return Err(wrong(text, "a reference is `oci://HOST/NAME`"));
        };
        if !is_host(host) {
            return Err(wrong(
                text,
                "the host is no host name with an optional port",
            ));
        }
        if !is_path(path) {
            return Err(wrong(
                text,
                "the name after the host has lower-case letters, digits, `.`, `_`, `-` and `/` between words",
            ));
        }
        Ok(Self {
            host: host.to_owned(),
            path: path.to_owned(),
        })
    }

    /// The registry, as it is connected to.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The name within the registry.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last word of the name: what the plugin in it is called.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// A repository below this one.
    pub fn child(&self, name: &str) -> Result<Self> {
        Self::parse(&format!("{self}/{name}"))
    }

    /// Whether a prefix, such as `registry.example.com/team`, covers this repository. Words are not cut: `…/te` covers nothing here.
    pub fn is_below(&self, prefix: &str) -> bool {
        let whole = self.to_string();
        let prefix = prefix.trim_end_matches('/');
        whole
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

impl TryFrom<String> for Repository {
    type Error = RegistryError;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        format!("oci://{repository}")
    }
}

impl Reference {
    /// Reads `oci://HOST/PATH`, followed by `:TAG`, `@sha256:…`, `@RANGE` or nothing (the newest version).
    pub fn parse(text: &str) -> Result<Self> {
        let bare = text.strip_prefix("oci://").unwrap_or(text);
        let (place, after) = match bare.split_once('@') {
            Some((place, after)) => (place, Some(after)),
            None => (bare, None),
        };
        // A colon before the first slash is the port's.
        let path_at = place.find('/').unwrap_or(place.len());
        let (repository, tag) = match place[path_at..].split_once(':') {
            Some((path, tag)) => (&place[..path_at + path.len()], Some(tag)),
            None => (place, None),
        };
        let repository = Repository::parse(repository).map_err(|error| error.about(short(text)))?;
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(wrong(
                text,
                "a tag has letters, digits, `.`, `_` and `-`, at most 128",
            ));
        }
        let which = match (tag, after) {
            (None, None) => Which::Newest(Range::any()),
            (Some(tag), None) => Which::Tag(tag.to_owned()),
            // The digest says which; a tag beside it is for people.
            (_, Some(digest)) if digest.starts_with("sha256:") => {
                Which::Digest(Digest::parse(digest)?)
            }
            (None, Some(range)) => Which::Newest(Range::parse(range)?),
            (Some(_), Some(_)) => {
                return Err(wrong(text, "give a tag or a range of versions, not both"));
            }
        };
        Ok(Self { repository, which })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repository = &self.repository;
        match &self.which {
            Which::Newest(range) if range.is_any() => write!(f, "oci://{repository}"),
            Which::Newest(range) => write!(f, "oci://{repository}@{range}"),
            Which::Tag(tag) => write!(f, "oci://{repository}:{tag}"),
            Which::Digest(digest) => write!(f, "oci://{repository}@{digest}"),
        }
    }
}

impl Wanted {
    /// Reads `NAME[@RANGE]` or a reference; the latter has a slash.
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains('/') {
            return Reference::parse(text).map(Self::At);
        }
        let (name, range) = match text.split_once('@') {
            Some((name, range)) => (name, Range::parse(range)?),
            None => (text, Range::any()),
        };
        if !is_path(name) {
            return Err(wrong(
                text,
                "this is neither a plugin's name nor `oci://HOST/NAME`",
            ));
        }
        Ok(Self::Named(name.to_owned(), range))
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name, range) if range.is_any() => f.write_str(name),
            Self::Named(name, range) => write!(f, "{name}@{range}"),
            Self::At(reference) => reference.fmt(f),
        }
    }
}

fn wrong(text: &str, message: &str) -> RegistryError {
    RegistryError::new(RegistryErrorKind::Invalid, short(text), message)
        .hint("such as `oci://registry.example.com/providers/name:1.2.3`, `NAME` or `NAME@^1.2`")
}

/// A DNS name, an IPv4 address or a bracketed IPv6 address, and perhaps a port.
pub(super) fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, rest)) = rest.split_once(']') else {
                return false;
            };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            (
                None,
                rest.strip_prefix(':').or((!rest.is_empty()).then_some("")),
            )
        }
        None => match text.split_once(':') {
            Some((name, port)) => (Some(name), Some(port)),
            None => (Some(text), None),
        },
    };
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 255
        && name.is_none_or(|name| name.split('.').all(label))
        && port.is_none_or(|port| {
            port.len() <= 5
                && !port.starts_with('+')
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
}

/// Words of lower-case letters and digits with single separators between them, joined by slashes.
fn is_path(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
            && !word.starts_with(['.', '_', '-'])
            && !word.ends_with(['.', '_', '-'])
            && !word.contains("..")
    };
    text.len() <= 255 && text.split('/').all(word)
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_back_as_they_were() {
        for text in [
            "oci://registry.example.com/a",
            "oci://registry.example.com:5000/team/a-b/c",
            "oci://localhost:5000/a:1.2.3",
            "oci://[::1]:5000/a:1.2.3-rc.1",
            "oci://127.0.0.1:1/a@^1.2",
            &format!("oci://r.example/a@{}", Digest::of(b"x")),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(reference.to_string(), *text);
            assert_eq!(Reference::parse(&text[6..]).unwrap(), reference);
        }
        let both = format!("r.example/a:1.0.0@{}", Digest::of(b"x"));
        let which = Reference::parse(&both).unwrap().which;
        assert_eq!(which, Which::Digest(Digest::of(b"x")));
        let one = Repository::parse("oci://r.example/team/a").unwrap();
        assert_eq!(
            (one.host(), one.path(), one.name()),
            ("r.example", "team/a", "a")
        );
        assert_eq!(one.child("b").unwrap().path(), "team/a/b");
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "oci://",
            "oci:///a",
            "a",
            "r.example/",
            "r.example//a",
            "r.example/../a",
            "r.example/a/..",
            "r.example/A",
            "r.example/a b",
            "r.example/a%2e",
            "r.example/a?x=y",
            "r.example/a#x",
            "r_x/a",
            "r.example:/a",
            "r.example:0/a",
            "r.example:99999/a",
            "r.example:+80/a",
            "user@r.example/a",
            "[::1/a",
            "[::1]x/a",
            "[nonsense]/a",
            "-r/a",
            "r.example/a:",
            "r.example/a:-x",
            "r.example/a:1@^1",
            "r.example/a@sha256:12",
            "r.example/a@newest",
            "https://r.example/a",
            "r.example/a\u{1b}",
        ] {
            let error = Reference::parse(text).unwrap_err();
            assert_eq!(error.kind, RegistryErrorKind::Invalid, "{text}");
        }
    }

    #[test]
    fn wanted_by_name_or_by_place() {
        let named = Wanted::parse("hetzner@^1").unwrap();
        assert_eq!(
            named,
            Wanted::Named("hetzner".into(), Range::parse("^1").unwrap())
        );
        assert_eq!(Wanted::parse("a").unwrap().to_string(), "a");
        assert!(matches!(
            Wanted::parse("r.example/a").unwrap(),
            Wanted::At(_)
        ));
        for text in ["", "A", "a@", "a@newest", "-a", "a@1@2"] {
            assert!(Wanted::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_ends_between_words() {
        let one = Repository::parse("r.example/team/a").unwrap();
        for prefix in [
            "r.example",
            "r.example/",
            "r.example/team",
            "r.example/team/a",
        ] {
            assert!(one.is_below(prefix), "{prefix}");
        }
        for prefix in [
            "r.exampl",
            "r.example/te",
            "r.example/team/a/b",
            "example/team",
        ] {
            assert!(!one.is_below(prefix), "{prefix}");
        }
        // The host is a word too, with its port.
        let port = Repository::parse("r.example:5000/a").unwrap();
        assert!(!port.is_below("r.example"));
    }
}
