//! Copies of the components that instances are made with: kept while something needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use runner_core::id::SourceName;

use super::catalogue::bound;
use super::resolve::Bound;
use super::{App, unloadable};
use crate::config::Changes;
use crate::engine::{Definition, Result, chain};
use crate::plugin::{Component, Held};
use crate::store::StoreError;

/// The copies that this process is about to refer to, by digest.
#[derive(Default)]
pub(super) struct HeldHere(Mutex<BTreeMap<String, Held>>);

impl App {
    /// Keeps a copy of a component, and holds it until this process ends or reads its configuration anew.
    pub(super) fn keep(&self, component: &Component) -> Result<()> {
        let held = component.keep(&self.plugin_dirs()).map_err(unloadable)?;
        let mut all = self.0.held.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(component.reference.digest.clone(), held);
        Ok(())
    }

    /// The configuration was read anew: sources whose settings say the same and whose component is another have changed
    /// as well. What was held is let go: a process that lives on defines what it makes in the moment in which it is made.
    pub(super) fn note_components(
        &self,
        components: BTreeMap<SourceName, String>,
        changes: &mut Changes,
    ) {
        let mut known = self
            .0
            .components
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (source, digest) in &components {
            let other = known.get(source).is_some_and(|known| known != digest);
            if other && !changes.changed.contains(source) {
                changes.changed.push(source.clone());
            }
        }
        *known = components;
        let mut held = self.0.held.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.clear();
    }

    /// What of a definition's components cannot be had any more.
    pub(super) fn lost(&self, definition: &Definition) -> Option<String> {
        let dirs = self.plugin_dirs();
        let parts = parts(definition).ok()?;
        let gone = parts
            .iter()
            .find(|part| !dirs.has(&part.component.digest))?;
        let reference = &gone.component;
        Some(format!(
            "the copy of its component `{}` {} is gone from `{}`: put the file with the SHA-256 `{}` there, or give the instance up with \
             `runner discard --forget`",
            reference.name,
            reference.version,
            dirs.components.display(),
            reference.digest
        ))
    }

    /// Removes copies that nothing needs any more.
    pub(super) fn tidy(&self) {
        if self.0.tap.is_some() {
            return;
        }
        let pruned = self
            .plugin_dirs()
            .prune_kept(SystemTime::now(), || self.components_in_use());
        if let Err(error) = pruned {
            tracing::warn!("components are not tidied up: {}", chain(&error));
        }
    }

    /// Everything that an instance, a trial or a promotion needs.
    fn components_in_use(&self) -> Result<BTreeSet<String>> {
        let (rows, tried) = self
            .store()?
            .read::<_, StoreError>(|tx| Ok((tx.definitions_in_use()?, tx.canary_components()?)))?;
        let mut needed: BTreeSet<String> = tried.into_iter().collect();
        for row in rows {
            let definition = crate::engine::stored_definition(&row)?;
            needed.extend(
                parts(&definition)?
                    .into_iter()
                    .map(|part| part.component.digest),
            );
        }
        Ok(needed)
    }

    /// Promotions begin and end in other processes, without a change of the configuration.
    pub(super) fn look_at_promotions(&self) -> Result<()> {
        if self.0.memo.is_on() {
            let promotions = self.store()?.read::<_, StoreError>(|tx| tx.promotions())?;
            self.0.memo.under(promotions);
        }
        Ok(())
    }
}

/// The provider of a definition, its wrappers and its hooks.
fn parts(definition: &Definition) -> Result<Vec<Bound>> {
    let mut parts = Vec::new();
    for value in std::iter::once(&definition.plugin).chain(&definition.hooks) {
        let mut part = bound(value, &definition.source)?;
        parts.append(&mut part.wrap);
        parts.push(part);
    }
    Ok(parts)
}
