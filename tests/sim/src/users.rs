//! Users: they start processes one after another, some of which are killed, and keep track of what they were promised.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use runner::engine::{Ask, Destination, Engine, EngineError, FailureKind, Result, Wait};
use runner::provider::{Command, Stdio};
use runner::store::StoreError;
use runner_core::id::{Fence, InstanceName, TicketId};
use runner_core::policy::Millis;
use tokio::time::Instant;

use super::backend;
use super::chance::Chance;
use super::life::Life;
use super::world::{POOL, World};

/// Who they work for.
pub const OWNERS: [&str; 2] = ["anna", "ben"];

/// No command takes longer, whatever it was told to wait for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Each owner has a shelf of the same name.
pub async fn create_shelves(world: &World) {
    for owner in OWNERS {
        let life = Life::long();
        let created = world.command(Some(owner), &life, |engine| async move {
            engine.create_shelf(owner, 2).map(drop)
        });
        created.await.unwrap().unwrap();
    }
}

/// Somebody who uses the program.
pub struct User {
    world: Arc<World>,
    who: String,
    owner: &'static str,
    chance: Chance,
    end: Instant,
    leases: u64,
}

/// A lease that the user knows of.
struct Held {
    name: InstanceName,
    fence: Fence,
    handle: String,
}

impl User {
    /// The user with this number.
    pub fn new(world: &Arc<World>, number: u64, chance: Chance, end: Instant, leases: u64) -> Self {
        Self {
            world: Arc::clone(world),
            who: format!("user{number}"),
            owner: OWNERS[(number % 2) as usize],
            chance,
            end,
            leases,
        }
    }

    /// Works until the end.
    pub async fn live(mut self) {
        while Instant::now() < self.end && self.world.backend.inner().leases < self.leases {
            let (asked, ask) = self.request();
            let held = if self.chance.percent(75) {
                self.acquire(&asked, ask).await
            } else {
                self.queue(&asked, ask).await
            };
            let Some((ticket, held)) = held else {
                tokio::time::sleep(self.chance.span(10, 3_000)).await;
                continue;
            };
            self.work(&held).await;
            self.finish(ticket, held).await;
            tokio::time::sleep(self.chance.span(1, 1_000)).await;
        }
    }

    fn request(&mut self) -> (String, Ask) {
        let asked = *self.chance.one(&["a", "b", "c", POOL, POOL]);
        let patience = self.chance.span(200, 15_000);
        let ask = Ask {
            count: *self.chance.one(&[1, 1, 1, 2, 3]),
            wait: if self.chance.percent(30) {
                Wait::No
            } else {
                Wait::For(patience)
            },
            shelf: self.chance.percent(35).then(|| self.owner.to_owned()),
            fresh: self.chance.percent(10),
            priority: self.chance.below(3) as i32,
            lease_ttl: self.chance.percent(30).then_some(Millis(3_000)),
            ..Ask::default()
        };
        (asked.to_owned(), ask)
    }

