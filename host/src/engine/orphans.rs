//! What exists at a backend against what is in the books: machines that vanished, and machines that nobody knows.
//!
//! A stranger is destroyed only when our own books say that we made it (or the provider's listing holds nothing but what was
//! given into our hands), after a time in quarantine, and when a second listing shows it still. Everything else is
//! reported and left alone.

use std::collections::HashMap;

use runner_core::id::{InstanceName, SourceName, Timestamp, Token};
use runner_core::instance::State;
use runner_core::policy::Millis;
use serde::Serialize;

use super::provision::chain;
use super::{Definition, Engine, EngineError, FailureKind, Result, parse_definition};
use crate::provider::{Doomed, ErrorKind, Listed, Provider};
use crate::store::{Durability, InstanceRow, NewEvent, OrphanRow, StoreError};

/// A stranger, as it is reported.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Orphan {
    pub source: SourceName,
    pub handle: String,
    pub token: Token,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// It was made by this state, as this instance: it will be destroyed. None: it is not known to be ours, and left alone.
    pub made_as: Option<InstanceName>,
    pub trouble: Option<String>,
}

impl Engine {
    /// Everything that was listed and is not in the books.
    pub fn orphans(&self) -> Result<Vec<Orphan>> {
        self.store().read(|tx| {
            let mut orphans = Vec::new();
            for row in tx.orphans(None)? {
                let made_as = tx
                    .token_of(&row.token)?
                    .filter(|made| made.source == row.source)
                    .map(|made| made.name);
                orphans.push(Orphan {
                    source: row.source,
                    handle: row.handle,
                    token: row.token,
                    first_seen: row.first_seen,
                    last_seen: row.last_seen,
                    made_as,
                    trouble: row.trouble,
                });
            }
            Ok(orphans)
        })
    }

    /// Compares one source's backend with the books. Destroys orphans of ours that were seen before, for longer than `grace`.
    pub async fn sweep(&self, source: &SourceName, grace: Millis) -> Result<()> {
        let Some(definition) = self.definition_for_sweep(source)? else {
            return Ok(());
        };
        let provider = self.catalogue().provider(&definition)?;
        if !provider.optional().inventory {
            return Ok(());
        }
        let before = self
            .store()
            .read::<_, StoreError>(|tx| tx.live_instances(Some(source)))?;
        let listed = match provider.list().await {
            Ok(listed) => listed,
            // Whether it can may depend on its configuration.
            Err(error) if error.kind == ErrorKind::Unsupported => return Ok(()),
            Err(error) => {
                return Err(EngineError::provider(
                    format!("cannot list what exists of source `{source}`"),
                    error,
                ));
            }
        };
        let now = self.now();
        if before.iter().any(|row| row.state == State::Discarding) {
            self.store()
                .write::<_, StoreError>(Durability::Process, |tx| {
                    tx.hasten_discards(source, now)
                })?;
        }
        self.find_vanished(&before, &listed).await;
        // Read after the listing: an intent is in the books before anything is made of it.
        let known = self
            .store()
            .read::<_, StoreError>(|tx| tx.known_tokens(source))?;
        let known: HashMap<Token, Option<String>> = known.into_iter().collect();
        let strangers: Vec<&Listed> = listed
            .iter()
            .filter(|entry| !known.contains_key(&entry.token))
            .collect();
        self.quarantine(source, &strangers)?;
        let now = self.now();
        let seen = self
            .store()
            .read::<_, StoreError>(|tx| tx.orphans(Some(source)))?;
        for orphan in seen {
            let still = strangers.iter().any(|entry| entry.handle == orphan.handle);
            let over = grace.after(orphan.first_seen) <= now && orphan.sightings >= 2;
            if still && over {
                self.reap(&definition, &*provider, orphan).await?;
            }
        }
        Ok(())
    }

    /// What a source's instances are made from now, or were last.
    fn definition_for_sweep(&self, source: &SourceName) -> Result<Option<Definition>> {
        if let Ok(definition) = self.catalogue().definition(source) {
            return Ok(Some(definition));
        }
        let stored = self
            .store()
            .read::<_, StoreError>(|tx| tx.newest_definition(source))?;
        stored.as_ref().map(parse_definition).transpose()
    }

