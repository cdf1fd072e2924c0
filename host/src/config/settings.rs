//! `config.toml` of the roots: what holds for every source. Each key comes from the first root that sets it.
//!
//! A project's file may choose the default source and nothing else: limits and ssh's configuration file decide what
//! plugins can do to the machine, and that is the user's to say.

use std::path::{Path, PathBuf};

use runner_core::id::SourceName;
use runner_core::policy::Millis;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::document::{Document, Entry, Value};
use super::error::{ConfigError, Position, Problem};
use super::keys::{self, SETTINGS_KEYS};
use super::limits;
use super::registries::{self, TrustRule};
use super::roots::{Origin, Roots};
use super::values::{self, Wrong};

/// The file's name in each root.
pub(super) const FILE: &str = "config.toml";

/// What the files say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `defaults.source`.
    pub default_source: Option<Setting<SourceName>>,
    /// `ssh.config`, with a relative path resolved.
    pub ssh_config: Option<Setting<PathBuf>>,
    /// `[http]`: only the user's.
    pub http: Http,
    /// `plugins.registries`, in their order.
    pub registries: Option<Setting<Vec<String>>>,
    /// `plugins.trust`.
    pub trust: Option<Setting<Vec<TrustRule>>>,
    /// `[limits]`: only the user's, each key from the first file that has it.
    pub limits: Map<String, Json>,
    /// `[fleet]`: only the user's, each key from the first file that has it.
    pub fleet: Fleet,
    /// Where each key of `[fleet]` stands.
    pub(super) fleet_places: Vec<(String, Position)>,
    /// Where each limit stands, and everything that a file sets in vain because an earlier one did.
    pub(super) limit_places: Vec<(String, Position)>,
    pub(super) shadowed: Vec<(String, Position)>,
}

/// How plugins' HTTP requests leave.
#[derive(Clone, Debug, Default)]
pub struct Http {
    /// With a relative path resolved.
    pub ca_file: Option<Setting<PathBuf>>,
    /// Empty: no proxy.
    pub proxy: Option<Setting<String>>,
    pub no_proxy: Option<Setting<String>>,
}

impl Http {
    fn values(&self) -> (Option<&PathBuf>, Option<&String>, Option<&String>) {
        (
            self.ca_file.as_ref().map(|set| &set.value),
            self.proxy.as_ref().map(|set| &set.value),
            self.no_proxy.as_ref().map(|set| &set.value),
        )
    }
}

/// What holds for the whole fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fleet {
    /// How long something of ours that is in no book is left alone before it is destroyed.
    pub orphan_grace: Millis,
    /// How long what is over is remembered; none: for ever.
    pub history: Option<Millis>,
    /// Instances that are checked at the same time; at least 1.
    pub checks_at_once: u32,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            orphan_grace: Millis::seconds(600),
            history: Some(Millis::seconds(30 * 86_400)),
            checks_at_once: 8,
        }
    }
}

impl Fleet {
    /// Its keys with their values as they would be written.
    pub(super) fn written(&self) -> [(&'static str, Json); 3] {
        [
            ("orphan_grace", self.orphan_grace.to_string().into()),
            (
                "history",
                self.history.unwrap_or_default().to_string().into(),
            ),
            ("checks_at_once", self.checks_at_once.into()),
        ]
    }

    fn read(&mut self, key: &str, value: &Value) -> Result<(), Wrong> {
        match key {
            "orphan_grace" => self.orphan_grace = values::duration(key, value)?,
            "history" => {
                let span = values::duration(key, value)?;
                self.history = (span > Millis(0)).then_some(span);
            }
            "checks_at_once" => self.checks_at_once = values::at_least_one(key, value, false)?,
            _ => {}
        }
        Ok(())
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    pub value: T,
    pub position: Position,
}

impl Settings {
    /// Where a limit of `[limits]` stands.
    pub fn position_of_limit(&self, name: &str) -> Option<&Position> {
        let mut places = self.limit_places.iter();
        places.find(|(known, _)| known == name).map(|(_, at)| at)
    }

    /// The same values, wherever they stand.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let values = |settings: &Self| {
            (
                settings
                    .default_source
                    .as_ref()
                    .map(|set| set.value.clone()),
                settings.ssh_config.as_ref().map(|set| set.value.clone()),
                settings.registries.as_ref().map(|set| set.value.clone()),
                settings.trust.as_ref().map(|set| set.value.clone()),
                settings.limits.clone(),
                settings.fleet,
            )
        };
        values(self) == values(other) && self.http.values() == other.http.values()
    }

