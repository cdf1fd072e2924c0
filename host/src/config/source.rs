//! A source as it is configured: what the rest of the program sees of `source.toml` and `source.conf`.
//!
//! Only types and what follows from them. Reading and checking is `convert.rs`, finding is `discover.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use runner_core::id::SourceName;
use runner_core::policy::{Limit, Policy, Tag};
use serde::Serialize;

use super::error::{Position, Problem, closest};
use super::keys::{self, FLEET_KEYS, PLUGIN_KEYS, SOURCE_KEYS};
use super::roots::Origin;
use super::schedule::Schedule;

/// A source as it is configured, checked as far as that is possible without its plugin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceConfig {
    /// Its name: the folder's, or made of the component file's for `--source FILE.wasm`.
    pub name: SourceName,
    /// What gives the instances.
    pub kind: SourceKind,
    /// The upper bound, if one is written. None: the plugin's manifest says it.
    pub maximum: Option<Limit>,
    /// Do not discard below this many that exist.
    pub reserve: u32,
    /// Commands that one instance takes at once; 0: as many as it has processors.
    pub concurrency: u32,
    /// Every other number of its policy; the three above do not count here.
    pub numbers: Policy,
    /// What tickets can ask for.
    pub tags: Vec<Tag>,
    /// Windows of time with another `prealloc`; the first with an open window counts.
    pub schedule: Vec<Schedule>,
    /// For `sh` on the instance, as part of each check.
    pub check_command: Option<String>,
    /// The plugin's own keys, not yet checked against its schema.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// The options are texts because the format has no types (INI, command line): the schema gives them theirs.
    pub options_untyped: bool,
    /// Hook plugins, in order; those of a pool route.
    pub hooks: Vec<HookConfig>,
    /// Wrappers in front of the provider, the outermost first.
    pub wrap: Vec<HookConfig>,
    /// Limits per plugin call that this source sets: the keys of `[limits]`, not yet laid over the defaults.
    pub limits: serde_json::Map<String, serde_json::Value>,
    /// The folders of scripts that there are, by the word before `.d`: one of `scripts::POINTS`.
    pub scripts: BTreeMap<String, PathBuf>,
    /// Whose word this is.
    pub origin: Origin,
    /// The file it was read from; none for the implicit `local` and for `--source FILE.wasm`.
    pub file: Option<PathBuf>,
    /// Folders of later roots that define the same name and are therefore not used, in order of precedence.
    pub shadowed: Vec<PathBuf>,
    /// Where each key stands.
    #[serde(skip)]
    pub(super) positions: BTreeMap<String, Position>,
}

/// What gives a source its instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// A provider plugin.
    Provider {
        /// Which one.
        plugin: PluginPath,
    },
    /// Other sources, in order of preference.
    Pool {
        /// At least one; each is known, none is the pool itself.
        sources: Vec<SourceName>,
    },
}

/// How a plugin is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginPath {
    /// Embedded or installed.
    Name(String),
    /// A component file. In a settings file a relative path starts at that file's folder.
    File(PathBuf),
}

/// A hook plugin or a wrapper of a source.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HookConfig {
    /// Which one.
    pub plugin: PluginPath,
    /// Its own keys, not yet checked against its schema.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// Of a wrapper: the keys of the provider behind it that it may change for an instance that it asks for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub sets: BTreeSet<String>,
}

impl SourceConfig {
    /// A source of this plugin with nothing configured.
    pub(super) fn bare(name: SourceName, plugin: PluginPath, origin: Origin) -> Self {
        Self {
            name,
            kind: SourceKind::Provider { plugin },
            maximum: None,
            reserve: 0,
            concurrency: 0,
            numbers: Policy::default(),
            tags: Vec::new(),
            schedule: Vec::new(),
            check_command: None,
            options: serde_json::Map::new(),
            options_untyped: false,
            hooks: Vec::new(),
            wrap: Vec::new(),
            limits: serde_json::Map::new(),
            scripts: BTreeMap::new(),
            origin,
            file: None,
            shadowed: Vec::new(),
            positions: BTreeMap::new(),
        }
    }

