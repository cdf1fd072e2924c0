//! What exists: the machines, who uses them, and what is wrong with that.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runner::provider::Listed;
use runner_core::id::{Fence, SourceName, Token};
use tokio::time::Instant;

use super::chance::Chance;
use super::fates::{Call, Fate, Trouble, draw};

/// A machine.
#[derive(Clone, Debug)]
pub struct Machine {
    pub handle: String,
    pub token: Token,
    pub source: SourceName,
    /// It came into being after its call was over: nobody can have counted it.
    pub late: bool,
    pub user: Option<User>,
    /// The largest fencing number that used it.
    pub fence: i64,
    /// Whose shelf it was used under.
    pub shelf_of: Option<String>,
}

/// Who uses a machine, and until when.
#[derive(Clone, Debug)]
pub struct User {
    pub who: String,
    pub fence: Fence,
    pub until: Option<Instant>,
}

/// The whole of it.
pub struct Inner {
    pub machines: Vec<Machine>,
    pub chance: Chance,
    pub trouble: Trouble,
    /// The most that may exist of each source.
    pub maxima: BTreeMap<SourceName, u32>,
    /// More are refused, though they may exist.
    pub quota: BTreeMap<SourceName, u32>,
    /// Calls so far.
    pub calls: u64,
    /// What becomes of the call with this number.
    pub orders: BTreeMap<u64, Fate>,
    pub made: u64,
    /// Machines that will be made though nobody waits for them any more.
    pub unborn: u64,
    pub leases: u64,
    past: VecDeque<(Instant, Vec<(SourceName, Listed)>)>,
    pub problems: Vec<String>,
    pub journal: Vec<String>,
    began: Instant,
}

/// A model of a backend, for all sources.
pub struct Backend(Mutex<Inner>);

impl Backend {
    /// Empty and without trouble.
    pub fn new(chance: Chance) -> Self {
        Self(Mutex::new(Inner {
            machines: Vec::new(),
            chance,
            trouble: Trouble::default(),
            maxima: BTreeMap::new(),
            quota: BTreeMap::new(),
            calls: 0,
            orders: BTreeMap::new(),
            made: 0,
            unborn: 0,
            leases: 0,
            past: VecDeque::new(),
            problems: Vec::new(),
            journal: Vec::new(),
            began: Instant::now(),
        }))
    }

    /// Everything, to look at and to change.
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What must never happen, and did.
    pub fn problems(&self) -> Vec<String> {
        self.inner().problems.clone()
    }

    /// Somebody begins to use a machine under a lease.
    pub fn hold(&self, handle: &str, user: User, shelf_of: Option<&str>) {
        let mut inner = self.inner();
        inner.leases += 1;
        inner.note(format!("{} holds {handle} with {}", user.who, user.fence.0));
        let mut wrong = Vec::new();
        if let Some(machine) = inner.machines.iter_mut().find(|one| one.handle == handle) {
            let now = Instant::now();
            if let Some(other) = &machine.user
                && other.until.is_none_or(|until| until > now)
                && other.fence != user.fence
            {
                wrong.push(format!("double lease of {handle}: {other:?} and {user:?}"));
            }
            if machine.fence > user.fence.0 {
                let before = machine.fence;
                wrong.push(format!("{handle}: fence {before}, then {}", user.fence.0));
            }
            if let Some(before) = &machine.shelf_of
                && shelf_of != Some(before)
            {
                wrong.push(format!(
                    "{handle} was used under a shelf of {before}, now by {} ({shelf_of:?})",
                    user.who
                ));
            }
            machine.shelf_of = machine
                .shelf_of
                .take()
                .or_else(|| shelf_of.map(str::to_owned));
            machine.fence = user.fence.0;
            machine.user = Some(user);
        }
        for text in wrong {
            inner.problem(text);
        }
    }

    /// It is not used under that lease any more.
    pub fn let_go(&self, handle: &str, fence: Fence) {
        let mut inner = self.inner();
        inner.note(format!("{handle} is let go, with {}", fence.0));
        for machine in &mut inner.machines {
            let uses = |user: &User| user.fence == fence;
            if machine.handle == handle && machine.user.as_ref().is_some_and(uses) {
                machine.user = None;
            }
        }
    }
}

impl Inner {
    /// Writes down what happened.
    pub fn note(&mut self, text: String) {
        let at = self.began.elapsed().as_secs_f64();
        self.journal.push(format!("{at:9.3} {text}"));
    }

    /// Writes down what must never happen.
    pub fn problem(&mut self, text: String) {
        self.note(format!("PROBLEM {text}"));
        self.problems.push(text);
    }

    /// How the next call goes: its number, how long until it is done, its fate, how long until the answer.
    pub fn next_call(&mut self, call: Call) -> (u64, Duration, Fate, Duration) {
        self.calls += 1;
        let number = self.calls;
        let slowest = self.trouble.slowest;
        let before = self.chance.span(1, 1 + slowest);
        let after = self.chance.span(1, 1 + slowest);
        let drawn = draw(&self.trouble, &mut self.chance);
        let fate = self.orders.get(&number).cloned().unwrap_or(drawn);
        if fate != Fate::Well {
            self.note(format!("call {number}, {call:?}: {fate:?}"));
        }
        (number, before, fate, after)
    }

    /// A machine comes into being.
    pub fn birth(&mut self, token: &Token, source: &SourceName, late: bool) -> String {
        self.made += 1;
        let handle = format!("m{}", self.made);
        self.note(format!(
            "{handle} is made of {source} for {token}, late: {late}"
        ));
        self.machines.push(Machine {
            handle: handle.clone(),
            token: token.clone(),
            source: source.clone(),
            late,
            user: None,
            fence: 0,
            shelf_of: None,
        });
        let exist = self.exist(source);
        if let Some(&maximum) = self.maxima.get(source)
            && exist > maximum
        {
            self.problem(format!("{exist} exist of {source}, above {maximum}"));
        }
        self.remember();
        handle
    }

    /// Whatever carries the token goes.
    pub fn death(&mut self, token: &Token) {
        self.note(format!("what carries {token} is destroyed"));
        self.machines.retain(|machine| machine.token != *token);
        self.remember();
    }

    /// What exists of a source, without what came too late to be counted.
    pub fn exist(&self, source: &SourceName) -> u32 {
        let counted = |machine: &&Machine| machine.source == *source && !machine.late;
        self.machines.iter().filter(counted).count() as u32
    }

    fn listing(&self) -> Vec<(SourceName, Listed)> {
        let listed = self.machines.iter().map(|machine| {
            let entry = Listed {
                token: machine.token.clone(),
                handle: machine.handle.clone(),
            };
            (machine.source.clone(), entry)
        });
        listed.collect()
    }

    fn remember(&mut self) {
        self.past.push_back((Instant::now(), self.listing()));
        if self.past.len() > 8 {
            self.past.pop_front();
        }
    }

    /// What exists of a source, now or a while ago.
    pub fn list(&mut self, source: &SourceName, stale: bool) -> Vec<Listed> {
        let all = if stale && !self.past.is_empty() {
            let which = self.chance.below(self.past.len() as u64) as usize;
            self.past[which].1.clone()
        } else {
            self.listing()
        };
        let of = all.into_iter().filter(|(from, _)| from == source);
        of.map(|(_, entry)| entry).collect()
    }
}
