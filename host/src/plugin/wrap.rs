//! A wrapper in front of a provider: a component that imports the provider's interface and exports it again.
//!
//! Each of the two has a store, limits and a grant of its own. What the wrapper asks of the provider behind it is part of the wrapper's
//! call: it ends with it, and the guard sees the same deed about the same instance. The provider behind would do to any instance what
//! it is told; therefore a wrapper can only name the one that its own call is about.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use runner_core::id::Token;

use super::provider::PluginProvider;
use super::purpose::Purpose;
use super::settings::Changes;
use super::{Binding, ComponentRef};
use crate::provider::{
    Allocated, Command, Direction, Doomed, ErrorKind, ExitStatus, Facts, Instance, Listed,
    Optional, Provider, ProviderError, Request, Result, Stdio,
};

/// A wrapper to put in front of a provider.
#[derive(Clone, Debug)]
pub struct InFront {
    pub component: ComponentRef,
    pub binding: Binding,
    /// The provider's keys that it may change.
    pub sets: BTreeSet<String>,
}

/// A provider that can stand behind a wrapper.
pub(crate) trait Inner: Provider {
    /// The same, for what is done as a part of a call with this purpose, with these settings where an instance is made.
    fn under(&self, purpose: &Purpose, changes: Changes) -> Arc<dyn Provider>;
}

/// The instance that a wrapper's call is about.
pub(crate) struct Subject {
    pub(crate) token: Token,
    pub(crate) workdir: Option<PathBuf>,
    /// What wrappers in front of this one changed in the settings.
    pub(crate) changes: Changes,
    /// As the wrapper was told; none while it is made.
    handle: Option<String>,
    /// What the provider behind did in this call.
    done: Mutex<Done>,
}

/// What the provider behind a wrapper did in one of the wrapper's calls.
#[derive(Default)]
struct Done {
    /// It made these.
    made: Vec<Allocated>,
    /// It was asked to make one, and has not said since that nothing is left.
    may_exist: bool,
    /// How often it was asked to make one, without those times when nothing left the host.
    tries: u32,
    /// It said that nothing is left.
    gone: bool,
}

impl Subject {
    pub(crate) fn new(token: &Token, workdir: Option<&PathBuf>, handle: Option<&str>) -> Self {
        Self {
            token: token.clone(),
            workdir: workdir.cloned(),
            changes: Changes::default(),
            handle: handle.map(str::to_owned),
            done: Mutex::default(),
        }
    }

    fn of(instance: &Instance) -> Arc<Self> {
        let handle = Some(instance.handle.as_str());
        Arc::new(Self::new(
            &instance.token,
            instance.workdir.as_ref(),
            handle,
        ))
    }

    /// It may be named by this handle.
    pub(crate) fn has_handle(&self, handle: &str) -> bool {
        self.handle.as_deref() == Some(handle)
            || self.done().made.iter().any(|one| one.handle == handle)
    }

    /// The provider behind is about to be asked to make it. False: it was before, and what that left was not destroyed.
    pub(crate) fn begin(&self) -> bool {
        let mut done = self.done();
        let first = !std::mem::replace(&mut done.may_exist, true);
        done.tries += u32::from(first);
        first
    }

    /// The provider behind answered this.
    pub(crate) fn note(&self, made: &Allocated) {
        self.done().made.push(made.clone());
    }

    /// The provider behind could not make it.
    pub(crate) fn note_failed(&self, error: &ProviderError) {
        if error.untouched {
            self.done().tries -= 1;
        }
    }

