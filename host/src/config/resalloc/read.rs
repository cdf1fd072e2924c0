//! The keys of a pool, checked as resalloc checks them, each problem with its place.

use std::collections::BTreeMap;

use runner_core::id::SourceName;

use super::super::document::{Document, Entry, Node, Spot, Value};
use super::super::error::{ConfigError, Problem};

/// Every key that resalloc knows.
const KEYS: [&str; 19] = [
    "max",
    "max_starting",
    "max_prealloc",
    "start_delay",
    "cmd_new",
    "cmd_delete",
    "cmd_livecheck",
    "cmd_release",
    "cmd_list",
    "livecheck_period",
    "livecheck_attempts",
    "tags",
    "tags_on_demand",
    "name_pattern",
    "reuse_opportunity_time",
    "reuse_max_count",
    "reuse_max_time",
    "named_counters",
    "description",
];

/// The largest number that a source's keys take.
const MOST: i64 = 1_000_000;

/// A pool as it is written, with resalloc's defaults.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) source: SourceName,
    pub(super) max: i64,
    pub(super) max_starting: i64,
    pub(super) max_prealloc: i64,
    pub(super) start_delay: i64,
    pub(super) new: String,
    pub(super) delete: String,
    pub(super) livecheck: Option<String>,
    pub(super) release: Option<String>,
    pub(super) list: Option<String>,
    pub(super) livecheck_period: i64,
    pub(super) livecheck_attempts: i64,
    pub(super) tags: Vec<Tag>,
    pub(super) tags_on_demand: Vec<Tag>,
    pub(super) name_pattern: Option<String>,
    pub(super) reuse_opportunity_time: i64,
    pub(super) reuse_max_count: i64,
    pub(super) reuse_max_time: i64,
    pub(super) named_counters: Vec<String>,
    pub(super) description: Option<String>,
}

/// A tag and what it counts when several pools have it.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) priority: i64,
    at: Spot,
}

