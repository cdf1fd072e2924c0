//! From what a manifest requests to concrete rights: placeholders filled in, programs and directories looked up.
//!
//! A value that comes from the configuration is never a pattern: `*` in a list of hosts does not ask for all hosts.
//! What the files and directories are at this moment becomes part of the right; nothing is looked up again when the
//! plugin runs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::capabilities::{Capabilities, DirectoryAccess, Programs};
use super::manifest::{Config, Manifest};
use super::requests_http::{HttpRequest, Port, SecretRequest, is_host_pattern};
use super::schema::ConfigProblem;
use super::template::{Piece, pieces, unconditional};
use super::text::printable_cut;

/// Entries that one template may expand to.
const MOST: usize = 4096;

/// What a plugin asks for. In every text, `{key}` stands for the value of that configuration key; a list stands for one
/// entry per value, a key that is not set for no entry at all. `{key=value}` stands for nothing where the key has that
/// value, and elsewhere for no entry at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Requests {
    /// Names to find in `PATH`, or absolute paths; `*`: every program.
    pub programs: Vec<String>,
    /// Of these programs, with their first words: what only looks, such as `podman ps`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_only: Vec<String>,
    pub http: Vec<HttpRequest>,
    pub directories: Vec<DirectoryRequest>,
    /// To read.
    pub secrets: Vec<String>,
    /// To have used by the host, unseen.
    pub http_secrets: Vec<SecretRequest>,
    /// Hosts or patterns; of `user@host:port` only the host counts.
    pub ssh: Vec<String>,
    /// A private directory per instance.
    pub workdir: bool,
    /// Shell commands of the configuration's that it runs; with them, nothing is granted unasked.
    pub commands: Vec<String>,
}

/// A directory to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DirectoryRequest {
    pub path: String,
    #[serde(default)]
    pub write: bool,
}

impl Requests {
    /// Checks the texts, and tells which configuration keys they use.
    pub(super) fn check(&self) -> Result<BTreeSet<String>, String> {
        let mut keys = BTreeSet::new();
        for text in self.texts() {
            for piece in pieces(text)? {
                if let Piece::Key(key) = piece {
                    let key = key.split_once('=').map_or(key, |(key, _)| key);
                    keys.insert(key.to_owned());
                }
            }
        }
        if self
            .http
            .iter()
            .any(|rule| rule.ports.is_empty() || rule.methods.is_empty())
        {
            return Err("`requests.http` needs at least one port and one method".to_owned());
        }
        if self
            .http_secrets
            .iter()
            .any(|request| request.hosts.is_empty() || request.places.is_empty())
        {
            return Err("`requests.http-secrets` needs at least one host and one place".to_owned());
        }
        Ok(keys)
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let http = self.http.iter().flat_map(|rule| {
            let ports = rule.ports.iter().filter_map(|port| match port {
                Port::Template(text) => Some(text),
                Port::Number(_) => None,
            });
            ports.chain(&rule.methods).chain([&rule.host])
        });
        let secrets = self
            .http_secrets
            .iter()
            .flat_map(|request| request.hosts.iter().chain([&request.name]));
        self.programs
            .iter()
            .chain(&self.read_only)
            .chain(self.directories.iter().map(|request| &request.path))
            .chain(&self.secrets)
            .chain(&self.ssh)
            .chain(&self.commands)
            .chain(http)
            .chain(secrets)
            .map(String::as_str)
    }
}

impl Manifest {
    /// The rights that a source with this configuration asks for. Programs are looked for in `path` (as in `PATH`); one that is
    /// not there is `absent`, which is no problem before it is needed. `config` comes from [`Manifest::configure`].
    pub fn requested(
        &self,
        config: &Config,
        path: &OsStr,
    ) -> Result<Capabilities, Vec<ConfigProblem>> {
        let mut resolver = Resolver {
            config,
            path,
            problems: Vec::new(),
        };
        let requests = &self.requests;
        let mut programs = resolver.programs(&requests.programs);
        let reads = resolver.fill_all(&requests.read_only).into_iter();
        programs.reads = reads
            .map(|filled| filled.text)
            .filter(|text| !text.trim().is_empty())
            .collect();
        let rights = Capabilities {
            programs,
            http: resolver.http(&requests.http),
            directories: resolver.directories(&requests.directories),
            secrets: resolver.secrets(&requests.secrets),
            http_secrets: resolver.http_secrets(&requests.http_secrets),
            ssh: resolver.ssh(&requests.ssh),
            workdir: requests.workdir,
            commands: resolver
                .fill_all(&requests.commands)
                .into_iter()
                .map(|filled| filled.text)
                .collect(),
        };
        if resolver.problems.is_empty() {
            Ok(rights)
        } else {
            Err(resolver.problems)
        }
    }
}

