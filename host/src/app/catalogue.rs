//! What the engine may know of configuration and plugins.

use std::sync::Arc;

use runner_core::id::{SourceName, Token};
use runner_core::policy::{Limit, Millis, Policy, Tag};

use super::consent::Refuse;
use super::resolve::Bound;
use super::secrets::{InstanceSecrets, SourceSecrets, UserSecrets};
use super::{App, unloadable};
use crate::config::{SourceConfig, SourceKind};
use crate::engine::{Catalogue, Definition, Draw, EngineError, FailureKind, Listing, Result};
use crate::plugin::{Binding, HttpSettings, Maximum, NoSink, Services};
use crate::provider::{Hook, HookPoint, Listed, Provider, SshAccess};
use crate::store::UseRow;
use crate::transport::{Login, Patience, SshInstance, SshSessions};

/// The catalogue over the real configuration and the real plugins.
pub(super) struct AppCatalogue(pub(super) App);

impl AppCatalogue {
    pub(super) fn binding(&self, source: &SourceName, bound: &Bound) -> Result<Binding> {
        let app = &self.0;
        let ssh = if bound.grant.ssh.is_empty() {
            None
        } else {
            Some(Arc::clone(app.ssh()?))
        };
        let http = if bound.grant.http.is_empty() {
            HttpSettings::default()
        } else {
            app.http()?
        };
        Ok(Binding {
            source: source.clone(),
            config: bound.config.clone(),
            grant: bound.grant.clone(),
            limits: bound.limits.clone(),
            services: Services {
                secrets: Arc::new(SourceSecrets {
                    own: bound.secrets.clone(),
                    user: UserSecrets(app.clone()),
                }),
                uses: Arc::clone(&app.0.uses),
                books: app.books(),
                log: Arc::new(NoSink),
                ssh,
                http,
                path: app.environment().path.clone(),
                work: Some(app.environment().state.join("work")),
                tap: app.0.tap.clone(),
            },
        })
    }

    fn hook(&self, source: &SourceName, bound: &Bound) -> Result<Arc<dyn Hook>> {
        let mut binding = self.binding(source, bound)?;
        // What is tapped is the provider.
        binding.services.tap = None;
        self.0
            .plugins()
            .hook(&bound.component, binding)
            .map_err(unloadable)
    }
}

pub(super) fn bound(value: &serde_json::Value, source: &SourceName) -> Result<Bound> {
    // A reference deserialises without a copy of the whole.
    serde::Deserialize::deserialize(value).map_err(|error: serde_json::Error| {
        EngineError::new(
            FailureKind::State,
            format!("the stored definition of source `{source}` is damaged"),
        )
        .because(error)
    })
}

impl App {
    /// Everything that a source's provider says exists, without touching any of it. For a person in doubt, and for
    /// tests.
    pub async fn inventory(&self, draw: &Draw) -> Result<Vec<Listed>> {
        let catalogue = AppCatalogue(self.clone());
        let mut found = Vec::new();
        for definition in &draw.sources {
            let listed = catalogue.provider(definition)?.list().await;
            found.extend(listed.map_err(|error| {
                EngineError::provider(
                    format!("source `{}` could not list", definition.source),
                    error,
                )
            })?);
        }
        Ok(found)
    }
}

impl Catalogue for AppCatalogue {
    fn provider(&self, definition: &Definition) -> Result<Arc<dyn Provider>> {
        let bound = bound(&definition.plugin, &definition.source)?;
        let binding = self.binding(&definition.source, &bound)?;
        let wrappers = self.wrappers(&definition.source, &bound)?;
        self.0
            .plugins()
            .wrapped(&bound.component, binding, wrappers)
            .map_err(unloadable)
    }

    fn ssh(
        &self,
        definition: &Definition,
        token: &Token,
        access: &SshAccess,
    ) -> Result<Arc<dyn Provider>> {
        // On trial, a life is led for what the provider makes and destroys; that machines can be entered is shown on one.
        self.way(definition, token, access, self.0.0.tap.is_none())
    }

    fn hooks(&self, definition: &Definition, at: HookPoint) -> Result<Vec<Arc<dyn Hook>>> {
        let mut hooks = Vec::new();
        for value in &definition.hooks {
            let bound = bound(value, &definition.source)?;
            if bound.points.contains(&at) {
                hooks.push(self.hook(&definition.source, &bound)?);
            }
        }
        Ok(hooks)
    }

    fn routers(&self, asked: &SourceName) -> Result<Vec<Arc<dyn Hook>>> {
        self.0
            .routers(asked, |source, bound| self.hook(source, bound))
    }

    fn take_uses(&self) -> Vec<UseRow> {
        let now = self.0.now();
        let uses = self.0.0.uses.take().into_iter();
        uses.map(|(used, count)| UseRow {
            source: used.source,
            digest: used.digest,
            plugin: used.plugin,
            version: used.version,
            kind: used.right.word().to_owned(),
            what: used.what,
            uses: count,
            first_at: now,
            last_at: now,
        })
        .collect()
    }

    fn still_granted(&self, definition: &Definition) -> Result<()> {
        let bound = bound(&definition.plugin, &definition.source)?;
        let grant = self
            .0
            .store()?
            .read(|tx| tx.grant(&definition.source, &bound.component.digest))?;
        if grant.is_some_and(|grant| grant.revoked_at.is_some()) {
            return Err(EngineError::new(
                FailureKind::Denied,
                format!("the rights of plugin `{}` for source `{}` were taken back", bound.component.name, definition.source),
            )
            .hint(format!(
                "its instances can only be released and discarded; `runner plugin grant {}` grants them again",
                definition.source
            )));
        }
        Ok(())
    }

