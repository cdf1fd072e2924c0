//! What a source's file means: names and values become a checked `SourceConfig`, or every problem at once.
//!
//! Keys that are not ours are the plugin's: they are kept with their places for its schema to judge. A pool has no
//! plugin, so its unknown keys are judged here.

use std::path::Path;

use runner_core::id::SourceName;
use runner_core::policy::Limit;

use super::document::{Document, Entry, Node, Spot, Value};
use super::error::{ConfigError, Position, Problem, closest};
use super::keys::{self, FLEET_KEYS, Key, PLUGIN_KEYS, POOL_KEYS, SOURCE_KEYS};
use super::roots::Origin;
use super::source::{PluginPath, SourceConfig, SourceKind};
use super::values::{self, Wrong};

/// What is known besides the file.
pub(super) struct Context<'c> {
    pub(super) name: &'c SourceName,
    /// Where relative paths start.
    pub(super) folder: &'c Path,
    pub(super) origin: Origin,
    /// The sources that a pool may name.
    pub(super) known: &'c [SourceName],
}

/// Checks a source's file.
pub(super) fn source(
    document: &Document,
    context: &Context<'_>,
) -> Result<SourceConfig, ConfigError> {
    let mut converter = Converter {
        document,
        context,
        problems: Vec::new(),
    };
    let source = converter.source();
    if !converter.problems.is_empty() {
        converter.suspect();
    }
    let problems = converter.problems;
    ConfigError::unless_empty(problems)?;
    // `source` is none only after a problem.
    source.ok_or_else(|| Problem::at(Position::whole(&document.file), "`type` is missing").into())
}

pub(super) struct Converter<'c> {
    pub(super) document: &'c Document,
    context: &'c Context<'c>,
    problems: Vec<Problem>,
}

