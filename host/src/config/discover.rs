//! Which sources there are and which of several definitions counts. Listing reads folders only; a source's file is
//! read when that source is asked for, so that one broken file disturbs nobody else.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use runner_core::id::SourceName;
use serde::Serialize;

use super::convert::{self, Context};
use super::document::Document;
use super::error::{ConfigError, Position, Problem, closest, shown_path};
use super::limits::{self, SourceLimits};
use super::pools;
use super::roots::{Ignored, Origin, Roots};
use super::settings::{self, Settings};
use super::source::{PluginPath, SourceConfig, SourceKind, local_name};

/// Our file of a source.
const OURS: &str = "source.toml";
/// crcache's.
const CRCACHES: &str = "source.conf";

/// The settings of all roots, found but not yet read.
#[derive(Debug)]
pub struct Config {
    roots: Roots,
    folders: BTreeMap<SourceName, Folder>,
    problems: Vec<Problem>,
    settings: OnceLock<Result<Settings, ConfigError>>,
}

/// The folder that defines a source.
#[derive(Clone, Debug)]
struct Folder {
    path: PathBuf,
    origin: Origin,
    shadowed: Vec<PathBuf>,
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
        let mut config = Self {
            folders: BTreeMap::new(),
            problems: Vec::new(),
            settings: OnceLock::new(),
            roots: roots.clone(),
        };
        for (root, origin) in roots.in_order() {
            config.list(&root.join("sources"), origin);
        }
        config
    }

    fn list(&mut self, sources: &Path, origin: Origin) {
        let problem = |error: std::io::Error| {
            Problem::at(
                Position::whole(sources),
                format!("cannot be listed: {error}"),
            )
        };
        let entries = match sources.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => return self.problems.push(problem(error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => paths.push(entry.path()),
                Err(error) => self.problems.push(problem(error)),
            }
        }
        paths.sort();
        for path in paths {
            match judge(&path) {
                Ok(None) => {}
                Ok(Some(name)) => match self.folders.entry(name) {
                    Slot::Vacant(slot) => {
                        slot.insert(Folder {
                            path,
                            origin,
                            shadowed: Vec::new(),
                        });
                    }
                    Slot::Occupied(mut slot) => slot.get_mut().shadowed.push(path),
                },
                Err(problem) => self.problems.push(problem),
            }
        }
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
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Every source by name, sorted, the implicit `local` among them.
    pub fn source_names(&self) -> Vec<SourceName> {
        let local = local_name();
        let mut names: Vec<SourceName> = self.folders.keys().cloned().collect();
        if let Err(place) = names.binary_search(&local) {
            names.insert(place, local);
        }
        names
    }

    /// Every source with its folder; reads no file, so broken ones are among them.
    pub fn listing(&self) -> Vec<SourceListing> {
        self.source_names()
            .into_iter()
            .map(|name| {
                let folder = self.folders.get(&name).cloned();
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
        let Some(source) = self.read(name)? else {
            return Ok(None);
        };
        pools::check(&source, |name| self.read(name).ok().flatten())?;
        Ok(Some(source))
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
    pub fn settings(&self) -> Result<&Settings, ConfigError> {
        self.settings
            .get_or_init(|| settings::read(&self.roots))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The limits that a source's instances are used with.
    pub fn limits(&self, source: &SourceConfig) -> Result<SourceLimits, ConfigError> {
        limits::of_source(self.settings()?, source)
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

    fn read(&self, name: &SourceName) -> Result<Option<SourceConfig>, ConfigError> {
        let Some(folder) = self.folders.get(name) else {
            let local = (*name == local_name()).then(|| {
                SourceConfig::bare(
                    name.clone(),
                    PluginPath::Name("local".into()),
                    Origin::Default,
                )
            });
            return Ok(local);
        };
        let document = document(&folder.path)?;
        let context = Context {
            name,
            folder: &folder.path,
            origin: folder.origin,
            known: &self.source_names(),
        };
        let mut source = convert::source(&document, &context)?;
        source.shadowed.clone_from(&folder.shadowed);
        if let SourceKind::Pool { .. } = source.kind {
            no_scripts(&folder.path)?;
            return Ok(Some(source));
        }
        source.provision_scripts = scripts(&folder.path, "provision.d")?;
        source.discard_scripts = scripts(&folder.path, "discard.d")?;
        Ok(Some(source))
    }
}

/// The source that an entry of a `sources` folder defines, if it is meant to be one.
fn judge(path: &Path) -> Result<Option<SourceName>, Problem> {
    let file_name = path.file_name().unwrap_or_default();
    let hidden = file_name.to_string_lossy().starts_with('.');
    let defines = |file: &str| path.join(file).symlink_metadata().is_ok();
    let is_folder = match path.metadata() {
        Ok(metadata) => metadata.is_dir(),
        Err(error) => {
            return Err(
                Problem::at(Position::whole(path), format!("cannot be read: {error}"))
                    .hint("mend or remove it"),
            );
        }
    };
    if !is_folder {
        // A note beside the folders is nobody's mistake; a file of settings is.
        let ending = path.extension().unwrap_or_default();
        if hidden || !(ending == "toml" || ending == "conf") {
            return Ok(None);
        }
        let stem = shown_path(Path::new(path.file_stem().unwrap_or_default()));
        return Err(
            Problem::at(Position::whole(path), "a source is a folder, not a file")
                .hint(format!("move it to `{stem}/{OURS}`")),
        );
    }
    let problem = match file_name.to_str().map(SourceName::new) {
        Some(Ok(name)) => return Ok(Some(name)),
        // Folders like `.git` are not meant to be sources.
        _ if hidden && !defines(OURS) && !defines(CRCACHES) => return Ok(None),
        Some(Err(error)) => Problem::at(Position::whole(path), error.to_string()),
        None => Problem::at(Position::whole(path), "the folder's name is not UTF-8"),
    };
    Err(problem.hint("rename the folder: its name is the source's"))
}

/// The one file of a source's folder.
fn document(folder: &Path) -> Result<Document, ConfigError> {
    let (ours, crcaches) = (folder.join(OURS), folder.join(CRCACHES));
    // A link that leads nowhere is there too, and gives a better error than "there is no file".
    let exists = |path: &Path| path.symlink_metadata().is_ok();
    match (exists(&ours), exists(&crcaches)) {
        (true, false) => Document::toml(&ours),
        (false, true) => Document::conf(&crcaches),
        (true, true) => {
            let message =
                format!("there are both `{OURS}` and `{CRCACHES}`: which one counts is not clear");
            Err(Problem::at(Position::whole(folder), message)
                .hint(format!("remove one of them; `{OURS}` is runner's own"))
                .into())
        }
        (false, false) => {
            let message = format!("the source has neither `{OURS}` nor `{CRCACHES}`");
            Err(Problem::at(Position::whole(folder), message)
                .hint(format!("create `{}`", shown_path(&ours)))
                .into())
        }
    }
}

/// A pool makes no instances, so its scripts would never run, and nobody would notice.
fn no_scripts(folder: &Path) -> Result<(), ConfigError> {
    let found = ["provision.d", "discard.d"].map(|name| folder.join(name));
    let problems = found.iter().filter(|path| path.symlink_metadata().is_ok());
    let problems = problems.map(|path| {
        Problem::at(Position::whole(path), "the scripts of a pool are never run")
            .hint("move them to the sources that the pool draws on")
    });
    ConfigError::unless_empty(problems.collect())
}

/// The folder of scripts, if there is one.
fn scripts(folder: &Path, name: &str) -> Result<Option<PathBuf>, ConfigError> {
    let path = folder.join(name);
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(Some(path)),
        Ok(_) => Err(Problem::at(Position::whole(&path), "is not a folder")
            .hint("its scripts are the files of a folder of this name")
            .into()),
        Err(error) => {
            Err(Problem::at(Position::whole(&path), format!("cannot be read: {error}")).into())
        }
    }
}
