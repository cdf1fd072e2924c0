//! Rights in words: what each means to a person who has to decide, and what differs from what was granted before.

use std::collections::{BTreeMap, BTreeSet};

use super::capabilities::{Capabilities, DirectoryAccess};
use super::secret_use::Place;
use super::text::printable;

impl Capabilities {
    /// One plain sentence per right, what it means and not how it is written. Safe to print.
    pub fn explain(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.programs.any {
            lines.push(
                "start any program as you, with any arguments: it can do whatever you can do"
                    .to_owned(),
            );
        } else {
            for (name, path) in &self.programs.named {
                let base = name.rsplit('/').next().unwrap_or(name);
                lines.push(format!(
                    "start `{}` as you, with any arguments: it can do whatever {} can",
                    printable(&path.display().to_string()),
                    printable(base)
                ));
            }
        }
        for (path, access) in &self.directories {
            let path = printable(&path.display().to_string()).into_owned();
            lines.push(match access {
                DirectoryAccess::Read => {
                    format!("read every file under `{path}` that you can read")
                }
                DirectoryAccess::Write => format!(
                    "read, change, create and delete files under `{path}`, as far as you can"
                ),
            });
        }
        for host in &self.ssh {
            lines.push(match (host.as_str(), host.strip_prefix("*.")) {
                ("*", _) => "log in to any host with your ssh configuration and keys, and run any command there".to_owned(),
                (_, Some(domain)) => format!(
                    "log in to every host below `{}` with your ssh configuration and keys, and run any command there",
                    printable(domain)
                ),
                _ => format!(
                    "log in to `{}` with your ssh configuration and keys, and run any command there",
                    printable(host)
                ),
            });
        }
        for ((host, methods), ports) in self.http_rules() {
            let reads = methods
                .iter()
                .all(|method| method == "GET" || method == "HEAD");
            let methods = if methods.contains("*") {
                "any".to_owned()
            } else {
                methods.into_iter().collect::<Vec<_>>().join(", ")
            };
            let host = match (host.as_str(), host.strip_prefix("*.")) {
                ("*", _) => "any host on the internet".to_owned(),
                (_, Some(domain)) => format!("every host below `{}`", printable(domain)),
                _ => format!("`{}`", printable(&host)),
            };
            lines.push(format!(
                "send {} requests to {host} ({} {}): it can {} there, and pass on what it knows",
                printable(&methods),
                if ports.len() == 1 { "port" } else { "ports" },
                ports.into_iter().collect::<Vec<_>>().join(", "),
                if reads {
                    "read what is"
                } else {
                    "read and change what is"
                },
            ));
        }
        for name in &self.secrets {
            lines.push(format!(
                "read your secret `{}`, and use it wherever it may connect to",
                printable(name)
            ));
        }
        lines.extend(self.explain_secret_uses());
        for command in &self.commands {
            lines.push(format!(
                "run the shell command `{}` as you: it can do whatever you can do",
                printable(command)
            ));
        }
        if self.workdir {
            lines.push(
                "know the path of a private directory that each instance gets and that is deleted with it"
                    .to_owned(),
            );
        }
        lines
    }

    /// One sentence per secret that is used unseen, and per set of places: towards which hosts.
    fn explain_secret_uses(&self) -> Vec<String> {
        let mut places: BTreeMap<(&str, &str), (BTreeSet<Place>, bool)> = BTreeMap::new();
        for one in &self.http_secrets {
            let entry = places.entry((&one.name, &one.host)).or_default();
            entry.0.insert(one.place);
            entry.1 |= one.unencrypted;
        }
        let mut uses: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for ((name, host), how) in places {
            let host = match (host, host.strip_prefix("*.")) {
                ("*", _) => "any host".to_owned(),
                (_, Some(domain)) => format!("every host below `{}`", printable(domain)),
                _ => format!("`{}`", printable(host)),
            };
            uses.entry((name, how)).or_default().push(host);
        }
        uses.into_iter()
            .map(|((name, (places, unencrypted)), hosts)| {
                let places: Vec<_> = places
                    .into_iter()
                    .map(|place| match place {
                        Place::Header => "headers",
                        Place::Query => "addresses",
                        Place::Body => "bodies, which it could have published there",
                    })
                    .collect();
                format!(
                    "have your secret `{}` put into requests to {} without seeing it (in {}){}",
                    printable(name),
                    hosts.join(", "),
                    places.join(", "),
                    if unencrypted {
                        ", also unencrypted, where everybody on the way can read it"
                    } else {
                        ""
                    },
                )
            })
            .collect()
    }