/// All pools, and what is left out.
pub(super) fn pools(document: &Document) -> Result<(Vec<Pool>, Vec<Problem>), ConfigError> {
    let mut reader = Reader {
        document,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    let mut pools: Vec<Pool> = Vec::new();
    for entry in &document.root {
        let Value::Table(keys) = &entry.node.value else {
            reader.wrong(
                entry.at,
                &entry.key,
                "a pool with its keys",
                &entry.node.value,
            );
            continue;
        };
        if let Some(pool) = reader.pool(entry, keys) {
            match pools.iter().find(|other| other.source == pool.source) {
                Some(other) => reader.problem(
                    entry.at,
                    format!(
                        "the pools `{}` and `{}` would both be the source `{}`",
                        other.name, pool.name, pool.source
                    ),
                    "rename one of them",
                ),
                None => pools.push(pool),
            }
        }
    }
    if document.root.is_empty() {
        reader.problem(
            Spot::default(),
            "there is no pool in it",
            "is this the right file?",
        );
    }
    reader.mixed_tags(&pools);
    ConfigError::unless_empty(reader.problems)?;
    Ok((pools, reader.warnings))
}

struct Reader<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, at: Spot, message: impl AsRef<str>, hint: &str) {
        let problem = Problem::at(self.document.position(at), message);
        self.problems.push(problem.hint(hint));
    }

    fn wrong(&mut self, at: Spot, key: &str, wanted: &str, found: &Value) {
        let message = format!("`{key}` must be {wanted}, not {}", found.kind());
        let problem = Problem::at(self.document.position(at), message);
        self.problems.push(problem);
    }

    fn pool(&mut self, entry: &Entry, keys: &[Entry]) -> Option<Pool> {
        for key in keys {
            if !KEYS.contains(&key.key.as_str()) {
                let message = format!(
                    "unknown key `{}` of pool `{}`, left out",
                    key.key, entry.key
                );
                let warning = Problem::at(self.document.position(key.at), message);
                self.warnings.push(warning.suggest(&key.key, KEYS));
            }
        }
        let find = |name: &str| keys.iter().find(|key| key.key == name);
        let before = self.problems.len();
        let new = self.required(entry, find("cmd_new"), "cmd_new");
        let delete = self.required(entry, find("cmd_delete"), "cmd_delete");
        let pool = Pool {
            name: entry.key.clone(),
            source: self.source(entry)?,
            max: self.number(find("max"), 4),
            max_starting: self.number(find("max_starting"), 1),
            max_prealloc: self.number(find("max_prealloc"), 2),
            start_delay: self.number(find("start_delay"), 0),
            new: new?,
            delete: delete?,
            livecheck: self.text(find("cmd_livecheck")),
            release: self.text(find("cmd_release")),
            list: self.text(find("cmd_list")),
            livecheck_period: self.number(find("livecheck_period"), 600),
            livecheck_attempts: self.number(find("livecheck_attempts"), 3),
            tags: self.tags(find("tags")),
            tags_on_demand: self.tags(find("tags_on_demand")),
            name_pattern: self.pattern(find("name_pattern")),
            reuse_opportunity_time: self.number(find("reuse_opportunity_time"), 0),
            reuse_max_count: self.number(find("reuse_max_count"), 0),
            reuse_max_time: self.number(find("reuse_max_time"), 3600),
            named_counters: self.counters(find("named_counters")),
            description: self.text(find("description")),
        };
        (self.problems.len() == before).then_some(pool)
    }

    /// The pool's name, with what no source may be called replaced.
    fn source(&mut self, entry: &Entry) -> Option<SourceName> {
        if let Ok(name) = SourceName::new(&entry.key) {
            return Some(name);
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let replaced: String = entry
            .key
            .chars()
            .map(|c| if legal(c) { c } else { '-' })
            .collect();
        let replaced = replaced.trim_start_matches(['.', '-']);
        let cut: String = replaced.chars().take(64).collect();
        let printable = entry.key.bytes().all(|byte| byte.is_ascii_graphic());
        match SourceName::new(cut) {
            Ok(name) if printable => Some(name),
            _ => {
                let message = format!("no source can stand for a pool called `{}`", entry.key);
                self.problem(
                    entry.at,
                    message,
                    "name it with letters, digits, `.`, `_` and `-`",
                );
                None
            }
        }
    }

    fn required(&mut self, pool: &Entry, key: Option<&Entry>, name: &str) -> Option<String> {
        if key.is_none() {
            let message = format!("pool `{}` has no `{name}`", pool.key);
            let hint = "a pool needs `cmd_new` and `cmd_delete`";
            self.problem(pool.at, message, hint);
        }
        let before = self.problems.len();
        let text = self.text(key);
        if let (Some(key), None) = (key, &text)
            && self.problems.len() == before
        {
            self.problem(
                key.at,
                format!("`{name}` is empty"),
                "write the command behind it",
            );
        }
        text
    }

    fn text(&mut self, key: Option<&Entry>) -> Option<String> {
        let key = key?;
        match &key.node.value {
            Value::Text(text) if text.trim().is_empty() => None,
            Value::Text(text) => Some(text.clone()),
            Value::Nothing => None,
            other => {
                self.wrong(key.node.at, &key.key, "a text", other);
                None
            }
        }
    }

    fn number(&mut self, key: Option<&Entry>, default: i64) -> i64 {
        let Some(key) = key else { return default };
        match key.node.value {
            Value::Integer(number @ 0..=MOST) => return number,
            Value::Integer(number) => {
                let message = format!("`{}` is {number}: it must be from 0 to {MOST}", key.key);
                self.problems
                    .push(Problem::at(self.document.position(key.node.at), message));
            }
            ref other => self.wrong(key.node.at, &key.key, "a whole number", other),
        }
        default
    }

    fn list<'n>(&mut self, key: Option<&'n Entry>) -> &'n [Node] {
        match key.map(|key| (key, &key.node.value)) {
            None | Some((_, Value::Nothing)) => &[],
            Some((_, Value::List(nodes))) => nodes,
            Some((key, other)) => {
                self.wrong(key.node.at, &key.key, "a list", other);
                &[]
            }
        }
    }

    fn counters(&mut self, key: Option<&Entry>) -> Vec<String> {
        let mut counters = Vec::new();
        for node in self.list(key) {
            match &node.value {
                Value::Text(name)
                    if !name.is_empty()
                        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
                {
                    if !counters.contains(name) {
                        counters.push(name.clone());
                    }
                }
                other => {
                    let found = other.to_json();
                    let message = format!("`{found}` cannot be the name of a counter");
                    self.problem(
                        node.at,
                        message,
                        "it becomes part of a variable's name: letters, digits and `_`",
                    );
                }
            }
        }
        counters
    }

    fn pattern(&mut self, key: Option<&Entry>) -> Option<String> {
        let text = self.text(key)?;
        let at = key.map_or(Spot::default(), |key| key.node.at);
        let fields = text.split('{').skip(1).map(|rest| rest.split('}').next());
        let unknown = fields
            .flatten()
            .find(|field| !matches!(*field, "pool_name" | "id" | "datetime" | "token"));
        let hint = "use `{pool_name}`, `{id}`, `{datetime}` and `{token}`";
        if let Some(unknown) = unknown {
            let message = format!(
                "there is no `{{{unknown}}}` for names, and resalloc makes machines without one then"
            );
            self.problem(at, message, hint);
        } else if !text.contains("{id}") && !text.contains("{token}") {
            let message = format!("two machines could both be called by `{text}`");
            self.problem(
                at,
                message,
                "add `{id}`: they are told apart by their names",
            );
        }
        Some(text)
    }

    fn tags(&mut self, key: Option<&Entry>) -> Vec<Tag> {
        let mut tags: Vec<Tag> = Vec::new();
        for node in self.list(key) {
            let Some(tag) = self.tag(node) else { continue };
            if !tags.iter().any(|other| other.name == tag.name) {
                tags.push(tag);
            }
        }
        tags
    }

    fn tag(&mut self, node: &Node) -> Option<Tag> {
        let (name, priority) = match &node.value {
            Value::Text(name) => (name.clone(), 0),
            Value::Table(entries) => {
                let find = |name: &str| entries.iter().find(|entry| entry.key == name);
                let Some(name) = self.text(find("name")) else {
                    let hint = "write `name: …` and, if wanted, `priority: …`";
                    self.problem(node.at, "a tag without a name", hint);
                    return None;
                };
                let priority = match find("priority").map(|entry| &entry.node.value) {
                    None => 0,
                    Some(Value::Integer(number)) if (-MOST..=MOST).contains(number) => *number,
                    Some(other) => {
                        let wanted = format!("a whole number from -{MOST} to {MOST}");
                        self.wrong(node.at, "priority", &wanted, other);
                        0
                    }
                };
                (name, priority)
            }
            // `- 8` and `- true` are the texts that they look like.
            value @ (Value::Integer(_) | Value::Float(_) | Value::Boolean(_)) => {
                (value.to_json().to_string(), 0)
            }
            other => {
                self.wrong(node.at, "a tag", "a text, or `name` and `priority`", other);
                return None;
            }
        };
        // As the configuration reads them.
        let bad = |c: char| c.is_whitespace() || c.is_control() || ",:'\"=!<>".contains(c);
        if !(1..=64).contains(&name.chars().count()) || name.starts_with('-') || name.contains(bad)
        {
            let hint = "tags are 1 to 64 characters other than blanks and `,:'\"=!<>`, not starting with `-`";
            self.problem(node.at, format!("`{name}` cannot be a tag here"), hint);
            return None;
        }
        Some(Tag {
            name,
            priority,
            at: node.at,
        })
    }

    /// What is on demand in one pool cannot be plain in another: whether a ticket starts a machine would depend on chance.
    fn mixed_tags(&mut self, pools: &[Pool]) {
        let mut plain = BTreeMap::new();
        for pool in pools {
            for tag in &pool.tags {
                plain.entry(tag.name.as_str()).or_insert(pool);
            }
        }
        for pool in pools {
            for tag in &pool.tags_on_demand {
                if let Some(other) = plain.get(tag.name.as_str()) {
                    let message = format!(
                        "the tag `{}` is on demand in pool `{}` and not in pool `{}`",
                        tag.name, pool.name, other.name
                    );
                    self.problem(tag.at, message, "make it the same everywhere");
                }
            }
        }
    }
}
