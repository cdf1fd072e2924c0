//! The configuration as the rest of the program asks for it: which sources there are, what each says, and what holds
//! for all of them. A command reads what it needs; who lives longer calls `reload` (in `reload.rs`) and keeps what was
//! good.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use runner_core::id::SourceName;
use serde::Serialize;

use super::error::{ConfigError, Problem, closest};
use super::found::Found;
use super::limits::{self, SourceLimits};
use super::pools;
use super::roots::{Ignored, Origin, Roots};
use super::settings::Settings;
use super::source::{SourceConfig, local_name};

/// The settings of all roots.
#[derive(Debug)]
pub struct Config {
    roots: Roots,
    /// What counts now; replaced as a whole, so that nobody sees half of a change.
    current: RwLock<Arc<Found>>,
}

/// A source that is known, whether or not its file is in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceListing {
    /// Its name.
    pub name: SourceName,
    /// Whose word it is.
    pub origin: Origin,
    /// The folder that defines it; none for the implicit `local`.
    pub folder: Option<PathBuf>,
    /// Folders of later roots with the same name, which are not used.
    pub shadowed: Vec<PathBuf>,
}

impl Config {
    /// Lists what the roots define; reads no file. A root that does not exist defines nothing.
    pub fn discover(roots: Roots) -> Self {
        Self {
            current: RwLock::new(Arc::new(Found::look(&roots))),
            roots,
        }
    }

    /// What counts now.
    pub(super) fn found(&self) -> Arc<Found> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// From now on this counts.
    pub(super) fn replace(&self, found: Found) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
    }

    /// Where settings were looked for.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Project directories that were found and left out.
    pub fn ignored(&self) -> &[Ignored] {
        &self.roots.ignored
    }

    /// What is wrong with the folders of sources (names that cannot be names, folders that cannot be listed). To be
    /// shown by verbs that list sources; the other sources work.
    pub fn problems(&self) -> Vec<Problem> {
        self.found().problems.clone()
    }

    /// Every source by name, sorted, the implicit `local` among them.
    pub fn source_names(&self) -> Vec<SourceName> {
        self.found().names()
    }

    /// Every source with its folder; reads no file, so broken ones are among them.
    pub fn listing(&self) -> Vec<SourceListing> {
        let found = self.found();
        let names = found.names().into_iter();
        names
            .map(|name| {
                let folder = found.folders.get(&name).cloned();
                SourceListing {
                    name,
                    origin: folder
                        .as_ref()
                        .map_or(Origin::Default, |folder| folder.origin),
                    shadowed: folder
                        .as_ref()
                        .map_or_else(Vec::new, |folder| folder.shadowed.clone()),
                    folder: folder.map(|folder| folder.path),
                }
            })
            .collect()
    }

    /// The source of this name; none if there is none. Reads its file only, and for a pool those of its sources, to
    /// see that it does not contain itself.
    pub fn source(&self, name: &SourceName) -> Result<Option<SourceConfig>, ConfigError> {
        self.found().source(name)
    }

    /// The sources with a plugin that a source stands for: itself, or what a pool draws on, in order of preference
    /// and without repetition, through pools in the pool.
    pub fn expand(&self, source: &SourceConfig) -> Result<Vec<SourceConfig>, ConfigError> {
        pools::expand(source, |name| {
            self.source(name)?.ok_or_else(|| self.unknown(name).into())
        })
    }

    /// The source of verbs that are given none: `defaults.source`, else `local`.
    pub fn default_source(&self) -> Result<SourceName, ConfigError> {
        let settings = self.settings()?;
        let Some(setting) = &settings.default_source else {
            return Ok(local_name());
        };
        if self.source_names().contains(&setting.value) {
            return Ok(setting.value.clone());
        }
        let mut problem = self.unknown(&setting.value);
        problem.position = Some(setting.position.clone());
        Err(problem.into())
    }

    /// What the roots' `config.toml` files say; read once.
    pub fn settings(&self) -> Result<Arc<Settings>, ConfigError> {
        self.found().settings(&self.roots)
    }

    /// The limits that a source's instances are used with.
    pub fn limits(&self, source: &SourceConfig) -> Result<SourceLimits, ConfigError> {
        limits::of_source(&*self.settings()?, source)
    }

    /// "There is no source …", with the name that was probably meant.
    pub fn unknown(&self, name: &SourceName) -> Problem {
        let names = self.source_names();
        let problem = Problem::nowhere(format!("there is no source `{name}`"));
        match closest(name.as_str(), names.iter().map(SourceName::as_str)) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => {
                problem.hint("`runner source list` shows the sources and where they are defined")
            }
        }
    }
}
