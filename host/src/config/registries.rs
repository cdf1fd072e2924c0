//! `[plugins]` of `config.toml`: which registries plugins are looked for in, and whose signatures count.
//!
//! Only shapes are checked here: whether a key file holds a key is found out by whoever reads it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::document::{Document, Entry, Node, Value};
use super::error::Problem;
use super::keys::{TRUST_KEYS, names};

/// Whose signature counts for what is below a registry or a part of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrustRule {
    /// `registry.example.com`, or `registry.example.com/team`.
    pub registry: String,
    pub signer: TrustedSigner,
}

/// Who signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TrustedSigner {
    /// Whoever has the other half of this key.
    Key { key: PathBuf },
    /// Whoever is vouched for like this.
    Keyless {
        root: PathBuf,
        identity: String,
        issuer: String,
    },
}

/// Reads `plugins.registries`.
pub(super) fn registries(document: &Document, node: &Node) -> Result<Vec<String>, Vec<Problem>> {
    let key = "plugins.registries";
    let wrong = |at, message: String| {
        Problem::at(document.position(at), message)
            .hint("such as `registries = [\"registry.example.com/providers\"]`")
    };
    let Value::List(nodes) = &node.value else {
        let message = format!("`{key}` must be a list of texts, not {}", node.value.kind());
        return Err(vec![wrong(node.at, message)]);
    };
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for node in nodes {
        match &node.value {
            Value::Text(text) if is_prefix(text) => found.push(bare(text)),
            Value::Text(text) => problems.push(wrong(
                node.at,
                format!("`{text}` in `{key}` is no registry"),
            )),
            other => {
                let message = format!("`{key}` must be a list of texts, not of {}", other.kind());
                problems.push(wrong(node.at, message));
            }
        }
    }
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(problems)
    }
}

/// Reads `[[plugins.trust]]`. Relative paths start at the file's folder.
pub(super) fn trust(
    document: &Document,
    root: &Path,
    node: &Node,
) -> Result<Vec<TrustRule>, Vec<Problem>> {
    let tables = match &node.value {
        Value::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut rules = Vec::new();
    let mut problems = Vec::new();
    for node in tables {
        match &node.value {
            Value::Table(entries) => match rule(document, root, node, entries) {
                Ok(rule) => rules.push(rule),
                Err(several) => problems.extend(several),
            },
            other => {
                let message = format!(
                    "`plugins.trust` must be a list of tables, not {}",
                    other.kind()
                );
                problems.push(
                    Problem::at(document.position(node.at), message)
                        .hint("begin each rule with a line `[[plugins.trust]]`"),
                );
            }
        }
    }
    if problems.is_empty() {
        Ok(rules)
    } else {
        Err(problems)
    }
}

fn rule(
    document: &Document,
    root: &Path,
    node: &Node,
    entries: &[Entry],
) -> Result<TrustRule, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut texts = std::collections::BTreeMap::new();
    for entry in entries {
        if !TRUST_KEYS.iter().any(|key| key.name == entry.key) {
            let at = document.position(entry.at);
            let message = format!("unknown key `{}` in `[[plugins.trust]]`", entry.key);
            problems.push(Problem::at(at, message).suggest(&entry.key, names(&[TRUST_KEYS])));
            continue;
        }
        match &entry.node.value {
            Value::Text(text) if !text.is_empty() && !text.starts_with("~/") => {
                texts.insert(entry.key.as_str(), text.clone());
            }
            other => {
                let found = match other {
                    Value::Text(text) => format!("`{text}`"),
                    other => other.kind().to_owned(),
                };
                let message = format!(
                    "`{}` must be a text, and no path below `~`, not {found}",
                    entry.key
                );
                problems.push(Problem::at(document.position(entry.node.at), message));
            }
        }
    }
    let here = |message: &str| Problem::at(document.position(node.at), message);
    let registry = texts.remove("registry").filter(|text| is_prefix(text));
    if registry.is_none() {
        problems.push(
            here("a rule of `plugins.trust` needs the `registry` that it is for")
                .hint("such as `registry = \"registry.example.com/providers\"`"),
        );
    }
    let mut taken = |key: &str| texts.remove(key);
    let signer = match (
        taken("key"),
        taken("root"),
        taken("identity"),
        taken("issuer"),
    ) {
        (Some(key), None, None, None) => Some(TrustedSigner::Key {
            key: root.join(key),
        }),
        (None, Some(file), Some(identity), Some(issuer)) => Some(TrustedSigner::Keyless {
            root: root.join(file),
            identity,
            issuer,
        }),
        _ => None,
    };
    if signer.is_none() {
        problems.push(
            here("a rule of `plugins.trust` needs a `key`, or `root`, `identity` and `issuer`, and not both")
                .hint("`key` is the file of a public key; the three others are for keyless signatures"),
        );
    }
    match (registry, signer) {
        (Some(registry), Some(signer)) if problems.is_empty() => Ok(TrustRule {
            registry: bare(&registry),
            signer,
        }),
        _ => Err(problems),
    }
}

fn bare(text: &str) -> String {
    text.trim_start_matches("oci://")
        .trim_end_matches('/')
        .to_owned()
}

/// A host, and perhaps a part of it. Whether the host is one shows when it is asked.
fn is_prefix(text: &str) -> bool {
    let bare = bare(text);
    !bare.is_empty()
        && bare.len() <= 255
        && bare
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-_:/[]".contains(&b))
        && !bare.split('/').any(str::is_empty)
}
