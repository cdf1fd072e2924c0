//! The write-ahead guard: what may leave the host in a call, given what the books say of the instance that the call is for.
//!
//! The host does not understand a backend's language. What it can see to is that nothing is changed anywhere unless the books
//! tell, before it happens, for which instance; so that whatever goes wrong then, there is something to find it by. The rule:
//!
//! | in a call | reading over HTTP | changing over HTTP | `DELETE` | programs, ssh |
//! | --- | --- | --- | --- | --- |
//! | `allocate` | yes | of a recorded intent | of a recorded intent | of a recorded intent |
//! | `run`, `copy`, `send` | yes | of a recorded instance | no | of a recorded instance |
//! | `clean`, `reboot`, `on-event` | yes | of a recorded instance | of a recorded instance | of a recorded instance |
//! | `check`, `probe` | yes | no | no | of a recorded instance, or declared read-only |
//! | `list`, `route` | yes | no | no | programs that are declared read-only |
//! | `discard` | yes | of what is recorded as doomed | the same | the same |
//!
//! What was let out is counted, so that of a failed `allocate` it is known whether anything can have come of it.
//!
//! Reading is `GET`, `HEAD` and `OPTIONS`. Components of contract 0.1 were promised less and keep it: in the calls that only look
//! they may do what they were granted.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use super::bindings::types::{Error, Failure};
use super::books::Standing;
use super::component::Contract;
use super::purpose::{Deed, Purpose};
use super::state::Bound;
use super::{DirectoryAccess, HttpRight, Right, Use, text};

/// What is about to leave the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect<'a> {
    /// A request with this method.
    Http(&'a str),
    /// A program; `reads`: the manifest declares that it only looks.
    Program { name: &'a str, reads: bool },
    /// A command on a host.
    Ssh(&'a str),
}

impl fmt::Display for Effect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(method) => write!(f, "an HTTP request `{method}`"),
            Self::Program { name, .. } => write!(f, "starting `{name}`"),
            Self::Ssh(host) => write!(f, "a command on `{host}`"),
        }
    }
}

impl Effect<'_> {
    /// It changes nothing.
    fn reads(self) -> bool {
        match self {
            Self::Http(method) => matches!(method, "GET" | "HEAD" | "OPTIONS"),
            Self::Program { reads, .. } => reads,
            Self::Ssh(_) => false,
        }
    }
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// The call is one that only looks.
    Looking,
    /// The call uses an instance, and does not destroy.
    Using,
    /// The books do not know the instance, or not as what the call takes it for.
    NotRecorded,
}

/// Whether it may, as far as that does not depend on the books: then, whether these must know the instance.
fn judge(deed: Deed, about: bool, effect: Effect<'_>, contract: Contract) -> Result<bool, Refusal> {
    if effect.reads() {
        return Ok(false);
    }
    match (deed, effect) {
        (Deed::Look, _) if contract == Contract::V0_1 => Ok(false),
        (Deed::Look, Effect::Http(_)) => Err(Refusal::Looking),
        (Deed::Look, Effect::Program { .. } | Effect::Ssh(_)) if !about => Err(Refusal::Looking),
        (Deed::Use, Effect::Http("DELETE")) => Err(Refusal::Using),
        _ => Ok(true),
    }
}

/// Whether the books know the instance as what this deed needs.
fn recorded(deed: Deed, standing: Standing) -> bool {
    match (deed, standing) {
        (_, Standing::Any) => true,
        (_, Standing::Unknown) => false,
        (Deed::Make, Standing::Intended) | (Deed::Destroy, Standing::Doomed) => true,
        (Deed::Make | Deed::Destroy, _) => false,
        (Deed::Use | Deed::Change | Deed::Look, _) => true,
    }
}

/// The guard of one call: asked before anything leaves, from wherever it leaves.
pub(crate) struct Guard {
    bound: Arc<Bound>,
    purpose: Purpose,
    call: &'static str,
    /// What the books say of the instance, once they were asked.
    standing: OnceLock<Standing>,
    /// What left, or may have, and could change something.
    changes: AtomicU32,
}