    /// It was given as a component file on the command line: no settings file has a say.
    pub fn is_adhoc(&self) -> bool {
        let plugin = match &self.kind {
            SourceKind::Provider { plugin } => plugin,
            SourceKind::Pool { .. } => return false,
        };
        self.file.is_none() && matches!(plugin, PluginPath::File(_))
    }

    /// The source of `--source FILE.wasm:key=value,…`. Its name is the file's, without the ending and with what
    /// no source name may hold turned into `-`; the plugin's schema types the options.
    ///
    /// Two files of the same name give the same source name; what tells their instances apart is the digest of
    /// the component that each instance keeps.
    pub fn adhoc(path: &Path, options: &[(String, String)]) -> Self {
        let mut source = Self::bare(
            adhoc_name(path),
            PluginPath::File(path.to_owned()),
            Origin::User,
        );
        source.options_untyped = true;
        for (key, text) in options {
            // A key that is repeated is a list.
            match source.options.get_mut(key) {
                None => drop(source.options.insert(key.clone(), text.as_str().into())),
                Some(serde_json::Value::Array(texts)) => texts.push(text.as_str().into()),
                Some(one) => *one = vec![one.take(), text.as_str().into()].into(),
            }
        }
        source
    }

    /// A source that a project's file describes in its own terms; its options have their types.
    pub fn of_project(
        name: SourceName,
        plugin: PluginPath,
        options: serde_json::Map<String, serde_json::Value>,
    ) -> Self {
        Self {
            options,
            ..Self::bare(name, plugin, Origin::Project)
        }
    }

    /// The limits, given what the plugin's manifest says about the maximum; without the schedule.
    pub fn policy(&self, maximum_of_plugin: Limit) -> Policy {
        Policy {
            maximum: self.maximum.unwrap_or(maximum_of_plugin),
            reserve: self.reserve,
            concurrency: self.concurrency,
            ..self.numbers
        }
    }

    /// The same values, wherever in the file they stand.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let values = |source: &Self| Self {
            positions: BTreeMap::new(),
            ..source.clone()
        };
        values(self) == values(other)
    }

    /// Where a key stands: `image`, `limits.compute`, `hosts.0` or `hosts[0]`. A key inside a value that has no place
    /// of its own is at its parent's place.
    pub fn position_of(&self, key: &str) -> Option<Position> {
        let dotted = key.replace('[', ".").replace(']', "");
        let mut key = dotted.as_str();
        loop {
            if let Some(position) = self.positions.get(key) {
                return Some(position.clone());
            }
            (key, _) = key.rsplit_once('.')?;
        }
    }

    /// A problem with a key that only somebody else could find (the plugin's schema), with the key's place; that of
    /// the file for a key that is missing.
    pub fn problem(&self, key: &str, message: &str, hint: Option<&str>) -> Problem {
        let position = self
            .position_of(key)
            .or_else(|| self.file.clone().map(Position::whole));
        let mut problem = Problem::nowhere(message);
        problem.position = position;
        match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }

    /// A problem that the plugin's schema has with a key, with the key's place. A key that is near to one of runner's
    /// own is asked about, unless the schema knows better.
    pub fn schema_problem(&self, key: &str, message: &str, meant: Option<&str>) -> Problem {
        let message = match key {
            "" => message.to_owned(),
            key => format!("`{key}`: {message}"),
        };
        let problem = self.problem(key, &message, None);
        let given = self.options.contains_key(key);
        let own = keys::names(&[SOURCE_KEYS, FLEET_KEYS, PLUGIN_KEYS]);
        match (meant, closest(key, own)) {
            (Some(meant), _) => problem.hint(format!("did you mean `{meant}`?")),
            (None, Some(own)) if given && own != key => {
                problem.hint(format!("did you mean runner's own key `{own}`?"))
            }
            _ => problem,
        }
    }

    /// What the plugin's schema is given: values that have a type, and texts that it shall give one (a key that is
    /// repeated adds up to a list). `overrides` are the command line's `-o`: each replaces what is configured.
    pub fn for_schema(
        &self,
        overrides: &[(String, String)],
    ) -> (
        serde_json::Map<String, serde_json::Value>,
        Vec<(String, String)>,
    ) {
        if !self.options_untyped {
            return (self.options.clone(), overrides.to_vec());
        }
        let mut texts = Vec::new();
        for (key, value) in &self.options {
            if overrides.iter().any(|(other, _)| other == key) {
                continue;
            }
            let one = std::slice::from_ref(value);
            for value in value.as_array().map_or(one, Vec::as_slice) {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                texts.push((key.clone(), text));
            }
        }
        texts.extend_from_slice(overrides);
        (serde_json::Map::new(), texts)
    }
}

