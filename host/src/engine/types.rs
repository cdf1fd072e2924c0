//! What the verbs are asked and what they answer.

use std::time::Duration;

use runner_core::id::{InstanceName, SourceName, Timestamp};
use runner_core::instance::State;
use runner_core::policy::{Limit, Policy, Tag};
use serde::{Deserialize, Serialize};

use crate::provider::{Access, Facts};

/// A source as one verb needs it: configuration, component and grant brought together. Instances keep the
/// definition they were made with, so that they can be used and discarded after the configuration changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Definition {
    pub source: SourceName,
    pub policy: Policy,
    /// What tickets can ask for.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// For `sh` on the instance, as part of each check.
    #[serde(default)]
    pub check_command: Option<String>,
    /// Name and version of the plugin, for errors.
    pub label: String,
    /// A digest of what decides whether an idle instance fits: component, configuration, scripts, hooks.
    pub shape: String,
    /// The host keeps a directory per instance.
    pub workdir: bool,
    #[serde(flatten)]
    pub scripts: super::ScriptFolders,
    /// How long one script may run.
    pub script_deadline: Duration,
    /// The component with its configuration, grant and limits; only the catalogue can read it.
    pub plugin: serde_json::Value,
    /// Hook plugins that are told of events, in order, likewise.
    pub hooks: Vec<serde_json::Value>,
    /// When any of them wants to be told.
    #[serde(default)]
    pub hook_points: std::collections::BTreeSet<crate::provider::HookPoint>,
}

/// What `acquire` draws on: one source, or the sources of a pool in order.
#[derive(Clone, Debug)]
pub struct Draw {
    /// The source or pool that was asked for: its name goes into the instances' names.
    pub asked: SourceName,
    /// The pool's own limits, when `asked` is a pool.
    pub pool: Option<Policy>,
    /// Where instances come from, in order of preference.
    pub sources: Vec<Definition>,
}

/// How long `acquire` waits for an exhausted source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Fail at once.
    No,
    /// Until there is room.
    Forever,
    /// At most this long.
    For(Duration),
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub user: String,
    pub host: String,
    pub pid: u32,
}

/// One instance, for `status -v` and JSON.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InstanceStatus {
    pub name: InstanceName,
    pub source: SourceName,
    /// The pool it was asked of, if any.
    pub pool: Option<SourceName>,
    pub state: State,
    /// When it entered that state.
    pub since: Timestamp,
    pub created: Timestamp,
    pub owner: Option<Owner>,
    pub attributes: Vec<(String, String)>,
    pub facts: Option<Facts>,
    pub access: Option<Access>,
    /// Why it is broken, or why its last discard failed.
    pub trouble: Option<String>,
}

/// One source or pool, for `status`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceStatus {
    pub source: SourceName,
    /// Its children, when it is a pool (their instances are counted here too).
    pub pool: Option<Vec<SourceName>>,
    pub cached: u32,
    pub in_use: u32,
    /// Being made, or being destroyed.
    pub other: u32,
    pub maximum: Limit,
    /// Instances that are not `discarded`.
    pub instances: Vec<InstanceStatus>,
}

/// One line of the operation log.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OperationStatus {
    pub id: i64,
    pub verb: String,
    pub instance: Option<InstanceName>,
    pub source: Option<SourceName>,
    pub owner: Owner,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    /// `ok`, `failed`, `running`, or `interrupted` (its process is gone).
    pub outcome: String,
    /// What happened, when there is more to say.
    pub detail: Option<String>,
}

/// What happened to each released or discarded instance.
#[derive(Debug)]
pub struct Released {
    pub name: InstanceName,
    pub end: ReleaseEnd,
}

/// How a release or discard ended.
#[derive(Debug)]
pub enum ReleaseEnd {
    /// Kept for the next holder.
    Kept,
    /// Destroyed, and the provider confirmed it.
    Discarded,
    /// It was not leased (any more): nothing to do.
    Already,
    /// The lease has ended, but the provider has not confirmed the discard; it is tried again later.
    Pending(super::EngineError),
}

/// A signal for a running command.
pub use crate::provider::Arrived;

/// One side of `cp`.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// A path of this machine.
    Local(std::path::PathBuf),
    /// `-`: this process' standard input or output.
    Stream,
    /// A path of an instance, bytes.
    Remote {
        instance: InstanceName,
        path: Vec<u8>,
    },
}
