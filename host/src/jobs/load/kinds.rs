//! Which types of backends there are.

use std::fmt;

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

/// What is known about types: the ancestors' own, and the plugins that this program finds.
pub struct Kinds<'a> {
    /// Whether a plugin of this name, or this component file, is there.
    pub plugin: &'a dyn Fn(&str) -> bool,
    /// Backends whose systems come from a source (`--source`): their type does not matter.
    pub replaced: &'a [String],
    pub(super) dialect: Dialect,
}

impl<'a> Kinds<'a> {
    /// Types for a project of a dialect that is not known yet.
    pub fn new(plugin: &'a dyn Fn(&str) -> bool, replaced: &'a [String]) -> Self {
        Self {
            plugin,
            replaced,
            dialect: Dialect::default(),
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

    pub(super) fn is_known(&self, backend: &str, kind: &str) -> bool {
        self.is_ancestral(kind) || self.is_replaced(backend) || (self.plugin)(kind)
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
