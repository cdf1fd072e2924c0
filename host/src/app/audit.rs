//! `runner plugin audit`: what a source's plugins were granted beside what they used of it.

use runner_core::id::{SourceName, Timestamp};

use super::App;
use super::grants::parse_capabilities;
use crate::config::{SourceArgument, SourceConfig, SourceKind};
use crate::engine::Result;
use crate::plugin::{Capabilities, Component, HttpRight};
use crate::store::UseRow;

/// One component that serves a source.
#[derive(Clone, Debug)]
pub struct Audit {
    pub source: SourceName,
    pub plugin: String,
    pub version: String,
    pub digest: String,
    pub granted: Capabilities,
    pub used: Vec<Used>,
    /// What it used, as a grant.
    pub tighter: Capabilities,
}

/// A right that was used.
#[derive(Clone, Debug)]
pub struct Used {
    /// `program`, `http`, `secret`, `ssh`.
    pub kind: String,
    pub what: String,
    pub uses: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

impl App {
    /// Every component of a source or pool: its provider and its hooks.
    pub fn plugin_audit(&self, source: &SourceArgument) -> Result<Vec<Audit>> {
        let config = self.source_config(source)?;
        let mut audits = Vec::new();
        let sources = match &config.kind {
            SourceKind::Pool { .. } => {
                self.audit_hooks(&config, &mut audits)?;
                self.config().expand(&config)?
            }
            SourceKind::Provider { .. } => vec![config],
        };
        for config in sources {
            let resolved = self.resolve(config, String::new(), &[])?;
            audits.push(self.audit(
                &resolved.source.name,
                &resolved.component,
                &resolved.requested,
            )?);
            self.audit_hooks(&resolved.source, &mut audits)?;
        }
        Ok(audits)
    }

    fn audit_hooks(&self, source: &SourceConfig, audits: &mut Vec<Audit>) -> Result<()> {
        for number in 0..source.hooks.len() {
            let hook = self.find_hook(source, number)?;
            audits.push(self.audit(&source.name, &hook.component, &hook.requested)?);
        }
        Ok(())
    }

    fn audit(
        &self,
        source: &SourceName,
        component: &Component,
        requested: &Capabilities,
    ) -> Result<Audit> {
        let reference = &component.reference;
        let (grant, uses) = self.store()?.read::<_, crate::store::StoreError>(|tx| {
            Ok((
                tx.grant(source, &reference.digest)?,
                tx.uses(source.as_str())?,
            ))
        })?;
        let granted = match grant {
            Some(grant) if grant.revoked_at.is_some() => Capabilities::default(),
            Some(grant) => parse_capabilities(&grant)?,
            // What the program's own components ask for, they have.
            None if reference.embedded => requested.clone(),
            None => Capabilities::default(),
        };
        let uses: Vec<UseRow> = uses
            .into_iter()
            .filter(|used| used.digest == reference.digest)
            .collect();
        Ok(Audit {
            source: source.clone(),
            plugin: reference.name.clone(),
            version: reference.version.clone(),
            digest: reference.digest.clone(),
            tighter: tighter(&granted, &uses),
            granted,
            used: uses
                .into_iter()
                .map(|used| Used {
                    kind: used.kind,
                    what: used.what,
                    uses: used.uses,
                    first_at: used.first_at,
                    last_at: used.last_at,
                })
                .collect(),
        })
    }
}

/// The part of a grant that was used. Which files a plugin opened is not seen, and commands are shown and grant nothing: these are
/// as they were granted.
fn tighter(granted: &Capabilities, uses: &[UseRow]) -> Capabilities {
    let of = |kind: &str| {
        let uses = uses.iter().filter(move |used| used.kind == kind);
        uses.map(|used| used.what.as_str()).collect::<Vec<_>>()
    };
    let mut tighter = Capabilities {
        directories: granted.directories.clone(),
        commands: granted.commands.clone(),
        // The host puts them in, and does not say where.
        http_secrets: granted.http_secrets.clone(),
        workdir: granted.workdir,
        ..Capabilities::default()
    };
    tighter.programs.reads = granted.programs.reads.clone();
    for name in of("program") {
        if let Some(path) = granted.allows_program(name) {
            let named = &mut tighter.programs.named;
            named.insert(name.to_owned(), path.to_owned());
        }
    }
    for what in of("http") {
        if let Some(right) = HttpRight::parse(what)
            && granted.allows_http(&right.method, &right.host, right.port)
        {
            tighter.http.insert(right);
        }
    }
    let secrets = of("secret").into_iter();
    tighter.secrets = secrets
        .filter(|name| granted.allows_secret(name))
        .map(str::to_owned)
        .collect();
    let hosts = of("ssh").into_iter();
    tighter.ssh = hosts
        .filter(|host| granted.allows_ssh(host))
        .map(str::to_owned)
        .collect();
    tighter
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_not_used_is_not_proposed() {
        let granted: Capabilities = serde_json::from_value(json!({
            "programs": {"named": {"podman": "/usr/bin/podman", "docker": "/usr/bin/docker"}},
            "http": [{"host": "*.example.com", "port": 443, "method": "*"}],
            "secrets": ["A", "B"], "ssh": ["*"], "workdir": true,
        }))
        .unwrap();
        let used = |kind: &str, what: &str| UseRow {
            source: "s".into(),
            digest: "d".into(),
            plugin: "p".into(),
            version: "1".into(),
            kind: kind.into(),
            what: what.into(),
            uses: 1,
            first_at: Timestamp(0),
            last_at: Timestamp(0),
        };
        let uses = [
            used("program", "podman"),
            used("http", "GET api.example.com:443"),
            used("http", "GET other.org:443"),
            used("secret", "B"),
            used("ssh", "web1"),
        ];
        let tighter = tighter(&granted, &uses);
        let expected: Capabilities = serde_json::from_value(json!({
            "programs": {"named": {"podman": "/usr/bin/podman"}},
            "http": [{"host": "api.example.com", "port": 443, "method": "GET"}],
            "secrets": ["B"], "ssh": ["web1"], "workdir": true,
        }))
        .unwrap();
        assert_eq!(tighter, expected);
        assert!(tighter.missing_from(&granted).is_empty());
        assert!(!granted.missing_from(&tighter).is_empty());
    }
}