    /// Instances that were usable before the listing and still are, and that it does not show.
    async fn find_vanished(&self, before: &[InstanceRow], listed: &[Listed]) {
        for row in before {
            let usable = matches!(row.state, State::Ready | State::Leased) && row.handle.is_some();
            let shown = listed.iter().any(|entry| {
                entry.token == row.token || Some(&entry.handle) == row.handle.as_ref()
            });
            if !usable || shown {
                continue;
            }
            let current = self
                .store()
                .read::<_, StoreError>(|tx| tx.instance_by_id(row.id));
            let Ok(current) = current else { continue };
            if current.state != row.state {
                continue;
            }
            // One listing is not believed; the instance itself is asked.
            let checked = self.check_row(current.clone()).await;
            let unknown = matches!(checked, Ok(super::watchdog::Finding::Unknown));
            if unknown {
                let error = EngineError::new(
                    FailureKind::Provider,
                    format!("`{}` is not at the backend any more", row.name),
                );
                if let Err(error) = self.bury_if_listed_nowhere(current, error).await {
                    tracing::warn!("{}", chain(&error));
                }
            } else if let Err(error) = checked {
                tracing::warn!("{}", chain(&error));
            }
        }
    }

    /// Where nothing can be asked of the instance, a second listing decides.
    async fn bury_if_listed_nowhere(&self, row: InstanceRow, why: EngineError) -> Result<()> {
        let definition = self.definition(&row)?;
        let provider = self.catalogue().provider(&definition)?;
        let listed = provider.list().await.map_err(|error| {
            EngineError::provider(
                format!("cannot list what exists of `{}`", row.source),
                error,
            )
        })?;
        if listed.iter().any(|entry| entry.token == row.token) {
            return Ok(());
        }
        let current = self
            .store()
            .read::<_, StoreError>(|tx| tx.instance_by_id(row.id))?;
        if current.state == row.state {
            self.bury(current, &why).await?;
        }
        Ok(())
    }

    /// Notes who was seen, and forgets who is gone.
    fn quarantine(&self, source: &SourceName, strangers: &[&Listed]) -> Result<()> {
        let now = self.now();
        self.store()
            .write::<_, StoreError>(Durability::Process, |tx| {
                for entry in strangers {
                    if tx.sight_orphan(source, &entry.handle, &entry.token, now)? {
                        let made = tx.token_of(&entry.token)?;
                        let detail = match &made {
                            Some(made) => format!("`{}`, made as `{}`", entry.handle, made.name),
                            None => format!("`{}`, not known to be ours", entry.handle),
                        };
                        tracing::warn!("source `{source}` has an orphan: {detail}");
                        tx.count("orphans_found_total", source.as_str(), 1.0)?;
                        tx.note(&NewEvent {
                            source: Some(source),
                            detail: Some(&detail),
                            ..NewEvent::new("orphan", "found", now)
                        })?;
                    }
                }
                for orphan in tx.orphans(Some(source))? {
                    if !strangers.iter().any(|entry| entry.handle == orphan.handle) {
                        tx.forget_orphan(source, &orphan.handle)?;
                    }
                }
                Ok(())
            })?;
        Ok(())
    }

    /// Destroys an orphan, if it is ours to destroy.
    async fn reap(
        &self,
        definition: &Definition,
        provider: &dyn Provider,
        orphan: OrphanRow,
    ) -> Result<()> {
        let made = self
            .store()
            .read::<_, StoreError>(|tx| tx.token_of(&orphan.token))?
            .filter(|made| made.source == orphan.source);
        if made.as_ref().is_some_and(|made| made.state.is_live()) {
            return Ok(());
        }
        if made.is_none() && !definition.owns_listing {
            return Ok(());
        }
        let name = made.as_ref().map_or_else(
            || InstanceName::typed(orphan.handle.as_str()),
            |made| made.name.clone(),
        );
        let doomed = Doomed {
            token: orphan.token.clone(),
            handle: Some(orphan.handle.clone()),
            name,
            workdir: made.and_then(|made| made.workdir),
        };
        let discarded = match provider.discard(&doomed).await {
            Err(error) if error.kind != ErrorKind::Gone => Err(error),
            _ => Ok(()),
        };
        let now = self.now();
        let source = &orphan.source;
        self.store()
            .write::<_, StoreError>(Durability::Full, |tx| match &discarded {
                Ok(()) => {
                    tx.forget_orphan(source, &orphan.handle)?;
                    tx.count("orphans_destroyed_total", source.as_str(), 1.0)?;
                    tx.note(&NewEvent {
                        source: Some(source),
                        detail: Some(&orphan.handle),
                        ..NewEvent::new("orphan", "destroyed", now)
                    })
                }
                Err(error) => tx.trouble_with_orphan(source, &orphan.handle, &error.to_string()),
            })?;
        Ok(())
    }
}