    /// The provider behind said that nothing is left of it.
    pub(crate) fn note_gone(&self) {
        let mut done = self.done();
        done.may_exist = false;
        done.gone = true;
        done.made.clear();
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A provider with a wrapper in front of it.
pub(crate) struct Wrapped {
    pub(crate) outer: PluginProvider,
    pub(crate) inner: Arc<dyn Inner>,
    /// Of a call of a wrapper in front of this one.
    pub(crate) purpose: Option<Purpose>,
    /// What wrappers in front of this one changed in the provider's settings.
    pub(crate) changes: Changes,
}

impl Wrapped {
    /// The wrapper, for a call about this instance.
    fn about(&self, subject: Arc<Subject>) -> PluginProvider {
        PluginProvider {
            subject: Some(subject),
            ..self.outer.clone()
        }
    }

    /// The provider behind, where the wrapper has no say.
    fn behind(&self) -> Arc<dyn Provider> {
        match &self.purpose {
            Some(purpose) => self.inner.under(purpose, self.changes.clone()),
            None => Arc::clone(&self.inner) as _,
        }
    }
}

impl Inner for Wrapped {
    fn under(&self, purpose: &Purpose, changes: Changes) -> Arc<dyn Provider> {
        Arc::new(Self {
            outer: PluginProvider {
                purpose: Some(purpose.clone()),
                ..self.outer.clone()
            },
            inner: Arc::clone(&self.inner),
            purpose: Some(purpose.clone()),
            changes,
        })
    }
}

#[async_trait]
impl Provider for Wrapped {
    fn optional(&self) -> Optional {
        let (outer, inner) = (self.outer.optional, self.inner.optional());
        Optional {
            liveness: outer.liveness || inner.liveness,
            inventory: outer.inventory || inner.inventory,
            facts: outer.facts || inner.facts,
            power: outer.power || inner.power,
            signals: outer.signals || inner.signals,
            reuse: outer.reuse || inner.reuse,
            copy: outer.copy || inner.copy,
            hook: false,
            routing: false,
        }
    }

    async fn allocate(&self, request: &Request) -> Result<Allocated> {
        let subject = Arc::new(Subject {
            changes: self.changes.clone(),
            ..Subject::new(&request.token, request.workdir.as_ref(), None)
        });
        let answered = self.about(Arc::clone(&subject)).allocate(request).await;
        let answered = answered.map_err(|error| ProviderError {
            untouched: error.untouched && subject.done().tries == 0,
            ..error
        })?;
        let done = subject.done();
        let Some(made) = done.made.iter().rfind(|one| one.handle == answered.handle) else {
            return Err(ProviderError {
                kind: ErrorKind::Malformed,
                message: "the wrapper answered a handle that the provider behind it did not".into(),
                remedy: None,
                context: self
                    .outer
                    .bound
                    .call_context("allocate", Some(request.name.to_string())),
                guest_log: Vec::new(),
                untouched: false,
            });
        };
        Ok(Allocated {
            handle: answered.handle,
            access: made.access.clone(),
            attributes: answered.attributes,
        })
    }

    async fn run(
        &self,
        instance: &Instance,
        command: &Command,
        stdio: Stdio,
    ) -> Result<ExitStatus> {
        let outer = self.about(Subject::of(instance));
        outer.run(instance, command, stdio).await
    }

    async fn copy(&self, instance: &Instance, direction: &Direction, stdio: Stdio) -> Result<()> {
        if self.outer.optional.copy {
            let outer = self.about(Subject::of(instance));
            return outer.copy(instance, direction, stdio).await;
        }
        self.behind().copy(instance, direction, stdio).await
    }

    async fn discard(&self, doomed: &Doomed) -> Result<()> {
        let handle = doomed.handle.as_deref();
        let subject = Subject::new(&doomed.token, doomed.workdir.as_ref(), handle);
        let subject = Arc::new(subject);
        self.about(Arc::clone(&subject)).discard(doomed).await?;
        if subject.done().gone {
            return Ok(());
        }
        // A wrapper's word is not enough: what is forgotten here would cost for ever.
        self.behind().discard(doomed).await
    }

    async fn check(&self, instance: &Instance) -> Result<()> {
        if self.outer.optional.liveness {
            return self.about(Subject::of(instance)).check(instance).await;
        }
        self.behind().check(instance).await
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        if self.outer.optional.inventory {
            return self.outer.list().await;
        }
        self.behind().list().await
    }

    async fn probe(&self, instance: &Instance) -> Result<Facts> {
        if self.outer.optional.facts {
            return self.about(Subject::of(instance)).probe(instance).await;
        }
        self.behind().probe(instance).await
    }

    async fn reboot(&self, instance: &Instance) -> Result<()> {
        if self.outer.optional.power {
            return self.about(Subject::of(instance)).reboot(instance).await;
        }
        self.behind().reboot(instance).await
    }

    async fn signal(&self, instance: &Instance, command_id: &str, signal: u8) -> Result<()> {
        if self.outer.optional.signals {
            let outer = self.about(Subject::of(instance));
            return outer.signal(instance, command_id, signal).await;
        }
        self.behind().signal(instance, command_id, signal).await
    }

    async fn clean(&self, instance: &Instance) -> Result<()> {
        if self.outer.optional.reuse {
            return self.about(Subject::of(instance)).clean(instance).await;
        }
        self.behind().clean(instance).await
    }
}