/// That something was let out. Whoever learns that it did not leave after all gives this back.
#[must_use = "what did not leave is given back"]
#[derive(Debug)]
pub(crate) struct Leave {
    counted: bool,
}

impl Guard {
    pub(crate) fn new(bound: &Arc<Bound>, purpose: &Purpose, call: &'static str) -> Arc<Self> {
        Arc::new(Self {
            bound: bound.clone(),
            purpose: purpose.clone(),
            call,
            standing: OnceLock::new(),
            changes: AtomicU32::new(0),
        })
    }

    /// What the call is for.
    pub(crate) fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// It did not leave: no connection came about, or no program was started.
    pub(crate) fn never_left(&self, leave: Leave) {
        if leave.counted {
            self.changes.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Nothing that could change something has left the host in this call. What is written in a granted directory passes
    /// no guard: where that is possible, nobody knows.
    pub(crate) fn nothing_left(&self) -> bool {
        let directories = &self.bound.grant.directories;
        let writes = |access: &DirectoryAccess| matches!(access, DirectoryAccess::Write);
        self.changes.load(Ordering::Relaxed) == 0 && !directories.values().any(writes)
    }

    /// A program that is granted.
    pub(crate) fn program(&self, name: String, reads: bool) -> Result<Leave, Error> {
        let leave = self.allow(Effect::Program { name: &name, reads })?;
        self.used(Right::Program, name);
        Ok(leave)
    }

    /// A request that is granted.
    pub(crate) fn http(&self, method: &str, host: &str, port: u16) -> Result<Leave, Error> {
        let leave = self.allow(Effect::Http(method))?;
        let right = HttpRight {
            host: host.to_owned(),
            port,
            method: method.to_owned(),
        };
        self.used(Right::Http, right.to_string());
        Ok(leave)
    }

    /// A command on a host that is granted.
    pub(crate) fn ssh(&self, host: &str) -> Result<Leave, Error> {
        let leave = self.allow(Effect::Ssh(host))?;
        self.used(Right::Ssh, host.to_owned());
        Ok(leave)
    }

    /// Counts a use of a right.
    pub(crate) fn used(&self, right: Right, what: String) {
        let bound = &self.bound;
        bound.services.uses.note(Use {
            source: bound.context.source.clone(),
            digest: bound.digest.clone(),
            plugin: bound.plugin.clone(),
            version: bound.version.clone(),
            right,
            what,
        });
    }

    /// Refuses what the books do not cover. They are asked at most once in a call.
    fn allow(&self, effect: Effect<'_>) -> Result<Leave, Error> {
        let (deed, about) = (self.purpose.deed, self.purpose.token.is_some());
        let refusal = match judge(deed, about, effect, self.bound.contract) {
            Ok(false) => return Ok(self.let_out(effect)),
            Ok(true) if recorded(deed, self.standing()?) => return Ok(self.let_out(effect)),
            Ok(true) => Refusal::NotRecorded,
            Err(refusal) => refusal,
        };
        let call = self.call;
        let (why, remedy) = match refusal {
            Refusal::Looking => (
                format!("`{call}` only looks"),
                match effect {
                    Effect::Program { .. } => {
                        "a plugin that needs it there names it under `read-only` in its manifest's `requests`"
                    }
                    Effect::Http(_) | Effect::Ssh(_) => {
                        "a plugin changes things in `allocate`, `clean`, `reboot` and `discard`"
                    }
                },
            ),
            Refusal::Using => (
                format!("`{call}` uses an instance and destroys nothing"),
                "a plugin destroys in `discard`",
            ),
            Refusal::NotRecorded => (
                "the books have no such instance for this call".to_owned(),
                "this is a fault of the host or of its state: nothing was sent",
            ),
        };
        Err(Error::Denied(Failure {
            message: format!(
                "{} is not allowed here: {why}",
                text::printable_cut(&effect.to_string(), 200)
            ),
            remedy: Some(remedy.to_owned()),
        }))
    }

    fn let_out(&self, effect: Effect<'_>) -> Leave {
        let counted = match effect {
            Effect::Http(_) => !effect.reads(),
            // That a program only looks is the plugin's word, and some say it of a whole shell. It is good enough for being let out,
            // and not for the belief that nothing was made.
            Effect::Program { .. } | Effect::Ssh(_) => true,
        };
        if counted {
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
        Leave { counted }
    }

    fn standing(&self) -> Result<Standing, Error> {
        if let Some(standing) = self.standing.get() {
            return Ok(*standing);
        }
        let standing = match &self.purpose.token {
            None => Standing::Unknown,
            Some(token) => {
                let books = &self.bound.services.books;
                let asked = books.standing(&self.bound.context.source, token);
                asked.map_err(|message| {
                    Error::Failed(Failure {
                        message,
                        remedy: None,
                    })
                })?
            }
        };
        Ok(*self.standing.get_or_init(|| standing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: Effect<'static> = Effect::Http("POST");
    const DELETE: Effect<'static> = Effect::Http("DELETE");
    const GET: Effect<'static> = Effect::Http("GET");
    const SSH: Effect<'static> = Effect::Ssh("web");
    const TOOL: Effect<'static> = Effect::Program {
        name: "tool",
        reads: false,
    };
    const LOOK: Effect<'static> = Effect::Program {
        name: "tool list",
        reads: true,
    };

    fn allowed(deed: Deed, standing: Option<Standing>, effect: Effect<'_>) -> bool {
        match judge(deed, standing.is_some(), effect, Contract::V0_2) {
            Ok(false) => true,
            Ok(true) => recorded(deed, standing.unwrap_or(Standing::Unknown)),
            Err(_) => false,
        }
    }

    #[test]
    fn nothing_is_changed_without_a_record() {
        use Deed::{Change, Destroy, Look, Make, Use};
        use Standing::{Doomed, Intended, Live, Unknown};
        for deed in [Make, Use, Change, Look, Destroy] {
            for effect in [POST, DELETE, SSH, TOOL] {
                assert!(!allowed(deed, Some(Unknown), effect), "{deed:?} {effect:?}");
                assert!(!allowed(deed, None, effect), "{deed:?} {effect:?}");
            }
            for effect in [GET, LOOK] {
                assert!(allowed(deed, Some(Unknown), effect), "{deed:?} {effect:?}");
                assert!(allowed(deed, None, effect), "{deed:?} {effect:?}");
            }
        }
        for (deed, standing, post, delete, tool) in [
            (Make, Intended, true, true, true),
            // Made already, or given up: another allocation of it is nobody's intent.
            (Make, Live, false, false, false),
            (Make, Doomed, false, false, false),
            (Use, Live, true, false, true),
            (Change, Live, true, true, true),
            (Change, Doomed, true, true, true),
            (Look, Live, false, false, true),
            // What somebody holds is not destroyed, whoever asks.
            (Destroy, Live, false, false, false),
            (Destroy, Intended, false, false, false),
            (Destroy, Doomed, true, true, true),
        ] {
            let found = [POST, DELETE, TOOL].map(|effect| allowed(deed, Some(standing), effect));
            assert_eq!(found, [post, delete, tool], "{deed:?} {standing:?}");
        }
    }

    #[test]
    fn components_of_the_first_version_look_as_they_did() {
        let old = |deed, effect| judge(deed, false, effect, Contract::V0_1);
        assert_eq!(old(Deed::Look, TOOL), Ok(false));
        assert_eq!(old(Deed::Look, POST), Ok(false));
        // And make nothing that is not recorded.
        assert_eq!(old(Deed::Make, POST), Ok(true));
    }
}