/// One text with its placeholders filled in.
#[derive(Clone, Debug, Default)]
pub(super) struct Filled {
    pub(super) text: String,
    /// The configuration keys that it took values from.
    keys: Vec<String>,
    /// The manifest itself wrote a pattern here: `*`, or something that begins with `*.`.
    pub(super) pattern: bool,
}

impl Filled {
    /// The key that a problem with it is about.
    fn key(&self) -> String {
        match self.keys.first() {
            Some(key) => key.clone(),
            None => "requests".to_owned(),
        }
    }
}

pub(super) struct Resolver<'a> {
    config: &'a Config,
    path: &'a OsStr,
    problems: Vec<ConfigProblem>,
}

impl Resolver<'_> {
    fn programs(&mut self, templates: &[String]) -> Programs {
        let mut programs = Programs::default();
        for filled in self.fill_all(templates) {
            let name = filled.text.clone();
            if name == "*" && filled.pattern {
                programs.any = true;
            } else if name.is_empty() || name.contains('\0') || !plain_program(&name) {
                self.problem(&filled, "must be a program's name or absolute path");
            } else if let Some(found) = find_program(&name, self.path) {
                programs.named.insert(name, found);
            } else {
                programs.absent.insert(name);
            }
        }
        programs
    }

    fn directories(&mut self, requests: &[DirectoryRequest]) -> BTreeMap<PathBuf, DirectoryAccess> {
        let mut rights = BTreeMap::new();
        for request in requests {
            let access = if request.write {
                DirectoryAccess::Write
            } else {
                DirectoryAccess::Read
            };
            for filled in self.fill(&request.path) {
                match canonical_directory(Path::new(&filled.text)) {
                    Ok(path) => {
                        let entry = rights.entry(path).or_insert(access);
                        *entry = (*entry).max(access);
                    }
                    Err(problem) => self.problem(&filled, &problem),
                }
            }
        }
        rights
    }

    fn ssh(&mut self, templates: &[String]) -> BTreeSet<String> {
        let mut rights = BTreeSet::new();
        for filled in self.fill_all(templates) {
            let host = ssh_host(&filled.text);
            if is_host_pattern(host, filled.pattern) {
                rights.insert(host.to_owned());
            } else {
                self.problem(
                    &filled,
                    "must be a host name or an alias of the ssh configuration",
                );
            }
        }
        rights
    }

    pub(super) fn fill_all(&mut self, templates: &[String]) -> Vec<Filled> {
        templates
            .iter()
            .flat_map(|template| self.fill(template))
            .collect()
    }

    /// Every combination of the values that the placeholders stand for.
    pub(super) fn fill(&mut self, template: &str) -> Vec<Filled> {
        let mut all = vec![Filled {
            pattern: unconditional(template) == "*" || unconditional(template).starts_with("*."),
            ..Filled::default()
        }];
        // `check` has seen that it parses.
        for piece in pieces(template).unwrap_or_default() {
            match piece {
                Piece::Key(key) if key.contains('=') => {
                    let holds = key
                        .split_once('=')
                        .is_some_and(|(key, value)| self.values(key).iter().any(|v| v == value));
                    if !holds {
                        return Vec::new();
                    }
                }
                Piece::Text(text) => {
                    for filled in &mut all {
                        filled.text.push_str(text);
                    }
                }
                Piece::Key(key) => {
                    let values = self.values(key);
                    if values.len().saturating_mul(all.len()) > MOST {
                        self.problems.push(ConfigProblem {
                            key: key.to_owned(),
                            message: format!("asks for more than {MOST} rights at once"),
                            suggestion: None,
                        });
                        return Vec::new();
                    }
                    all = all
                        .iter()
                        .flat_map(|filled| {
                            values.iter().map(|value| {
                                let mut filled = filled.clone();
                                filled.text.push_str(value);
                                filled.keys.push(key.to_owned());
                                filled
                            })
                        })
                        .collect();
                }
            }
        }
        all
    }

    fn values(&mut self, key: &str) -> Vec<String> {
        let many = match self.config.get(key) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(many)) => many.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        let mut values = Vec::new();
        for value in many {
            match value {
                Value::String(text) => values.push(text.clone()),
                Value::Number(number) => values.push(number.to_string()),
                Value::Bool(yes) => values.push(yes.to_string()),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    self.problems.push(ConfigProblem {
                        key: key.to_owned(),
                        message: "the plugin asks for a right with this value, so it must be a text, a number or a list of these".to_owned(),
                        suggestion: None,
                    });
                }
            }
        }
        values
    }

    pub(super) fn problem(&mut self, filled: &Filled, what: &str) {
        self.problems.push(ConfigProblem {
            key: filled.key(),
            message: format!("{what}, not `{}`", printable_cut(&filled.text, 200)),
            suggestion: None,
        });
    }
}

