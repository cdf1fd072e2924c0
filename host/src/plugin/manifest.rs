//! What a plugin says about itself: the JSON of the custom section `runner:plugin`.
//!
//! The text is untrusted. Names have a grammar because they become parts of paths and messages; free text is escaped
//! here, once, so that nothing past this point can obey it.

use std::collections::BTreeSet;

use runner_core::policy::Limit;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::requests::Requests;
use super::text::printable_cut;
use crate::provider::HookPoint;

/// Configuration keys and their values.
pub type Config = Map<String, Value>;

/// Characters of a description that are shown.
const DESCRIPTION: usize = 1000;

/// A plugin's manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// What it is for, in a sentence or two. Escaped for terminals.
    #[serde(default)]
    pub description: String,
    pub kind: Kind,
    /// JSON schema of its configuration, of type `object`.
    #[serde(default)]
    pub config: Config,
    /// What it asks to be allowed.
    #[serde(default)]
    pub requests: Requests,
    /// How many instances a source has when its configuration does not say; none: no bound.
    #[serde(default)]
    pub maximum: Option<Maximum>,
    /// Its `copy` moves bytes. Without it the host does not ask, and uses `tar` over `run`.
    #[serde(default)]
    pub copy: bool,
    /// Its `list` shows nothing but what the operator gave into our hands: what is unknown there is an orphan that may be
    /// destroyed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub owns_listing: bool,
    /// Configuration keys that no call but `allocate` looks at, so that they may differ from instance to instance; none: it does not
    /// say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocate_only: Option<BTreeSet<String>>,
    /// Of a hook: what it is told; none: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<BTreeSet<HookPoint>>,
}

/// What a plugin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Makes and drives instances.
    Provider,
    /// Is told about instances.
    Hook,
}

impl Kind {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Hook => "hook",
        }
    }
}

/// The default of a source's `maximum`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Maximum {
    /// This many; 0: no bound.
    Default(u32),
    /// As many as the list under this configuration key has entries; 1 when it is not set. It cannot be exceeded.
    CountOf(String),
}

impl Manifest {
    /// Reads a manifest that stands in no component yet.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        Self::parse(json)
    }

    /// Whether a plugin can be called so.
    pub fn is_name(text: &str) -> bool {
        is_name(text)
    }

    /// Reads a manifest. The error is one sentence, escaped.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        // Some linkers pad sections with zeros.
        let json = json.trim_ascii();
        let mut manifest: Self = serde_json::from_slice(json).map_err(|error| {
            format!(
                "the manifest is wrong: {}",
                printable_cut(&error.to_string(), 300)
            )
        })?;
        if !is_name(&manifest.name) {
            return Err(format!(
                "the manifest is wrong: `{}` is no plugin name (a lower-case letter, then up to 63 lower-case letters, digits and hyphens)",
                printable_cut(&manifest.name, 80)
            ));
        }
        if !is_version(&manifest.version) {
            return Err(format!(
                "the manifest is wrong: `{}` is no version (such as `1.2.3` or `1.2.3-beta.1`)",
                printable_cut(&manifest.version, 80)
            ));
        }
        if manifest.points.is_some() && manifest.kind != Kind::Hook {
            return Err("the manifest is wrong: `points` are for hooks".to_owned());
        }
        manifest.description = printable_cut(manifest.description.trim(), DESCRIPTION);
        manifest
            .check_config()
            .map_err(|problem| format!("the manifest is wrong: {problem}"))?;
        Ok(manifest)
    }

    fn check_config(&self) -> Result<(), String> {
        if self
            .config
            .get("type")
            .is_some_and(|kind| kind.as_str() != Some("object"))
        {
            return Err("the schema in `config` must have the type `object`".to_owned());
        }
        let properties = match self.config.get("properties") {
            None => None,
            Some(Value::Object(properties)) => Some(properties),
            Some(_) => return Err("`config.properties` must be an object".to_owned()),
        };
        let has = |key: &str| properties.is_some_and(|all| all.contains_key(key));
        let used = self.requests.check()?;
        let counted = match &self.maximum {
            Some(Maximum::CountOf(key)) => Some((key.as_str(), "maximum")),
            Some(Maximum::Default(_)) | None => None,
        };
        let used = used.iter().map(|key| (key.as_str(), "requests"));
        let alone = self.allocate_only.iter().flatten();
        let alone = alone.map(|key| (key.as_str(), "allocate-only"));
        for (key, place) in used.chain(counted).chain(alone) {
            if !has(key) {
                return Err(format!(
                    "`{place}` refers to the configuration key `{}`, which the schema in `config` does not have",
                    printable_cut(key, 80)
                ));
            }
        }
        Ok(())
    }

    /// The names of its configuration keys.
    pub fn keys(&self) -> Vec<&str> {
        let properties = self.config.get("properties").and_then(Value::as_object);
        properties
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
            .collect()
    }

    /// What a hook that exports `hook` is told.
    pub fn listens(&self) -> BTreeSet<HookPoint> {
        self.points.clone().unwrap_or_else(|| HookPoint::ALL.into())
    }

    /// The bound on the instances of a source with this configuration, where it sets none itself.
    pub fn default_maximum(&self, config: &Config) -> Limit {
        match &self.maximum {
            None | Some(Maximum::Default(0)) => Limit::Unlimited,
            Some(Maximum::Default(bound)) => Limit::At(*bound),
            Some(Maximum::CountOf(key)) => {
                let entries = config.get(key).and_then(Value::as_array);
                Limit::At(entries.map_or(1, |list| u32::try_from(list.len()).unwrap_or(u32::MAX)))
            }
        }
    }
}

