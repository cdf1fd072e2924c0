//! What a plugin may do: the rights that are requested, granted, compared and looked up at every call.
//!
//! A value of [`Capabilities`] is concrete: placeholders are filled in, programs and directories are absolute paths.
//! `requests` makes it from a manifest and a configuration; `consent` puts it into words. Nothing here touches files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::secret_use::SecretUse;

/// A set of rights. Requested, granted and missing rights all have this shape.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Capabilities {
    /// Programs that may be started.
    pub programs: Programs,
    /// HTTP requests that may be sent.
    pub http: BTreeSet<HttpRight>,
    /// Directories that may be opened: canonical path, and whether it may be written to.
    pub directories: BTreeMap<PathBuf, DirectoryAccess>,
    /// Secrets that may be read, by name.
    pub secrets: BTreeSet<String>,
    /// Secrets that the host may put into requests, unseen by the plugin.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub http_secrets: BTreeSet<SecretUse>,
    /// Hosts that may be reached by OpenSSH: patterns as in [`HttpRight::host`].
    pub ssh: BTreeSet<String>,
    /// A private directory per instance.
    pub workdir: bool,
    /// Shell commands out of the configuration that it is going to run. They widen nothing that the shell it was granted
    /// could not do; they are here so that a person sees them, and is asked again when one of them changes.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub commands: BTreeSet<String>,
}

/// Programs that may be started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Programs {
    /// Every program.
    pub any: bool,
    /// These: the name that the plugin uses, and the path that it stood for when this was resolved.
    pub named: BTreeMap<String, PathBuf>,
    /// Requested, but not there when this was resolved. Not a right: it makes "not installed" a better answer than
    /// "not granted".
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub absent: BTreeSet<String>,
    /// What the plugin says of those that are granted: that they only look when they are started so (`podman ps`). Not a right:
    /// it says what may be started in calls that are about no instance.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub reads: BTreeSet<String>,
}

/// How a directory may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectoryAccess {
    /// List and read.
    Read,
    /// Also create, change and remove.
    Write,
}

/// One kind of HTTP request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpRight {
    /// `api.example.com` (just that), `*.example.com` (every name below it, not itself), `*` (every host).
    pub host: String,
    pub port: u16,
    /// Upper case; `*`: every method.
    pub method: String,
}