/// A name without a slash, or an absolute path.
fn plain_program(name: &str) -> bool {
    !name.contains('*') && (!name.contains('/') || name.starts_with('/'))
}

/// The file that starting this program would start, with all symbolic links resolved.
fn find_program(name: &str, path: &OsStr) -> Option<PathBuf> {
    let executable = |candidate: &Path| {
        let found = fs::canonicalize(candidate).ok()?;
        let runs = fs::metadata(&found).ok()?.is_file()
            && rustix::fs::access(&found, rustix::fs::Access::EXEC_OK).is_ok();
        // It is kept as JSON and shown to people.
        (runs && found.to_str().is_some()).then_some(found)
    };
    if name.starts_with('/') {
        return executable(Path::new(name));
    }
    // Relative entries of `PATH` would let the current directory decide.
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .find_map(|directory| executable(&directory.join(name)))
}

fn canonical_directory(path: &Path) -> Result<PathBuf, String> {
    if !path.is_absolute() {
        return Err("must be an absolute path".to_owned());
    }
    let found = fs::canonicalize(path)
        .map_err(|error| format!("must be a directory that exists ({error})"))?;
    if !found.is_dir() {
        return Err("must be a directory".to_owned());
    }
    if found.to_str().is_none() {
        return Err("must lead to a path in UTF-8".to_owned());
    }
    Ok(found)
}

