//! Trials of another component for a source, and what a source is made of: what is configured, or what was promoted in its place.
//!
//! How a trial goes is the engine's. Here a file becomes a candidate: looked at, configured, granted, kept.

use std::path::Path;

use runner_core::id::SourceName;

use super::consent::{Consent, Noting, Refuse};
use super::resolve::{invalid, locator};
use super::{App, unloadable};
use crate::config::{SourceConfig, SourceKind};
use crate::engine::{CanaryStatus, Definition, EngineError, FailureKind, Result, Try};
use crate::plugin::{Component, Locator};
use crate::store::{CanaryState, Durability, NewCanary, NewEvent, StoreError};

impl App {
    /// Begins to make a part of a source's new instances with the component in this file.
    pub fn canary_start(
        &self,
        source: &SourceName,
        file: &Path,
        how: &Try,
        consent: &dyn Consent,
    ) -> Result<CanaryStatus> {
        let config = self.named(source)?;
        let configured = self.configured_component(&config)?;
        let stable = self.component_of(&config)?;
        let candidate = self
            .plugins()
            .inspect(&Locator::File(file.to_owned()))
            .map_err(unloadable)?;
        if candidate.reference.digest == stable.reference.digest {
            return Err(invalid(format!(
                "source `{source}` is made of this component already"
            ))
            .hint("try another one; `runner plugin canary SOURCE` shows what is tried"));
        }
        let resolved = self.resolve_as(config, candidate, source.to_string(), &[])?;
        let reference = resolved.component.reference.clone();
        let command = format!(
            "runner plugin canary {source} {} --percent {} --grant",
            super::grants::shell_word(&file.display().to_string()),
            how.percent
        );
        let consent = Noting::new(consent);
        self.granted_by(
            &resolved.source,
            &resolved.component,
            &resolved.requested,
            command.clone(),
            &consent,
        )?;
        if consent.once() {
            // Others make its instances as well.
            return Err(EngineError::new(
                FailureKind::Denied,
                "a trial needs a grant that lasts, and it was granted once",
            )
            .hint(format!("to allow it: `{command}`")));
        }
        self.keep(&resolved.component)?;
        // Hooks and scripts are the source's own: they must be granted, as for everything else of it.
        self.define(resolved, &Refuse)?;
        self.engine()?.start_canary(&NewCanary {
            source,
            configured: &configured.reference.digest,
            stable: &stable.reference.digest,
            candidate: &reference.digest,
            plugin: &reference.name,
            version: &reference.version,
            percent: how.percent,
            window: how.window,
            samples: how.samples,
            by: &self.environment().user,
            now: self.now(),
        })
    }

    /// What a trial's candidate makes instances from.
    pub(super) fn tried(&self, source: &SourceName, digest: &str) -> Result<Definition> {
        let config = self.named(source)?;
        let component = self
            .plugins()
            .inspect(&Locator::Kept(digest.to_owned()))
            .map_err(unloadable)?;
        let resolved = self.resolve_as(config, component, source.to_string(), &[])?;
        self.define(resolved, &Refuse)
    }

    /// What the configuration of a source names.
    fn configured_component(&self, source: &SourceConfig) -> Result<Component> {
        let SourceKind::Provider { plugin } = &source.kind else {
            return Err(invalid(format!(
                "`{}` is a pool, not a source of its own",
                source.name
            )));
        };
        self.plugins()
            .inspect(&locator(plugin))
            .map_err(|error| super::resolve::unusable_type(source, error))
    }

    /// What a source is made of: what its configuration names, or what was promoted in the place of exactly that.
    pub(super) fn component_of(&self, source: &SourceConfig) -> Result<Component> {
        let configured = self.configured_component(source)?;
        if source.is_adhoc() || !self.has_state() {
            return Ok(configured);
        }
        let name = &source.name;
        let Some(promotion) = self.store()?.read(|tx| tx.promotion(name))? else {
            return Ok(configured);
        };
        if promotion.configured == configured.reference.digest {
            return self
                .plugins()
                .inspect(&Locator::Kept(promotion.candidate))
                .map_err(|error| EngineError {
                    hint: Some(format!(
                        "`runner plugin canary {name} --abort` goes back to the component that is configured"
                    )),
                    ..unloadable(error)
                });
        }
        // The configuration was changed after the promotion: the newer word counts.
        let reason = "the configuration names another component now";
        let now = self.now();
        self.store()?
            .write::<_, StoreError>(Durability::Full, |tx| {
                tx.end_canary(promotion.id, CanaryState::Replaced, Some(reason), now)?;
                tx.note(&NewEvent {
                    source: Some(name),
                    detail: Some(reason),
                    ..NewEvent::new("canary", "replaced", now)
                })
            })?;
        Ok(configured)
    }

    /// There are books: reading settings makes none.
    fn has_state(&self) -> bool {
        self.0.store.get().is_some() || self.environment().state.join("state.db").exists()
    }
}