impl Capabilities {
    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        !self.programs.any
            && self.programs.named.is_empty()
            && self.http.is_empty()
            && self.directories.is_empty()
            && self.secrets.is_empty()
            && self.http_secrets.is_empty()
            && self.ssh.is_empty()
            && !self.workdir
            && self.commands.is_empty()
    }

    /// What of this is not part of `granted`.
    #[must_use]
    pub fn missing_from(&self, granted: &Self) -> Self {
        Self {
            programs: self.programs.missing_from(&granted.programs),
            http: filtered(&self.http, |right| {
                !granted.http.iter().any(|other| other.covers(right))
            }),
            directories: self
                .directories
                .iter()
                .filter(|(path, access)| !granted.has_directory(path, **access))
                .map(|(path, access)| (path.clone(), *access))
                .collect(),
            secrets: filtered(&self.secrets, |name| !granted.secrets.contains(name)),
            http_secrets: filtered(&self.http_secrets, |one| {
                !granted.http_secrets.iter().any(|other| other.covers(one))
            }),
            ssh: filtered(&self.ssh, |host| {
                !granted
                    .ssh
                    .iter()
                    .any(|other| pattern_covers(other, host, Case::Matters))
            }),
            workdir: self.workdir && !granted.workdir,
            commands: filtered(&self.commands, |command| {
                !granted.commands.contains(command)
            }),
        }
    }

    /// Both together.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.programs.any |= other.programs.any;
        sum.programs.named.extend(other.programs.named.clone());
        sum.programs.absent.extend(other.programs.absent.clone());
        sum.programs.reads.extend(other.programs.reads.clone());
        let Programs { named, absent, .. } = &mut sum.programs;
        absent.retain(|name| !named.contains_key(name));
        sum.http.extend(other.http.iter().cloned());
        for (path, access) in &other.directories {
            let entry = sum.directories.entry(path.clone()).or_insert(*access);
            *entry = (*entry).max(*access);
        }
        sum.secrets.extend(other.secrets.iter().cloned());
        sum.http_secrets.extend(other.http_secrets.iter().cloned());
        sum.ssh.extend(other.ssh.iter().cloned());
        sum.workdir |= other.workdir;
        sum.commands.extend(other.commands.iter().cloned());
        sum
    }

    /// What to start for the program `name`: the path it had when it was granted. Where every program is granted and this
    /// one was not named, it is `name` itself, and `PATH` decides.
    ///
    /// The path is canonical (no symbolic links): start it with `name` as its `argv[0]`, because some programs
    /// look at that.
    pub fn allows_program<'a>(&'a self, name: &'a str) -> Option<&'a Path> {
        if let Some(path) = self.programs.named.get(name) {
            return Some(path);
        }
        (self.programs.any && !name.is_empty()).then(|| Path::new(name))
    }

    /// This HTTP request may be sent.
    pub fn allows_http(&self, method: &str, host: &str, port: u16) -> bool {
        let wanted = HttpRight {
            host: plain_host(host),
            port,
            method: method.to_owned(),
        };
        // A `*` that a plugin writes into its URL is no pattern.
        !wanted.host.contains('*')
            && wanted.method != "*"
            && self.http.iter().any(|right| right.covers(&wanted))
    }

    /// A rule names exactly this host, so that it may be reached although its address is private.
    pub fn names_http_host(&self, host: &str) -> bool {
        let host = plain_host(host);
        !host.contains('*') && self.http.iter().any(|right| right.host == host)
    }

    /// A rule names exactly this host with this port.
    pub fn names_http_port(&self, host: &str, port: u16) -> bool {
        let host = plain_host(host);
        !host.contains('*')
            && self
                .http
                .iter()
                .any(|right| right.host == host && right.port == port)
    }

    /// This host may be reached by OpenSSH, with any user and port.
    pub fn allows_ssh(&self, host: &str) -> bool {
        // OpenSSH would take a leading `-` for an option.
        !host.is_empty()
            && !host.starts_with('-')
            && !host.contains('*')
            && self
                .ssh
                .iter()
                .any(|pattern| pattern_covers(pattern, host, Case::Matters))
    }

    /// This secret may be read.
    pub fn allows_secret(&self, name: &str) -> bool {
        self.secrets.contains(name)
    }

    /// The directory, or one above it, is granted.
    fn has_directory(&self, path: &Path, access: DirectoryAccess) -> bool {
        self.directories
            .iter()
            .any(|(granted, allowed)| *allowed >= access && path.starts_with(granted))
    }
}

impl std::fmt::Display for HttpRight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}:{}", self.method, self.host, self.port)
    }
}

impl Programs {
    /// The plugin declares that this command only looks: its program and its first words are named. A word that a setting
    /// stands for may have spaces in it.
    pub fn only_looks(&self, argv: &[Vec<u8>]) -> bool {
        self.reads.iter().any(|declared| {
            let mut left = declared.trim().as_bytes();
            for word in argv {
                match left.strip_prefix(word.as_slice()) {
                    Some([]) => return true,
                    Some([b' ', rest @ ..]) => left = rest.trim_ascii_start(),
                    _ => return false,
                }
            }
            false
        })
    }

    fn missing_from(&self, granted: &Self) -> Self {
        if granted.any {
            return Self::default();
        }
        Self {
            any: self.any,
            // The same name for another file is another program.
            named: self
                .named
                .iter()
                .filter(|(name, path)| granted.named.get(*name) != Some(*path))
                .map(|(name, path)| (name.clone(), path.clone()))
                .collect(),
            absent: BTreeSet::new(),
            reads: BTreeSet::new(),
        }
    }
}

