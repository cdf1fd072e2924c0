//! `runner plugin`: what there is, what it asks for, what it was granted.

use std::path::PathBuf;

use runner_core::id::{SourceName, Timestamp};
use serde::Serialize;

use super::grants::parse_capabilities;
use super::resolve::locator;
use super::{App, unloadable};
use crate::config::{PluginPath, SourceArgument, SourceConfig, SourceKind};
use crate::engine::{EngineError, FailureKind, Result};
use crate::plugin::{Capabilities, Component, Locator, Origin};
use crate::store::{Durability, StoreError};

/// One plugin that can be used by name.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PluginListing {
    pub name: String,
    pub version: String,
    pub kind: &'static str,
    pub description: String,
    /// `embedded`, or the path of the file.
    pub origin: String,
    pub digest: String,
    /// Why it cannot be used, in place of the rest.
    pub trouble: Option<String>,
}

/// One permission.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GrantListing {
    pub source: String,
    pub plugin: String,
    pub version: String,
    pub digest: String,
    pub capabilities: Capabilities,
    pub granted_at: Timestamp,
    pub granted_by: String,
    pub revoked_at: Option<Timestamp>,
}

impl App {
    /// The names of all plugins; nothing is opened.
    pub fn plugin_names(&self) -> Vec<String> {
        self.plugin_dirs().names()
    }

    /// Every embedded and installed plugin.
    pub fn plugin_list(&self) -> Vec<PluginListing> {
        let describe = |name: String| match self.plugins().inspect(&Locator::Name(name.clone())) {
            Ok(component) => PluginListing {
                name,
                version: component.reference.version.clone(),
                kind: component.manifest.kind.word(),
                description: component.manifest.description.clone(),
                origin: match &component.origin {
                    Origin::Embedded => "embedded".into(),
                    Origin::File(path) => path.display().to_string(),
                    Origin::Fetched(from) => from.clone(),
                },
                digest: component.reference.digest.clone(),
                trouble: None,
            },
            Err(error) => PluginListing {
                name,
                version: String::new(),
                kind: "",
                description: String::new(),
                origin: String::new(),
                digest: String::new(),
                trouble: Some(error.to_string()),
            },
        };
        self.plugin_dirs()
            .names()
            .into_iter()
            .map(describe)
            .collect()
    }

    /// One component, by installed name or file. Nothing of it is run.
    pub fn plugin_inspect(&self, name_or_file: &str) -> Result<Component> {
        self.plugins()
            .inspect(&named(name_or_file))
            .map_err(unloadable)
    }

    /// Grants a source's plugin, and its hooks, exactly what they ask for; answers what that was.
    pub fn plugin_grant(
        &self,
        source: &SourceArgument,
        options: &[(String, String)],
    ) -> Result<Vec<GrantListing>> {
        let config = self.source_config(source)?;
        let mut granted = Vec::new();
        let sources = match &config.kind {
            SourceKind::Pool { .. } => {
                self.grant_hooks(&config, &mut granted)?;
                self.config().expand(&config)?
            }
            SourceKind::Provider { .. } => vec![config],
        };
        for config in sources {
            let resolved = self.resolve(config, String::new(), options)?;
            let name = &resolved.source.name;
            granted.push(self.grant_and_list(name, &resolved.component, &resolved.requested)?);
            for number in 0..resolved.source.wrap.len() {
                let wrapper = self.find_wrapper(&resolved.source, number)?;
                granted.push(self.grant_and_list(name, &wrapper.component, &wrapper.requested)?);
            }
            self.grant_hooks(&resolved.source, &mut granted)?;
        }
        Ok(granted)
    }

    fn grant_hooks(&self, source: &SourceConfig, granted: &mut Vec<GrantListing>) -> Result<()> {
        for number in 0..source.hooks.len() {
            let hook = self.find_hook(source, number)?;
            granted.push(self.grant_and_list(&source.name, &hook.component, &hook.requested)?);
        }
        Ok(())
    }

    fn grant_and_list(
        &self,
        source: &SourceName,
        component: &Component,
        capabilities: &Capabilities,
    ) -> Result<GrantListing> {
        self.remember(source, component, capabilities)?;
        let reference = &component.reference;
        let row = self
            .store()?
            .read(|tx| tx.grant(source, &reference.digest))?;
        let row =
            row.ok_or_else(|| EngineError::new(FailureKind::State, "the grant was not stored"))?;
        listing(row)
    }

    /// Takes back what a source's plugins were granted, the embedded ones included.
    pub fn plugin_revoke(&self, source: &SourceName) -> Result<usize> {
        use crate::clock::Clock as _;
        let now = crate::clock::SystemClock.now();
        // An embedded plugin has no recorded grant to take back: record one, so that it can be.
        if let Some(config) = self.config().source(source)?
            && let SourceKind::Provider { plugin } = &config.kind
        {
            let component = self
                .plugins()
                .inspect(&locator(plugin))
                .map_err(unloadable)?;
            let reference = &component.reference;
            let known = self
                .store()?
                .read(|tx| tx.grant(source, &reference.digest))?;
            if reference.embedded && known.is_none() {
                let resolved = self.resolve(config, String::new(), &[])?;
                self.remember(source, &component, &resolved.requested)?;
            }
        }
        Ok(self
            .store()?
            .write::<_, StoreError>(Durability::Full, |tx| tx.revoke_grants(source, now))?)
    }

    /// Every recorded permission, newest first.
    pub fn grants(&self, source: Option<&SourceName>) -> Result<Vec<GrantListing>> {
        self.store()?
            .read(|tx| tx.grants(source))?
            .into_iter()
            .map(listing)
            .collect()
    }
}

/// A text with a slash, or with the ending of a component, is a file.
pub(super) fn named(text: &str) -> Locator {
    if text.contains('/') || text.ends_with(".wasm") {
        Locator::File(PathBuf::from(text))
    } else {
        locator(&PluginPath::Name(text.to_owned()))
    }
}

fn listing(row: crate::store::GrantRow) -> Result<GrantListing> {
    Ok(GrantListing {
        capabilities: parse_capabilities(&row)?,
        source: row.source,
        plugin: row.plugin,
        version: row.version,
        digest: row.digest,
        granted_at: row.granted_at,
        granted_by: row.granted_by,
        revoked_at: row.revoked_at,
    })
}