    /// What is new (`+`) and what is no longer there (`-`) since `previous`, one line each, in a fixed order. Safe to
    /// print.
    pub fn diff(&self, previous: &Self) -> Vec<String> {
        let (new, old) = (self.facts(), previous.facts());
        let mut lines: Vec<(String, char)> = new
            .difference(&old)
            .map(|fact| (fact.clone(), '+'))
            .chain(old.difference(&new).map(|fact| (fact.clone(), '-')))
            .collect();
        // A changed right has its two lines together, the old one first.
        lines.sort_by(|(one, sign), (other, other_sign)| one.cmp(other).then(other_sign.cmp(sign)));
        lines
            .into_iter()
            .map(|(fact, sign)| format!("{sign} {fact}"))
            .collect()
    }

    /// Every right on a line of its own, as short as it can be.
    fn facts(&self) -> BTreeSet<String> {
        let mut facts = BTreeSet::new();
        if self.programs.any {
            facts.insert("program * (any)".to_owned());
        }
        for (name, path) in &self.programs.named {
            facts.insert(format!(
                "program {} ({})",
                printable(name),
                printable(&path.display().to_string())
            ));
        }
        for (path, access) in &self.directories {
            let access = match access {
                DirectoryAccess::Read => "read",
                DirectoryAccess::Write => "write",
            };
            facts.insert(format!(
                "directory {} ({access})",
                printable(&path.display().to_string())
            ));
        }
        for right in &self.http {
            facts.insert(format!(
                "http {} {}:{}",
                printable(&right.method),
                printable(&right.host),
                right.port
            ));
        }
        facts.extend(
            self.secrets
                .iter()
                .map(|name| format!("secret {}", printable(name))),
        );
        facts.extend(self.http_secrets.iter().map(|one| {
            format!(
                "http-secret {} to {} ({}{})",
                printable(&one.name),
                printable(&one.host),
                one.place.word(),
                if one.unencrypted { ", unencrypted" } else { "" },
            )
        }));
        facts.extend(
            self.ssh
                .iter()
                .map(|host| format!("ssh {}", printable(host))),
        );
        facts.extend(
            self.commands
                .iter()
                .map(|command| format!("command {}", printable(command))),
        );
        if self.workdir {
            facts.insert("workdir".to_owned());
        }
        facts
    }

