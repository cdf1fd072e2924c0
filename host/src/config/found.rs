//! What the roots define: the folders of sources, and the file of one of them. Listing reads folders only; a source's
//! file is read when that source is asked for, so that one broken file disturbs nobody else.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use runner_core::id::SourceName;

use super::convert::{self, Context};
use super::document::Document;
use super::error::{ConfigError, Position, Problem, shown_path};
use super::pools;
use super::roots::{Origin, Roots};
use super::scripts::POINTS;
use super::settings::{self, Settings};
use super::source::{PluginPath, SourceConfig, SourceKind, local_name};

/// Our file of a source.
pub(super) const OURS: &str = "source.toml";
/// crcache's.
pub(super) const CRCACHES: &str = "source.conf";

/// Sources that were read ahead: what is in force, or why nothing is.
pub(super) type Held = BTreeMap<SourceName, Result<SourceConfig, ConfigError>>;

/// The settings of all roots as they were found at one time.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) folders: BTreeMap<SourceName, Folder>,
    pub(super) problems: Vec<Problem>,
    /// `sources` folders that are there and could not be listed.
    pub(super) unlisted: Vec<PathBuf>,
    pub(super) settings: OnceLock<Result<Arc<Settings>, ConfigError>>,
    /// None: files are read when they are asked for.
    pub(super) held: Option<Held>,
}

/// The folder that defines a source.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) origin: Origin,
    pub(super) shadowed: Vec<PathBuf>,
}

impl Found {
    /// Lists what the roots define; reads no file. A root that does not exist defines nothing.
    pub(super) fn look(roots: &Roots) -> Self {
        let mut found = Self::default();
        for (root, origin) in roots.in_order() {
            found.list(&root.join("sources"), origin);
        }
        found
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
            Err(error) => {
                self.unlisted.push(sources.to_owned());
                return self.problems.push(problem(error));
            }
        };
        let mut paths = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => paths.push(entry.path()),
                Err(error) => {
                    self.unlisted.push(sources.to_owned());
                    self.problems.push(problem(error));
                }
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

    /// Every source by name, sorted, the implicit `local` among them.
    pub(super) fn names(&self) -> Vec<SourceName> {
        let local = local_name();
        let mut names: Vec<SourceName> = self.folders.keys().cloned().collect();
        if let Err(place) = names.binary_search(&local) {
            names.insert(place, local);
        }
        names
    }

    /// The source of this name; none if there is none.
    pub(super) fn source(&self, name: &SourceName) -> Result<Option<SourceConfig>, ConfigError> {
        match &self.held {
            Some(held) => held.get(name).cloned().transpose(),
            None => self.fresh(name),
        }
    }

    /// The source as its file says now, and for a pool that it does not contain itself.
    pub(super) fn fresh(&self, name: &SourceName) -> Result<Option<SourceConfig>, ConfigError> {
        let Some(source) = self.read(name)? else {
            return Ok(None);
        };
        pools::check(&source, |name| self.read(name).ok().flatten())?;
        Ok(Some(source))
    }

    /// What the roots' `config.toml` files say; read once.
    pub(super) fn settings(&self, roots: &Roots) -> Result<Arc<Settings>, ConfigError> {
        self.settings
            .get_or_init(|| settings::read(roots).map(Arc::new))
            .clone()
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
            known: &self.names(),
        };
        let mut source = convert::source(&document, &context)?;
        source.shadowed.clone_from(&folder.shadowed);
        if let SourceKind::Pool { .. } = source.kind {
            no_scripts(&folder.path)?;
            return Ok(Some(source));
        }
        for point in POINTS {
            if let Some(path) = scripts(&folder.path, &format!("{point}.d"))? {
                source.scripts.insert(point.into(), path);
            }
        }
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
    let found = POINTS.map(|point| folder.join(format!("{point}.d")));
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
