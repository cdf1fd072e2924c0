//! A source's configuration against the plugin's JSON schema: options become values, defaults are filled in, and
//! everything that is wrong is said at once, each with its key.
//!
//! The schema is untrusted: patterns run in linear time, references do not leave the document, and a broken schema is
//! the plugin's fault and named as such.

use std::fmt;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use super::coerce::coerce;
use super::manifest::{Config, Manifest};
use super::text::printable_cut;

/// How alike two words are that are taken for the same (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.8;
/// Problems that are listed.
const MOST: usize = 50;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The offending key, such as `hosts[1].port`; empty: the configuration as a whole.
    pub key: String,
    /// What is wrong with it. Escaped for terminals.
    pub message: String,
    /// A key or value that was probably meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "`{}`: ", printable_cut(&self.key, 200))?;
        }
        f.write_str(&self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{}`?", printable_cut(suggestion, 200))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigProblem {}

impl Manifest {
    /// The configuration that the plugin is called with: `config` with `overrides` over it (texts such as those of `-o
    /// key=value`, read as the schema's type; an array's overrides add up) and the schema's defaults below it.
    pub fn configure(
        &self,
        config: &Config,
        overrides: &[(String, String)],
    ) -> Result<Config, Vec<ConfigProblem>> {
        let validator = self.validator().map_err(|problem| vec![problem])?;
        let root = Value::Object(self.config.clone());
        let mut merged = config.clone();
        let mut problems = Vec::new();
        let mut begun = Vec::new();
        for (key, text) in overrides {
            let schema = self.properties().and_then(|all| all.get(key));
            match coerce(&root, schema, text) {
                Ok(Value::Array(more)) if begun.contains(&key) => {
                    if let Some(Value::Array(list)) = merged.get_mut(key) {
                        list.extend(more);
                    }
                }
                Ok(value) => {
                    begun.push(key);
                    merged.insert(key.clone(), value);
                }
                Err(message) => problems.push(ConfigProblem {
                    key: key.clone(),
                    message,
                    suggestion: None,
                }),
            }
        }
        problems.extend(self.take_unknown(&mut merged));
        fill_defaults(&self.config, &mut merged, 0);
        let value = Value::Object(merged);
        for error in validator.iter_errors(&value).take(MOST) {
            for problem in self.explain_error(&error) {
                // What could not be read is already said.
                if !problems.iter().any(|other| other.key == problem.key) {
                    problems.push(problem);
                }
            }
        }
        match value {
            Value::Object(merged) if problems.is_empty() => Ok(merged),
            _ => Err(problems),
        }
    }

    /// Whether the schema itself is one.
    pub fn check_schema(&self) -> Result<(), ConfigProblem> {
        self.validator().map(drop)
    }

    fn validator(&self) -> Result<Validator, ConfigProblem> {
        let mut schema = self.config.clone();
        schema
            .entry("type")
            .or_insert_with(|| Value::from("object"));
        let broken = |what: String| ConfigProblem {
            key: String::new(),
            message: format!(
                "the configuration schema of plugin `{}` {} is broken: {}; this is for the plugin's author to repair",
                self.name,
                self.version,
                printable_cut(&what, 300)
            ),
            suggestion: None,
        };
        jsonschema::options()
            // A pattern of the default engine can take for ever.
            .with_pattern_options(PatternOptions::regex().size_limit(1 << 20))
            .build(&Value::Object(schema))
            .map_err(|error| broken(error.to_string()))
    }

    fn properties(&self) -> Option<&Map<String, Value>> {
        self.config.get("properties").and_then(Value::as_object)
    }

    /// Takes out and reports the keys that the schema does not know, unless it says that others are welcome.
    fn take_unknown(&self, config: &mut Config) -> Vec<ConfigProblem> {
        let welcome = match self.config.get("additionalProperties") {
            None | Some(Value::Bool(false)) => false,
            Some(_) => true,
        };
        let elsewhere = [
            "patternProperties",
            "allOf",
            "anyOf",
            "oneOf",
            "$ref",
            "unevaluatedProperties",
        ]
        .iter()
        .any(|keyword| self.config.contains_key(*keyword));
        if welcome || elsewhere {
            return Vec::new();
        }
        let empty = Map::new();
        let known = self.properties().unwrap_or(&empty);
        let unknown: Vec<_> = config
            .keys()
            .filter(|key| !known.contains_key(*key))
            .cloned()
            .collect();
        unknown
            .into_iter()
            .map(|key| {
                config.remove(&key);
                let suggestion = nearest(&key, known.keys().map(String::as_str));
                let message = match (&suggestion, known.is_empty()) {
                    (Some(_), _) => format!("plugin `{}` has no such key", self.name),
                    (None, true) => format!("plugin `{}` has no configuration keys", self.name),
                    (None, false) => format!(
                        "plugin `{}` has no such key; it has {}",
                        self.name,
                        listed(known.keys().map(String::as_str))
                    ),
                };
                ConfigProblem {
                    key,
                    message,
                    suggestion,
                }
            })
            .collect()
    }

    /// A validation error in words that name keys instead of schema positions.
    fn explain_error(&self, error: &ValidationError<'_>) -> Vec<ConfigProblem> {
        let key = key_of(error.instance_path().as_str());
        let one = |message: String| {
            vec![ConfigProblem {
                key: key.clone(),
                message,
                suggestion: None,
            }]
        };
        let shown = || printable_cut(&error.instance().to_string(), 100);
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let below = join(&key, name);
                let means = self
                    .properties()
                    .filter(|_| key.is_empty())
                    .and_then(|all| all.get(name)?.get("description")?.as_str())
                    .map(|text| format!(" ({})", printable_cut(text, 200)))
                    .unwrap_or_default();
                vec![ConfigProblem {
                    key: below,
                    message: format!(
                        "plugin `{}` needs this key, and it is not set{means}",
                        self.name
                    ),
                    suggestion: None,
                }]
            }
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let known = self.siblings(error.schema_path().as_str());
                unexpected
                    .iter()
                    .map(|name| ConfigProblem {
                        key: join(&key, name),
                        message: format!("plugin `{}` has no such key", self.name),
                        suggestion: nearest(name, known.iter().map(String::as_str)),
                    })
                    .collect()
            }
            ValidationErrorKind::Type { kind } => {
                one(format!("must be {}, not {}", types_of(kind), shown()))
            }
            ValidationErrorKind::Enum { options } => {
                let options: Vec<String> = options
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|option| match option {
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    })
                    .collect();
                let given = error.instance().as_str().unwrap_or_default();
                vec![ConfigProblem {
                    key: key.clone(),
                    message: format!(
                        "must be one of {}, not {}",
                        listed(options.iter().map(String::as_str)),
                        shown()
                    ),
                    suggestion: nearest(given, options.iter().map(String::as_str)),
                }]
            }
            ValidationErrorKind::Minimum { limit } => {
                one(format!("must be at least {limit}, not {}", shown()))
            }
            ValidationErrorKind::Maximum { limit } => {
                one(format!("must be at most {limit}, not {}", shown()))
            }
            ValidationErrorKind::MinLength { limit: 1 } => one("must not be empty".to_owned()),
            ValidationErrorKind::MinItems { limit } => {
                one(format!("needs at least {limit} entries"))
            }
            ValidationErrorKind::Pattern { pattern } => one(format!(
                "must match `{}`, not {}",
                printable_cut(pattern, 200),
                shown()
            )),
            // The library's own words: complete, if less friendly.
            _ => one(printable_cut(&error.to_string(), 300)),
        }
    }

    /// The keys beside an `additionalProperties` of the schema.
    fn siblings(&self, schema_path: &str) -> Vec<String> {
        let parent = schema_path
            .rsplit_once('/')
            .map_or("", |(parent, _)| parent);
        let root = Value::Object(self.config.clone());
        root.pointer(&format!("{parent}/properties"))
            .and_then(Value::as_object)
            .map(|all| all.keys().cloned().collect())
            .unwrap_or_default()
    }
}

