//! Plugins out of registries: which are wanted, whether they may be taken, and what is written down about them.
//!
//! `registry` fetches and checks signatures, `plugin` looks into what came; here the user's settings, the installed plugins and the
//! project's lock come together. Nothing of a component is run, and nothing is granted: that is each source's, as before.

mod carry;
mod install;
mod network;
mod publish;
mod search;
mod update;

use std::path::{Path, PathBuf};

use semver::Version;

use super::App;
use crate::config::TrustedSigner;
use crate::engine::{EngineError, FailureKind, Result};
use crate::plugin::{Component, Locator, inspect_fetched};
use crate::registry::{
    Client, Digest, Fetched, Lock, Policy, PublicKey, Range, Receipt, RegistryError,
    RegistryErrorKind, Repository, Rule, Signer, Stock, TrustRoot, Versions, Wanted, Which,
};

pub use install::Installed;
pub use publish::{PublishRequest, Published};
pub use search::{Found, Outdated};
pub use update::{Change, Update};

/// What the user said about this call.
#[derive(Clone, Debug, Default)]
pub struct FetchOptions {
    /// Keys whose signatures count, instead of the configured ones.
    pub keys: Vec<PathBuf>,
    /// Take what nobody who counts has signed.
    pub allow_unsigned: bool,
    /// Speak HTTP without TLS.
    pub plain_http: bool,
    /// Take withdrawn versions.
    pub yanked: bool,
    /// Take an older version than the installed one.
    pub downgrade: bool,
    /// Take the place of a plugin of the same name that came from elsewhere, or has changed.
    pub replace: bool,
    /// Write into the project's lock.
    pub lock: bool,
}

/// A plugin that came whole, from somebody who counts, and was looked at: ready to be installed.
#[derive(Debug)]
pub(super) struct Candidate {
    pub component: Component,
    pub receipt: Receipt,
    fetched: Fetched,
}

/// Where a version is, before anything is fetched.
struct Place {
    repository: Repository,
    which: Which,
    /// What an update will stay in.
    range: Range,
    /// What the tag says.
    version: Option<Version>,
}

impl App {
    /// Whose signatures count.
    fn policy(&self, options: &FetchOptions) -> Result<Policy> {
        let settings = self.config().settings()?;
        let key = |path: &Path| -> Result<Signer> {
            Ok(Signer::Key {
                key: PublicKey::read(path)?,
                file: path.display().to_string(),
            })
        };
        let mut rules = Vec::new();
        for rule in settings.trust.iter().flat_map(|set| &set.value) {
            let signer = match &rule.signer {
                TrustedSigner::Key { key: path } => key(path)?,
                TrustedSigner::Keyless {
                    root,
                    identity,
                    issuer,
                } => Signer::Keyless {
                    root: Box::new(TrustRoot::read(root)?),
                    identity: identity.clone(),
                    issuer: issuer.clone(),
                },
            };
            rules.push(Rule {
                prefix: rule.registry.clone(),
                signer,
            });
        }
        let given = options.keys.iter().map(|path| key(path));
        Ok(Policy {
            rules,
            given: given.collect::<Result<_>>()?,
            allow_unsigned: options.allow_unsigned,
        })
    }

    /// The repositories that a name may mean, in the order of the settings.
    fn repositories(&self, name: &str) -> Result<Vec<Repository>> {
        let settings = self.config().settings()?;
        let prefixes = settings.registries.iter().flat_map(|set| &set.value);
        let all: Vec<_> = prefixes
            .map(|prefix| Repository::parse(&format!("{prefix}/{name}")))
            .collect::<std::result::Result<_, _>>()?;
        if all.is_empty() {
            return Err(EngineError::new(
                FailureKind::Invalid,
                format!("there is no registry to look for the plugin `{name}` in"),
            )
            .hint(
                "name it in full (`oci://HOST/NAME`), or write `registries` in `[plugins]` of your `config.toml`",
            ));
        }
        Ok(all)
    }

    /// Where the wanted version is.
    fn place(&self, client: &Client, wanted: &Wanted, options: &FetchOptions) -> Result<Place> {
        let (repository, which) = match wanted {
            Wanted::At(reference) => (reference.repository.clone(), reference.which.clone()),
            Wanted::Named(name, range) => {
                let (repository, tags) = self.look_up(client, name)?;
                return place_in(repository, tags, range, options);
            }
        };
        match which {
            Which::Newest(range) => {
                let tags = client.tags(&repository)?;
                place_in(repository, tags, &range, options)
            }
            Which::Tag(tag) => {
                let known = Versions::among([tag.clone()]);
                let version = known.iter().next_back().cloned();
                if let Some(version) = version.as_ref().filter(|_| !options.yanked) {
                    let tags = Versions::among(client.tags(&repository)?);
                    if tags.is_yanked(version) {
                        return Err(tags.none_in(&repository, &Range::exactly(version)).into());
                    }
                }
                Ok(Place {
                    range: version.as_ref().map_or_else(Range::any, Range::exactly),
                    repository,
                    which: Which::Tag(tag),
                    version,
                })
            }
            digest @ Which::Digest(_) => Ok(Place {
                repository,
                which: digest,
                range: Range::any(),
                version: None,
            }),
        }
    }

