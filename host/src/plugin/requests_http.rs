//! What a manifest asks for behind `http`, `secrets` and `http-secrets`, and how that becomes single rights.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::capabilities::{HttpRight, plain_host};
use super::requests::Resolver;
use super::secret_use::{Place, SecretUse};

/// Hosts to send HTTP requests to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpRequest {
    pub host: String,
    /// Numbers, or placeholders.
    #[serde(default = "https")]
    pub ports: Vec<Port>,
    /// `*`: every method.
    #[serde(default = "get")]
    pub methods: Vec<String>,
}

/// A port in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a port number or a placeholder such as `{port}`"
)]
pub enum Port {
    Number(u16),
    Template(String),
}

/// A secret to use towards hosts, unseen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SecretRequest {
    pub name: String,
    pub hosts: Vec<String>,
    #[serde(rename = "in", default = "header")]
    pub places: Vec<Place>,
    /// Also without TLS.
    #[serde(default)]
    pub unencrypted: bool,
}

fn header() -> Vec<Place> {
    vec![Place::Header]
}

fn https() -> Vec<Port> {
    vec![Port::Number(443)]
}

fn get() -> Vec<String> {
    vec!["GET".to_owned()]
}

impl Resolver<'_> {
    pub(super) fn http(&mut self, rules: &[HttpRequest]) -> BTreeSet<HttpRight> {
        let mut rights = BTreeSet::new();
        for rule in rules {
            let hosts = self.hosts(std::slice::from_ref(&rule.host));
            let mut ports = Vec::new();
            for port in &rule.ports {
                match port {
                    Port::Number(port) => ports.push(*port),
                    Port::Template(template) => {
                        for filled in self.fill(template) {
                            match filled.text.parse() {
                                Ok(port) => ports.push(port),
                                Err(_) => self.problem(&filled, "must be a port number"),
                            }
                        }
                    }
                }
            }
            let methods: Vec<_> = self
                .fill_all(&rule.methods)
                .into_iter()
                .filter_map(|filled| {
                    let method = filled.text.to_ascii_uppercase();
                    let good = (method == "*" && filled.pattern)
                        || (!method.is_empty()
                            && method.len() <= 32
                            && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-'));
                    if !good {
                        self.problem(&filled, "must be an HTTP method such as `GET`");
                    }
                    good.then_some(method)
                })
                .collect();
            for host in &hosts {
                for port in &ports {
                    for method in &methods {
                        rights.insert(HttpRight {
                            host: host.clone(),
                            port: *port,
                            method: method.clone(),
                        });
                    }
                }
            }
        }
        rights
    }

    pub(super) fn secrets(&mut self, templates: &[String]) -> BTreeSet<String> {
        let mut rights = BTreeSet::new();
        for filled in self.fill_all(templates) {
            let good = !filled.text.is_empty()
                && filled.text.len() <= 128
                && filled
                    .text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
            if good {
                rights.insert(filled.text);
            } else {
                self.problem(
                    &filled,
                    "must be a secret's name (letters, digits, `_`, `-`, `.`)",
                );
            }
        }
        rights
    }

    pub(super) fn http_secrets(&mut self, requests: &[SecretRequest]) -> BTreeSet<SecretUse> {
        let mut rights = BTreeSet::new();
        for request in requests {
            let names = self.secrets(std::slice::from_ref(&request.name));
            let hosts = self.hosts(&request.hosts);
            for name in &names {
                for host in &hosts {
                    for place in &request.places {
                        rights.insert(SecretUse {
                            name: name.clone(),
                            host: host.clone(),
                            place: *place,
                            unencrypted: request.unencrypted,
                        });
                    }
                }
            }
        }
        rights
    }

    fn hosts(&mut self, templates: &[String]) -> Vec<String> {
        self.fill_all(templates)
            .into_iter()
            .filter_map(|filled| {
                let host = plain_host(&filled.text);
                let good = is_host_pattern(&host, filled.pattern);
                if !good {
                    self.problem(&filled, "must be a host name, without scheme or path");
                }
                good.then_some(host)
            })
            .collect()
    }
}

/// Whether a rule may name this host, or these hosts.
pub(crate) fn is_host_rule(host: &str) -> bool {
    is_host_pattern(host, true)
}

/// A host, or where patterns are allowed `*` and `*.domain`.
pub(super) fn is_host_pattern(host: &str, pattern: bool) -> bool {
    if host == "*" {
        return pattern;
    }
    let name = match host.strip_prefix("*.") {
        Some(_) if !pattern => return false,
        Some(domain) => domain,
        None => host,
    };
    !name.is_empty()
        && name.len() <= 253
        && !name.starts_with(['-', '.'])
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'%'))
}

#[cfg(test)]
mod tests {
    use crate::plugin::{Capabilities, Config, Manifest};
    use serde_json::{Value, json};

    fn requested(requests: Value, config: Value) -> Result<Capabilities, Vec<String>> {
        let keys = config.as_object().unwrap().keys();
        let properties: Config = keys.map(|key| (key.clone(), json!({}))).collect();
        let manifest = json!({
            "name": "test", "version": "1.0.0", "kind": "provider",
            "requests": {"http-secrets": requests}, "config": {"properties": properties},
        });
        let manifest = Manifest::parse(manifest.to_string().as_bytes()).map_err(|e| vec![e])?;
        manifest
            .requested(config.as_object().unwrap(), std::ffi::OsStr::new(""))
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn secrets_are_requested_for_hosts_and_places() {
        let rights = requested(
            json!([
                {"name": "A", "hosts": ["{endpoint}", "login.example.com"]},
                {"name": "{key}", "hosts": ["*.example.org"], "in": ["query", "body"], "unencrypted": true},
            ]),
            json!({"endpoint": "API.example.com", "key": "B"}),
        )
        .unwrap();
        let shown: Vec<_> = rights
            .http_secrets
            .iter()
            .map(|one| {
                format!(
                    "{} {} {} {}",
                    one.name,
                    one.host,
                    one.place.word(),
                    one.unencrypted
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "A api.example.com header false",
                "A login.example.com header false",
                "B *.example.org query true",
                "B *.example.org body true",
            ]
        );
        assert!(rights.secrets.is_empty());
    }

    #[test]
    fn bad_requests_are_refused() {
        for (request, config, said) in [
            (
                json!([{"name": "A", "hosts": []}]),
                json!({}),
                "at least one host",
            ),
            (
                json!([{"name": "A", "hosts": ["a"], "in": []}]),
                json!({}),
                "at least one host",
            ),
            (json!([{"name": "A"}]), json!({}), "hosts"),
            (
                json!([{"name": "A", "hosts": ["a"], "in": ["path"]}]),
                json!({}),
                "path",
            ),
            (
                json!([{"name": "A B", "hosts": ["a"]}]),
                json!({}),
                "must be a secret's name",
            ),
            (
                json!([{"name": "A", "hosts": ["{h}"]}]),
                json!({"h": "*"}),
                "`h`: must be a host name",
            ),
            (
                json!([{"name": "A", "hosts": ["https://a"]}]),
                json!({}),
                "must be a host name",
            ),
        ] {
            let problems = requested(request, config).unwrap_err().join("; ");
            assert!(problems.contains(said), "{problems}");
        }
    }
}
