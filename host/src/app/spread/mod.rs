//! Backends of spread projects as sources: which plugin gives the systems of a backend, with which configuration.
//!
//! A backend's `type` is the name of a plugin, or a component file, or one of the ancestor's types, which `ancestors` says in
//! plugins' terms. Keys of the backend and the system that the plugin's schema knows are its configuration; the others are
//! spread's own; `credentials` are those that the user's environment has. `--source` puts a configured source in a backend's place.

mod ancestors;
mod credentials;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use runner_core::id::SourceName;
use runner_core::matrix::{Backend, System};
use runner_core::policy::Limit;
use serde_json::{Map, Value};

use super::catalogue::bound;
use super::consent::{Answer, Consent, GrantAsk};
use super::grants::parse_capabilities;
use super::resolve::{Bound, argument_of, invalid, json, locator};
use super::{App, unloadable};
use crate::config::{PluginPath, SourceArgument, SourceConfig};
use crate::engine::{Draw, EngineError, Result};
use crate::jobs::load::{PluginKeys, Plugins, is_component_file};
use crate::jobs::run::{Machines, Wish};
use ancestors::{Around, Keys};
pub use credentials::CloudEnvironment;

/// The type whose machines are made by scripts of the project.
const ADHOC: &str = "adhoc";

/// The ancestors' types. For some there is a plugin in this program.
const ANCESTORS: [&str; 8] = [
    "google",
    "openstack",
    "linode",
    "lxd",
    "qemu",
    "humbox",
    "testflinger",
    ADHOC,
];

/// Sources may not have longer names.
const LONGEST_NAME: usize = 64;

/// The backends of one project.
pub struct Backends {
    app: App,
    /// Of the project: where component files and scripts are looked for.
    directory: PathBuf,
    /// By backend.
    sources: BTreeMap<String, SourceArgument>,
    consent: Box<dyn Consent + Send + Sync>,
}

impl App {
    /// The backends of a project in `directory`; `sources` are `BACKEND` and `SOURCE` of `--source`. Who is asked for what a
    /// plugin wants beyond its name is `consent`.
    pub fn backends(
        &self,
        directory: PathBuf,
        sources: &[(String, String)],
        consent: Box<dyn Consent + Send + Sync>,
    ) -> Result<Backends> {
        let parse = |(backend, source): &(String, String)| {
            let argument = SourceArgument::parse(std::ffi::OsStr::new(source))?;
            Ok((backend.clone(), argument))
        };
        Ok(Backends {
            app: self.clone(),
            directory,
            sources: sources.iter().map(parse).collect::<Result<_>>()?,
            consent,
        })
    }
}

impl Plugins for App {
    fn is_there(&self, kind: &str, directory: &Path) -> bool {
        match plugin(kind, directory) {
            PluginPath::File(path) => path.is_file(),
            PluginPath::Name(name) => self.plugin_names().contains(&name),
        }
    }

    fn keys(&self, kind: &str, directory: &Path) -> Option<PluginKeys> {
        // What scripts of the project are told is spread's to say.
        if kind == ADHOC {
            return None;
        }
        let path = plugin(kind, directory);
        let component = self.plugins().inspect(&locator(&path)).ok()?;
        let known = component.manifest.keys().into_iter();
        Some(PluginKeys {
            plugin: component.manifest.name.clone(),
            keys: known.map(str::to_owned).collect(),
        })
    }
}

/// Where the plugin for a type is.
fn plugin(kind: &str, directory: &Path) -> PluginPath {
    if is_component_file(kind) {
        PluginPath::File(directory.join(kind))
    } else {
        PluginPath::Name(ancestors::plugin_of(kind).to_owned())
    }
}

