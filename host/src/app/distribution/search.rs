//! What registries have: by words, and newer than what is installed.

use semver::Version;

use super::{App, FetchOptions};
use crate::engine::{EngineError, FailureKind, Result};
use crate::registry::{Client, Range, RegistryErrorKind, Repository, Tested, Versions};

/// More results than anybody reads.
const MOST: usize = 100;

/// A plugin in a registry.
#[derive(Clone, Debug)]
pub struct Found {
    pub repository: Repository,
    /// The newest.
    pub version: String,
    pub description: String,
    /// What its publisher claims.
    pub conformance: Option<String>,
    /// What that is shown by.
    pub tested: Option<Tested>,
}

/// An installed plugin beside what its registry has.
#[derive(Clone, Debug)]
pub struct Outdated {
    pub name: String,
    pub installed: String,
    /// The newest in the range that was asked for at its installation.
    pub wanted: Option<String>,
    /// The newest of all.
    pub newest: Option<String>,
    pub range: String,
    pub from: Repository,
    /// What is odd about it.
    pub note: Option<String>,
}

impl Outdated {
    /// There is something to do.
    pub fn is_outdated(&self) -> bool {
        self.note.is_some() || self.newest.as_ref() != Some(&self.installed)
    }
}

impl App {
    /// The plugins in the configured registries, or in the given ones, whose name or description has all of these words.
    pub fn plugin_search(
        &self,
        words: &[String],
        registries: &[String],
        options: &FetchOptions,
    ) -> Result<Vec<Found>> {
        let settings = self.config().settings()?;
        let configured = settings.registries.iter().flat_map(|set| set.value.clone());
        let prefixes: Vec<String> = match registries.is_empty() {
            true => configured.collect(),
            false => registries
                .iter()
                .map(|text| text.trim_start_matches("oci://").to_owned())
                .collect(),
        };
        if prefixes.is_empty() {
            let error = EngineError::new(FailureKind::Invalid, "there is no registry to search in");
            return Err(error.hint(
                "name one with `--registry HOST`, or write `registries` in `[plugins]` of your `config.toml`",
            ));
        }
        let client = self.registry(options)?;
        let mut found = Vec::new();
        for prefix in prefixes {
            for repository in client.catalogue(&prefix)? {
                if found.len() >= MOST {
                    return Ok(found);
                }
                found.extend(look(&client, repository, words)?);
            }
        }
        Ok(found)
    }

    /// The installed plugins that came from registries, beside what is there now.
    pub fn plugin_outdated(&self, options: &FetchOptions) -> Result<Vec<Outdated>> {
        let client = self.registry(options)?;
        let mut all = Vec::new();
        for (_, receipt) in self.registered(&[])? {
            let tags = match client.tags(&receipt.from) {
                Ok(tags) => tags,
                Err(error) if error.kind == RegistryErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error.into()),
            };
            let versions = Versions::among(tags);
            let newest = |range: &Range| {
                versions
                    .newest(range, false)
                    .map(|(version, _)| version.clone())
            };
            let (wanted, newest) = (newest(&receipt.range), newest(&Range::any()));
            let own = Version::parse(&receipt.version).ok();
            let note = match &own {
                Some(own) if versions.is_yanked(own) => Some("its version was withdrawn"),
                Some(own)
                    if versions.iter().next().is_some()
                        && !versions.iter().any(|known| known == own) =>
                {
                    Some("its version is not there any more")
                }
                _ if versions.iter().next().is_none() => Some("there is nothing there any more"),
                _ => None,
            };
            all.push(Outdated {
                name: receipt.name,
                installed: receipt.version,
                wanted: wanted.map(|version| version.to_string()),
                newest: newest.map(|version| version.to_string()),
                range: receipt.range.to_string(),
                from: receipt.from,
                note: note.map(str::to_owned),
            });
        }
        Ok(all)
    }
}

/// A repository as a result, if it holds a plugin that fits.
fn look(client: &Client, repository: Repository, words: &[String]) -> Result<Option<Found>> {
    let versions = Versions::among(client.tags(&repository)?);
    let Some((version, tag)) = versions.newest(&Range::any(), false) else {
        return Ok(None);
    };
    // What is no plugin, or no manifest that can be read, is somebody else's.
    let manifest = match client.published(&repository, tag) {
        Ok(Some(manifest)) if manifest.component(&repository).is_ok() => manifest,
        Ok(_) => return Ok(None),
        Err(error) if error.kind == RegistryErrorKind::Layout => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let text = format!("{} {}", repository.path(), manifest.description()).to_lowercase();
    let fits = words.iter().all(|word| text.contains(&word.to_lowercase()));
    Ok(fits.then(|| Found {
        version: version.to_string(),
        description: manifest.description().to_owned(),
        conformance: manifest.level().map(|level| level.to_string()),
        tested: manifest.tested(),
        repository,
    }))
}
