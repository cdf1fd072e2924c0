//! Publishing: a component into a registry, signed, under a version that stays what it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use semver::Version;

use super::{App, FetchOptions};
use crate::engine::{EngineError, FailureKind, Result};
use crate::plugin::Locator;
use crate::registry::{
    Artifact, Digest, Level, Published as About, Reference, RegistryError, RegistryErrorKind,
    Signature, SigningKey, Tested, Which, tag_of, yanked_tag_of,
};

/// What is to be published, and how.
#[derive(Clone, Debug)]
pub struct PublishRequest {
    pub reference: String,
    /// A file or the name of a plugin; none: the plugin that the reference names.
    pub plugin: Option<String>,
    /// Sign with this key.
    pub key: Option<PathBuf>,
    /// What its publisher claims it to reach.
    pub level: Option<Level>,
    /// The report of `runner plugin test --report` that shows a level; instead of a claim.
    pub proof: Option<PathBuf>,
    pub annotations: BTreeMap<String, String>,
    pub plain_http: bool,
    /// Put it in the place of another with the same version.
    pub force: bool,
}

/// What is published now.
#[derive(Debug)]
pub struct Published {
    pub reference: String,
    pub digest: Digest,
    pub component: String,
    pub size: u64,
    /// The key that signed now.
    pub signed: Option<String>,
    /// How many signatures it had before.
    pub signed_before: usize,
    /// It was there already, byte for byte.
    pub unchanged: bool,
}

