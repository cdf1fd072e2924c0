//! Tickets: queued requests with a number of their own, which outlive the process that opened them.

use runner_core::id::{Fence, InstanceName, ShelfId, SourceName, TicketId, Timestamp};
use runner_core::instance::State;
use runner_core::plan::{FailedBy, Report};
use runner_core::policy::Limit;
use runner_core::requires::{Requires, TAGS};
use serde::Serialize;

use super::round::{Own, Scope};
use super::wait::Bell;
use super::{
    Ask, Draw, Engine, EngineError, FailureKind, Owner, Released, Result, Wait, facts, parse,
};
use crate::provider::{RouteCandidate, RouteRequest, RouteVerdict};
use crate::store::{
    Durability, InstanceRow, NewEvent, NewTicket, StoreError, TicketRow, TicketSource, TicketState,
    Tx,
};

/// A ticket as its owner sees it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TicketStatus {
    pub id: TicketId,
    /// `waiting`, `served`, `closed` or `failed`.
    pub state: &'static str,
    pub asked: Option<SourceName>,
    pub tags: Vec<String>,
    pub requires: String,
    pub shelf: Option<String>,
    pub count: u32,
    pub priority: i32,
    pub owner: Owner,
    pub opened: Timestamp,
    pub deadline: Option<Timestamp>,
    pub served: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// Why it failed.
    pub reason: Option<String>,
    /// What it holds.
    pub instances: Vec<HeldInstance>,
}

/// An instance that a ticket holds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HeldInstance {
    pub name: InstanceName,
    pub fence: Fence,
    pub expires: Option<Timestamp>,
}

impl HeldInstance {
    /// A row that is leased.
    pub(super) fn of(row: &InstanceRow) -> Option<Self> {
        let lease = row.lease.as_ref()?;
        Some(Self {
            name: row.name.clone(),
            fence: lease.fence,
            expires: lease.expires_at,
        })
    }

    /// As a user names it who means this lease and no later one.
    pub fn fenced(&self) -> InstanceName {
        InstanceName::typed(format!("{}@{}", self.name, self.fence.0))
    }
}

/// A request, looked up and ready to be put into the books.
pub(super) struct Prepared {
    pub(super) owner: String,
    pub(super) tags: String,
    pub(super) requires: String,
    pub(super) shelf: Option<ShelfId>,
    pub(super) holder: Option<String>,
    pub(super) sources: Vec<TicketSource>,
}

/// What a stored ticket requires. It was checked when it was stored.
pub(super) fn requires_of(row: &TicketRow) -> Requires {
    Requires::parse(&row.requires).unwrap_or_default()
}

/// Why a ticket failed, in one line.
pub(super) fn reason(row: &TicketRow, report: Option<&Report>, end: FailedBy) -> String {
    let declines = report.map_or_else(String::new, |report| {
        let texts: Vec<String> = report.declines.iter().map(ToString::to_string).collect();
        texts.join("; ")
    });
    let what = match end {
        FailedBy::Never => "it can never be served",
        FailedBy::Failures => "no source could make what it wants",
        FailedBy::Deadline => "its time is over",
        FailedBy::Refused => "it cannot be served now",
    };
    let wanted = row.wanted;
    if declines.is_empty() {
        format!("{what} ({wanted} wanted)")
    } else {
        format!("{what} ({wanted} wanted): {declines}")
    }
}