/// The host of `user@host:port` or `user@[address]:port`.
fn ssh_host(target: &str) -> &str {
    let target = target.strip_prefix("ssh://").unwrap_or(target);
    let host = target.rsplit_once('@').map_or(target, |(_, host)| host);
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    match host.split_once(':') {
        // More than one colon: a bare IPv6 address.
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn requested(requests: Value, config: Value, path: &str) -> Result<Capabilities, Vec<String>> {
        let keys = config.as_object().unwrap().keys();
        let properties: Config = keys.map(|key| (key.clone(), json!({}))).collect();
        let manifest = json!({
            "name": "test", "version": "1.0.0", "kind": "provider", "requests": requests,
            "config": {"properties": properties},
        });
        let manifest = Manifest::parse(manifest.to_string().as_bytes()).unwrap();
        manifest
            .requested(config.as_object().unwrap(), OsStr::new(path))
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn ssh(requests: &[&str], config: Value) -> Result<Vec<String>, Vec<String>> {
        requested(json!({"ssh": requests}), config, "").map(|all| all.ssh.into_iter().collect())
    }

    #[test]
    fn placeholders_stand_for_values() {
        for (requests, config, hosts) in [
            (
                &["{hosts}"][..],
                json!({"hosts": ["b", "a"]}),
                &["a", "b"][..],
            ),
            (&["{hosts}"], json!({"hosts": "a"}), &["a"]),
            (&["{hosts}"], json!({"hosts": []}), &[]),
            (&["{hosts}"], json!({"hosts": null}), &[]),
            (
                &["{a}{b}.x"],
                json!({"a": ["p", "q"], "b": [1, 2]}),
                &["p1.x", "p2.x", "q1.x", "q2.x"],
            ),
            (&["*", "*.lab"], json!({}), &["*", "*.lab"]),
            (&["*.{domain}"], json!({"domain": "a.org"}), &["*.a.org"]),
            (
                &["{h}"],
                json!({"h": ["me@web:22", "me@[::1]:22", "::2", "ssh://me@x", "h:1"]}),
                &["::1", "::2", "h", "web", "x"],
            ),
        ] {
            assert_eq!(ssh(requests, config).unwrap(), hosts);
        }
    }

    #[test]
    fn values_are_not_patterns_and_problems_name_their_key() {
        for (host, said) in [
            (
                json!("*"),
                "must be a host name or an alias of the ssh configuration, not `*`",
            ),
            (json!("*.lab"), "not `*.lab`"),
            (
                json!("-oProxyCommand=reboot"),
                "not `-oProxyCommand=reboot`",
            ),
            (json!("a b"), "not `a b`"),
            (json!("x.*"), "not `x.*`"),
            (json!(""), "not ``"),
            (json!("a\u{1b}"), "not `a\\u{1b}`"),
            (
                json!({"a": 1}),
                "must be a text, a number or a list of these",
            ),
            (
                json!([["a"]]),
                "must be a text, a number or a list of these",
            ),
        ] {
            let problems = ssh(&["{hosts}"], json!({"hosts": host})).unwrap_err();
            assert_eq!(problems.len(), 1);
            assert!(problems[0].starts_with("`hosts`: "), "{problems:?}");
            assert!(problems[0].contains(said), "{problems:?}");
        }
        assert!(ssh(&["*{x}"], json!({"x": ""})).is_err());
        assert!(
            ssh(&["*.{x}"], json!({"x": ["", "*", "*.a"]}))
                .unwrap_err()
                .len()
                == 3
        );
        let many = vec!["a"; 100];
        let config = json!({"a": many.clone(), "b": many});
        assert!(ssh(&["{a}{b}"], config).unwrap_err()[0].contains("more than 4096 rights"));
    }

    #[test]
    fn http_rules_become_single_rights() {
        let all = requested(
            json!({"http": [
                {"host": "API.example.com.", "ports": [443, "{port}"], "methods": ["get", "POST"]},
                {"host": "*.example.org"},
            ]}),
            json!({"port": 8443}),
            "",
        )
        .unwrap();
        let shown: Vec<_> = all
            .http
            .iter()
            .map(|right| format!("{} {}:{}", right.method, right.host, right.port))
            .collect();
        assert_eq!(
            shown,
            [
                "GET *.example.org:443",
                "GET api.example.com:443",
                "POST api.example.com:443",
                "GET api.example.com:8443",
                "POST api.example.com:8443",
            ]
        );
        for (rule, config, said) in [
            (
                json!({"host": "https://a"}),
                json!({}),
                "`requests`: must be a host name, without scheme or path",
            ),
            (
                json!({"host": "{h}"}),
                json!({"h": "*"}),
                "`h`: must be a host name",
            ),
            (
                json!({"host": "a", "ports": ["{p}"]}),
                json!({"p": "http"}),
                "`p`: must be a port number, not `http`",
            ),
            (
                json!({"host": "a", "methods": ["GET\r\n"]}),
                json!({}),
                "must be an HTTP method such as `GET`",
            ),
            (
                json!({"host": "a", "methods": ["{m}"]}),
                json!({"m": "*"}),
                "`m`: must be an HTTP method",
            ),
        ] {
            let problems = requested(json!({"http": [rule]}), config, "").unwrap_err();
            assert!(
                problems[0].starts_with(said) || problems[0].contains(said),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn programs_are_found_once_and_for_all() {
        let home = tempfile::tempdir().unwrap();
        let home_path = home.path().canonicalize().unwrap();
        let make = |name: &str, mode: u32| {
            let path = home_path.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        make("first/tool", 0o644);
        let tool = make("second/tool", 0o755);
        make("third/tool", 0o755);
        fs::create_dir(home_path.join("first/folder")).unwrap();
        symlink(&tool, home_path.join("first/alias")).unwrap();
        symlink("nowhere", home_path.join("first/broken")).unwrap();
        let path = ["first", "second", "third"]
            .map(|name| home_path.join(name).display().to_string())
            .join(":");
        let path = format!("relative:.::{path}");
        let absolute = tool.to_str().unwrap();
        let programs = requested(
            json!({"programs": ["tool", "alias", "broken", "folder", "nosuch", absolute, "{extra}"]}),
            json!({"extra": ["tool"]}),
            &path,
        )
        .unwrap()
        .programs;
        assert!(!programs.any);
        let expected: BTreeMap<String, PathBuf> = ["tool", "alias", absolute]
            .iter()
            .map(|name| ((*name).to_owned(), tool.clone()))
            .collect();
        assert_eq!(programs.named, expected);
        assert_eq!(
            programs.absent.into_iter().collect::<Vec<_>>(),
            ["broken", "folder", "nosuch"]
        );

        let any = requested(json!({"programs": ["*", "nosuch"]}), json!({}), "").unwrap();
        assert!(any.programs.any);
        for bad in ["*", "../x", "./x", "a/b", "", "a*", "a\u{0}b"] {
            let problems = requested(json!({"programs": ["{p}"]}), json!({"p": bad}), &path);
            assert!(problems.unwrap_err()[0].starts_with("`p`: must be a program's name"));
        }
    }

    #[test]
    fn directories_are_resolved() {
        let home = tempfile::tempdir().unwrap();
        let home_path = home.path().canonicalize().unwrap();
        let real = home_path.join("real");
        fs::create_dir(&real).unwrap();
        fs::write(home_path.join("file"), "").unwrap();
        symlink("real", home_path.join("link")).unwrap();
        let path = |name: &str| home_path.join(name).to_str().unwrap().to_owned();
        let all = requested(
            json!({"directories": [
                {"path": path("real")}, {"path": path("link/../link"), "write": true}, {"path": "{none}"},
            ]}),
            json!({"none": null}),
            "",
        )
        .unwrap();
        assert_eq!(
            all.directories,
            BTreeMap::from([(real, DirectoryAccess::Write)])
        );
        for (bad, said) in [
            (
                "relative".to_owned(),
                "must be an absolute path, not `relative`",
            ),
            ("~/x".to_owned(), "must be an absolute path"),
            (path("file"), "must be a directory, not"),
            (
                path("nosuch"),
                "must be a directory that exists (No such file",
            ),
        ] {
            let problems = requested(
                json!({"directories": [{"path": "{d}"}]}),
                json!({"d": bad}),
                "",
            );
            let problems = problems.unwrap_err();
            assert!(
                problems[0].starts_with(&format!("`d`: {said}")),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn conditions_leave_entries_out() {
        let request = &[
            "{access=ssh}*",
            "{a=1}{b=true}{h}",
            "{access=ssh}*.lab",
            "{access=none}x",
        ];
        let hosts = |config: Value| {
            let mut all = json!({"access": null, "a": null, "b": null, "h": null});
            all.as_object_mut()
                .unwrap()
                .extend(config.as_object().unwrap().clone());
            ssh(request, all)
        };
        assert_eq!(hosts(json!({"access": "ssh"})).unwrap(), ["*", "*.lab"]);
        assert_eq!(hosts(json!({"access": "none"})).unwrap(), ["x"]);
        let either = json!({"access": ["ssh", "none"]});
        assert_eq!(hosts(either).unwrap(), ["*", "*.lab", "x"]);
        assert_eq!(hosts(json!({})).unwrap(), [""; 0]);
        let both = json!({"a": 1, "b": true, "h": "web"});
        assert_eq!(hosts(both).unwrap(), ["web"]);
        // A condition does not make a pattern of a value, and its key is one of the schema's.
        assert!(hosts(json!({"a": 1, "b": true, "h": "*"})).is_err());
        let manifest = json!({
            "name": "test", "version": "1.0.0", "kind": "provider",
            "requests": {"ssh": ["{acess=ssh}*"]}, "config": {"properties": {"access": {}}},
        });
        let problem = Manifest::parse(manifest.to_string().as_bytes()).unwrap_err();
        assert!(problem.contains("acess"), "{problem}");
    }

    #[test]
    fn commands_are_taken_as_they_are() {
        let request = json!({"commands": ["{new}", "{list}"]});
        let all = requested(
            request,
            json!({"new": "echo *; rm -rf \"$X\"", "list": null}),
            "",
        );
        let commands: Vec<_> = all.unwrap().commands.into_iter().collect();
        assert_eq!(commands, ["echo *; rm -rf \"$X\""]);
    }

    #[test]
    fn secrets_have_a_grammar() {
        let all = requested(
            json!({"secrets": ["TOKEN", "{s}"]}),
            json!({"s": "a.b-c_1"}),
            "",
        );
        assert_eq!(
            all.unwrap().secrets.into_iter().collect::<Vec<_>>(),
            ["TOKEN", "a.b-c_1"]
        );
        for bad in ["", "*", "../x", "a b", "a\n"] {
            assert!(requested(json!({"secrets": ["{s}"]}), json!({"s": bad}), "").is_err());
        }
    }
}
