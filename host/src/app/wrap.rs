//! Wrappers of a source: components in front of its provider, looked up, checked against what they are used for, granted.

use runner_core::id::SourceName;

use super::App;
use super::catalogue::AppCatalogue;
use super::consent::Consent;
use super::hooks::{FoundHook, Named};
use super::resolve::{Bound, json};
use crate::config::SourceConfig;
use crate::engine::Result;
use crate::plugin::{Binding, ComponentRef, Limits};

impl App {
    /// Component, validated keys and request of a source's wrapper by its number.
    pub(super) fn find_wrapper(&self, source: &SourceConfig, number: usize) -> Result<FoundHook> {
        let named = Named {
            source,
            list: "wrap",
            number,
            what: "wrapper",
        };
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
        source: &SourceConfig,
        limits: &Limits,
        argument: &str,
        consent: &dyn Consent,
    ) -> Result<Vec<Bound>> {
        let mut wrappers = Vec::new();
        for number in 0..source.wrap.len() {
            let found = self.find_wrapper(source, number)?;
            wrappers.push(self.bind_hook(source, found, limits, argument, consent)?);
        }
        Ok(wrappers)
    }

    /// What of a source's wrappers decides whether an idle instance fits.
    pub(super) fn shape_of_wrappers(&self, source: &SourceConfig) -> Result<Vec<Vec<u8>>> {
        let mut parts = Vec::new();
        for number in 0..source.wrap.len() {
            let found = self.find_wrapper(source, number)?;
            parts.push(found.component.reference.digest.into_bytes());
            parts.push(json(&found.config)?.to_string().into_bytes());
        }
        Ok(parts)
    }
}

impl AppCatalogue {
    /// The wrappers of a definition, ready to be put in front.
    pub(super) fn wrappers(
        &self,
        source: &SourceName,
        bound: &Bound,
    ) -> Result<Vec<(ComponentRef, Binding)>> {
        bound
            .wrap
            .iter()
            .map(|wrapper| {
                let binding = self.binding(source, wrapper)?;
                Ok((wrapper.component.clone(), binding))
            })
            .collect()
    }
}