/// The scripts of a project are run because its user runs the project: that is the word that is asked for, and the program's own
/// plugin for them has it. A name proves nothing: a project may bring a component that calls itself the same. Whatever else a
/// plugin wants is for the user to say; what the user granted to the very component, by its file and for no source, holds for
/// backends that ask for no more.
struct ForProject<'a> {
    app: &'a App,
    /// The backend's component is the program's own plugin for scripts.
    scripts: bool,
    /// The component as a source of its own.
    file: SourceName,
    asked: &'a dyn Consent,
}

impl Consent for ForProject<'_> {
    fn ask(&self, ask: &GrantAsk) -> Answer {
        let granted = || {
            let store = self.app.store().ok()?;
            let grant = store.read(|tx| tx.grant(&self.file, &ask.digest)).ok()??;
            grant.revoked_at.is_none().then_some(())?;
            parse_capabilities(&grant).ok()
        };
        if self.scripts || granted().is_some_and(|has| ask.requested.missing_from(&has).is_empty())
        {
            Answer::Once
        } else {
            self.asked.ask(ask)
        }
    }
}

impl Machines for Backends {
    fn draw(&self, wish: &Wish<'_>) -> Result<Draw> {
        if let Some(source) = self.sources.get(&wish.backend.name) {
            return self.app.draw(source, &[], &*self.consent);
        }
        let (plugin, source, secrets) = self.source(wish)?;
        let name = source.name.clone();
        let (argument, file) = self.as_file(&plugin, &source);
        let resolved = self.app.resolve(source, argument, &[])?;
        let reference = &resolved.component.reference;
        let consent = ForProject {
            app: &self.app,
            scripts: reference.embedded && reference.name == ADHOC,
            file,
            asked: &*self.consent,
        };
        let mut definition = self.app.define(resolved, &consent)?;
        if !secrets.is_empty() {
            let bound = bound(&definition.plugin, &name)?;
            definition.plugin = json(&Bound { secrets, ..bound })?;
        }
        Ok(Draw {
            asked: Some(name),
            pool: None,
            tags: Vec::new(),
            weights: vec![0],
            // Nobody else knows what the project says.
            custom: true,
            sources: vec![definition],
        })
    }

    fn gives_back(&self, backend: &Backend) -> bool {
        self.sources.contains_key(&backend.name)
    }
}

impl Backends {
    /// The source that a system of a backend is.
    fn source(
        &self,
        wish: &Wish<'_>,
    ) -> Result<(PluginPath, SourceConfig, BTreeMap<String, String>)> {
        let (backend, system) = (wish.backend, wish.system);
        let plugin = plugin(&backend.kind, &self.directory);
        let mut keys = Keys::default();
        if backend.kind == ADHOC || wish.known.is_some() {
            keys.options = self.scripted(wish);
        } else {
            keys.options = self.configured(&plugin, backend, system)?;
            let environment = self.app.environment();
            let around = Around {
                directory: &self.directory,
                home: &environment.home,
                cloud: &environment.cloud,
                lxc: std::env::split_paths(&environment.path)
                    .any(|folder| folder.join("lxc").is_file()),
            };
            ancestors::translate(wish, &around, &mut keys)?;
        }
        // What another implementation left behind is only reached, whatever made it.
        let plugin = if wish.known.is_some() {
            PluginPath::Name(ADHOC.to_owned())
        } else {
            plugin
        };
        let name = source_name(&backend.name, &system.name)?;
        let mut source = SourceConfig::of_project(name, plugin.clone(), keys.options);
        // The workers of the system are the limit.
        source.maximum = Some(Limit::Unlimited);
        Ok((plugin, source, keys.secrets))
    }

