//! Wrappers of a source: components in front of its provider, looked up, checked against what they are used for, granted.

use runner_core::id::SourceName;

use super::App;
use super::catalogue::AppCatalogue;
use super::consent::Consent;
use super::hooks::{FoundHook, Named};
use super::resolve::{Bound, Resolved, json};
use crate::config::{HookConfig, SourceConfig, closest};
use crate::engine::Result;
use crate::plugin::{Component, InFront};

impl App {
    /// Component, validated keys and request of a source's wrapper by its number.
    pub(super) fn find_wrapper(&self, source: &SourceConfig, number: usize) -> Result<FoundHook> {
        let named = entry(source, number);
        self.find_named(&named, source.wrap.get(number), |component| {
            if component.wraps() {
                return Ok(());
            }
            let message = format!("`{}` is no wrapper", component.reference.name);
            let hint = "a wrapper imports the interface `provider` and exports it again";
            Err(named.unusable(&message, Some(hint)))
        })
    }

    /// All wrappers of a source, granted and kept, the outermost first.
    pub(super) fn define_wrappers(
        &self,
        resolved: &Resolved,
        consent: &dyn Consent,
    ) -> Result<Vec<Bound>> {
        let source = &resolved.source;
        // What plugins of a source remember is kept by their names: another component under a name that is taken would read it.
        let mut names = vec![&resolved.component.reference];
        let mut found = Vec::new();
        for (number, wrapper) in source.wrap.iter().enumerate() {
            may_set(source, number, wrapper, &resolved.component)?;
            found.push(self.find_wrapper(source, number)?);
        }
        for (number, one) in found.iter().enumerate() {
            let own = &one.component.reference;
            if names
                .iter()
                .any(|other| other.name == own.name && other.digest != own.digest)
            {
                let message = format!(
                    "another plugin of this source is called `{}` as well",
                    own.name
                );
                let hint = "its manifest must give it a name of its own";
                return Err(entry(source, number).unusable(&message, Some(hint)));
            }
            names.push(own);
        }
        let mut wrappers = Vec::new();
        for (one, configured) in found.into_iter().zip(&source.wrap) {
            let (limits, argument) = (&resolved.limits, &resolved.argument);
            let mut bound = self.bind_hook(source, one, limits, argument, consent)?;
            bound.sets = configured.sets.clone();
            wrappers.push(bound);
        }
        Ok(wrappers)
    }

    /// What of a source's wrappers decides whether an idle instance fits.
    pub(super) fn shape_of_wrappers(&self, source: &SourceConfig) -> Result<Vec<Vec<u8>>> {
        let mut parts = Vec::new();
        for (number, configured) in source.wrap.iter().enumerate() {
            let found = self.find_wrapper(source, number)?;
            parts.push(found.component.reference.digest.into_bytes());
            parts.push(json(&found.config)?.to_string().into_bytes());
            // With another list the same wrapper may have made another instance.
            if !configured.sets.is_empty() {
                parts.push(json(&configured.sets)?.to_string().into_bytes());
            }
        }
        Ok(parts)
    }
}

fn entry(source: &SourceConfig, number: usize) -> Named<'_> {
    Named {
        source,
        list: "wrap",
        number,
        what: "wrapper",
    }
}

/// The keys that a wrapper may change are keys of the provider, and such that no other call depends on.
fn may_set(
    source: &SourceConfig,
    number: usize,
    wrapper: &HookConfig,
    provider: &Component,
) -> Result<()> {
    let manifest = &provider.manifest;
    let known = manifest.keys();
    let unusable = |message: String, hint: Option<&str>| {
        let problem = source.problem(&format!("wrap.{number}.sets"), &message, hint);
        entry(source, number).refused(problem)
    };
    for key in &wrapper.sets {
        let name = &provider.reference.name;
        if !known.is_empty() && !known.contains(&key.as_str()) {
            let near =
                closest(key, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            return Err(unusable(
                format!("plugin `{name}` has no key `{key}` that could be set"),
                near.as_deref(),
            ));
        }
        if let Some(only) = &manifest.allocate_only
            && !only.contains(key)
        {
            let could: Vec<_> = only.iter().map(|key| format!("`{key}`")).collect();
            return Err(unusable(
                format!(
                    "`{key}` of plugin `{name}` matters after an instance is made, and there it is the source's own"
                ),
                Some(&match could.is_empty() {
                    true => format!("`{name}` has no key that a wrapper could change"),
                    false => format!("a wrapper could change {}", could.join(", ")),
                }),
            ));
        }
    }
    Ok(())
}

impl AppCatalogue {
    /// The wrappers of a definition, ready to be put in front.
    pub(super) fn wrappers(&self, source: &SourceName, bound: &Bound) -> Result<Vec<InFront>> {
        bound
            .wrap
            .iter()
            .map(|wrapper| {
                Ok(InFront {
                    component: wrapper.component.clone(),
                    binding: self.binding(source, wrapper)?,
                    sets: wrapper.sets.clone(),
                })
            })
            .collect()
    }
}
