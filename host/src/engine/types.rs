//! What the verbs are asked and what they answer.

use std::time::Duration;

use runner_core::id::{Fence, InstanceName, SourceName, TicketId, Timestamp};
use runner_core::instance::State;
use runner_core::plan::Counts;
use runner_core::policy::{Limit, Millis, Policy, Tag};
use runner_core::requires::Requires;
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
    /// The digest of its component; empty in what was stored before that was written down.
    #[serde(default)]
    pub component: String,
    /// A digest of what decides whether an idle instance fits: component, configuration, scripts, hooks.
    pub shape: String,
    /// The host keeps a directory per instance.
    pub workdir: bool,
    #[serde(flatten)]
    pub scripts: super::ScriptFolders,
    /// Configured by a project: who looks from elsewhere does not see the source, and must not take it for removed.
    #[serde(default)]
    pub project: bool,
    /// What the provider lists holds nothing but what was given into our hands: strangers in it are ours to destroy.
    #[serde(default)]
    pub owns_listing: bool,
    /// The provider has something to do between two holders.
    #[serde(default)]
    pub cleans: bool,
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
    /// The source or pool that was asked for: its name goes into the instances' names. None: tags decided.
    pub asked: Option<SourceName>,
    /// The pool's own limits, when `asked` is a pool.
    pub pool: Option<Policy>,
    /// Where instances come from, in order of preference.
    pub sources: Vec<Definition>,
    /// What was asked for by tag.
    pub tags: Vec<String>,
    /// For each source, the sum of the priorities of those tags.
    pub weights: Vec<i32>,
    /// Settings or grants of this call only went into the definitions: nobody else can make these.
    pub custom: bool,
}

/// A request for instances.
#[derive(Clone, Debug)]
pub struct Ask {
    pub count: u32,
    pub wait: Wait,
    /// What an instance must be like.
    pub requires: Requires,
    /// The shelf to look on first, and that the instances belong to from then on.
    pub shelf: Option<String>,
    /// Nothing that was used before.
    pub fresh: bool,
    /// Larger is served first.
    pub priority: i32,
    /// Instead of the source's `lease_ttl`.
    pub lease_ttl: Option<Millis>,
    /// What the leases end with.
    pub holder: Option<Holder>,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            count: 1,
            wait: Wait::No,
            requires: Requires::default(),
            shelf: None,
            fresh: false,
            priority: 0,
            lease_ttl: None,
            holder: None,
        }
    }
}

/// What a lease ends with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    /// A process of this machine, told from later ones with its number by when it started.
    Process {
        pid: u32,
        started: u64,
        boot: String,
    },
    /// The process that acquired: its connection to the state directory, which the kernel closes.
    Worker { worker: String },
}

impl Holder {
    /// The process that has this number now.
    pub fn process(pid: u32) -> super::Result<Self> {
        match crate::process::identity::of(pid) {
            Some(now) => Ok(Self::Process {
                pid,
                started: now.started,
                boot: now.boot,
            }),
            None => Err(super::EngineError::new(
                super::FailureKind::Invalid,
                format!("there is no process {pid}"),
            )
            .hint("a lease can end with a process of this machine that runs now")),
        }
    }
}

/// An instance as a user names it: `NAME`, or `NAME@FENCE` for "only while that lease lasts".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub name: InstanceName,
    pub fence: Option<Fence>,
}

impl Reference {
    /// Reads `NAME[@FENCE]`.
    pub fn parse(text: &str) -> Self {
        if let Some((name, number)) = text.rsplit_once('@')
            && let Ok(number) = number.parse()
        {
            return Self {
                name: InstanceName::typed(name),
                fence: Some(Fence(number)),
            };
        }
        Self {
            name: InstanceName::typed(text),
            fence: None,
        }
    }
}

impl From<InstanceName> for Reference {
    fn from(name: InstanceName) -> Self {
        Self { name, fence: None }
    }
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
    /// What the holder calls itself (`--owner`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl Owner {
    /// Who it is to the shelves: what the holder calls itself, else the user.
    pub fn name(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.user)
    }
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
    /// The fencing number of its lease.
    pub fence: Option<Fence>,
    /// When its lease ends by itself.
    pub expires: Option<Timestamp>,
    /// The ticket it is made for or held by.
    pub ticket: Option<TicketId>,
    /// The shelf it belongs to.
    pub shelf: Option<String>,
    /// How often it was leased.
    pub uses: u32,
    /// When it was last asked whether it lives, and how often in a row it did not answer well.
    pub checked: Option<Timestamp>,
    pub check_failures: u32,
    pub attributes: Vec<(String, String)>,
    pub facts: Option<Facts>,
    pub access: Option<Access>,
    pub made_by: MadeBy,
    /// Why it is broken, or why its last discard failed.
    pub trouble: Option<String>,
    /// Nobody looks after it any more.
    pub loose_end: Option<super::LooseEnd>,
}

/// The component that made an instance, and drives it until it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MadeBy {
    /// Name and version, as in errors.
    pub plugin: String,
    pub digest: String,
    /// Why it cannot be used any more, and what to do; none: it can.
    pub lost: Option<String>,
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
    /// The same in detail.
    pub counts: Counts,
    /// Of the idle ones, those on shelves.
    pub shelved: u32,
    /// Of the idle and leased ones, those that are being checked or whose last check failed.
    pub suspect: u32,
    /// Tickets that wait for it.
    pub waiting: u32,
    pub maximum: Limit,
    /// Another component that is tried, or took the place of the one that is configured.
    pub canary: Option<super::CanaryStatus>,
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
