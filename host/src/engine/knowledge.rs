//! What is configured now of the sources that a round is about: read outside of any transaction.

use std::collections::HashMap;
use std::sync::PoisonError;

use runner_core::id::SourceName;
use runner_core::policy::Policy;

use super::canary::Candidates;
use super::round::Scope;
use super::{Definition, Engine, Result};
use crate::store::{PoolQuery, SourceQuery, StoreError};

/// What is configured now of the sources in question.
#[derive(Default)]
pub(super) struct Knowledge {
    pub(super) sources: Vec<SourceQuery>,
    pub(super) pools: Vec<PoolQuery>,
    /// What instances of a source can be made from.
    pub(super) definitions: HashMap<SourceName, std::result::Result<Definition, String>>,
    /// The same of the component that is tried.
    pub(super) candidates: Candidates,
}

impl Engine {
    /// Reads configuration, outside of any transaction.
    pub(super) fn knowledge(&self, scope: &Scope<'_>) -> Result<Knowledge> {
        let mut start = scope.sources.clone();
        let own: &[Definition] = scope.own.as_ref().map_or(&[], |own| &own.draw.sources);
        for definition in own {
            if !start.contains(&definition.source) {
                start.push(definition.source.clone());
            }
        }
        let (names, pools) = self.store().read::<_, StoreError>(|tx| {
            Ok((tx.sources_in_question(&start)?, tx.pools_in_question()?))
        })?;
        let mut knowledge = Knowledge::default();
        for name in names {
            let found = own.iter().find(|definition| definition.source == name);
            let current = match found {
                Some(definition) => Some((definition.policy, definition.shape.clone())),
                None => self.known(&name),
            };
            let (policy, shape) = current.map_or((None, String::new()), |(policy, shape)| {
                (Some(policy), shape)
            });
            knowledge.sources.push(SourceQuery {
                name,
                policy,
                shape,
            });
        }
        if let Some(own) = &scope.own
            && let (Some(name), Some(policy)) = (&own.draw.asked, own.draw.pool)
        {
            knowledge.pools.push(PoolQuery {
                name: name.clone(),
                policy,
            });
        }
        for name in pools {
            if !knowledge.pools.iter().any(|pool| pool.name == name)
                && let Some(policy) = self.catalogue().pool(&name)
            {
                knowledge.pools.push(PoolQuery { name, policy });
            }
        }
        Ok(knowledge)
    }

    /// A source as it is configured now; one that cannot be used now counts as not configured.
    fn known(&self, name: &SourceName) -> Option<(Policy, String)> {
        let current = self.catalogue().current(name);
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        match current {
            Ok(current) => {
                told.remove(name);
                current
            }
            Err(error) => {
                if told.insert(name.clone()) {
                    tracing::warn!(%error, "source `{name}` is not usable now");
                }
                None
            }
        }
    }
}
