//! What the user allows a plugin: looked up, asked for, recorded, refused.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use runner_core::id::SourceName;

use super::App;
use super::consent::{Answer, Consent, GrantAsk, Previous};
use super::resolve::json;
use crate::config::SourceConfig;
use crate::engine::{EngineError, FailureKind, Result};
use crate::plugin::{Capabilities, Component};
use crate::store::{Durability, GrantRow, StoreError};

impl App {
    /// What the user granted, if it is enough; else the user is asked.
    pub(super) fn granted(
        &self,
        source: &SourceConfig,
        component: &Component,
        requested: &Capabilities,
        argument: &str,
        consent: &dyn Consent,
    ) -> Result<Capabilities> {
        let command = format!("runner plugin grant --source {}", shell_word(argument));
        self.granted_by(source, component, requested, command, consent)
    }

    /// The same, where another command than `plugin grant` would grant it.
    pub(super) fn granted_by(
        &self,
        source: &SourceConfig,
        component: &Component,
        requested: &Capabilities,
        command: String,
        consent: &dyn Consent,
    ) -> Result<Capabilities> {
        let reference = &component.reference;
        let known = self
            .store()?
            .read(|tx| tx.grant(&source.name, &reference.digest))?;
        let revoked = known
            .as_ref()
            .is_some_and(|grant| grant.revoked_at.is_some());
        let granted = match &known {
            Some(grant) if !revoked => parse_capabilities(grant)?,
            // The program's own components may do what their names promise, until that is taken back. What a configuration
            // (a project's, perhaps) makes them run is nobody's promise.
            None if reference.embedded && requested.commands.is_empty() => {
                return Ok(requested.clone());
            }
            _ => Capabilities::default(),
        };
        let missing = requested.missing_from(&granted);
        let once = (source.name.clone(), reference.digest.clone());
        if missing.is_empty() || self.once().get(&once) == Some(requested) {
            return Ok(requested.clone());
        }
        let previous = match self
            .store()?
            .read(|tx| tx.grants(Some(&source.name)))?
            .into_iter()
            .find(|grant| grant.revoked_at.is_none() && grant.plugin == reference.name)
        {
            None => None,
            Some(grant) => Some(Previous {
                granted: parse_capabilities(&grant)?,
                plugin: grant.plugin,
                version: grant.version,
                digest: grant.digest,
            }),
        };
        let ask = GrantAsk {
            source: source.name.clone(),
            plugin: reference.name.clone(),
            version: reference.version.clone(),
            description: component.manifest.description.clone(),
            digest: reference.digest.clone(),
            requested: requested.clone(),
            missing,
            previous,
            command,
        };
        match consent.ask(&ask) {
            Answer::Grant => {
                self.remember(&source.name, component, requested)?;
                Ok(requested.clone())
            }
            Answer::Once => {
                self.once().insert(once, requested.clone());
                Ok(requested.clone())
            }
            Answer::Refuse => Err(refusal(&ask, revoked)),
        }
    }

    /// What was allowed for this call of the program only, by source and component.
    fn once(&self) -> MutexGuard<'_, BTreeMap<(SourceName, String), Capabilities>> {
        let once = &self.0.once;
        // A map of finished entries is never half-changed.
        once.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a grant.
    pub(super) fn remember(
        &self,
        source: &SourceName,
        component: &Component,
        capabilities: &Capabilities,
    ) -> Result<()> {
        let grant = self.grant_row(source, component, capabilities)?;
        self.store()?
            .write::<_, StoreError>(Durability::Full, |tx| tx.put_grant(&grant))?;
        Ok(())
    }

    pub(super) fn grant_row(
        &self,
        source: &SourceName,
        component: &Component,
        capabilities: &Capabilities,
    ) -> Result<GrantRow> {
        use crate::clock::Clock as _;
        Ok(GrantRow {
            source: source.to_string(),
            digest: component.reference.digest.clone(),
            plugin: component.reference.name.clone(),
            version: component.reference.version.clone(),
            capabilities: json(capabilities)?.to_string(),
            granted_at: crate::clock::SystemClock.now(),
            granted_by: self.environment().user.clone(),
            revoked_at: None,
        })
    }
}

pub(super) fn parse_capabilities(grant: &GrantRow) -> Result<Capabilities> {
    serde_json::from_str(&grant.capabilities).map_err(|error| {
        EngineError::new(
            FailureKind::State,
            format!("the grant of source `{}` is damaged", grant.source),
        )
        .hint(format!(
            "grant it again: `runner plugin grant {}`",
            grant.source
        ))
        .because(error)
    })
}

fn refusal(ask: &GrantAsk, revoked: bool) -> EngineError {
    let wants = ask.missing.explain().join("; ");
    let state = if revoked {
        "was taken back its rights"
    } else {
        "is not granted what it asks for"
    };
    EngineError::new(
        FailureKind::Denied,
        format!(
            "plugin `{}` {} {state}, for source `{}`: {wants}",
            ask.plugin, ask.version, ask.source
        ),
    )
    .hint(format!(
        "to allow it: `{}`; for the instances of one call: `--grant`",
        ask.command
    ))
}

/// A word as a POSIX shell reads it back.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
