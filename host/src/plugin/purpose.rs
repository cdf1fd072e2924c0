//! What a call of a plugin is for: which instance, and what the call may do about it. Everything that is decided by that (what
//! may leave the host, which secrets are at hand) is decided from here and not from the call's name.

use runner_core::id::Token;

/// What a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Purpose {
    pub(crate) deed: Deed,
    /// The instance that it is about; none where it is about the source.
    pub(crate) token: Option<Token>,
}

/// What kind of thing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// An instance is made.
    Make,
    /// An instance is used as it is: `run`, `copy`, `send`.
    Use,
    /// An instance is changed as a whole: `clean`, `reboot`, an event of a hook.
    Change,
    /// It is only looked: `check`, `probe`, `list`, `route`.
    Look,
    /// An instance is destroyed.
    Destroy,
}

impl Purpose {
    /// Something about an instance.
    pub(crate) fn about(deed: Deed, token: &Token) -> Self {
        Self {
            deed,
            token: Some(token.clone()),
        }
    }

    /// A look at everything.
    pub(crate) fn overview() -> Self {
        Self {
            deed: Deed::Look,
            token: None,
        }
    }

    /// What the backend makes up in this call belongs to the instance.
    pub(crate) fn may_keep(&self) -> Option<&Token> {
        match self.deed {
            Deed::Make | Deed::Change => self.token.as_ref(),
            Deed::Use | Deed::Look | Deed::Destroy => None,
        }
    }
}
