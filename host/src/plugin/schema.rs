//! A source's configuration against the plugin's JSON schema: options become values, defaults are filled in, and
//! everything that is wrong is said at once, each with its key.
//!
//! The schema is untrusted: patterns run in linear time, references do not leave the document, and a broken schema is
//! the plugin's fault and named as such.

use std::fmt;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use super::coerce::coerce;
use super::manifest::{Config, Manifest};
use super::schema_bounds;
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
        if config.is_empty() && overrides.is_empty() && self.takes_nothing() {
            return Ok(Config::new());
        }
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

    /// An empty configuration is right and stays empty. Making a validator takes 2 to 3 ms, as much as all the rest of a
    /// start; it is worth sparing a plugin like `local` that.
    fn takes_nothing(&self) -> bool {
        let plain = |key: &String| {
            matches!(
                key.as_str(),
                "type" | "properties" | "additionalProperties" | "title" | "description"
            )
        };
        self.config.keys().all(plain)
            && self
                .properties()
                .into_iter()
                .flat_map(Map::values)
                .all(|property| property.get("default").is_none())
    }

    /// Whether the schema itself is one.
    pub fn check_schema(&self) -> Result<(), ConfigProblem> {
        self.validator().map(drop)
    }

    fn validator(&self) -> Result<Validator, ConfigProblem> {
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
        let mut schema = self.config.clone();
        schema
            .entry("type")
            .or_insert_with(|| Value::from("object"));
        if let Some(dialect) = schema.shift_remove("$schema")
            && !dialect
                .as_str()
                .is_some_and(|uri| uri.contains("://json-schema.org/"))
        {
            return Err(broken(format!("`$schema` {dialect} is not known here")));
        }
        // What it calls itself does not matter: nothing refers to it from outside.
        schema.shift_remove("$id");
        let schema = Value::Object(schema);
        schema_bounds::check(&schema).map_err(broken)?;
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            // A pattern of the default engine can take for ever.
            .with_pattern_options(PatternOptions::regex().size_limit(256 << 10))
            .build(&schema)
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(schema: Value) -> Manifest {
        let json = json!({
            "name": "test", "version": "1.0.0", "kind": "provider", "config": schema,
        });
        Manifest::parse(json.to_string().as_bytes()).unwrap()
    }

    fn rich() -> Manifest {
        manifest(json!({
            "type": "object",
            "properties": {
                "image": {"type": "string", "minLength": 1, "description": "What to start"},
                "cpus": {"type": "integer", "minimum": 1, "maximum": 64, "default": 2},
                "share": {"type": "number"},
                "privileged": {"type": "boolean", "default": false},
                "hosts": {"type": "array", "items": {"type": "string"}},
                "ports": {"type": "array", "items": {"type": "integer"}},
                "network": {"enum": ["none", "bridge"], "default": "none"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                "nested": {
                    "type": "object", "additionalProperties": false,
                    "properties": {"deep": {"type": "integer", "default": 7}, "size": {"$ref": "#/$defs/size"}},
                },
                "size": {"$ref": "#/$defs/size"},
                "name": {"type": "string", "pattern": "^[a-z]+$"},
                "untyped": {},
            },
            "required": ["image"],
            "$defs": {"size": {"type": "integer"}},
        }))
    }

    fn map(value: Value) -> Config {
        value.as_object().unwrap().clone()
    }

    fn with(options: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let mut all = vec![("image".to_owned(), "debian".to_owned())];
        all.extend(
            options
                .iter()
                .map(|(key, text)| ((*key).to_owned(), (*text).to_owned())),
        );
        rich()
            .configure(&Config::new(), &all)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn fills_in_defaults() {
        let config = map(json!({"image": "x", "nested": {}}));
        assert_eq!(
            Value::from(rich().configure(&config, &[]).unwrap()),
            json!({"image": "x", "nested": {"deep": 7}, "cpus": 2, "privileged": false, "network": "none"})
        );
    }

    #[test]
    fn options_become_what_the_schema_wants() {
        for (key, text, value) in [
            ("cpus", "8", json!(8)),
            ("share", "0.5", json!(0.5)),
            ("share", "2", json!(2)),
            ("privileged", "true", json!(true)),
            ("hosts", "a, b,c", json!(["a", "b", "c"])),
            ("hosts", "", json!([])),
            ("hosts", "[\"a,b\"]", json!(["a,b"])),
            ("hosts", "[::1],[::2]", json!(["[::1]", "[::2]"])),
            ("hosts", "5", json!(["5"])),
            ("ports", "1,2", json!([1, 2])),
            ("labels", "{\"a\":\"b\"}", json!({"a": "b"})),
            ("either", "5", json!(5)),
            ("either", "x", json!("x")),
            ("size", "5", json!(5)),
            ("name", "true", json!("true")),
            ("untyped", "5", json!(5)),
            ("untyped", "five", json!("five")),
            ("image", "a=b,c", json!("a=b,c")),
        ] {
            assert_eq!(with(&[(key, text)]).unwrap()[key], value, "{key}={text}");
        }
        // Given again: lists add up, for the rest the last one counts. Both win over the configuration.
        let twice = with(&[("hosts", "a"), ("hosts", "b"), ("cpus", "3"), ("cpus", "4")]).unwrap();
        assert_eq!(
            (&twice["hosts"], &twice["cpus"]),
            (&json!(["a", "b"]), &json!(4))
        );
        let options = [("hosts".to_owned(), "b".to_owned())];
        let config = map(json!({"image": "x", "hosts": ["a"]}));
        assert_eq!(
            rich().configure(&config, &options).unwrap()["hosts"],
            json!(["b"])
        );
    }

    #[test]
    fn every_problem_is_said_with_its_key() {
        let config = map(json!({
            "cpu": 1, "cpus": 0, "hosts": ["a", 5], "network": "brigde", "labels": {"a": 1},
            "nested": {"depp": 1, "deep": "x"}, "name": "A\u{1b}", "zzz": 1,
        }));
        let problems: Vec<_> = rich()
            .configure(&config, &[("share".to_owned(), "half".to_owned())])
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected = [
            "`share`: must be a number, not `half`",
            "`cpu`: plugin `test` has no such key; did you mean `cpus`?",
            "`zzz`: plugin `test` has no such key; it has `image`, `cpus`, `share`,",
            "`cpus`: must be at least 1, not 0",
            "`hosts[1]`: must be a text, not 5",
            "`network`: must be one of `none`, `bridge`, not \"brigde\"; did you mean `bridge`?",
            "`labels.a`: must be a text, not 1",
            "`nested.depp`: plugin `test` has no such key; did you mean `deep`?",
            "`nested.deep`: must be a whole number, not \"x\"",
            "`name`: must match `^[a-z]+$`, not \"A\\u001b\"",
            "`image`: plugin `test` needs this key, and it is not set (What to start)",
        ];
        for line in expected {
            assert!(
                problems.iter().any(|p| p.starts_with(line)),
                "{line}\n{problems:#?}"
            );
        }
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    }

    #[test]
    fn options_that_do_not_fit() {
        for (key, text, said) in [
            ("cpus", "many", "`cpus`: must be a whole number, not `many`"),
            ("cpus", "65", "`cpus`: must be at most 64, not 65"),
            ("share", "NaN", "`share`: must be a number, not `NaN`"),
            (
                "privileged",
                "yes",
                "`privileged`: must be `true` or `false`, not `yes`",
            ),
            ("ports", "1,x", "`ports`: must be a whole number, not `x`"),
            (
                "labels",
                "a=b",
                "`labels`: must be a JSON object such as `{\"key\": 1}`, not `a=b`",
            ),
            (
                "imgae",
                "x",
                "`imgae`: plugin `test` has no such key; did you mean `image`?",
            ),
            ("image", "", "`image`: must not be empty"),
            (
                "a\u{1b}",
                "",
                "`a\\u{1b}`: plugin `test` has no such key; it has",
            ),
        ] {
            let problems = with(&[(key, text)]).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(said), "{problems:?}");
        }
    }

    #[test]
    fn unknown_keys_are_welcome_where_the_schema_says_so() {
        for schema in [
            json!({"additionalProperties": true}),
            json!({"additionalProperties": {"type": "integer"}}),
            json!({"patternProperties": {"^x": {}}}),
        ] {
            let config = map(json!({"x": 1}));
            assert_eq!(manifest(schema).configure(&config, &[]).unwrap(), config);
        }
        for schema in [json!({}), json!({"type": "object"})] {
            let problems = manifest(schema)
                .configure(&map(json!({"x": 1})), &[])
                .unwrap_err();
            assert_eq!(
                problems[0].to_string(),
                "`x`: plugin `test` has no configuration keys"
            );
        }
        assert_eq!(
            manifest(json!({})).configure(&Config::new(), &[]),
            Ok(Config::new())
        );
    }

    #[test]
    fn a_broken_schema_is_the_plugins_fault() {
        for schema in [
            json!({"properties": {"a": {"type": "strnig"}}}),
            json!({"properties": {"a": 5}}),
            json!({"required": "a"}),
            json!({"properties": {"a": {"pattern": "("}}}),
            json!({"properties": {"a": {"pattern": "(?=x)"}}}),
            json!({"properties": {"a": {"$ref": "#/$defs/nosuch"}}}),
            json!({"properties": {"a": {"$ref": "https://example.com/schema"}}}),
            json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}}),
            json!({"$schema": "https://example.com/nosuch"}),
        ] {
            let manifest = manifest(schema);
            let problem = manifest.check_schema().unwrap_err().to_string();
            assert!(
                problem.starts_with("the configuration schema of plugin `test` 1.0.0 is broken: "),
                "{problem}"
            );
            let problems = manifest.configure(&map(json!({"a": 1})), &[]).unwrap_err();
            assert_eq!(problems[0].to_string(), problem);
        }
    }

    #[test]
    fn hostile_schemas_are_refused() {
        // Each definition twice the next one: 2^40 in the end, for who follows them all.
        let doubling = |choice: &str| {
            let mut definitions = Map::new();
            for at in 0..40 {
                let next = json!({"$ref": format!("#/$defs/d{}", at + 1)});
                definitions.insert(format!("d{at}"), json!({choice: [next.clone(), next]}));
            }
            definitions.insert("d40".to_owned(), json!({"type": "integer"}));
            json!({"properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": definitions})
        };
        let chain = {
            let mut definitions = Map::new();
            for at in 0..5000 {
                let next = json!({"$ref": format!("#/$defs/{}", at + 1)});
                definitions.insert(at.to_string(), next);
            }
            definitions.insert("5000".to_owned(), json!({}));
            json!({"properties": {"a": {"$ref": "#/$defs/0"}}, "$defs": definitions})
        };
        let patterns: Map<_, _> = (0..300)
            .map(|at| (format!("x{at}"), json!({"pattern": "((a{100}){100})"})))
            .collect();
        let a = |schema: Value| json!({"properties": {"a": schema}});
        for (schema, said) in [
            (doubling("allOf"), "stands for more than"),
            (doubling("anyOf"), "stands for more than"),
            (chain, "nested more than"),
            (json!({"properties": patterns}), "stands for more than"),
            (a(json!({"$ref": "#/properties/a"})), "leads back"),
            (a(json!({"not": {"$ref": "#/properties/a"}})), "leads back"),
            (json!({"$ref": "#"}), "leads back"),
            (
                a(json!({"$dynamicRef": "#x", "$dynamicAnchor": "x"})),
                "`$dynamicRef` is not supported",
            ),
            (a(json!({"$id": "x"})), "`$id` is not supported"),
            (
                a(json!({"$ref": "#/properties/%61"})),
                "leaves the document",
            ),
            (a(json!({"pattern": "((a{1000}){1000}){1000}"})), "regex"),
        ] {
            let problem = manifest(schema).check_schema().unwrap_err().to_string();
            assert!(problem.contains(said), "{problem}");
        }
        // Slow for engines that go back, and not for this one.
        let slow = manifest(a(json!({"type": "string", "pattern": "^(a*)*(b*)*(c*)*$"})));
        let options = [("a".to_owned(), format!("{}!", "a".repeat(10_000)))];
        assert!(slow.configure(&Config::new(), &options).is_err());
    }
}