/// A plugin's name: safe as a file name, in messages and in commands.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// A semantic version of reasonable length.
fn is_version(text: &str) -> bool {
    let (text, build) = text.split_once('+').unwrap_or((text, "0"));
    let (numbers, pre) = text.split_once('-').unwrap_or((text, "0"));
    let words = |text: &str| {
        text.split('.').all(|word| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
    };
    text.len() + build.len() <= 64
        && numbers.split('.').count() == 3
        && numbers.split('.').all(|number| {
            !number.is_empty() && number.len() <= 9 && number.bytes().all(|b| b.is_ascii_digit())
        })
        && words(pre)
        && words(build)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(changes: Value) -> Result<Manifest, String> {
        let mut manifest = json!({"name": "test", "version": "1.0.0", "kind": "provider"});
        for (key, value) in changes.as_object().unwrap() {
            manifest[key] = value.clone();
        }
        Manifest::parse(manifest.to_string().as_bytes())
    }

    #[test]
    fn reads_everything() {
        let manifest = parse(json!({
            "description": "  Makes things.\n",
            "config": {"type": "object", "properties": {"hosts": {"type": "array"}}},
            "requests": {
                "programs": ["podman", "*"], "secrets": ["TOKEN"], "ssh": ["{hosts}"],
                "http": [{"host": "api.example.com"}],
                "directories": [{"path": "/srv", "write": true}], "workdir": true,
            },
            "maximum": {"count-of": "hosts"},
        }))
        .unwrap();
        assert_eq!(manifest.description, "Makes things.");
        assert_eq!(
            manifest.requests.http[0].ports,
            [super::super::Port::Number(443)]
        );
        assert_eq!(manifest.requests.http[0].methods, ["GET"]);
        let config = |value: Value| value.as_object().unwrap().clone();
        let two = config(json!({"hosts": ["a", "b"]}));
        assert_eq!(manifest.default_maximum(&two), Limit::At(2));
        assert_eq!(manifest.default_maximum(&Config::new()), Limit::At(1));
        // What it says survives being written again.
        let again = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(Manifest::parse(&again).unwrap(), manifest);
    }

    #[test]
    fn what_a_hook_is_told() {
        let all = parse(json!({"kind": "hook"})).unwrap();
        assert_eq!(all.listens(), HookPoint::ALL.into());
        let some = parse(json!({"kind": "hook", "points": ["discard", "check"]})).unwrap();
        assert_eq!(
            some.listens(),
            [HookPoint::Check, HookPoint::Discard].into()
        );
    }

    #[test]
    fn the_default_maximum() {
        let maximum = |value| parse(value).unwrap().default_maximum(&Config::new());
        assert_eq!(maximum(json!({})), Limit::Unlimited);
        assert_eq!(
            maximum(json!({"maximum": {"default": 0}})),
            Limit::Unlimited
        );
        assert_eq!(maximum(json!({"maximum": {"default": 3}})), Limit::At(3));
    }

    #[test]
    fn what_is_wrong_is_named_and_harmless() {
        let long = "x".repeat(1 << 20);
        for (changes, said) in [
            (
                json!({"name": "../../etc/passwd"}),
                "`../../etc/passwd` is no plugin name",
            ),
            (json!({"name": ".."}), "`..` is no plugin name"),
            (json!({"name": ""}), "`` is no plugin name"),
            (json!({"name": "Test"}), "is no plugin name"),
            (
                json!({"name": "a\u{1b}[31m"}),
                "`a\\u{1b}[31m` is no plugin name",
            ),
            (json!({"name": long}), "is no plugin name"),
            (json!({"version": "1"}), "`1` is no version"),
            (json!({"version": long}), "is no version"),
            (json!({"version": "1.0.0\n"}), "`1.0.0\\n` is no version"),
            (
                json!({"kind": "virus"}),
                "unknown variant `virus`, expected `provider` or `hook`",
            ),
            (json!({"points": ["check"]}), "`points` are for hooks"),
            (
                json!({"kind": "hook", "points": ["route"]}),
                "unknown variant `route`, expected one of `provision`, `acquire`",
            ),
            (json!({"extra\u{1b}": 1}), "unknown field `extra\\u{1b}`"),
            (json!({"requests": {"root": true}}), "unknown field `root`"),
            (json!({"requests": {"programs": "x"}}), "invalid type"),
            (
                json!({"requests": {"ssh": ["{hosts}"]}}),
                "refers to the configuration key `hosts`",
            ),
            (
                json!({"requests": {"ssh": ["{hosts"]}}),
                "has a brace without its other half",
            ),
            (
                json!({"requests": {"ssh": ["}"]}}),
                "has a brace without its other half",
            ),
            (
                json!({"requests": {"ssh": ["{}"]}}),
                "has a brace without its other half",
            ),
            (
                json!({"requests": {"http": [{"host": "a", "ports": []}]}}),
                "needs at least one port",
            ),
            (
                json!({"requests": {"http": [{"host": "a", "ports": [70000]}]}}),
                "expected a port number",
            ),
            (
                json!({"config": {"type": "array"}}),
                "must have the type `object`",
            ),
            (
                json!({"config": {"properties": []}}),
                "`config.properties` must be an object",
            ),
            (json!({"config": []}), "invalid type"),
            (
                json!({"maximum": {"count-of": "hosts"}}),
                "`maximum` refers to",
            ),
            (json!({"maximum": {"default": -1}}), "invalid value"),
        ] {
            let error = parse(changes).unwrap_err();
            assert!(error.starts_with("the manifest is wrong: "), "{error}");
            assert!(error.contains(said), "{error}");
            assert!(error.len() < 1000 && !error.contains(char::is_control));
        }
        for json in [
            "",
            "null",
            "[]",
            "{",
            "\u{0}",
            "{\"name\":\"a\"}",
            &"[".repeat(200_000),
        ] {
            assert!(Manifest::parse(json.as_bytes()).is_err());
        }
        let twice = r#"{"name":"a","name":"b","version":"1.0.0","kind":"hook"}"#;
        assert!(
            Manifest::parse(twice.as_bytes())
                .unwrap_err()
                .contains("duplicate field")
        );
    }

    #[test]
    fn descriptions_are_escaped_and_cut() {
        let manifest = parse(json!({"description": "\u{1b}]0;owned\u{7}hello\u{202e}"})).unwrap();
        assert_eq!(manifest.description, "\\u{1b}]0;owned\\u{7}hello\\u{202e}");
        let manifest = parse(json!({"description": "\u{1b}".repeat(100_000)})).unwrap();
        assert_eq!(
            manifest.description.len(),
            DESCRIPTION * "\\u{1b}".len() + "…".len()
        );
    }

    #[test]
    fn grammar() {
        for good in ["a", "local", "my-plugin-2", &"x".repeat(64)] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            "-a",
            "2a",
            "A",
            "a_b",
            "a.b",
            "a/b",
            "ä",
            &"x".repeat(65),
        ] {
            assert!(!is_name(bad), "{bad}");
        }
        for good in ["0.1.0", "1.2.3-beta.1", "1.2.3+build-7", "1.2.3-a-b+c"] {
            assert!(is_version(good), "{good}");
        }
        for bad in [
            "", "1.2", "1.2.3.4", "v1.2.3", "1.2.3-", "1.2.3+", "1..3", "1.2.3 ", "1.2.3-ä",
        ] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