    /// The backend's component as `--source` takes it, with what the project says, and the name of that source.
    fn as_file(&self, plugin: &PluginPath, source: &SourceConfig) -> (String, SourceName) {
        let path = match plugin {
            PluginPath::File(path) => path.clone(),
            PluginPath::Name(name) => {
                let installed = &self.app.plugins().dirs().installed;
                installed.join(format!("{name}.wasm"))
            }
        };
        let plain = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // Rights do not hang on passwords, and what we say ends up in logs.
        let options = source.options.iter();
        let options = options.filter(|(key, _)| !key.contains("password"));
        let options = options.map(|(key, value)| (key.clone(), plain(value)));
        let name = SourceConfig::adhoc(&path, &[]).name;
        let argument = SourceArgument::File {
            path,
            options: options.collect(),
        };
        (argument_of(&argument, &[]), name)
    }

    /// What the plugin's schema knows of what the project says.
    fn configured(
        &self,
        plugin: &PluginPath,
        backend: &Backend,
        system: &System,
    ) -> Result<Map<String, Value>> {
        let component = self
            .app
            .plugins()
            .inspect(&locator(plugin))
            .map_err(|error| missing(backend, unloadable(error)))?;
        let known = component.manifest.keys();
        let mut options = Map::new();
        for key in known.iter().copied() {
            let given = system.settings.get(key).or(backend.settings.get(key));
            if let Some(value) = given.filter(|value| !value.is_null()) {
                options.insert(key.to_owned(), value.clone());
            }
        }
        let takes = |key: &str| known.contains(&key);
        if takes("image") && !options.contains_key("image") {
            options.insert("image".into(), system.image.clone().into());
        }
        // For what is a directory or an archive of this machine, that is the image.
        let has_root = options.contains_key("rootfs") || options.contains_key("tarball");
        if takes("rootfs") && takes("tarball") && !has_root {
            let path = self.directory.join(&system.image);
            let key = if path.is_file() { "tarball" } else { "rootfs" };
            options.insert(key.into(), path.display().to_string().into());
        }
        Ok(options)
    }

    /// What the plugin for scripts is told.
    fn scripted(&self, wish: &Wish<'_>) -> Map<String, Value> {
        let (backend, system) = (wish.backend, wish.system);
        let mut options = Map::new();
        let mut set = |key: &str, value: &str| {
            if !value.is_empty() {
                options.insert(key.to_owned(), value.into());
            }
        };
        set("directory", &self.directory.display().to_string());
        set("backend", &backend.name);
        set("system", &system.name);
        set("username", &wish.login.username);
        match wish.known {
            None => {
                set("allocate", &backend.allocate.text);
                set("discard", &backend.discard.text);
            }
            Some((entry, destroyed)) => {
                set("address", &entry.address);
                if destroyed {
                    set("discard", &backend.discard.text);
                }
            }
        }
        options.insert("password".into(), wish.login.password.clone().into());
        options.insert("session-password".into(), wish.login.session.into());
        options
    }
}

/// `BACKEND.SYSTEM`, as far as it may be a name.
fn source_name(backend: &str, system: &str) -> Result<SourceName> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = format!("{backend}.{system}")
        .chars()
        .map(|c| if legal(c) { c } else { '-' })
        .take(LONGEST_NAME)
        .collect();
    SourceName::new(name).map_err(|error| invalid(error.to_string()))
}

/// A plugin that is not there, as a problem of the project's.
fn missing(backend: &Backend, error: EngineError) -> EngineError {
    let (name, kind) = (&backend.name, &backend.kind);
    let message = if ANCESTORS.contains(&kind.as_str()) {
        let plugin = ancestors::plugin_of(kind);
        format!("backend `{name}` needs the plugin `{plugin}`, which is not there")
    } else {
        format!("the plugin of backend `{name}` cannot be used")
    };
    invalid(message)
        .hint(format!(
            "install it (`runner plugin --help`), or take the systems from a source: `--source {name}=SOURCE`"
        ))
        .because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(source_name("a", "b-1").unwrap().as_str(), "a.b-1");
        assert_eq!(source_name("a", "b-*").unwrap().as_str(), "a.b--");
        let long = source_name("a", &"x-".repeat(60)).unwrap();
        assert_eq!(long.as_str().len(), LONGEST_NAME);
    }
}