/// The candidate that was probably meant.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    // The measure is quadratic, and both sides may come from a plugin.
    if word.len() > 100 {
        return None;
    }
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= 100)
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate.to_owned())
}

fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut shown: Vec<String> = words
        .take(21)
        .map(|word| format!("`{}`", printable_cut(word, 100)))
        .collect();
    if shown.len() > 20 {
        shown.truncate(20);
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

fn types_of(kind: &TypeKind) -> String {
    let word = |name: String| match name.as_str() {
        "integer" => "a whole number".to_owned(),
        "number" => "a number".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        "string" => "a text".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "a table".to_owned(),
        other => other.to_owned(),
    };
    match kind {
        TypeKind::Single(one) => word(one.to_string()),
        TypeKind::Multiple(many) => many
            .iter()
            .map(|one| word(one.to_string()))
            .collect::<Vec<_>>()
            .join(" or "),
    }
}

/// Fills in what the schema's defaults say, also in tables that are there.
fn fill_defaults(schema: &Map<String, Value>, config: &mut Config, depth: usize) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    for (key, property) in properties {
        let Some(property) = property.as_object() else {
            continue;
        };
        if let (Some(default), false) = (property.get("default"), config.contains_key(key)) {
            config.insert(key.clone(), default.clone());
        }
        // The JSON parser bounds the depth already; this keeps it visibly so.
        if let (Some(Value::Object(inner)), true) = (config.get_mut(key), depth < 32) {
            fill_defaults(property, inner, depth + 1);
        }
    }
}

/// A JSON pointer as people write keys: `/hosts/1/port` is `hosts[1].port`.
fn key_of(pointer: &str) -> String {
    let mut key = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !key.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            key.push_str(&format!("[{part}]"));
        } else {
            key = join(&key, &part);
        }
    }
    key
}

fn join(key: &str, below: &str) -> String {
    if key.is_empty() {
        below.to_owned()
    } else {
        format!("{key}.{below}")
    }
}