impl App {
    /// Publishes a plugin.
    pub fn plugin_publish(&self, request: &PublishRequest) -> Result<Published> {
        let reference = Reference::parse(&request.reference)?;
        let repository = &reference.repository;
        let key = request.key.as_deref().map(SigningKey::read).transpose()?;
        let locator = match &request.plugin {
            Some(plugin) => super::super::plugins::named(plugin),
            None => Locator::Name(repository.name().to_owned()),
        };
        let component = self
            .plugins()
            .inspect(&locator)
            .map_err(super::super::unloadable)?;
        let name = &component.reference.name;
        let invalid = |message: String| EngineError::new(FailureKind::Invalid, message);
        if name != repository.name() {
            return Err(invalid(format!(
                "the plugin calls itself `{name}`, and would be published as `{}`",
                repository.name()
            ))
            .hint(format!(
                "the last word of the reference is its name: `oci://…/{name}`"
            )));
        }
        let version = Version::parse(&component.reference.version).map_err(|error| {
            invalid("the plugin's version is none that can be published".to_owned()).because(error)
        })?;
        let tag = tag_of(&version);
        let asked = match &reference.which {
            Which::Newest(range) if range.is_any() => None,
            Which::Newest(range) => Some(range.to_string()),
            Which::Tag(asked) => Some(asked.clone()).filter(|asked| *asked != tag),
            Which::Digest(digest) => Some(digest.to_string()),
        };
        if let Some(asked) = asked {
            return Err(invalid(format!(
                "the plugin is version {version}, and would be published as `{asked}`"
            ))
            .hint("the version is the one in its manifest; a reference may leave it out"));
        }

        let shown = match &request.proof {
            Some(path) => Some(shown_by(path, &component.reference.digest)?),
            None => None,
        };
        let (proved, tested) = shown.unzip();
        let artifact = Artifact::of(
            component.bytes(),
            &About {
                name,
                version: &component.reference.version,
                description: &component.manifest.description,
                imports: &component.imports,
                exports: &component.exports,
                level: proved.or(request.level),
                tested,
                annotations: request.annotations.clone(),
            },
        );
        let client = self.registry(&FetchOptions {
            plain_http: request.plain_http,
            ..FetchOptions::default()
        })?;
        let subject = format!("oci://{repository}:{tag}");
        let there = match client.manifest(repository, &tag) {
            Ok((digest, _)) => Some(digest),
            Err(error) if error.kind == RegistryErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let unchanged = there.as_ref() == Some(&artifact.digest);
        if let Some(other) = there.filter(|_| !unchanged && !request.force) {
            return Err(RegistryError::new(
                RegistryErrorKind::Version,
                subject,
                format!("this version is published already, with other content ({other})"),
            )
            .hint("give the plugin a new version: who has this one pinned would be left with a contradiction. `--force` replaces it all the same")
            .into());
        }
        if !unchanged {
            let pieces: [&[u8]; 2] = [&artifact.config, component.bytes()];
            client.push(repository, &tag, &artifact.manifest, &pieces)?;
        }
        let signed_before = match unchanged {
            // Only told: that it cannot be read is no fault of this publication.
            true => Signature::fetch(&client, repository, &artifact.digest)
                .map_or(0, |signatures| signatures.len()),
            false => 0,
        };
        if let Some(key) = &key {
            let signature = Signature::make(key, repository, &artifact.digest)?;
            signature.push(&client, repository, &artifact.digest)?;
        }
        Ok(Published {
            reference: subject,
            digest: artifact.digest,
            component: component.reference.digest.clone(),
            size: component.size,
            signed: key.map(|key| key.public().fingerprint()),
            signed_before,
            unchanged,
        })
    }

    /// Withdraws a version: it stays for those who pinned it, and is given to nobody else unasked.
    pub fn plugin_yank(&self, reference: &str, plain_http: bool) -> Result<String> {
        let reference = Reference::parse(reference)?;
        let version = match &reference.which {
            Which::Tag(tag) => Version::parse(&tag.replacen('_', "+", 1)).ok(),
            Which::Newest(range) => range.only(),
            Which::Digest(_) => None,
        };
        let version = version.ok_or_else(|| {
            EngineError::new(
                FailureKind::Invalid,
                format!("`{reference}` does not name a version"),
            )
            .hint("such as `oci://registry.example.com/providers/name:1.2.3`")
        })?;
        let client = self.registry(&FetchOptions {
            plain_http,
            ..FetchOptions::default()
        })?;
        let repository = &reference.repository;
        let (_, manifest) = client.manifest(repository, &tag_of(&version))?;
        client.push_manifest(repository, &yanked_tag_of(&version), &manifest)?;
        Ok(version.to_string())
    }

    /// Makes a key for signing: `PREFIX.key`, which is a secret, and `PREFIX.pub`. Answers the fingerprint.
    pub fn plugin_keygen(&self, prefix: &Path) -> Result<(PathBuf, PathBuf, String)> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let (key, private) = SigningKey::generate()?;
        let with = |ending: &str| {
            let mut name = prefix.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let write = |path: &Path, mode: u32, text: &str| {
            let mut options = std::fs::OpenOptions::new();
            // A key that is overwritten is lost, with everything that it signed.
            let file = options.write(true).create_new(true).mode(mode).open(path);
            file.and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .map_err(|error| {
                let taken = error.kind() == std::io::ErrorKind::AlreadyExists;
                let message = format!("cannot write `{}`", path.display());
                let failed = EngineError::new(FailureKind::Io, message).because(error);
                match taken {
                    true => failed.hint(
                        "a key that is there is never overwritten: sign with it, or give another PREFIX; to replace it, move both \
                         files away first, and tell everybody who trusts the old one",
                    ),
                    false => failed,
                }
            })
        };
        let (secret, public) = (with(".key"), with(".pub"));
        write(&secret, 0o600, &private)?;
        let written = write(&public, 0o644, &key.public().to_pem());
        if written.is_err() {
            // Half a pair is of no use to anybody, and would be in the way.
            let _left = std::fs::remove_file(&secret);
        }
        written?;
        Ok((secret, public, key.public().fingerprint()))
    }

    /// Keeps a user name and a password for a registry; answers where.
    pub fn registry_login(&self, host: &str, user: &str, password: &str) -> Result<PathBuf> {
        let credentials = self.environment().credentials();
        Ok(credentials.remember(host, user, password)?.to_owned())
    }

    /// Forgets them; answers whether there were some.
    pub fn registry_logout(&self, host: &str) -> Result<bool> {
        Ok(self.environment().credentials().forget(host)?)
    }
}

/// The level that a report shows of the component with this digest.
fn shown_by(path: &Path, component: &str) -> Result<(Level, Tested)> {
    let shown = path.display();
    let report = std::fs::read(path).map_err(|error| {
        EngineError::new(FailureKind::Io, format!("cannot read `{shown}`")).because(error)
    })?;
    Tested::read(&report, component).map_err(|why| {
        EngineError::new(FailureKind::Invalid, format!("`{shown}` shows no level of this plugin: {why}"))
            .hint("make it of the very component: `runner plugin test FILE.wasm --level LEVEL --report REPORT`")
    })
}