    /// Where a key of `[fleet]` stands.
    pub(super) fn position_of_fleet(&self, name: &str) -> Option<&Position> {
        let mut places = self.fleet_places.iter();
        places.find(|(known, _)| known == name).map(|(_, at)| at)
    }
}

/// Reads the files of all roots; every problem of all of them at once.
pub(super) fn read(roots: &Roots) -> Result<Settings, ConfigError> {
    let mut reader = Reader::default();
    for (root, origin) in roots.in_order() {
        let file = root.join(FILE);
        if file.symlink_metadata().is_err() {
            continue;
        }
        match Document::toml(&file) {
            Ok(document) => reader.document(&document, root, origin),
            Err(error) => reader.problems.extend(error.problems),
        }
    }
    if reader.problems.is_empty() {
        Ok(reader.settings)
    } else {
        Err(ConfigError {
            problems: reader.problems,
        })
    }
}

#[derive(Default)]
struct Reader {
    settings: Settings,
    problems: Vec<Problem>,
}

impl Reader {
    fn document(&mut self, document: &Document, root: &Path, origin: Origin) {
        for table in &document.root {
            let at = document.position(table.at);
            let tables: Vec<&str> = keys::names(&[SETTINGS_KEYS])
                .map(|name| name.split('.').next().unwrap_or(name))
                .collect();
            if !tables.contains(&table.key.as_str()) {
                let problem = Problem::at(at, format!("unknown key `{}`", table.key));
                let loose = SETTINGS_KEYS
                    .iter()
                    .find(|key| key.name.ends_with(&format!(".{}", table.key)));
                self.problems.push(match loose {
                    Some(key) => problem.hint(format!("did you mean `{}`?", key.name)),
                    None => problem.suggest(&table.key, tables),
                });
                continue;
            }
            let Value::Table(entries) = &table.node.value else {
                let message = format!(
                    "`{}` must be a table, not {}",
                    table.key,
                    table.node.value.kind()
                );
                self.problems
                    .push(Problem::at(at, message).hint(format!("write a line `[{}]`", table.key)));
                continue;
            };
            if table.key == "limits" {
                self.limits(document, entries, origin);
                continue;
            }
            for entry in entries {
                self.entry(document, root, origin, &table.key, entry);
            }
        }
    }

