//! Settings of a provider that a wrapper in front of it replaces for one instance: what it may replace, and what comes of it.
//!
//! Only `allocate` sees them. The rights stay those that were granted for the source: settings that would need others are refused here,
//! because some rights (a shell command that the user agreed to) are looked at nowhere else.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::bindings::types::{Error, Failure};
use super::manifest::{Config, Manifest};
use super::schema::ConfigProblem;
use super::state::Bound;
use super::text::printable_cut;
use super::{Locator, component};
use crate::provider::{ErrorKind, ProviderError};

/// Bytes of what a wrapper may write.
const LONGEST: usize = 64 << 10;

/// What wrappers have replaced so far, the nearest to the provider last. Null: as if it were not set.
#[derive(Clone, Default)]
pub(crate) struct Changes(Option<Arc<Config>>);

impl Changes {
    /// What a wrapper wrote into `context.config`, if these are the keys that it may replace.
    pub(crate) fn read(text: &str, may: &BTreeSet<String>) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        if text.len() > LONGEST {
            return Err(invalid(format!(
                "the settings for the provider behind have more than {LONGEST} bytes"
            )));
        }
        let changed: Config = serde_json::from_str(text).map_err(|error| {
            invalid(format!(
                "the settings for the provider behind are no JSON object: {}",
                printable_cut(&error.to_string(), 200)
            ))
        })?;
        let foreign: Vec<String> = changed
            .keys()
            .filter(|key| !may.contains(*key))
            .map(|key| format!("`{}`", printable_cut(key, 80)))
            .take(10)
            .collect();
        if !foreign.is_empty() {
            return Err(Error::Denied(Failure {
                message: format!(
                    "this wrapper may not change {} of the provider behind it",
                    foreign.join(", ")
                ),
                remedy: Some(
                    "if it shall, name the keys under `sets` of its entry in the source's `wrap`"
                        .to_owned(),
                ),
            }));
        }
        Ok(match changed.is_empty() {
            true => Self::default(),
            false => Self(Some(Arc::new(changed))),
        })
    }

    /// These, and then those.
    pub(crate) fn then(&self, nearer: Self) -> Self {
        match (&self.0, &nearer.0) {
            (Some(these), Some(those)) => {
                let mut all = Config::clone(these);
                all.extend(Config::clone(those));
                Self(Some(Arc::new(all)))
            }
            (None, _) => nearer,
            (Some(_), None) => self.clone(),
        }
    }

    /// The configuration with them in it, valid by the manifest's schema and within the rights of the source.
    pub(crate) fn applied(
        &self,
        bound: &Bound,
        instance: &str,
    ) -> Result<Option<String>, ProviderError> {
        let Some(changed) = &self.0 else {
            return Ok(None);
        };
        let fault = |kind, message: String, remedy: Option<&str>| ProviderError {
            kind,
            message,
            remedy: remedy.map(str::to_owned),
            context: bound.call_context("allocate", Some(instance.to_owned())),
            guest_log: Vec::new(),
            untouched: true,
        };
        let wrong = |problems: Vec<ConfigProblem>| {
            let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
            fault(
                ErrorKind::Invalid,
                format!(
                    "a wrapper asks for settings that do not suit the plugin: {}",
                    said.join("; ")
                ),
                Some("correct the wrapper's `options` in the source's `wrap`"),
            )
        };
        let manifest = bound
            .manifest()
            .map_err(|why| fault(ErrorKind::Load, why, None))?;
        let own: Config = serde_json::from_str(&bound.context.config).unwrap_or_default();
        let mut settings = own.clone();
        for (key, value) in changed.iter() {
            match value {
                Value::Null => drop(settings.shift_remove(key)),
                value => drop(settings.insert(key.clone(), value.clone())),
            }
        }
        let settings = manifest.configure(&settings, &[]).map_err(wrong)?;
        let path = &bound.services.path;
        let granted = manifest.requested(&own, path).map_err(wrong)?;
        let granted = granted.union(&bound.grant);
        let asked = manifest.requested(&settings, path).map_err(wrong)?;
        let missing = asked.missing_from(&granted).explain();
        if !missing.is_empty() {
            return Err(fault(
                ErrorKind::Denied,
                format!(
                    "a wrapper asks for settings that need rights which the source has not: {}",
                    missing.join("; ")
                ),
                Some("what a wrapper may set cannot widen what was granted"),
            ));
        }
        Ok(Some(Value::Object(settings).to_string()))
    }
}

impl Bound {
    /// The component's manifest, read when it is needed for the first time.
    fn manifest(&self) -> Result<&Manifest, String> {
        if let Some(manifest) = self.manifest.get() {
            return Ok(manifest);
        }
        let kept = Locator::Kept(self.digest.clone());
        let component = component::inspect(&self.dirs, &kept).map_err(|error| error.to_string())?;
        Ok(self.manifest.get_or_init(|| component.manifest))
    }
}

fn invalid(message: String) -> Error {
    Error::Invalid(Failure {
        message,
        remedy: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Option<Value>, Error> {
        let may = BTreeSet::from(["spot".to_owned(), "plan".to_owned()]);
        let changes = Changes::read(text, &may)?;
        Ok(changes.0.map(|all| Value::Object(Config::clone(&all))))
    }

    #[test]
    fn only_what_was_named_can_be_changed() {
        for nothing in ["", " ", "{}"] {
            assert_eq!(read(nothing).expect("nothing"), None, "{nothing}");
        }
        assert_eq!(
            read(r#"{"spot": true, "plan": null}"#).expect("both are named"),
            Some(json!({"spot": true, "plan": null}))
        );
        for foreign in [
            r#"{"spot": true, "image": "x"}"#,
            r#"{"": 1}"#,
            r#"{"Spot": 1}"#,
        ] {
            assert!(matches!(read(foreign), Err(Error::Denied(_))), "{foreign}");
        }
        let long = format!("{{\"spot\": \"{}\"}}", "x".repeat(LONGEST));
        for broken in ["true", "[]", "{", r#"{"spot": 1} x"#, &long] {
            assert!(matches!(read(broken), Err(Error::Invalid(_))), "{broken}");
        }
    }

    #[test]
    fn the_nearest_has_the_last_word() {
        let all = |text: &str| {
            let may = ["a", "b", "c"].map(str::to_owned).into();
            Changes::read(text, &may).expect("settings")
        };
        let both = all(r#"{"a": 1, "b": 1}"#).then(all(r#"{"b": 2, "c": null}"#));
        let both = both.0.expect("something changed");
        assert_eq!(
            Value::Object(Config::clone(&both)),
            json!({"a": 1, "b": 2, "c": null})
        );
        assert!(all("").then(all("{}")).0.is_none());
        assert!(all(r#"{"a": 1}"#).then(all("")).0.is_some());
    }
}