    /// The first configured registry that has a plugin of this name, and its tags there.
    fn look_up(&self, client: &Client, name: &str) -> Result<(Repository, Vec<String>)> {
        let repositories = self.repositories(name)?;
        let mut missing = Vec::new();
        for repository in repositories {
            match client.tags(&repository) {
                Ok(tags) => return Ok((repository, tags)),
                // A registry that cannot be asked is not passed over: the next one could have another plugin of that name.
                Err(error) if error.kind != RegistryErrorKind::NotFound => return Err(error.into()),
                Err(_) => missing.push(format!("`{repository}`")),
            }
        }
        Err(EngineError::new(
            FailureKind::Registry,
            format!("there is no plugin `{name}` in {}", missing.join(" or ")),
        )
        .hint("`runner plugin search` shows what there is"))
    }

    /// Fetches and looks at the wanted plugin.
    fn candidate(
        &self,
        stock: &dyn Stock,
        place: Place,
        options: &FetchOptions,
    ) -> Result<Candidate> {
        let policy = self.policy(options)?;
        let fetched = crate::registry::fetch(stock, &place.repository, &place.which, &policy)?;
        let subject = format!("oci://{}@{}", place.repository, fetched.digest);
        let component = inspect_fetched(&subject, fetched.component.clone())
            .map_err(|error| super::unloadable(error).hint("nothing was installed"))?;
        let reference = &component.reference;
        let promised = |message: String| {
            RegistryError::new(RegistryErrorKind::Layout, &subject, message).hint(
                "its publisher, or somebody with the right to push there, mixed something up: nothing was installed",
            )
        };
        if reference.name != place.repository.name() {
            return Err(promised(format!(
                "the component calls itself `{}`, and it is published as `{}`",
                reference.name,
                place.repository.name()
            ))
            .into());
        }
        let own = Version::parse(&reference.version)
            .map_err(|error| promised(format!("the component's version is none: {error}")))?;
        if let Some(version) = place.version.as_ref().filter(|version| **version != own) {
            return Err(promised(format!(
                "the component is version {own}, and it is published as {version}"
            ))
            .into());
        }
        let range = match (&place.which, place.range) {
            // The very content was asked for: an update has nowhere to go from there.
            (Which::Digest(_), range) if range.is_any() => Range::exactly(&own),
            (_, range) => range,
        };
        let receipt = Receipt {
            name: reference.name.clone(),
            version: reference.version.clone(),
            from: place.repository,
            range,
            manifest: fetched.digest.clone(),
            component: Digest::of(component.bytes()),
            signed: fetched.signed.clone(),
            conformance: fetched.manifest.level().map(|level| level.to_string()),
            tested: fetched.manifest.tested(),
        };
        Ok(Candidate {
            component,
            receipt,
            fetched,
        })
    }

    /// The plugin that a name means now, and what is known about where it came from. None: there is none.
    fn present(&self, name: &str) -> Option<(Component, Option<Receipt>)> {
        let component = self
            .plugins()
            .inspect(&Locator::Name(name.to_owned()))
            .ok()?;
        let folder = self.plugin_dirs().installed;
        let receipt = Receipt::read(&folder, name, &component.reference.digest);
        Some((component, receipt))
    }

    /// The project's lock, if there is one.
    fn lock(&self) -> Result<Option<Lock>> {
        Ok(Lock::find(&self.environment().directory)?)
    }
}

/// The newest version among the tags of a repository.
fn place_in(
    repository: Repository,
    tags: Vec<String>,
    range: &Range,
    options: &FetchOptions,
) -> Result<Place> {
    let versions = Versions::among(tags);
    let Some((version, tag)) = versions.newest(range, options.yanked) else {
        return Err(versions
            .none_in(format!("oci://{repository}"), range)
            .into());
    };
    Ok(Place {
        which: Which::Tag(tag.to_owned()),
        version: Some(version.clone()),
        range: range.clone(),
        repository,
    })
}

impl From<RegistryError> for EngineError {
    fn from(error: RegistryError) -> Self {
        let kind = match error.kind {
            RegistryErrorKind::Invalid => FailureKind::Invalid,
            RegistryErrorKind::Untrusted => FailureKind::Denied,
            RegistryErrorKind::Io => FailureKind::Io,
            RegistryErrorKind::Unreachable
            | RegistryErrorKind::Unauthorized
            | RegistryErrorKind::NotFound
            | RegistryErrorKind::Protocol
            | RegistryErrorKind::TooLarge
            | RegistryErrorKind::Digest
            | RegistryErrorKind::Layout
            | RegistryErrorKind::Version => FailureKind::Registry,
        };
        let mut failed = Self::new(kind, error.to_string());
        failed.hint = error.hint.clone();
        failed.source = error.into_source();
        failed
    }
}