impl HttpRight {
    /// Reads `METHOD host:port`, as it is written.
    pub fn parse(text: &str) -> Option<Self> {
        let (method, place) = text.split_once(' ')?;
        let (host, port) = place.rsplit_once(':')?;
        Some(Self {
            host: host.to_owned(),
            port: port.parse().ok()?,
            method: method.to_owned(),
        })
    }

    fn covers(&self, other: &Self) -> bool {
        self.port == other.port
            && (self.method == "*" || self.method == other.method)
            && pattern_covers(&self.host, &other.host, Case::Ignored)
    }
}

/// Whether upper and lower case differ.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Matters,
    Ignored,
}

/// Every host that `wanted` (a host or a pattern) stands for is one that `pattern` stands for.
pub(super) fn pattern_covers(pattern: &str, wanted: &str, case: Case) -> bool {
    if pattern == "*" || pattern == wanted {
        return true;
    }
    let Some(domain) = pattern.strip_prefix("*.") else {
        return case == Case::Ignored && pattern.eq_ignore_ascii_case(wanted);
    };
    // `*.a.example.com` is below `*.example.com`; its `*` stands for at least one label.
    let Some(start) = wanted.len().checked_sub(domain.len()) else {
        return false;
    };
    let (Some(below), Some(tail)) = (wanted.get(..start), wanted.get(start..)) else {
        return false;
    };
    below.len() > 1
        && below.ends_with('.')
        && (tail == domain || (case == Case::Ignored && tail.eq_ignore_ascii_case(domain)))
}

/// A host as it is compared: lower case, no root dot, no brackets around an address.
pub(super) fn plain_host(host: &str) -> String {
    let host = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let host = host.strip_suffix('.').unwrap_or(host);
    host.to_ascii_lowercase()
}