    fn current(&self, source: &SourceName) -> Result<Option<(Policy, String)>> {
        self.0.look_at_promotions()?;
        if let Some(current) = self.0.0.memo.current(source, self.0.now()) {
            return Ok(current);
        }
        let Some(config) = self.0.config().source(source)? else {
            return Ok(None);
        };
        if matches!(config.kind, SourceKind::Pool { .. }) {
            return Ok(None);
        }
        let resolved = self.0.resolve(config, source.to_string(), &[])?;
        let shape = self.0.shape(&resolved)?;
        let current = Some((resolved.policy, shape));
        let until = resolved.policy_until;
        self.0.0.memo.keep_current(source, &current, until);
        Ok(current)
    }

    fn definition(&self, source: &SourceName) -> Result<Definition> {
        let config = self.0.named(source)?;
        let resolved = self.0.resolve(config, source.to_string(), &[])?;
        self.0.define(resolved, &Refuse)
    }

    fn candidate(&self, source: &SourceName, digest: &str) -> Result<Definition> {
        self.0.tried(source, digest)
    }

    fn lost(&self, definition: &Definition) -> Option<String> {
        self.0.lost(definition)
    }

    fn tidy(&self) {
        self.0.tidy();
    }

    fn tags(&self, source: &SourceName) -> Vec<Tag> {
        match self.0.config().source(source) {
            Ok(Some(config)) => config.tags.clone(),
            _ => Vec::new(),
        }
    }

    fn machines_differ(&self, source: &SourceName) -> bool {
        self.0.named(source).is_ok_and(|config| {
            let resolved = self.0.resolve(config, source.to_string(), &[]);
            resolved.is_ok_and(|resolved| {
                matches!(
                    resolved.component.manifest.maximum,
                    Some(Maximum::CountOf(_))
                )
            })
        })
    }

    fn pool(&self, pool: &SourceName) -> Option<Policy> {
        let config = self.0.config().source(pool).ok()??;
        matches!(config.kind, SourceKind::Pool { .. }).then(|| config.policy(Limit::Unlimited))
    }

    fn listings(&self) -> Result<Vec<Listing>> {
        self.0.look_at_promotions()?;
        if let Some(listings) = self.0.0.memo.listings(self.0.now()) {
            return Ok(listings);
        }
        let config = self.0.config();
        let mut listings = Vec::new();
        for name in config.source_names() {
            match self.listing(&name) {
                Ok(Some(listing)) => listings.push(listing),
                Ok(None) => {}
                // One broken source must not hide the others.
                Err(error) => tracing::error!(
                    "source `{name}` is left out: {}",
                    crate::engine::chain(&error)
                ),
            }
        }
        self.0.0.memo.keep_listings(&listings);
        Ok(listings)
    }

    fn history(&self) -> Option<Millis> {
        match self.0.config().settings() {
            Ok(settings) => settings.fleet.history,
            // What is forgotten cannot be remembered again.
            Err(_) => None,
        }
    }
}

impl AppCatalogue {
    /// The host's own way to an instance. `waits`: for a new one, until it takes commands.
    pub(super) fn way(
        &self,
        definition: &Definition,
        token: &Token,
        access: &SshAccess,
        waits: bool,
    ) -> Result<Arc<dyn Provider>> {
        let bound = bound(&definition.plugin, &definition.source)?;
        let patience = Patience {
            ready: waits.then_some(bound.limits.ready),
            reboot: bound.limits.reboot,
        };
        let mut sessions = Arc::clone(self.0.ssh()?);
        if !access.is_plain() {
            let secrets = InstanceSecrets {
                app: self.0.clone(),
                own: bound.secrets,
                grant: bound.grant,
                token: token.clone(),
            };
            sessions = Arc::new(SshSessions::clone(&sessions).with_login(Login {
                identity: token.to_string(),
                access: access.clone(),
                secrets: Arc::new(move |name| secrets.get(name)),
            }));
        }
        Ok(Arc::new(SshInstance::new(
            sessions,
            access.clone(),
            definition.source.to_string(),
            patience,
        )))
    }

    fn listing(&self, name: &SourceName) -> Result<Option<Listing>> {
        let config = self.0.config();
        let Some(source) = config.source(name)? else {
            return Ok(None);
        };
        let resolve = |source: SourceConfig| {
            let argument = source.name.to_string();
            self.0.resolve(source, argument, &[])
        };
        if !matches!(source.kind, SourceKind::Pool { .. }) {
            let tags = source.tags.clone();
            let resolved = resolve(source)?;
            return Ok(Some(Listing {
                name: name.clone(),
                tags,
                policy: resolved.policy,
                policy_until: resolved.policy_until,
                children: None,
            }));
        }
        let mut total = Limit::At(0);
        let mut children = Vec::new();
        for child in config.expand(&source)? {
            children.push(child.name.clone());
            total = total.plus(resolve(child)?.policy.maximum);
        }
        let own = source.policy(Limit::Unlimited);
        let policy = Policy {
            maximum: own.maximum.tighter(total),
            ..own
        };
        Ok(Some(Listing {
            name: name.clone(),
            tags: source.tags,
            policy,
            policy_until: None,
            children: Some(children),
        }))
    }
}
