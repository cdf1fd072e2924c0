//! The port of hook plugins: told what happens to instances, asked where a ticket goes. The shapes follow
//! `wit/hook.wit`, which explains each item.

use std::sync::Arc;

use async_trait::async_trait;
use runner_core::id::SourceName;
use serde::{Deserialize, Serialize};

use super::{Command, Instance, Output, Result};

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookPoint {
    /// It was made.
    Provision,
    /// It is about to be handed out.
    Acquire,
    /// Its lease has ended.
    Release,
    /// It is being checked.
    Check,
    /// It is about to be destroyed.
    Discard,
}

impl HookPoint {
    /// Every point, in the order of an instance's life.
    pub const ALL: [Self; 5] = [
        Self::Provision,
        Self::Acquire,
        Self::Release,
        Self::Check,
        Self::Discard,
    ];

    /// The word in configuration and reports; scripts live in `WORD.d`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Acquire => "acquire",
            Self::Release => "release",
            Self::Check => "check",
            Self::Discard => "discard",
        }
    }
}

/// For whom something happens, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occasion {
    /// Who holds the instance, or is about to.
    pub owner: Option<String>,
    /// The shelf that it is taken from, or put on.
    pub shelf: Option<String>,
    /// The ticket that is served.
    pub ticket: Option<String>,
}

/// What a ticket asks for, as a router sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteRequest {
    /// The source or pool; none when only tags are asked for.
    pub asked: Option<SourceName>,
    pub tags: Vec<String>,
    /// As written.
    pub requires: Vec<String>,
    pub shelf: Option<String>,
    pub count: u32,
    pub owner: String,
    /// From 1.
    pub attempt: u32,
}

/// A source that could serve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteCandidate {
    pub source: SourceName,
    pub tags: Vec<String>,
    pub priority: i32,
    pub cost: u32,
    /// Everything that exists.
    pub live: u32,
    pub idle: u32,
    pub starting: u32,
    /// None: no bound.
    pub maximum: Option<u32>,
    pub failures_in_a_row: u32,
}

/// What a router says of one candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteVerdict {
    /// It may serve, the smallest first.
    Take(u32),
    /// Not this one, and why; escaped for terminals.
    Reject(String),
}

/// What a hook may do with the instance that its event is about.
#[async_trait]
pub trait Target: Send + Sync {
    /// Runs a command and collects what it prints, at most 1 MiB of each stream.
    async fn run(&self, command: &Command, stdin: Vec<u8>) -> Result<Output>;
}

/// A hook plugin, configured for one source or pool.
#[async_trait]
pub trait Hook: Send + Sync {
    /// The name shown in reports.
    fn name(&self) -> &str;

    /// It can be asked where a ticket goes.
    fn routes(&self) -> bool;

    /// Tells the hook what happens; success where it does not listen.
    async fn on_event(
        &self,
        at: HookPoint,
        occasion: &Occasion,
        instance: &Instance,
        target: Arc<dyn Target>,
    ) -> Result<()>;

    /// One verdict per candidate, in their order; `unsupported` where it does not route.
    async fn route(
        &self,
        request: &RouteRequest,
        candidates: &[RouteCandidate],
    ) -> Result<Vec<RouteVerdict>>;
}