/// The file's name without its ending, made a legal source name.
fn adhoc_name(path: &Path) -> SourceName {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = stem
        .chars()
        .map(|c| if legal(c) { c } else { '-' })
        .take(64)
        .collect();
    let name = name.trim_start_matches(['.', '-']);
    SourceName::new(name).unwrap_or_else(|_| plugin_name())
}

/// What a file is called whose name has no legal character.
fn plugin_name() -> SourceName {
    literal_name("plugin")
}

/// The source that exists without any configuration.
pub(super) fn local_name() -> SourceName {
    literal_name("local")
}

#[expect(
    clippy::unwrap_used,
    reason = "only called with the two names in this file, both tested"
)]
fn literal_name(name: &str) -> SourceName {
    SourceName::new(name).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_component_files() {
        let long = format!("/x/{}.wasm", "é".repeat(80));
        let table = [
            ("./foo.wasm", "foo"),
            ("/a/b c.wasm", "b-c"),
            ("foo.v2.wasm", "foo.v2"),
            ("-x.wasm", "x"),
            ("..wasm", "plugin"),
            ("/tmp/é.wasm", "plugin"),
            (&long, "plugin"),
            ("fé.wasm", "f-"),
        ];
        for (path, name) in table {
            let source = SourceConfig::adhoc(Path::new(path), &[]);
            assert_eq!(source.name.as_str(), name, "{path}");
        }
        assert_eq!(local_name().as_str(), "local");
    }

    #[test]
    fn adhoc_options_are_untyped_and_nowhere() {
        let options = [("cpus".to_owned(), "2".to_owned())];
        let source = SourceConfig::adhoc(Path::new("foo.wasm"), &options);
        assert!(source.options_untyped);
        assert_eq!(source.options["cpus"], "2");
        assert_eq!(source.position_of("cpus"), None);
        assert_eq!(source.origin, Origin::User);
        assert_eq!(source.policy(Limit::At(3)).maximum, Limit::At(3));
    }

    #[test]
    fn what_the_schema_is_given() {
        let texts = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let owned = pairs
                .iter()
                .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()));
            owned.collect()
        };
        let inline = texts(&[
            ("hosts", "a"),
            ("cpus", "1"),
            ("hosts", "b"),
            ("hosts", "c"),
        ]);
        let mut source = SourceConfig::adhoc(Path::new("foo.wasm"), &inline);
        let (typed, given) = source.for_schema(&texts(&[("cpus", "2")]));
        assert!(typed.is_empty());
        let wanted = [
            ("hosts", "a"),
            ("hosts", "b"),
            ("hosts", "c"),
            ("cpus", "2"),
        ];
        assert_eq!(given, texts(&wanted));
        let (_, given) = source.for_schema(&texts(&[("hosts", "x"), ("hosts", "y")]));
        assert_eq!(
            given,
            texts(&[("cpus", "1"), ("hosts", "x"), ("hosts", "y")])
        );
        source.options_untyped = false;
        let (typed, given) = source.for_schema(&texts(&[("cpus", "2")]));
        assert_eq!(typed, source.options);
        assert_eq!(given, texts(&[("cpus", "2")]));
    }

    #[test]
    fn a_nested_key_is_at_its_parents_place() {
        let mut source = SourceConfig::adhoc(Path::new("foo.wasm"), &[]);
        let at = Position {
            file: "f".into(),
            line: 2,
            column: 1,
        };
        source.positions.insert("image".into(), at.clone());
        assert_eq!(source.position_of("image.tag.x"), Some(at.clone()));
        assert_eq!(source.position_of("image[2].x"), Some(at.clone()));
        assert_eq!(source.position_of("other"), None);
        let problem = source.problem("image", "`7` is not a text", None);
        assert_eq!(problem.to_string(), "f:2:1: `7` is not a text");
    }
}
