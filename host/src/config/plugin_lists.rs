//! The lists of plugins in a source's file: hooks and wrappers, each a name, a path or a table.

use std::collections::BTreeSet;

use super::convert::Converter;
use super::document::{Entry, Spot, Value};
use super::keys::{self, HOOK_KEYS, Key, WRAP_KEYS};
use super::source::{HookConfig, SourceConfig};

impl Converter<'_> {
    /// Hooks, or wrappers.
    pub(super) fn plugins(&mut self, source: &mut SourceConfig, entry: &Entry) -> Vec<HookConfig> {
        let list = entry.key.as_str();
        let mut plugins = Vec::new();
        let nodes = match &entry.node.value {
            Value::List(nodes) => nodes.clone(),
            Value::Text(_) if self.document.untyped => self.word_nodes(&entry.node),
            other => {
                let problem = self.wrong(entry.node.at, list, "a list", other);
                let hint = "write names or paths in brackets: `[\"./it.wasm\"]`";
                self.problem(problem.hint(hint));
                return plugins;
            }
        };
        for (index, node) in nodes.iter().enumerate() {
            let key = format!("{list}.{index}");
            self.mark(source, &key, node.at);
            let hook = match &node.value {
                Value::Text(text) => self.plugin(text, node.at, list).map(|plugin| HookConfig {
                    plugin,
                    options: serde_json::Map::new(),
                    sets: BTreeSet::new(),
                }),
                Value::Table(entries) => self.hook_table(source, &key, entries, node.at),
                other => {
                    self.problem(self.wrong(node.at, &key, "a text or a table", other));
                    None
                }
            };
            plugins.extend(hook);
        }
        plugins
    }

    fn hook_table(
        &mut self,
        source: &mut SourceConfig,
        key: &str,
        entries: &[Entry],
        at: Spot,
    ) -> Option<HookConfig> {
        let mut plugin = None;
        let mut named = false;
        let mut options = serde_json::Map::new();
        let mut sets = BTreeSet::new();
        let wraps = key.starts_with("wrap.");
        for entry in entries {
            let key = format!("{key}.{}", entry.key);
            self.mark(source, &key, entry.at);
            match (entry.key.as_str(), &entry.node.value) {
                ("plugin", Value::Text(text)) => {
                    named = true;
                    plugin = self.plugin(text, entry.node.at, "plugin");
                }
                ("plugin", other) => {
                    named = true;
                    self.problem(self.wrong(entry.node.at, "plugin", "a text", other));
                }
                ("options", Value::Table(entries)) => {
                    for entry in entries {
                        self.mark_all(
                            source,
                            &format!("{key}.{}", entry.key),
                            entry.at,
                            &entry.node,
                        );
                        options.insert(entry.key.clone(), entry.node.value.to_json());
                    }
                }
                ("options", other) => {
                    self.problem(self.wrong(entry.node.at, "options", "a table", other));
                }
                ("sets", _) if wraps => {
                    for (name, at) in self.words(entry) {
                        if !sets.insert(name.clone()) {
                            self.problem(self.at(at, format!("`{name}` is named twice")));
                        }
                    }
                }
                ("sets", _) => {
                    let problem = self.at(entry.at, "a hook has no `sets`".to_owned());
                    let hint = "only a wrapper can change settings of the provider behind it";
                    self.problem(problem.hint(hint));
                }
                (unknown, _) => {
                    let keys: &[&[Key]] = if wraps {
                        &[HOOK_KEYS, WRAP_KEYS]
                    } else {
                        &[HOOK_KEYS]
                    };
                    let problem = self.at(
                        entry.at,
                        format!("unknown key `{unknown}` of a hook or wrapper"),
                    );
                    self.problem(problem.suggest(unknown, keys::names(keys)));
                }
            }
        }
        if !named {
            self.problem(self.at(at, "a hook or wrapper needs `plugin`".into()));
        }
        plugin.map(|plugin| HookConfig {
            plugin,
            options,
            sets,
        })
    }
}
