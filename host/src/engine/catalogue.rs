//! What the engine needs to know of configuration and plugins, without seeing either.

use std::sync::Arc;

use runner_core::id::{SourceName, Timestamp, Token};
use runner_core::policy::{Millis, Policy, Tag};

use super::{Definition, EngineError, Result};
use crate::provider::{Hook, HookPoint, Provider, SshAccess};
use crate::store::UseRow;

/// A source or pool as it is configured now.
#[derive(Clone, Debug)]
pub struct Listing {
    pub name: SourceName,
    /// What tickets can ask for.
    pub tags: Vec<Tag>,
    /// As the schedule wants it now.
    pub policy: Policy,
    /// When the schedule may want something else; none: never.
    pub policy_until: Option<Timestamp>,
    /// The sources of a pool, nested pools resolved.
    pub children: Option<Vec<SourceName>>,
}

/// Implemented by `app`.
pub trait Catalogue: Send + Sync {
    /// The provider that made, and drives, the instances of a definition.
    fn provider(&self, definition: &Definition) -> Result<Arc<dyn Provider>>;

    /// The host's own way to the instance with this token, which is reached by ssh; loads no component.
    fn ssh(
        &self,
        definition: &Definition,
        token: &Token,
        access: &SshAccess,
    ) -> Result<Arc<dyn Provider>>;

    /// The hook plugins of a definition that listen at this point, in order.
    fn hooks(&self, definition: &Definition, at: HookPoint) -> Result<Vec<Arc<dyn Hook>>>;

    /// The hook plugins that route what is asked of this source or pool, in order, as they are configured now. Loads
    /// nothing when there are none. One that cannot be used is there all the same, and answers why.
    fn routers(&self, asked: &SourceName) -> Result<Vec<Arc<dyn Hook>>>;

    /// Uses of rights since the last time: they go into the books with whatever is written next.
    fn take_uses(&self) -> Vec<UseRow> {
        Vec::new()
    }

    /// Fails when the user took back what the definition's plugins were granted. Not asked before a discard.
    fn still_granted(&self, definition: &Definition) -> Result<()>;

    /// The limits (as the schedule wants them now) and the shape of a source as it is configured now; none when it is not configured any more.
    fn current(&self, source: &SourceName) -> Result<Option<(Policy, String)>>;

    /// What instances of a configured source are made from, when everything that it asks for is granted already.
    fn definition(&self, source: &SourceName) -> Result<Definition>;

    /// The same, made of the kept component with this digest instead of the one that the source is made of otherwise.
    fn candidate(&self, source: &SourceName, _digest: &str) -> Result<Definition> {
        Err(EngineError::unknown_source(source))
    }

    /// What of a definition's components cannot be had any more, and what to do about it; none: they are all there.
    fn lost(&self, _definition: &Definition) -> Option<String> {
        None
    }

    /// Removes kept components that nothing refers to.
    fn tidy(&self) {}

    /// The tags of a source as it is configured now.
    fn tags(&self, source: &SourceName) -> Vec<Tag>;

    /// The machines of this source are listed one by one, so that what one is like says nothing of the others.
    fn machines_differ(&self, source: &SourceName) -> bool;

    /// The limits of a pool as it is configured now.
    fn pool(&self, pool: &SourceName) -> Option<Policy>;

    /// Every configured source and pool.
    fn listings(&self) -> Result<Vec<Listing>>;

    /// How long what is over is remembered; none: for ever.
    fn history(&self) -> Option<Millis> {
        Some(Millis::seconds(30 * 24 * 3600))
    }
}