    fn entry(
        &mut self,
        document: &Document,
        root: &Path,
        origin: Origin,
        table: &str,
        entry: &Entry,
    ) {
        let key = format!("{table}.{}", entry.key);
        let at = document.position(entry.at);
        if !SETTINGS_KEYS.iter().any(|known| known.name == key) {
            let problem = Problem::at(at, format!("unknown key `{}` in `[{table}]`", entry.key));
            let known = keys::names(&[SETTINGS_KEYS])
                .filter_map(|name| name.strip_prefix(table)?.strip_prefix('.'));
            self.problems.push(problem.suggest(&entry.key, known));
            return;
        }
        if table == "fleet" {
            return self.fleet(document, entry, at, origin);
        }
        if table == "plugins" {
            return self.plugins(document, root, entry, at, origin);
        }
        let Value::Text(text) = &entry.node.value else {
            let message = format!("`{key}` must be a text, not {}", entry.node.value.kind());
            return self
                .problems
                .push(Problem::at(document.position(entry.node.at), message));
        };
        if key == "defaults.source" {
            match SourceName::new(text.clone()) {
                Ok(value) => set(
                    &mut self.settings.default_source,
                    &mut self.settings.shadowed,
                    &key,
                    value,
                    at,
                ),
                Err(error) => self.problems.push(Problem::at(
                    document.position(entry.node.at),
                    error.to_string(),
                )),
            }
        } else if origin == Origin::Project {
            self.problems.push(refused(at, &key));
        } else if let "http.proxy" | "http.no_proxy" = key.as_str() {
            let slot = match key.as_str() {
                "http.proxy" => &mut self.settings.http.proxy,
                _ => &mut self.settings.http.no_proxy,
            };
            set(slot, &mut self.settings.shadowed, &key, text.clone(), at);
        } else if text.is_empty() || text.starts_with("~/") {
            let message = format!("`{key}` must be the path of a file, not `{text}`");
            self.problems.push(
                Problem::at(document.position(entry.node.at), message)
                    .hint("write the whole path, or one relative to this file's folder"),
            );
        } else {
            let slot = match key.as_str() {
                "http.ca_file" => &mut self.settings.http.ca_file,
                _ => &mut self.settings.ssh_config,
            };
            set(slot, &mut self.settings.shadowed, &key, root.join(text), at);
        }
    }

    fn fleet(&mut self, document: &Document, entry: &Entry, at: Position, origin: Origin) {
        let key = format!("fleet.{}", entry.key);
        let mut fleet = self.settings.fleet;
        if let Err(wrong) = fleet.read(&entry.key, &entry.node.value) {
            let at = document.position(entry.node.at);
            self.problems.push(wrong.at(at));
        } else if origin == Origin::Project {
            self.problems.push(refused(at, &key));
        } else if self.settings.position_of_fleet(&entry.key).is_some() {
            self.settings.shadowed.push((key, at));
        } else {
            self.settings.fleet = fleet;
            self.settings.fleet_places.push((entry.key.clone(), at));
        }
    }

    fn plugins(
        &mut self,
        document: &Document,
        root: &Path,
        entry: &Entry,
        at: Position,
        origin: Origin,
    ) {
        let key = format!("plugins.{}", entry.key);
        if origin == Origin::Project {
            return self.problems.push(refused(at, &key));
        }
        let shadowed = &mut self.settings.shadowed;
        let read = if entry.key == "registries" {
            registries::registries(document, &entry.node)
                .map(|value| set(&mut self.settings.registries, shadowed, &key, value, at))
        } else {
            registries::trust(document, root, &entry.node)
                .map(|value| set(&mut self.settings.trust, shadowed, &key, value, at))
        };
        if let Err(problems) = read {
            self.problems.extend(problems);
        }
    }

    fn limits(&mut self, document: &Document, entries: &[Entry], origin: Origin) {
        let (limits, problems) = limits::read(document, entries);
        self.problems.extend(problems);
        for entry in entries {
            let key = format!("limits.{}", entry.key);
            let at = document.position(entry.at);
            if origin == Origin::Project {
                self.problems.push(refused(at, &key));
            } else if self.settings.limits.contains_key(&entry.key) {
                self.settings.shadowed.push((key, at));
            } else if let Some(value) = limits.get(&entry.key) {
                self.settings
                    .limits
                    .insert(entry.key.clone(), value.clone());
                self.settings.limit_places.push((entry.key.clone(), at));
            }
        }
    }
}

fn set<T>(
    slot: &mut Option<Setting<T>>,
    shadowed: &mut Vec<(String, Position)>,
    key: &str,
    value: T,
    position: Position,
) {
    match slot {
        Some(_) => shadowed.push((key.to_owned(), position)),
        None => *slot = Some(Setting { value, position }),
    }
}

fn refused(at: Position, key: &str) -> Problem {
    Problem::at(at, format!("a project cannot set `{key}`"))
        .hint("a project's settings select and limit; write it in your own `config.toml`")
}