fn filtered<T: Ord + Clone>(set: &BTreeSet<T>, keep: impl Fn(&T) -> bool) -> BTreeSet<T> {
    set.iter().filter(|item| keep(item)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn rights(value: serde_json::Value) -> Capabilities {
        serde_json::from_value(value).unwrap()
    }

    fn http(host: &str, port: u16, method: &str) -> serde_json::Value {
        json!({"http": [{"host": host, "port": port, "method": method}]})
    }

    fn some() -> Capabilities {
        rights(json!({
            "programs": {"named": {"podman": "/usr/bin/podman"}},
            "http": [{"host": "*.example.com", "port": 443, "method": "GET"}],
            "directories": {"/srv/a": "read", "/srv/b": "write"},
            "secrets": ["TOKEN"],
            "ssh": ["web1", "*.lab"],
            "workdir": true,
            "commands": ["make new"],
        }))
    }

    #[test]
    fn what_only_looks_is_known_by_its_first_words() {
        let programs = rights(json!({"programs": {"named": {}, "reads": ["podman  ps", "git -C /my own/tree worktree list", "sh"]}}))
            .programs;
        let looks = |words: &[&str]| {
            let argv: Vec<_> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
            programs.only_looks(&argv)
        };
        assert!(looks(&["podman", "ps"]) && looks(&["podman", "ps", "-a"]) && looks(&["sh"]));
        assert!(looks(&[
            "git",
            "-C",
            "/my own/tree",
            "worktree",
            "list",
            "--porcelain"
        ]));
        for other in [
            &["podman"][..],
            &["podman", "p", "s"],
            &["podman", "psx"],
            &["podman", "rm", "ps"],
            &["git", "-C", "/my own/tree", "worktree", "add"],
            &["s", "h"],
            &["", "sh"],
            &[],
        ] {
            assert!(!looks(other), "{other:?}");
        }
    }

    #[test]
    fn survives_being_kept() {
        let text = serde_json::to_string(&some()).unwrap();
        assert_eq!(serde_json::from_str::<Capabilities>(&text).unwrap(), some());
        assert!(serde_json::from_str::<Capabilities>("{\"root\":true}").is_err());
    }

    #[test]
    fn what_is_missing() {
        let nothing = Capabilities::default();
        assert!(nothing.is_empty() && !some().is_empty());
        assert!(some().missing_from(&some()).is_empty());
        assert_eq!(some().missing_from(&nothing), some());
        assert!(nothing.missing_from(&some()).is_empty());
        // Each of these is part of `some()`, or is not.
        for (requested, granted) in [
            (
                json!({"programs": {"named": {"podman": "/usr/bin/podman"}}}),
                true,
            ),
            (
                json!({"programs": {"named": {"podman": "/tmp/podman"}}}),
                false,
            ),
            (
                json!({"programs": {"named": {"docker": "/usr/bin/podman"}}}),
                false,
            ),
            (json!({"programs": {"any": true}}), false),
            // Nothing is asked for by what is not there.
            (json!({"programs": {"absent": ["docker"]}}), true),
            (http("api.example.com", 443, "GET"), true),
            (http("a.b.example.com", 443, "GET"), true),
            (http("*.b.example.com", 443, "GET"), true),
            (http("*.example.com", 443, "GET"), true),
            (http("example.com", 443, "GET"), false),
            (http("evilexample.com", 443, "GET"), false),
            (http("*.com", 443, "GET"), false),
            (http("*", 443, "GET"), false),
            (http("api.example.com", 80, "GET"), false),
            (http("api.example.com", 443, "POST"), false),
            (http("api.example.com", 443, "*"), false),
            (json!({"directories": {"/srv/a": "read"}}), true),
            (json!({"directories": {"/srv/a/b/c": "read"}}), true),
            (json!({"directories": {"/srv/a": "write"}}), false),
            (json!({"directories": {"/srv/ab": "read"}}), false),
            (json!({"directories": {"/srv": "read"}}), false),
            (json!({"directories": {"/srv/b": "read"}}), true),
            (json!({"secrets": ["TOKEN"]}), true),
            (json!({"secrets": ["token"]}), false),
            (json!({"ssh": ["web1"]}), true),
            (json!({"ssh": ["web2"]}), false),
            (json!({"ssh": ["a.lab", "*.b.lab"]}), true),
            (json!({"ssh": ["*"]}), false),
            (json!({"workdir": true}), true),
            (json!({"commands": ["make new"]}), true),
            (json!({"commands": ["make  new"]}), false),
        ] {
            let requested = rights(requested);
            let missing = requested.missing_from(&some());
            assert_eq!(missing.is_empty(), granted, "{requested:?}");
            if !granted {
                // The whole of it is missing, and granting that makes it complete.
                assert_eq!(missing, requested);
                assert!(requested.missing_from(&some().union(&missing)).is_empty());
            }
        }
        let any = rights(json!({"programs": {"any": true}}));
        let podman = rights(json!({"programs": {"named": {"podman": "/usr/bin/podman"}}}));
        assert!(podman.missing_from(&any).is_empty());
    }

    #[test]
    fn only_what_is_missing_is_missing() {
        let more = rights(json!({
            "programs": {"named": {"podman": "/usr/bin/podman", "tar": "/usr/bin/tar"}},
            "ssh": ["web1", "web2"], "workdir": true,
        }));
        assert_eq!(
            more.missing_from(&some()),
            rights(json!({"programs": {"named": {"tar": "/usr/bin/tar"}}, "ssh": ["web2"]}))
        );
    }

    #[test]
    fn union_keeps_the_larger_right() {
        let one = rights(json!({
            "directories": {"/a": "read", "/b": "write"}, "programs": {"absent": ["x"]},
        }));
        let other = rights(json!({
            "directories": {"/a": "write", "/b": "read"}, "programs": {"named": {"x": "/bin/x"}},
        }));
        let both = rights(json!({
            "directories": {"/a": "write", "/b": "write"}, "programs": {"named": {"x": "/bin/x"}},
        }));
        assert_eq!(one.union(&other), both);
        assert_eq!(other.union(&one), both);
    }

    #[test]
    fn lookups() {
        let granted = some();
        assert_eq!(
            granted.allows_program("podman"),
            Some(Path::new("/usr/bin/podman"))
        );
        assert_eq!(granted.allows_program("sh"), None);
        assert_eq!(granted.allows_program("/usr/bin/podman"), None);
        assert_eq!(granted.allows_program(""), None);
        let any = rights(json!({"programs": {"any": true, "named": {"tar": "/bin/tar"}}}));
        assert_eq!(any.allows_program("tar"), Some(Path::new("/bin/tar")));
        assert_eq!(any.allows_program("sh"), Some(Path::new("sh")));
        assert_eq!(any.allows_program(""), None);

        for (method, host, port, allowed) in [
            ("GET", "api.example.com", 443, true),
            ("GET", "API.Example.COM.", 443, true),
            ("get", "api.example.com", 443, false),
            ("GET", "example.com", 443, false),
            ("GET", ".example.com", 443, false),
            ("GET", "*.example.com", 443, false),
            ("GET", "api.example.com.evil.org", 443, false),
            ("GET", "api.example.com", 8443, false),
            ("*", "api.example.com", 443, false),
            ("GET", "", 443, false),
            ("GET", "ä.example.com", 443, true),
            ("GET", "äexample.com", 443, false),
        ] {
            assert_eq!(
                granted.allows_http(method, host, port),
                allowed,
                "{method} {host} {port}"
            );
        }
        let all = rights(http("*", 443, "*"));
        assert!(all.allows_http("DELETE", "[::1]", 443));
        assert!(!all.names_http_host("::1"));
        let local = rights(http("::1", 443, "GET"));
        assert!(local.allows_http("GET", "[::1]", 443) && local.names_http_host("[::1]"));

        for (host, allowed) in [
            ("web1", true),
            ("Web1", false),
            ("web2", false),
            ("a.lab", true),
            ("lab", false),
            ("*.lab", false),
            ("-oProxyCommand=x.lab", false),
            ("", false),
        ] {
            assert_eq!(granted.allows_ssh(host), allowed, "{host}");
        }
        assert!(granted.allows_secret("TOKEN") && !granted.allows_secret("OTHER"));
    }

    proptest! {
        /// A pattern lets through the names below its domain and nothing else, however a name is written.
        #[test]
        fn a_pattern_is_its_domain(host in "[a-zA-Z0-9.*-]{0,12}", tail in "(\\.example\\.com|\\.EXAMPLE\\.com\\.|example\\.com|\\.example\\.com\\.evil|)") {
            let granted = rights(http("*.example.com", 443, "GET"));
            let name = format!("{host}{tail}");
            let plain = name.strip_suffix('.').unwrap_or(&name).to_ascii_lowercase();
            let below = plain.strip_suffix(".example.com").is_some_and(|below| !below.is_empty());
            prop_assert_eq!(granted.allows_http("GET", &name, 443), below && !plain.contains('*'));
            prop_assert!(!granted.allows_http("POST", &name, 443) && !granted.allows_http("GET", &name, 80));
        }

        /// What is not missing can be done, and only that.
        #[test]
        fn missing_and_allowed_agree(
            pattern in prop_oneof![Just("*"), Just("*.b"), Just("*.a.b"), Just("a.b"), Just("b")],
            host in prop_oneof![Just("a.b"), Just("b"), Just("x.a.b"), Just("ab"), Just("x.b")],
            method in prop_oneof![Just("*"), Just("GET"), Just("POST")],
        ) {
            let granted = rights(http(pattern, 443, method));
            let wanted = rights(http(host, 443, "GET"));
            prop_assert_eq!(
                wanted.missing_from(&granted).is_empty(),
                granted.allows_http("GET", host, 443)
            );
        }
    }
}