    /// A process that may be killed.
    async fn command<T: 'static, F: Future<Output = Result<T>>>(
        &mut self,
        what: &str,
        command: impl FnOnce(Engine) -> F,
    ) -> Option<Result<T>> {
        let life = if self.chance.percent(8) {
            Life::short(1 + self.chance.below(30) as i64)
        } else {
            Life::long()
        };
        let killer = self.chance.percent(8).then(|| {
            let (life, time) = (Arc::clone(&life), self.chance.span(0, 4_000));
            tokio::task::spawn_local(async move {
                tokio::time::sleep(time).await;
                life.kill();
            })
        });
        let running = self.world.command(Some(self.owner), &life, command);
        let done = match tokio::time::timeout(PATIENCE, running).await {
            Ok(done) => done,
            Err(_) => {
                life.kill();
                let text = format!("{} {what}, and that does not end", self.who);
                self.world.recount();
                self.world.backend.inner().problem(text);
                None
            }
        };
        if let Some(killer) = killer {
            killer.abort();
        }
        let outcome = match &done {
            None => "killed".to_owned(),
            Some(Ok(_)) => "done".to_owned(),
            Some(Err(error)) => runner::engine::chain(error),
        };
        let who = &self.who;
        self.world
            .backend
            .inner()
            .note(format!("{who} {what}: {outcome}"));
        done
    }

    async fn acquire(&mut self, asked: &str, ask: Ask) -> Option<(Option<TicketId>, Vec<Held>)> {
        let draw = self.world.draw(asked);
        let what = format!("acquires {} of {asked}, {:?}", ask.count, ask.wait);
        let got = self.command(&what, |engine| async move {
            let acquired = engine.acquire(&draw, &ask).await?;
            let held = acquired.held();
            acquired.confirm()?;
            Ok(held)
        });
        let got = got.await?;
        let held = self.surprise(got)?.into_iter();
        let leases = held.map(|one| (one.name, one.fence)).collect();
        Some((None, self.hold(leases)))
    }

    async fn queue(&mut self, asked: &str, ask: Ask) -> Option<(Option<TicketId>, Vec<Held>)> {
        let draw = self.world.draw(asked);
        let wait = ask.wait;
        let opened = self
            .command("opens a ticket", |engine| async move {
                engine.open_ticket(&draw, &ask).await
            })
            .await?;
        let id = self.surprise(opened)?.id;
        for _ in 0..4 {
            let waited = self
                .command("waits for its ticket", |engine| async move {
                    engine.wait_ticket(id, wait).await
                })
                .await;
            match waited {
                Some(Ok(status)) if status.state == "served" => {
                    let held = status.instances.into_iter();
                    let leases = held.map(|one| (one.name, one.fence)).collect();
                    return Some((Some(id), self.hold(leases)));
                }
                Some(Ok(status)) if status.state != "waiting" => return None,
                _ => {}
            }
        }
        // Given up; some forget to say so.
        if self.chance.percent(70) {
            let closed = self.command("closes its ticket", |engine| async move {
                engine.close_ticket(id).await
            });
            drop(closed.await);
        }
        None
    }

    /// Some errors are news, others are bugs.
    fn surprise<T>(&self, result: Result<T>) -> Option<T> {
        let error: EngineError = match result {
            Ok(done) => return Some(done),
            Err(error) => error,
        };
        if matches!(error.kind, FailureKind::State | FailureKind::Io) {
            let text = format!("{}: {}", self.who, runner::engine::chain(&error));
            self.world.backend.inner().problem(text);
        }
        None
    }

    /// Notes at the machines who uses them now.
    fn hold(&self, leases: Vec<(InstanceName, Fence)>) -> Vec<Held> {
        let mut held = Vec::new();
        for (name, fence) in leases {
            let row = self
                .world
                .observer
                .read::<_, StoreError>(|tx| tx.instance(&name))
                .unwrap();
            let Some(row) = row else { continue };
            let (Some(lease), Some(handle)) = (&row.lease, &row.handle) else {
                continue;
            };
            if lease.fence != fence || !lease.confirmed {
                continue;
            }
            let user = backend::User {
                who: self.who.clone(),
                fence,
                until: lease.expires_at.map(|at| self.world.instant(at)),
            };
            let shelf_of = row.shelf.map(|_| self.owner);
            self.world.backend.hold(handle, user, shelf_of);
            held.push(Held {
                name,
                fence,
                handle: handle.clone(),
            });
        }
        held
    }

    async fn work(&mut self, held: &[Held]) {
        for _ in 0..self.chance.below(3) {
            tokio::time::sleep(self.chance.span(10, 2_500)).await;
            let references: Vec<InstanceName> = held.iter().map(reference).collect();
            if self.chance.percent(40) {
                let renewed = self.command("renews", |engine| async move {
                    engine.renew(&references, None).await
                });
                drop(renewed.await);
                self.hold(
                    held.iter()
                        .map(|one| (one.name.clone(), one.fence))
                        .collect(),
                );
            } else if let Some(name) = references.into_iter().next() {
                let ran = self.command("runs a command", |engine| async move {
                    let (_signal, signals) = tokio::sync::mpsc::unbounded_channel();
                    engine.run(&name, command(), stdio(), signals).await
                });
                drop(ran.await);
                self.hold(
                    held.iter()
                        .map(|one| (one.name.clone(), one.fence))
                        .collect(),
                );
            }
        }
    }

    async fn finish(&mut self, ticket: Option<TicketId>, held: Vec<Held>) {
        if self.chance.percent(5) {
            // Forgotten, until somebody cleans up.
            return;
        }
        for one in &held {
            self.world.backend.let_go(&one.handle, one.fence);
        }
        let references: Vec<InstanceName> = held.iter().map(reference).collect();
        let to = match self.chance.below(6) {
            0 => Destination::Nowhere,
            1 => Destination::Shelf(self.owner.to_owned()),
            _ => Destination::Usual,
        };
        let how = self.chance.below(10);
        // A release whose process was killed is asked for again.
        for _ in 0..3 {
            let (references, to) = (references.clone(), to.clone());
            let done = self
                .command("gives back", |engine| async move {
                    match (how, ticket) {
                        (0, _) => engine.discard(&references, false).await,
                        (1..=7, Some(id)) => engine.close_ticket(id).await,
                        _ => engine.release(&references, &to).await,
                    }
                })
                .await;
            if done.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn reference(held: &Held) -> InstanceName {
    InstanceName::typed(format!("{}@{}", held.name, held.fence.0))
}

fn command() -> Command {
    Command {
        argv: vec![b"true".to_vec()],
        env: Vec::new(),
        cwd: None,
        tty: false,
        id: String::new(),
    }
}

fn stdio() -> Stdio {
    let null = || std::fs::File::open("/dev/null").unwrap().into();
    Stdio {
        stdin: null(),
        stdout: null(),
        stderr: null(),
        terminal: false,
        own_group: false,
        signals: None,
    }
}