impl Converter<'_> {
    fn source(&mut self) -> Option<SourceConfig> {
        let kind = self.kind();
        let bare = PluginPath::Name(String::new());
        let mut source = SourceConfig::bare(self.context.name.clone(), bare, self.context.origin);
        source.file = Some(self.document.file.clone());
        source.options_untyped = self.document.untyped;
        let is_pool = matches!(kind, Some(Kind::Pool));
        let is_ssh = matches!(&kind, Some(Kind::Plugin(PluginPath::Name(name))) if name == "ssh");
        let mut children = None;
        for entry in &self.document.root {
            self.mark(&mut source, &entry.key, entry.at);
            match entry.key.as_str() {
                "type" => {}
                "maximum" => source.maximum = self.value(entry, maximum),
                "reserve" => {
                    source.reserve = self.value(entry, values::count).unwrap_or_default();
                }
                "concurrency" => {
                    source.concurrency = self.value(entry, values::count).unwrap_or_default();
                }
                "priority" => {
                    source.numbers.priority = self.value(entry, values::signed).unwrap_or_default();
                }
                "tags" => self.tags(&mut source, entry),
                "hooks" => source.hooks = self.plugins(&mut source, entry),
                "sources" if is_pool => children = Some(self.children(&mut source, entry)),
                _ if is_pool => self.unknown_of_pool(entry),
                key if FLEET_KEYS.iter().any(|known| known.name == key) => {
                    self.fleet(&mut source, entry);
                }
                "limits" => self.limits(&mut source, entry),
                "wrap" => source.wrap = self.plugins(&mut source, entry),
                "ssh_host" if is_ssh => self.ssh_host(&mut source, entry),
                _ => self.option(&mut source, entry),
            }
        }
        if is_pool && source.concurrency > 0 {
            // crcache's manual allows it and crcache ignored it; to do so silently would be no better.
            let at = self.place(&source, "concurrency");
            let message = "`concurrency` of a pool has no effect: an instance has that of the source it comes from";
            self.problem(Problem::at(at, message).hint("write it there, and 0 or nothing here"));
        }
        self.agree(&source);
        source.kind = match kind? {
            Kind::Plugin(plugin) => SourceKind::Provider { plugin },
            Kind::Pool => SourceKind::Pool {
                sources: children.unwrap_or_else(|| {
                    let at = self.place(&source, "type");
                    self.problem(
                        Problem::at(at, "a pool needs `sources`")
                            .hint("name the sources that it draws on"),
                    );
                    Vec::new()
                }),
            },
        };
        Some(source)
    }

    fn kind(&mut self) -> Option<Kind> {
        let Some(entry) = self.document.root.iter().find(|entry| entry.key == "type") else {
            let mut names = self.document.root.iter().map(|entry| entry.key.as_str());
            let mut problem =
                Problem::at(Position::whole(&self.document.file), "`type` is missing");
            if self
                .document
                .root
                .iter()
                .any(|entry| entry.key == "sources")
            {
                problem = problem.hint("a source that draws on others has the type `pool`");
            } else if let Some(near) =
                names.find(|name| super::error::closest(name, ["type"]).is_some())
            {
                problem = problem.hint(format!("did you mean `type` by `{near}`?"));
            } else {
                problem = problem.hint("say what gives the instances: `local`, `ssh`, a plugin's name or path, or `pool`");
            }
            self.problem(problem);
            return None;
        };
        let text = self.text(entry)?;
        if text == "pool" {
            return Some(Kind::Pool);
        }
        self.plugin(text, entry.node.at, "type").map(Kind::Plugin)
    }

    /// The name or path of a plugin.
    pub(super) fn plugin(&mut self, text: &str, at: Spot, key: &str) -> Option<PluginPath> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let problem = if text.starts_with("~/") {
            self.at(at, format!("`{text}`: `~` is not replaced here"))
                .hint("write the whole path, or a path relative to this file's folder")
        } else if text.contains('/') || text.ends_with(".wasm") {
            return Some(PluginPath::File(self.context.folder.join(text)));
        } else if text.is_empty() {
            self.at(at, format!("`{key}` is empty"))
        } else if !text.chars().all(legal) || text.starts_with(['-', '.']) || text.len() > 64 {
            self.at(at, format!("`{text}` is not the name of a plugin"))
                .hint("names are letters, digits, `-`, `_` and `.`; a path has a `/` or ends in `.wasm`")
        } else if text == "pool" {
            self.at(at, "a pool cannot be a hook".to_owned())
        } else {
            return Some(PluginPath::Name(text.to_owned()));
        };
        self.problem(problem);
        None
    }

    fn children(&mut self, source: &mut SourceConfig, entry: &Entry) -> Vec<SourceName> {
        let before = self.problems.len();
        let mut children: Vec<SourceName> = Vec::new();
        for (index, (text, at)) in self.words(entry).into_iter().enumerate() {
            self.mark(source, &format!("sources.{index}"), at);
            let name = match SourceName::new(text.clone()) {
                Ok(name) => name,
                Err(error) => {
                    self.problem(self.at(at, error.to_string()));
                    continue;
                }
            };
            if name == *self.context.name {
                self.problem(self.at(at, format!("the pool `{name}` names itself")));
            } else if children.contains(&name) {
                self.problem(self.at(at, format!("`{name}` is named twice")));
            } else if !self.context.known.contains(&name) {
                let others = self
                    .context
                    .known
                    .iter()
                    .filter(|known| *known != self.context.name);
                let problem = self.at(at, format!("there is no source `{name}`"));
                self.problem(problem.suggest(&text, others.map(SourceName::as_str)));
            } else {
                children.push(name);
            }
        }
        if children.is_empty() && self.problems.len() == before {
            self.problem(
                self.at(
                    entry.at,
                    "a pool without sources has nothing to give".into(),
                )
                .hint("name at least one source"),
            );
        }
        children
    }

    fn unknown_of_pool(&mut self, entry: &Entry) {
        let key = entry.key.as_str();
        let problem = self.at(entry.at, format!("unknown key `{key}` of a pool"));
        let has = |keys: &[Key]| keys.iter().any(|known| known.name == key);
        self.problem(if has(PLUGIN_KEYS) {
            problem.hint(format!(
                "a pool has no plugin: write `{key}` in the sources that it draws on"
            ))
        } else if has(FLEET_KEYS) {
            problem.hint(format!(
                "a pool makes no instances: write `{key}` in the sources that it draws on"
            ))
        } else {
            problem.suggest(key, keys::names(&[SOURCE_KEYS, POOL_KEYS]))
        });
    }

    fn limits(&mut self, source: &mut SourceConfig, entry: &Entry) {
        let Value::Table(entries) = &entry.node.value else {
            return self.problem(self.wrong(entry.node.at, "limits", "a table", &entry.node.value));
        };
        let (limits, problems) = super::limits::read(self.document, entries);
        self.problems.extend(problems);
        for entry in entries {
            self.mark(source, &format!("limits.{}", entry.key), entry.at);
        }
        source.limits = limits;
    }

    /// crcache's one host is the ssh plugin's list of one.
    fn ssh_host(&mut self, source: &mut SourceConfig, entry: &Entry) {
        let Some(host) = self.text(entry).map(str::to_owned) else {
            return;
        };
        if host.is_empty() {
            return self.problem(self.at(entry.node.at, "`ssh_host` is empty".into()));
        }
        if self.document.root.iter().any(|other| other.key == "hosts") {
            let problem = self.at(entry.at, "`ssh_host` and `hosts` say the same thing".into());
            return self.problem(problem.hint("write all hosts in `hosts`"));
        }
        self.mark(source, "hosts", entry.at);
        source.options.insert("hosts".into(), vec![host].into());
    }

    /// A key that nobody here knows is the plugin's to judge. Where it is not asked because something else is wrong, those that
    /// are nearly one of ours are told at once.
    fn suspect(&mut self) {
        let own = || keys::names(&[SOURCE_KEYS, FLEET_KEYS, PLUGIN_KEYS, POOL_KEYS]);
        let told: Vec<_> = self
            .problems
            .iter()
            .map(|one| one.position.clone())
            .collect();
        for entry in &self.document.root {
            let key = entry.key.as_str();
            if own().any(|known| known == key) {
                continue;
            }
            let Some(meant) = closest(key, own()) else {
                continue;
            };
            let problem = self.at(entry.at, format!("`{key}` is no key of runner's own"));
            if !told.contains(&problem.position) {
                self.problem(problem.hint(format!(
                    "did you mean `{meant}`? If it is the plugin's key, this is about the rest only"
                )));
            }
        }
    }

    fn option(&mut self, source: &mut SourceConfig, entry: &Entry) {
        self.mark_all(source, &entry.key, entry.at, &entry.node);
        source
            .options
            .insert(entry.key.clone(), entry.node.value.to_json());
    }

    /// A value that one of `values.rs`' readers takes.
    pub(super) fn value<T>(
        &mut self,
        entry: &Entry,
        read: impl Fn(&str, &Value, bool) -> Result<T, Wrong>,
    ) -> Option<T> {
        match read(&entry.key, &entry.node.value, self.document.untyped) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.problem(wrong.at(self.document.position(entry.node.at)));
                None
            }
        }
    }

    pub(super) fn text<'e>(&mut self, entry: &'e Entry) -> Option<&'e str> {
        match &entry.node.value {
            Value::Text(text) => Some(text),
            other => {
                self.problem(self.wrong(entry.node.at, &entry.key, "a text", other));
                None
            }
        }
    }

    /// A list of texts; where the format has no lists, a text with commas.
    pub(super) fn words(&mut self, entry: &Entry) -> Vec<(String, Spot)> {
        let nodes = match &entry.node.value {
            Value::List(nodes) => nodes.clone(),
            Value::Text(_) if self.document.untyped => self.word_nodes(&entry.node),
            other => {
                let problem = self.wrong(entry.node.at, &entry.key, "a list", other);
                let hint = format!("write `{}` as a list of texts, also for one", entry.key);
                self.problem(problem.hint(hint));
                Vec::new()
            }
        };
        let mut words = Vec::new();
        for node in nodes {
            match node.value {
                Value::Text(text) => words.push((text, node.at)),
                other => self.problem(self.wrong(node.at, &entry.key, "a list of texts", &other)),
            }
        }
        words
    }

    pub(super) fn word_nodes(&self, node: &Node) -> Vec<Node> {
        let Value::Text(text) = &node.value else {
            return Vec::new();
        };
        text.split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(|word| Node {
                at: node.at,
                value: Value::Text(word.to_owned()),
            })
            .collect()
    }

    pub(super) fn wrong(&self, at: Spot, key: &str, wanted: &str, found: &Value) -> Problem {
        values::wrong(key, wanted, found).at(self.document.position(at))
    }

    pub(super) fn at(&self, at: Spot, message: String) -> Problem {
        Problem::at(self.document.position(at), message)
    }

    /// How many there are so far.
    pub(super) fn problems(&self) -> usize {
        self.problems.len()
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn place(&self, source: &SourceConfig, key: &str) -> Position {
        source
            .position_of(key)
            .unwrap_or_else(|| Position::whole(&self.document.file))
    }

    pub(super) fn mark(&self, source: &mut SourceConfig, key: &str, at: Spot) {
        source
            .positions
            .insert(key.to_owned(), self.document.position(at));
    }

    pub(super) fn mark_all(&self, source: &mut SourceConfig, key: &str, at: Spot, node: &Node) {
        self.mark(source, key, at);
        match &node.value {
            Value::List(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    self.mark_all(source, &format!("{key}.{index}"), node.at, node);
                }
            }
            Value::Table(entries) => {
                for entry in entries {
                    self.mark_all(
                        source,
                        &format!("{key}.{}", entry.key),
                        entry.at,
                        &entry.node,
                    );
                }
            }
            Value::Nothing
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_) => {}
        }
    }
}

enum Kind {
    Plugin(PluginPath),
    Pool,
}

/// 0 is "no limit" in files only.
/// A bound; `none` is a bound of zero, because 0 is no bound.
fn maximum(key: &str, value: &Value, untyped: bool) -> Result<Limit, values::Wrong> {
    match value {
        Value::Text(text) if text == "none" => Ok(Limit::At(0)),
        value => values::count(key, value, untyped).map(limit),
    }
}

pub(super) fn limit(count: u32) -> Limit {
    match count {
        0 => Limit::Unlimited,
        bound => Limit::At(bound),
    }
}
