//! Newer versions: what would change, told before anything does.

use std::collections::BTreeSet;

use semver::Version;
use serde::Serialize;
use serde_json::Value;

use super::install::{Installed, locked};
use super::{App, Candidate, FetchOptions};
use crate::engine::{EngineError, FailureKind, Result};
use crate::plugin::{Component, Manifest};
use crate::registry::{Receipt, Reference, Wanted, Which};

/// A newer version that could be taken.
#[derive(Debug)]
pub struct Update {
    pub name: String,
    pub changes: Vec<Change>,
    candidate: Candidate,
}

/// One thing that would be otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// `version`, `size`, `imports`, `requests`, `offers`, `conformance`, `signed by` or `component`.
    pub what: &'static str,
    /// What is there now and would be gone.
    pub before: Vec<String>,
    /// What would be new.
    pub after: Vec<String>,
}

impl App {
    /// The newer versions of some installed plugins, or of all; fetched and looked at, not installed.
    pub fn plugin_updates(&self, names: &[String], options: &FetchOptions) -> Result<Vec<Update>> {
        let client = self.registry(options)?;
        let mut updates = Vec::new();
        for (component, receipt) in self.registered(names)? {
            let wanted = Wanted::At(Reference {
                repository: receipt.from.clone(),
                which: Which::Newest(receipt.range.clone()),
            });
            let mut place = self.place(&client, &wanted, options)?;
            let old = Version::parse(&receipt.version).ok();
            // What is not newer stays unfetched; `outdated` shows a registry that went back.
            if place.version <= old && !options.downgrade {
                continue;
            }
            place.range = receipt.range.clone();
            let candidate = self.candidate(&client, place, options)?;
            if candidate.receipt.component == receipt.component {
                continue;
            }
            updates.push(Update {
                name: receipt.name.clone(),
                changes: changes(&component, &receipt, &candidate),
                candidate,
            });
        }
        Ok(updates)
    }

    /// Takes one.
    pub fn plugin_update(&self, update: Update, options: &FetchOptions) -> Result<Installed> {
        // The lock follows where it has the plugin: that is what updating a project means.
        let name = &update.name;
        let pinned = self.lock()?.and_then(|lock| lock.get(name).cloned());
        let follows = pinned.is_some_and(|pin| pin != locked(&update.candidate.receipt));
        let options = FetchOptions {
            lock: options.lock || follows,
            ..options.clone()
        };
        self.take(update.candidate, &options)
    }

    /// The installed plugins that came from registries: those with these names, or all.
    pub(super) fn registered(&self, names: &[String]) -> Result<Vec<(Component, Receipt)>> {
        let all = match names.is_empty() {
            true => self.plugin_dirs().names(),
            false => names.to_vec(),
        };
        let mut found = Vec::new();
        for name in all {
            match self.present(&name) {
                Some((component, Some(receipt))) => found.push((component, receipt)),
                // Nobody asked for this one.
                _ if names.is_empty() => {}
                present => {
                    let message = match present {
                        Some(_) => format!("the plugin `{name}` did not come from a registry"),
                        None => format!("no plugin `{name}` is installed"),
                    };
                    return Err(EngineError::new(FailureKind::Invalid, message)
                        .hint("`runner plugin install` takes one from a registry"));
                }
            }
        }
        Ok(found)
    }
}

/// What is otherwise in the new one.
fn changes(old: &Component, receipt: &Receipt, new: &Candidate) -> Vec<Change> {
    let one = |what, before: String, after: String| Change {
        what,
        before: vec![before],
        after: vec![after],
    };
    let several = |what, before: BTreeSet<String>, after: BTreeSet<String>| Change {
        what,
        before: before.difference(&after).cloned().collect(),
        after: after.difference(&before).cloned().collect(),
    };
    let set = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>();
    let bytes = |size: u64| format!("{size} bytes");
    let component = &new.component;
    let all = [
        one(
            "version",
            receipt.version.clone(),
            new.receipt.version.clone(),
        ),
        one("size", bytes(old.size), bytes(component.size)),
        several("imports", set(&old.imports), set(&component.imports)),
        several("offers", set(&old.exports), set(&component.exports)),
        several(
            "requests",
            requests(&old.manifest),
            requests(&component.manifest),
        ),
        one("conformance", receipt.standing(), new.receipt.standing()),
        one(
            "signed by",
            receipt.signed.to_string(),
            new.receipt.signed.to_string(),
        ),
        one(
            "component",
            receipt.component.to_string(),
            new.receipt.component.to_string(),
        ),
    ];
    all.into_iter()
        .filter(|change| change.before != change.after)
        .collect()
}

/// Each single thing that a plugin asks for, as its manifest writes it.
fn requests(manifest: &Manifest) -> BTreeSet<String> {
    let Ok(Value::Object(requests)) = serde_json::to_value(&manifest.requests) else {
        return BTreeSet::new();
    };
    let mut all = BTreeSet::new();
    for (key, value) in requests {
        match value {
            Value::Array(list) => all.extend(list.iter().map(|one| format!("{key} {one}"))),
            Value::Object(map) => {
                all.extend(map.iter().map(|(name, one)| format!("{key} {name} {one}")))
            }
            Value::Null | Value::Bool(false) => {}
            Value::Bool(true) => {
                all.insert(key);
            }
            Value::Number(_) | Value::String(_) => {
                all.insert(format!("{key} {value}"));
            }
        }
    }
    all
}
