//! Reading everything anew in a process that lives on: what is in order takes effect, what is broken leaves the last
//! good word in force, source by source, and is reported.

use std::collections::BTreeMap;
use std::sync::Arc;

use runner_core::id::SourceName;

use super::discover::Config;
use super::error::{ConfigError, Problem};
use super::found::{Found, Held};
use super::limits;
use super::pools;
use super::settings;
use super::source::{SourceConfig, SourceKind};

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Sources that were not there, or could not be used. At the first reload: all.
    pub added: Vec<SourceName>,
    /// Sources that say something else now.
    pub changed: Vec<SourceName>,
    /// Sources that are not configured any more.
    pub removed: Vec<SourceName>,
    /// Sources that are broken, so that what they said last is in force.
    pub kept: Vec<SourceName>,
    /// Sources that are broken and never said anything that could be in force.
    pub unusable: Vec<SourceName>,
    /// `config.toml` says something else now.
    pub settings: bool,
    /// Everything that is wrong, also when it was wrong before.
    pub problems: Vec<Problem>,
}

impl Changes {
    /// Nothing is new, and nothing is wrong.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Config {
    /// Reads everything anew, and from now on answers with it. `accept` says what else is wrong with a source (its
    /// plugin's keys). Never fails: what is broken stays as it was after the last `reload`.
    pub fn reload(&self, accept: impl Fn(&SourceConfig) -> Result<(), ConfigError>) -> Changes {
        let before = self.found();
        let mut after = Found::look(self.roots());
        let mut changes = Changes {
            problems: after.problems.clone(),
            ..Changes::default()
        };
        after.keep_unlisted(&before);
        self.reload_settings(&before, &after, &mut changes);

        let nothing = Held::new();
        let previous = before.held.as_ref().unwrap_or(&nothing);
        let read = |name: &SourceName| match after.fresh(name)? {
            Some(source) => {
                limits::of_source(&*after.settings(self.roots())?, &source)?;
                accept(&source).map(|()| source)
            }
            None => Err(self.unknown(name).into()),
        };
        let mut held = Held::new();
        for name in after.names() {
            let source =
                read(&name).or_else(|error| fall_back(previous, &name, error, &mut changes));
            held.insert(name, source);
        }
        settle(&mut held, previous, &mut changes);
        changes.compare(previous, &held);
        after.held = Some(held);
        self.replace(after);
        changes
    }

    fn reload_settings(&self, before: &Found, after: &Found, changes: &mut Changes) {
        let last = before.settings.get().and_then(|last| last.as_ref().ok());
        let read = match (settings::read(self.roots()), last) {
            (Ok(new), last) => {
                changes.settings = last.is_none_or(|last| !last.says_the_same(&new));
                Ok(Arc::new(new))
            }
            (Err(error), last) => {
                changes.problems.extend(error.problems.clone());
                last.map(Arc::clone).ok_or(error)
            }
        };
        // It is new, so that it is empty.
        after.settings.get_or_init(|| read);
    }
}

impl Found {
    /// A folder that cannot be listed at the moment says nothing about the sources in it.
    fn keep_unlisted(&mut self, before: &Self) {
        for (name, folder) in &before.folders {
            let hidden = self
                .unlisted
                .iter()
                .any(|root| folder.path.starts_with(root));
            if hidden && !self.folders.contains_key(name) {
                self.folders.insert(name.clone(), folder.clone());
            }
        }
    }
}

/// What a source that is broken said last.
fn fall_back(
    previous: &Held,
    name: &SourceName,
    error: ConfigError,
    changes: &mut Changes,
) -> Result<SourceConfig, ConfigError> {
    changes.problems.extend(error.problems.clone());
    match previous.get(name) {
        Some(Ok(last)) => {
            changes.kept.push(name.clone());
            Ok(last.clone())
        }
        _ => {
            changes.unusable.push(name.clone());
            Err(error)
        }
    }
}

/// Old and new together must make sense too: a pool that is kept may draw on sources that are gone, and may close a
/// circle with one that is new.
fn settle(held: &mut Held, previous: &Held, changes: &mut Changes) {
    for name in changes.kept.clone() {
        let known: Vec<SourceName> = held.keys().cloned().collect();
        if let Some(Ok(SourceConfig {
            kind: SourceKind::Pool { sources },
            ..
        })) = held.get_mut(&name)
        {
            sources.retain(|child| known.contains(child));
        }
    }
    let pools: BTreeMap<SourceName, SourceConfig> = held
        .iter()
        .filter_map(|(name, source)| Some((name.clone(), source.clone().ok()?)))
        .collect();
    for (name, source) in &pools {
        if changes.kept.contains(name) {
            continue;
        }
        if let Err(error) = pools::check(source, |name| pools.get(name).cloned()) {
            let last = fall_back(previous, name, error, changes);
            held.insert(name.clone(), last);
        }
    }
}

impl Changes {
    fn compare(&mut self, previous: &Held, held: &Held) {
        for (name, source) in held {
            match (previous.get(name), source) {
                (Some(Ok(last)), Ok(source)) if last.says_the_same(source) => {}
                (Some(Ok(_)), Ok(_)) => self.changed.push(name.clone()),
                (_, Ok(_)) => self.added.push(name.clone()),
                (_, Err(_)) => {}
            }
        }
        let gone = previous.keys().filter(|name| !held.contains_key(*name));
        self.removed = gone.cloned().collect();
    }
}
