//! A component that was looked at but not run: what it says about itself, and what it needs.
//!
//! Nothing here compiles or knows wasmtime. `inspect` is the way from a [`Locator`] to a [`Component`].

use std::borrow::Cow;
use std::fs;
use std::io::Write as _;

use serde::{Deserialize, Serialize};

use super::error::{LoadError, LoadErrorKind};
use super::exports;
use super::locate::{Found, Locator, Origin, PluginDirs};
use super::manifest::{Kind, Manifest};
use super::sections;
use crate::provider::Optional;

/// Enough to load a component again, without reading it again where compiled code is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentRef {
    /// SHA-256 of the component file, lower-case hexadecimal.
    pub digest: String,
    pub name: String,
    pub version: String,
    /// Which optional interfaces it exports.
    pub optional: Optional,
    /// It was part of the program that wrote this.
    pub embedded: bool,
}

/// A component and what it says about itself.
#[derive(Clone, Debug)]
pub struct Component {
    pub reference: ComponentRef,
    pub manifest: Manifest,
    /// Interfaces that it may call, such as `runner:plugin/process@0.1.0`, sorted.
    pub imports: Vec<String>,
    /// Interfaces that it offers, sorted.
    pub exports: Vec<String>,
    /// Bytes.
    pub size: u64,
    pub origin: Origin,
    bytes: Cow<'static, [u8]>,
}

/// Finds a component and reads what it says about itself. Nothing of it is run or compiled.
pub fn inspect(dirs: &PluginDirs, locator: &Locator) -> Result<Component, LoadError> {
    Component::read(dirs.find(locator)?)
}

impl Component {
    fn read(found: Found) -> Result<Self, LoadError> {
        let Found {
            subject,
            origin,
            digest,
            bytes,
        } = found;
        let shape = sections::shape(&bytes).map_err(|damage| {
            let error = LoadError::new(LoadErrorKind::NotAComponent, &subject, damage.message);
            match damage.hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })?;
        let manifest = shape.manifest.as_deref().ok_or_else(|| {
            LoadError::new(
                LoadErrorKind::Manifest,
                &subject,
                "the component has no manifest (custom section `runner:plugin`)",
            )
            .hint("plugins made with `runner-sdk` have one; other languages: see `wit/README.md`")
        })?;
        let manifest = Manifest::parse(manifest)
            .map_err(|problem| LoadError::new(LoadErrorKind::Manifest, &subject, problem))?;
        let optional = exports::check(&subject, &manifest, &shape)?;
        Ok(Self {
            reference: ComponentRef {
                digest,
                name: manifest.name.clone(),
                version: manifest.version.clone(),
                optional,
                embedded: origin == Origin::Embedded,
            },
            size: bytes.len() as u64,
            manifest,
            imports: shape.imports.into_iter().collect(),
            exports: shape.exports.into_iter().collect(),
            origin,
            bytes,
        })
    }

    /// The component file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// It is a hook.
    pub fn is_hook(&self) -> bool {
        self.manifest.kind == Kind::Hook
    }

    /// Keeps a copy, so that instances made with this component can be used and discarded when its file is gone or
    /// another, or when this program was replaced. Does nothing when the copy is there.
    pub fn keep(&self, dirs: &PluginDirs) -> Result<(), LoadError> {
        let path = dirs.kept_path(&self.reference.digest);
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == self.size) {
            return Ok(());
        }
        let failed = |error: std::io::Error| {
            LoadError::new(
                LoadErrorKind::Unreadable,
                path.display().to_string(),
                "cannot keep a copy of the component here",
            )
            .because(error)
        };
        fs::create_dir_all(&dirs.components).map_err(failed)?;
        let mut copy = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(&dirs.components)
            .map_err(failed)?;
        copy.write_all(&self.bytes).map_err(failed)?;
        // The books will refer to this file: it must be there after a power loss, under its name and whole.
        copy.as_file().sync_all().map_err(failed)?;
        copy.persist(&path).map_err(|error| failed(error.error))?;
        fs::File::open(&dirs.components)
            .and_then(|directory| directory.sync_all())
            .map_err(failed)
    }
}
