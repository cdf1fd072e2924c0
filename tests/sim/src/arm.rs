//! The provider of one source, as one process sees it: each call takes its time and meets its fate.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runner::provider::{
    Access, Allocated, Command, Direction, Doomed, ErrorKind, ExitStatus, Facts, Instance, Listed,
    Optional, Provider, Request, Result, Stdio,
};
use runner_core::id::{SourceName, Token};

use super::backend::{Backend, Inner};
use super::fates::{Call, Fate, error};
use super::life::Life;

/// What a source's provider can.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traits {
    pub lists: bool,
    pub checks: bool,
    pub cleans: bool,
    pub facts: bool,
}

/// A process' way to the backend.
pub struct Arm {
    pub backend: Arc<Backend>,
    pub life: Arc<Life>,
    pub source: SourceName,
    pub traits: Traits,
}

impl Arm {
    /// Does something at the backend, as its fate wills.
    async fn call<T>(
        &self,
        call: Call,
        act: impl FnOnce(&mut Inner, bool) -> Result<T>,
    ) -> Result<T> {
        let (_, before, fate, after) = self.backend.inner().next_call(call);
        self.pass(before).await;
        let lost = match fate.clone() {
            Fate::Error(kind) | Fate::Late(kind) => return Err(error(kind, call)),
            Fate::DieBefore => self.life.die(),
            Fate::Lost(kind) => Some(kind),
            Fate::Well | Fate::Wrong | Fate::DieAfter => None,
        };
        let done = act(&mut self.backend.inner(), fate == Fate::Wrong);
        if fate == Fate::DieAfter {
            self.life.die();
        }
        self.pass(after).await;
        match lost {
            Some(kind) => Err(error(kind, call)),
            None => done,
        }
    }

    async fn pass(&self, time: Duration) {
        self.life.mortal(tokio::time::sleep(time)).await;
    }

    fn exists(&self, instance: &Instance, inner: &Inner) -> bool {
        let same = |handle: &String| *handle == instance.handle;
        inner.machines.iter().any(|machine| same(&machine.handle))
    }

    /// Its caller is gone, and it happens all the same, if it can be found later.
    fn late(&self, token: Token) {
        if !self.traits.lists {
            return;
        }
        let (backend, source) = (Arc::clone(&self.backend), self.source.clone());
        let delay = {
            let mut inner = backend.inner();
            inner.unborn += 1;
            inner.chance.span(50, 8_000)
        };
        drop(tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let mut inner = backend.inner();
            inner.unborn -= 1;
            inner.birth(&token, &source, true);
        }));
    }
}

/// An `allocate` on its way to the backend.
struct Flight<'a> {
    arm: &'a Arm,
    token: &'a Token,
    landed: bool,
}

impl Drop for Flight<'_> {
    /// Its caller is killed. What was asked for may never happen, happen at once, or later.
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        let mut inner = self.arm.backend.inner();
        match inner.chance.below(3) {
            0 => {}
            1 => drop(inner.birth(self.token, &self.arm.source, false)),
            _ => {
                drop(inner);
                self.arm.late(self.token.clone());
            }
        }
    }
}

#[async_trait]
impl Provider for Arm {
    fn optional(&self) -> Optional {
        Optional {
            inventory: self.traits.lists,
            liveness: self.traits.checks,
            reuse: self.traits.cleans,
            facts: self.traits.facts,
            ..Optional::default()
        }
    }

    async fn allocate(&self, request: &Request) -> Result<Allocated> {
        let call = Call::Allocate;
        let (_, before, fate, after) = self.backend.inner().next_call(call);
        let mut flight = Flight {
            arm: self,
            token: &request.token,
            landed: false,
        };
        self.pass(before).await;
        flight.landed = true;
        match &fate {
            Fate::Error(kind) => return Err(error(kind.clone(), call)),
            Fate::Late(kind) => {
                self.late(request.token.clone());
                return Err(error(kind.clone(), call));
            }
            Fate::DieBefore => self.life.die(),
            _ => {}
        }
        let handle = {
            let mut inner = self.backend.inner();
            let full = inner.quota.get(&self.source).copied();
            if full.is_some_and(|quota| inner.exist(&self.source) >= quota) {
                return Err(error(ErrorKind::Exhausted { retry_after: None }, call));
            }
            let mut others = inner.machines.iter();
            let other =
                others.find(|one| one.source == self.source && !one.late && self.traits.lists);
            match other.map(|other| other.handle.clone()) {
                Some(other) if fate == Fate::Wrong => other,
                _ => inner.birth(&request.token, &self.source, false),
            }
        };
        if fate == Fate::DieAfter {
            self.life.die();
        }
        self.pass(after).await;
        match fate {
            Fate::Lost(kind) => Err(error(kind, call)),
            _ => Ok(Allocated {
                handle,
                access: Access::Plugin,
                attributes: Vec::new(),
            }),
        }
    }

    async fn run(
        &self,
        instance: &Instance,
        _command: &Command,
        _stdio: Stdio,
    ) -> Result<ExitStatus> {
        self.call(Call::Run, |inner, _| {
            if self.exists(instance, inner) {
                Ok(ExitStatus::Code(0))
            } else {
                Err(error(ErrorKind::Gone, Call::Run))
            }
        })
        .await
    }

    async fn copy(&self, _: &Instance, _: &Direction, _: Stdio) -> Result<()> {
        Err(error(ErrorKind::Unsupported, Call::Run))
    }

    async fn discard(&self, doomed: &Doomed) -> Result<()> {
        self.call(Call::Discard, |inner, _| {
            inner.death(&doomed.token);
            Ok(())
        })
        .await
    }

    async fn check(&self, instance: &Instance) -> Result<()> {
        self.call(Call::Check, |inner, _| {
            if self.exists(instance, inner) {
                Ok(())
            } else {
                Err(error(ErrorKind::Gone, Call::Check))
            }
        })
        .await
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        self.call(Call::List, |inner, stale| {
            Ok(inner.list(&self.source, stale))
        })
        .await
    }

    async fn probe(&self, _: &Instance) -> Result<Facts> {
        self.call(Call::Probe, |_, _| {
            Ok(Facts {
                cpus: Some(4),
                ..Facts::default()
            })
        })
        .await
    }

    async fn reboot(&self, _: &Instance) -> Result<()> {
        Ok(())
    }

    async fn signal(&self, _: &Instance, _: &str, _: u8) -> Result<()> {
        Ok(())
    }

    async fn clean(&self, _: &Instance) -> Result<()> {
        self.call(Call::Clean, |_, _| Ok(())).await
    }
}