    /// The HTTP rights with their methods and ports drawn together.
    fn http_rules(&self) -> BTreeMap<(String, BTreeSet<String>), BTreeSet<String>> {
        let mut methods: BTreeMap<(&str, u16), BTreeSet<String>> = BTreeMap::new();
        for right in &self.http {
            methods
                .entry((&right.host, right.port))
                .or_default()
                .insert(right.method.clone());
        }
        let mut rules: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for ((host, port), methods) in methods {
            rules
                .entry((host.to_owned(), methods))
                .or_default()
                .insert(port.to_string());
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rights(value: serde_json::Value) -> Capabilities {
        serde_json::from_value(value).unwrap()
    }

    fn http(host: &str, port: u16, method: &str) -> serde_json::Value {
        json!({"host": host, "port": port, "method": method})
    }

    #[test]
    fn explains_what_it_means() {
        let all = rights(json!({
            "programs": {"named": {"podman": "/usr/bin/podman"}, "absent": ["docker"]},
            "http": [
                http("api.example.com", 443, "GET"), http("api.example.com", 443, "POST"),
                http("api.example.com", 8443, "GET"), http("api.example.com", 8443, "POST"),
                http("*.example.org", 443, "GET"), http("*", 80, "*"),
            ],
            "directories": {"/srv/a": "read", "/srv/b": "write"},
            "secrets": ["TOKEN"],
            "http-secrets": [
                {"name": "KEY", "host": "api.example.com", "in": "header"},
                {"name": "KEY", "host": "login.example.com", "in": "header"},
                {"name": "PASSWORD", "host": "*.example.org", "in": "body", "unencrypted": true},
                {"name": "PASSWORD", "host": "*.example.org", "in": "query"},
            ],
            "ssh": ["web1", "*.lab", "*"],
            "workdir": true,
            "commands": ["make new"],
        }));
        assert_eq!(
            all.explain(),
            [
                "start `/usr/bin/podman` as you, with any arguments: it can do whatever podman can",
                "read every file under `/srv/a` that you can read",
                "read, change, create and delete files under `/srv/b`, as far as you can",
                "log in to any host with your ssh configuration and keys, and run any command there",
                "log in to every host below `lab` with your ssh configuration and keys, and run any command there",
                "log in to `web1` with your ssh configuration and keys, and run any command there",
                "send any requests to any host on the internet (port 80): it can read and change what is there, and pass on what it knows",
                "send GET requests to every host below `example.org` (port 443): it can read what is there, and pass on what it knows",
                "send GET, POST requests to `api.example.com` (ports 443, 8443): it can read and change what is there, and pass on what it knows",
                "read your secret `TOKEN`, and use it wherever it may connect to",
                "have your secret `KEY` put into requests to `api.example.com`, `login.example.com` without seeing it (in headers)",
                "have your secret `PASSWORD` put into requests to every host below `example.org` without seeing it (in addresses, bodies, which it could have published there), also unencrypted, where everybody on the way can read it",
                "run the shell command `make new` as you: it can do whatever you can do",
                "know the path of a private directory that each instance gets and that is deleted with it",
            ]
        );
        assert_eq!(
            rights(json!({"programs": {"any": true, "named": {"a": "/a"}}})).explain(),
            ["start any program as you, with any arguments: it can do whatever you can do"]
        );
        assert!(Capabilities::default().explain().is_empty());
    }

    #[test]
    fn shows_what_changed() {
        let old = rights(json!({
            "programs": {"named": {"podman": "/usr/bin/podman"}},
            "ssh": ["web1"], "directories": {"/srv": "read"},
        }));
        let new = rights(json!({
            "programs": {"named": {"podman": "/opt/podman", "tar": "/bin/tar"}},
            "ssh": ["web1"], "directories": {"/srv": "write"},
            "http": [http("a.org", 443, "GET")], "workdir": true, "commands": ["make"],
            "http-secrets": [{"name": "KEY", "host": "a.org", "in": "header"}],
        }));
        assert_eq!(
            new.diff(&old),
            [
                "+ command make",
                "- directory /srv (read)",
                "+ directory /srv (write)",
                "+ http GET a.org:443",
                "+ http-secret KEY to a.org (header)",
                "+ program podman (/opt/podman)",
                "- program podman (/usr/bin/podman)",
                "+ program tar (/bin/tar)",
                "+ workdir",
            ]
        );
        assert!(new.diff(&new).is_empty());
    }

    #[test]
    fn nothing_of_it_is_obeyed_by_a_terminal() {
        let bad = "a\u{1b}[2Jb\n";
        let all = rights(json!({
            "programs": {"named": {(bad): (format!("/{bad}"))}}, "directories": {(format!("/{bad}")): "read"},
            "http": [http(bad, 1, bad)], "secrets": [bad], "ssh": [bad, format!("*.{bad}")],
            "commands": [bad], "http-secrets": [{"name": bad, "host": bad, "in": "body"}],
        }));
        let lines = [all.explain(), all.diff(&Capabilities::default())].concat();
        assert_eq!(lines.len(), 16);
        assert!(lines.iter().all(|line| !line.contains(char::is_control)));
    }
}
