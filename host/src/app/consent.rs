//! Asking the user for what a plugin wants.

use std::cell::Cell;

use crate::plugin::Capabilities;
use runner_core::id::SourceName;

/// A question: may this plugin do that for this source?
#[derive(Clone, Debug)]
pub struct GrantAsk {
    pub source: SourceName,
    pub plugin: String,
    pub version: String,
    pub description: String,
    /// Of the component.
    pub digest: String,
    /// Everything that it asks for.
    pub requested: Capabilities,
    /// What of that is not granted.
    pub missing: Capabilities,
    /// What another component was granted for this source before, newest first: the component has changed.
    pub previous: Option<Previous>,
    /// The exact command that grants it.
    pub command: String,
}

/// An earlier grant of the same source.
#[derive(Clone, Debug)]
pub struct Previous {
    pub plugin: String,
    pub version: String,
    pub digest: String,
    pub granted: Capabilities,
}

/// The user's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes, and remember it.
    Grant,
    /// Yes, for the instances that this call makes.
    Once,
    /// No.
    Refuse,
}

/// Somebody who can answer.
pub trait Consent {
    /// Asks.
    fn ask(&self, ask: &GrantAsk) -> Answer;
}

/// Nobody is there to ask.
pub struct Refuse;

impl Consent for Refuse {
    fn ask(&self, _ask: &GrantAsk) -> Answer {
        Answer::Refuse
    }
}

/// Passes questions on, and remembers whether an answer holds for one call only.
pub(super) struct Noting<'a> {
    asked: &'a dyn Consent,
    once: Cell<bool>,
}

impl<'a> Noting<'a> {
    pub(super) fn new(asked: &'a dyn Consent) -> Self {
        Self {
            asked,
            once: Cell::new(false),
        }
    }

    /// Something was granted for this call only.
    pub(super) fn once(&self) -> bool {
        self.once.get()
    }
}

impl Consent for Noting<'_> {
    fn ask(&self, ask: &GrantAsk) -> Answer {
        let answer = self.asked.ask(ask);
        if answer == Answer::Once {
            self.once.set(true);
        }
        answer
    }
}