impl Engine {
    /// Looks up what a request names, and what rules sources out before anything is tried.
    pub(super) async fn prepare_ticket(&self, draw: &Draw, ask: &Ask) -> Result<Prepared> {
        let shelf = match &ask.shelf {
            None => None,
            Some(name) => Some(self.shelf_for(name, draw)?.id),
        };
        let mut sources = Vec::new();
        for (index, definition) in draw.sources.iter().enumerate() {
            let ruled_out = if ask.requires.is_empty() {
                None
            } else {
                self.unmet(&definition.source, &definition.shape, &ask.requires)?
            };
            sources.push(TicketSource {
                source: definition.source.clone(),
                rank: 0,
                tags: draw.weights.get(index).copied().unwrap_or(0),
                ruled_out,
                failed: None,
                passing: false,
            });
        }
        self.ask_routers(draw, ask, &mut sources).await?;
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| {
                EngineError::new(FailureKind::State, "cannot store the request").because(error)
            })
        };
        Ok(Prepared {
            owner: self.owner_json(),
            tags: json(serde_json::to_string(&draw.tags))?,
            requires: ask.requires.to_string(),
            shelf,
            holder: match &ask.holder {
                None => None,
                Some(holder) => Some(json(serde_json::to_string(holder))?),
            },
            sources,
        })
    }

    /// Lets the route hooks of what was asked for order the sources, and rule some out.
    async fn ask_routers(
        &self,
        draw: &Draw,
        ask: &Ask,
        sources: &mut [TicketSource],
    ) -> Result<()> {
        let Some(asked) = &draw.asked else {
            return Ok(());
        };
        if self.catalogue().routers(asked)?.is_empty() {
            return Ok(());
        }
        let request = RouteRequest {
            asked: Some(asked.clone()),
            tags: draw.tags.clone(),
            requires: ask.requires.0.iter().map(ToString::to_string).collect(),
            shelf: ask.shelf.clone(),
            count: ask.count,
            owner: self.0.identity.owner.name().to_owned(),
            attempt: 1,
        };
        let mut candidates = Vec::new();
        for definition in &draw.sources {
            let (counts, health) = self.store().read::<_, StoreError>(|tx| {
                Ok((
                    tx.counts(&definition.source)?,
                    tx.health(&definition.source)?,
                ))
            })?;
            candidates.push(RouteCandidate {
                source: definition.source.clone(),
                tags: definition.tags.iter().map(|tag| tag.name.clone()).collect(),
                priority: definition.policy.priority,
                cost: definition.policy.cost,
                live: counts.live(),
                idle: counts.ready,
                starting: counts.starting,
                maximum: match definition.policy.maximum {
                    Limit::Unlimited => None,
                    Limit::At(maximum) => Some(maximum),
                },
                failures_in_a_row: health.failures,
            });
        }
        let routing = self.route(asked, &request, &candidates).await?;
        for trouble in routing.troubles {
            tracing::warn!("{trouble}; the request goes on without its opinion");
        }
        for (source, routed) in sources.iter_mut().zip(routing.verdicts) {
            match routed.verdict {
                RouteVerdict::Take(rank) => source.rank = i32::try_from(rank).unwrap_or(i32::MAX),
                RouteVerdict::Reject(reason) => {
                    let hook = routed.hook.unwrap_or_default();
                    source.ruled_out = Some(format!("hook `{hook}`: {reason}"));
                }
            }
        }
        Ok(())
    }

    /// Why a source can never meet these requirements: its tags say so, or everything that was ever measured on it.
    fn unmet(
        &self,
        source: &SourceName,
        shape: &str,
        requires: &Requires,
    ) -> Result<Option<String>> {
        let tags = self.catalogue().tags(source);
        let bare = facts::attributes(&tags, None, None);
        for requirement in requires.0.iter().filter(|one| one.subject == TAGS) {
            if let Err(unmet) = requirement.check(&bare) {
                return Ok(Some(unmet.to_string()));
            }
        }
        if self.catalogue().machines_differ(source) {
            return Ok(None);
        }
        let learned = self
            .store()
            .read::<_, StoreError>(|tx| tx.learned_facts(source, shape))?;
        let mut why = None;
        for json in &learned {
            let known = facts::attributes(&tags, Some(json), None);
            let measured = requires
                .0
                .iter()
                .filter(|one| known.get(&one.subject).is_some());
            match measured
                .map(|one| one.check(&known))
                .find_map(std::result::Result::err)
            {
                None => return Ok(None),
                Some(unmet) => why = Some(unmet.to_string()),
            }
        }
        Ok(why)
    }

    /// Puts a request into the queue, for whoever asks for it by its number later.
    pub async fn open_ticket(&self, draw: &Draw, ask: &Ask) -> Result<TicketStatus> {
        if draw.custom {
            return Err(EngineError::new(
                FailureKind::Invalid,
                "a ticket cannot be opened with settings or grants of this call only",
            )
            .hint("configure the source, and grant its plugin with `runner plugin grant`"));
        }
        self.repair().await?;
        let prepared = self.prepare_ticket(draw, ask).await?;
        let new = self.new_ticket(draw, ask, &prepared, None);
        let mut scope = Scope {
            own: Some(Own {
                draw,
                id: None,
                new: &new,
                sources: &prepared.sources,
            }),
            ..Scope::default()
        };
        let ticket = self
            .store()
            .write::<_, StoreError>(Durability::Full, |tx| {
                tx.count("tickets_opened_total", "", 1.0)?;
                let row = tx.open_ticket(&new, &prepared.sources)?;
                tx.note(&NewEvent {
                    ticket: Some(row.id),
                    ..NewEvent::new("ticket", "waiting", new.now)
                })?;
                Ok(row)
            })?;
        fault_opened();
        // What is idle is handed out at once; what must be made is left to who waits for it, or to `serve`.
        scope.own = None;
        scope.sources = prepared
            .sources
            .iter()
            .map(|source| source.source.clone())
            .collect();
        let work = self.round(&scope)?;
        self.carry_out(work).await;
        self.wake_server();
        self.check_ticket(ticket.id)
    }

    /// A row for this request.
    pub(super) fn new_ticket<'a>(
        &self,
        draw: &'a Draw,
        ask: &Ask,
        prepared: &'a Prepared,
        worker: Option<&'a crate::store::WorkerId>,
    ) -> NewTicket<'a> {
        let now = self.now();
        NewTicket {
            asked: draw.asked.as_ref(),
            pool: draw.pool.is_some(),
            tags: &prepared.tags,
            requires: &prepared.requires,
            shelf: prepared.shelf,
            fresh: ask.fresh,
            wanted: ask.count,
            priority: ask.priority,
            owner: &prepared.owner,
            worker,
            custom: draw.custom,
            patient: ask.wait != Wait::No || worker.is_none(),
            lease_ttl: ask.lease_ttl,
            lease_holder: prepared.holder.as_deref(),
            // A process that waits looks at a clock that nobody sets.
            deadline: match ask.wait {
                Wait::For(duration) if worker.is_none() => Some(Timestamp(
                    now.0
                        .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
                )),
                _ => None,
            },
            now,
        }
    }

    /// A ticket as it is now.
    pub fn check_ticket(&self, id: TicketId) -> Result<TicketStatus> {
        self.store().read(|tx| {
            let row = tx
                .ticket(id)?
                .ok_or_else(|| EngineError::unknown_ticket(id))?;
            self.ticket_status(tx, row)
        })
    }

    /// Every ticket that waits or holds something; with `ended`, those of the history too.
    pub fn tickets(&self, ended: bool) -> Result<Vec<TicketStatus>> {
        self.store().read(|tx| {
            let rows = tx.tickets(ended)?;
            rows.into_iter()
                .map(|row| self.ticket_status(tx, row))
                .collect()
        })
    }

    fn ticket_status(&self, tx: &Tx<'_>, row: TicketRow) -> Result<TicketStatus> {
        let shelf = match row.shelf {
            None => None,
            Some(shelf) => tx.shelf_by_id(shelf)?.map(|shelf| shelf.name),
        };
        let held = tx.of_ticket(row.id)?;
        let instances = held
            .iter()
            .filter(|one| one.state == State::Leased)
            .filter_map(HeldInstance::of)
            .collect();
        // Whoever plans next writes it down; it is over already.
        let late = row.state == TicketState::Waiting
            && row.deadline.is_some_and(|deadline| deadline <= self.now());
        let state = if late { TicketState::Failed } else { row.state };
        Ok(TicketStatus {
            id: row.id,
            state: state.as_str(),
            asked: row.asked,
            tags: parse(&row.tags, "ticket")?,
            requires: row.requires,
            shelf,
            count: row.wanted,
            priority: row.priority,
            owner: parse(&row.owner, "owner")?,
            opened: row.opened_at,
            deadline: row.deadline,
            served: row.served_at,
            ended: row.ended_at,
            reason: match late {
                true => Some("its time is over".into()),
                false => row.reason,
            },
            instances,
        })
    }

    /// Waits until a ticket is served, closed, failed, or the patience is over; works on it meanwhile, unless `serve` does.
    pub async fn wait_ticket(&self, id: TicketId, wait: Wait) -> Result<TicketStatus> {
        let deadline = match wait {
            Wait::For(duration) => Some(tokio::time::Instant::now() + duration),
            Wait::No | Wait::Forever => None,
        };
        let cannot_wait = |error| {
            EngineError::new(FailureKind::Io, format!("cannot wait for ticket {id}")).because(error)
        };
        let (mut bell, mut looked) = (None, None);
        loop {
            self.repair().await?;
            let (row, sources) = self.store().read(|tx| {
                let row = tx
                    .ticket(id)?
                    .ok_or_else(|| EngineError::unknown_ticket(id))?;
                Ok::<_, EngineError>((row, tx.ticket_sources(id)?))
            })?;
            if row.state != TicketState::Waiting || wait == Wait::No {
                return self.check_ticket(id);
            }
            let scope = Scope {
                sources: sources.into_iter().map(|source| source.source).collect(),
                help: true,
                ..Scope::default()
            };
            let work = self.round(&scope)?;
            let (busy, next) = (work.is_busy(), work.next);
            self.carry_out(work).await;
            if busy || self.bury_now_and_then(&mut looked)? {
                continue;
            }
            let Some(bell) = &bell else {
                let worker = self.worker()?;
                bell = Some(Bell::listen(worker.bell()).map_err(cannot_wait)?);
                self.store()
                    .write::<_, StoreError>(Durability::Process, |tx| {
                        tx.watch_ticket(id, worker.id())
                    })?;
                continue;
            };
            if self.check_ticket(id)?.state != TicketState::Waiting.as_str() {
                continue;
            }
            let now = tokio::time::Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                let mut error = EngineError::new(
                    FailureKind::TimedOut,
                    format!("waited in vain: ticket {id} is not served yet"),
                );
                error.hint = Some(format!(
                    "it keeps its place; `runner why {id}` says what it waits for"
                ));
                return Err(error);
            }
            let left = deadline.map_or(std::time::Duration::MAX, |deadline| deadline - now);
            bell.wait(left.min(self.until(next)))
                .await
                .map_err(cannot_wait)?;
        }
    }

    /// Ends a ticket: it is taken out of the queue, and what it holds is released.
    pub async fn close_ticket(&self, id: TicketId) -> Result<Vec<Released>> {
        self.repair().await?;
        let now = self.now();
        let (row, held, watchers) = self.store().write(Durability::Full, |tx| {
            let row = tx
                .ticket(id)?
                .ok_or_else(|| EngineError::unknown_ticket(id))?;
            self.may_use(&row.owner, &format!("ticket {id}"))?;
            let held = tx.of_ticket(id)?;
            let watchers = tx.ticket_watchers(id)?;
            if row.ended_at.is_none() {
                tx.end_ticket(id, TicketState::Closed, None, now)?;
                tx.note(&NewEvent {
                    ticket: Some(id),
                    ..NewEvent::new("ticket", "closed", now)
                })?;
            }
            Ok::<_, EngineError>((row, held, watchers))
        })?;
        for worker in watchers.iter().chain(&row.worker) {
            self.store().workers().wake(worker);
        }
        let leased = held
            .into_iter()
            .filter(|one| one.state == State::Leased)
            .collect();
        let released = self.release_rows(leased).await?;
        self.wake_server();
        Ok(released)
    }
}

fn fault_opened() {
    super::fault::point("acquire:ticket-opened");
}
