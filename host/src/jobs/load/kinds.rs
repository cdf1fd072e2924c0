//! Which types of backends there are.

use std::fmt;
use std::path::Path;

use runner_core::matrix::Dialect;

/// The types of the ancestors.
const ANCESTRAL: [&str; 7] = [
    "google",
    "openstack",
    "linode",
    "lxd",
    "qemu",
    "adhoc",
    "humbox",
];

/// The type that only the plus dialect has.
const PLUS: &str = "testflinger";

/// The plugins that this program finds. `directory` is the project's, from where component files are named.
pub trait Plugins {
    /// Whether a plugin of this name, or this component file, is there.
    fn is_there(&self, kind: &str, directory: &Path) -> bool;

    /// The plugin for a type, and the keys that it takes from a backend and its systems; None where there is none to ask.
    fn keys(&self, kind: &str, directory: &Path) -> Option<PluginKeys>;
}

/// What a plugin knows beside spread's own keys.
#[derive(Clone, Debug)]
pub struct PluginKeys {
    pub plugin: String,
    pub keys: Vec<String>,
}

/// A type that names a component file, from the project's directory; any other is a plugin's name.
pub fn is_component_file(kind: &str) -> bool {
    kind.contains('/') || kind.ends_with(".wasm")
}

/// What is known about types: the ancestors' own, and the plugins.
pub struct Kinds<'a> {
    plugins: &'a dyn Plugins,
    /// Backends whose systems come from a source (`--source`): their type does not matter.
    replaced: &'a [String],
    dialect: Dialect,
    /// Plugins are asked for their keys, which only who lints wants to know.
    thorough: bool,
}

impl<'a> Kinds<'a> {
    /// Types for a project of a dialect that is not known yet.
    pub fn new(plugins: &'a dyn Plugins, replaced: &'a [String]) -> Self {
        Self {
            plugins,
            replaced,
            dialect: Dialect::default(),
            thorough: false,
        }
    }

    /// The same, for who wants to hear of every key that means nothing.
    pub(in crate::jobs) fn thorough(self) -> Self {
        Self {
            thorough: true,
            ..self
        }
    }

    pub(super) fn of_dialect(&self, dialect: Dialect) -> Self {
        Self { dialect, ..*self }
    }

    /// A type of the ancestors, whose keys are all known.
    pub(super) fn is_ancestral(&self, kind: &str) -> bool {
        ANCESTRAL.contains(&kind) || (kind == PLUS && self.dialect == Dialect::Plus)
    }

    pub(super) fn is_replaced(&self, backend: &str) -> bool {
        self.replaced.iter().any(|name| name == backend)
    }

    pub(super) fn is_known(&self, backend: &str, kind: &str, directory: &Path) -> bool {
        self.is_ancestral(kind)
            || self.is_replaced(backend)
            || self.plugins.is_there(kind, directory)
    }

    /// What the plugin for a type knows beside spread's keys.
    pub(super) fn keys(&self, kind: &str, directory: &Path) -> Option<PluginKeys> {
        self.thorough
            .then(|| self.plugins.keys(kind, directory))
            .flatten()
    }

    pub(super) fn advice(&self, kind: &str) -> String {
        if kind == PLUS {
            return "that is a type of the plus dialect: `--dialect plus`".to_owned();
        }
        format!(
            "{}, an installed plugin (`runner plugin list`), or a component file (`type: ./x.wasm`); \
             `--source BACKEND=SOURCE` takes the systems from a source whatever the type",
            ANCESTRAL.join(", ")
        )
    }
}

impl fmt::Debug for Kinds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kinds")
            .field("replaced", &self.replaced)
            .finish_non_exhaustive()
    }
}
