//! One round of the loop: read the world, let core plan, record what was decided in the same transaction.
//!
//! Each command runs rounds over what concerns its own ticket; `runner serve` runs them over everything. Whoever plans may hand
//! idle instances to anybody's ticket, because that is only a matter of books; what must be *made* for a ticket is made by
//! the process that waits for it, or by `serve`.

use std::collections::HashMap;

use runner_core::id::{SourceName, TicketId, Timestamp};
use runner_core::instance::Event;
use runner_core::plan::{self, Accepts, Action, Because, FailedBy, Report, Why};
use runner_core::requires::Requires;

use super::canary::Candidates;
use super::knowledge::Knowledge;
use super::tickets::{reason, requires_of};
use super::{Draw, Engine, EngineError, Result, fault};
use crate::store::{
    Durability, InstanceRow, Loaded, NewEvent, NewTicket, OperationId, StoreError, TicketRow,
    TicketSource, Tx, WorkerId, WorldQuery,
};

/// What a round is about.
#[derive(Default)]
pub(super) struct Scope<'a> {
    pub(super) sources: Vec<SourceName>,
    pub(super) own: Option<Own<'a>>,
    /// Also make what tickets without a process wait for.
    pub(super) help: bool,
    /// This is the continuous loop: it makes what anybody waits for.
    pub(super) serve: bool,
    /// Look after what is idle, and make ahead.
    pub(super) tend: bool,
}

/// The ticket that this process waits for.
pub(super) struct Own<'a> {
    pub(super) draw: &'a Draw,
    /// None: not in the books yet, `new` puts it there.
    pub(super) id: Option<TicketId>,
    pub(super) new: &'a NewTicket<'a>,
    pub(super) sources: &'a [TicketSource],
}

/// What came of a round, to be carried out now that it is recorded.
#[derive(Default)]
pub(super) struct Work {
    /// To be made.
    pub(super) new: Vec<(InstanceRow, OperationId)>,
    /// To be destroyed.
    pub(super) doomed: Vec<InstanceRow>,
    /// Handed to tickets without a process, whose `acquire` hooks must pass first.
    pub(super) handed: Vec<InstanceRow>,
    /// What waiting tickets hold and cannot complete.
    pub(super) given_back: Vec<TicketId>,
    pub(super) own: Option<TicketId>,
    /// What this round handed to the own ticket.
    pub(super) own_rows: Vec<InstanceRow>,
    /// The own ticket has all it wants.
    pub(super) served: bool,
    /// The own ticket will not be served.
    pub(super) failed: Option<FailedBy>,
    /// Why the own ticket waits, or failed.
    pub(super) report: Option<Report>,
    pub(super) next: Option<Timestamp>,
    pub(super) wake: Vec<WorkerId>,
    pub(super) lacking: Vec<SourceName>,
    /// Sources of which another component is tried, and its digest: its turn has come.
    pub(super) untried: Vec<(SourceName, String)>,
}

impl Work {
    /// There is something to carry out.
    pub(super) fn is_busy(&self) -> bool {
        !self.new.is_empty()
            || !self.doomed.is_empty()
            || !self.given_back.is_empty()
            || !self.handed.is_empty()
    }
}

/// A ticket that is not even put into the books, or an error.
enum Stop {
    Refused(Box<Report>, FailedBy),
    Error(EngineError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Error(error)
    }
}

impl Engine {
    /// Plans and records. A ticket that does not wait and cannot be served leaves no trace.
    pub(super) fn round(&self, scope: &Scope<'_>) -> Result<Work> {
        let mut definitions = HashMap::new();
        if let Some(own) = &scope.own {
            for definition in &own.draw.sources {
                definitions.insert(definition.source.clone(), Ok(definition.clone()));
            }
        }
        let mut candidates = Candidates::new();
        loop {
            let mut knowledge = self.knowledge(scope)?;
            knowledge.definitions = std::mem::take(&mut definitions);
            knowledge.candidates = std::mem::take(&mut candidates);
            let worker = self.worker()?.id().clone();
            let now = self.now();
            let outcome = self.store().write(Durability::Full, |tx| {
                Round {
                    engine: self,
                    scope,
                    knowledge: &knowledge,
                    worker: &worker,
                    now,
                    work: Work::default(),
                }
                .carry(tx)
            });
            let work = match outcome {
                Ok(work) => work,
                Err(Stop::Refused(report, end)) => Work {
                    failed: Some(end),
                    report: Some(*report),
                    ..Work::default()
                },
                Err(Stop::Error(error)) => return Err(error),
            };
            for waiting in &work.wake {
                self.store().workers().wake(waiting);
            }
            if work.lacking.is_empty() && work.untried.is_empty() || work.is_busy() {
                fault::point("acquire:intended");
                return Ok(work);
            }
            definitions = knowledge.definitions;
            candidates = knowledge.candidates;
            for (source, digest) in work.untried {
                let found = self.catalogue().candidate(&source, &digest);
                candidates.insert(
                    source,
                    found.map_err(|error| super::provision::chain(&error)),
                );
            }
            for source in work.lacking {
                let found = self.catalogue().definition(&source);
                definitions.insert(
                    source,
                    found.map_err(|error| super::provision::chain(&error)),
                );
            }
        }
    }

    /// The world that a round would plan over, without changing anything.
    pub(super) fn look(&self, scope: &Scope<'_>) -> Result<Loaded> {
        let knowledge = self.knowledge(scope)?;
        let worker = self.worker()?.id().clone();
        let mut loaded = self.store().read::<_, StoreError>(|tx| {
            tx.world(&WorldQuery {
                sources: knowledge.sources.clone(),
                pools: knowledge.pools.clone(),
                tend: false,
            })
        })?;
        let round = Round {
            engine: self,
            scope,
            knowledge: &knowledge,
            worker: &worker,
            now: self.now(),
            work: Work::default(),
        };
        round.weigh(&mut loaded);
        Ok(loaded)
    }
}

/// A round inside its transaction.
pub(super) struct Round<'a> {
    pub(super) engine: &'a Engine,
    pub(super) scope: &'a Scope<'a>,
    pub(super) knowledge: &'a Knowledge,
    pub(super) worker: &'a WorkerId,
    pub(super) now: Timestamp,
    pub(super) work: Work,
}

impl Round<'_> {
    fn carry(mut self, tx: &Tx<'_>) -> std::result::Result<Work, Stop> {
        let mut opened = false;
        if let Some(own) = &self.scope.own {
            let id = match own.id {
                Some(id) => id,
                None => {
                    opened = true;
                    tx.open_ticket(own.new, own.sources)?.id
                }
            };
            self.work.own = Some(id);
        }
        let mut loaded = tx.world(&WorldQuery {
            sources: self.knowledge.sources.clone(),
            pools: self.knowledge.pools.clone(),
            tend: self.scope.tend,
        })?;
        self.weigh(&mut loaded);
        let plan = plan::plan(&loaded.world, self.now);
        self.work.next = plan.next;
        self.work.report = self.work.own.and_then(|own| plan.report(own).cloned());
        let evicts = plan
            .actions
            .iter()
            .any(|action| matches!(action, Action::Discard { .. }));
        for action in plan.actions {
            if let Action::Fail { ticket, end } = action
                && opened
                && Some(ticket) == self.work.own
                && !evicts
                && let Some(report) = self.work.report.take()
            {
                return Err(Stop::Refused(Box::new(report), end));
            }
            self.apply(tx, &loaded, action, &plan.reports)?;
        }
        if opened && let Some(ticket) = self.work.own {
            self.note_opening(tx, ticket)?;
        }
        if self
            .work
            .new
            .first()
            .is_some_and(|(row, _)| row.id.0 % 256 == 0)
        {
            tx.prune(self.now, self.engine.catalogue().history())?;
        }
        Ok(self.work)
    }

    fn note_opening(&self, tx: &Tx<'_>, ticket: TicketId) -> std::result::Result<(), StoreError> {
        tx.count("tickets_opened_total", "", 1.0)?;
        if !self.work.served {
            tx.note(&NewEvent {
                ticket: Some(ticket),
                ..NewEvent::new("ticket", "waiting", self.now)
            })?;
        }
        Ok(())
    }

    /// Lets each ticket see only what it may be given: by what it requires, and by whose settings instances are made.
    fn weigh(&self, loaded: &mut Loaded) {
        let own_custom = self.scope.own.as_ref().is_some_and(|own| own.draw.custom);
        for (view, row) in loaded.world.tickets.iter_mut().zip(&loaded.tickets) {
            let own = Some(view.id) == self.work.own;
            if !own && (row.custom || own_custom) {
                view.accepts = Accepts::Only(Default::default());
            } else if !row.requires.is_empty() {
                let requires = requires_of(row);
                let classes = loaded.classes.iter().enumerate();
                let meeting = classes.filter(|(_, class)| {
                    let source = &self.knowledge.sources[class.source].name;
                    self.meets(&requires, source, class)
                });
                view.accepts = Accepts::Only(meeting.map(|(number, _)| number as u32).collect());
            }
        }
    }

    fn meets(&self, requires: &Requires, source: &SourceName, class: &crate::store::Class) -> bool {
        let tags = self.engine.catalogue().tags(source);
        let attributes =
            super::facts::attributes(&tags, class.facts.as_deref(), class.attributes.as_deref());
        requires.check(&attributes).is_ok()
    }

    fn apply(
        &mut self,
        tx: &Tx<'_>,
        loaded: &Loaded,
        action: Action,
        reports: &[Report],
    ) -> Result<()> {
        match action {
            Action::Assign { ticket, instances } => {
                let row = ticket_row(loaded, ticket);
                let index = loaded.tickets.binary_search_by_key(&ticket, |row| row.id);
                let held = index.map_or(0, |index| loaded.world.tickets[index].held);
                let count = instances.len() as u32;
                let mut whole = true;
                for id in instances {
                    let one = tx.instance_by_id(id)?;
                    let one = self.engine.hand_over(tx, one, row, self.worker)?;
                    if Some(ticket) == self.work.own {
                        self.work.own_rows.push(one);
                    } else if row.worker.is_none() && one.worker.is_some() {
                        // Its hooks must pass first; whoever calls them says that the ticket is served.
                        whole = false;
                        self.work.handed.push(one);
                    }
                }
                if whole && held + count == row.wanted {
                    self.served(tx, row)?;
                }
            }
            Action::Grow {
                source,
                count,
                ticket,
            } => {
                let row = ticket.map(|ticket| ticket_row(loaded, ticket));
                self.grow(tx, source, count, row)?;
            }
            Action::GiveBack { ticket } => match &ticket_row(loaded, ticket).worker {
                Some(other) if other != self.worker => self.work.wake.push(other.clone()),
                _ => self.work.given_back.push(ticket),
            },
            Action::Fail { ticket, end } => self.fail(tx, loaded, ticket, end, reports)?,
            Action::Discard { instance, because } => {
                let mut row = tx.instance_by_id(instance)?;
                row.worker = Some(self.worker.clone());
                row.trouble = Some(because.as_str().to_owned());
                tx.save(&mut row, Some(Event::Doomed), self.now)?;
                if let Some(shelf) = row.shelf
                    && let Some(shelf) = tx.shelf_by_id(shelf)?
                    && because != Because::MakeRoom
                {
                    tx.count("shelf_removals_total", &shelf.name, 1.0)?;
                }
                self.work.doomed.push(row);
            }
        }
        Ok(())
    }

    fn served(&mut self, tx: &Tx<'_>, row: &TicketRow) -> Result<()> {
        self.engine.note_served(tx, row, self.now)?;
        if Some(row.id) == self.work.own {
            self.work.served = true;
        } else if let Some(worker) = &row.worker {
            self.work.wake.push(worker.clone());
        }
        self.work.wake.extend(tx.ticket_watchers(row.id)?);
        Ok(())
    }

    fn fail(
        &mut self,
        tx: &Tx<'_>,
        loaded: &Loaded,
        ticket: TicketId,
        end: FailedBy,
        reports: &[Report],
    ) -> Result<()> {
        let row = ticket_row(loaded, ticket);
        let own = Some(ticket) == self.work.own;
        // What another process asked for with settings of its own, only that process can judge.
        if !own && (row.custom || row.worker.is_some() && !self.scope.serve) {
            self.work.wake.extend(row.worker.clone());
            return Ok(());
        }
        let report = reports.iter().find(|report| report.ticket == ticket);
        let strange = report.is_some_and(|report| {
            let mut declines = report.declines.iter();
            declines.any(|decline| decline.why == Why::Unconfigured)
        });
        if !own && strange && row.worker.is_some() {
            // Its process may know a source that is not in the settings of this one, such as a project's.
            self.work.wake.extend(row.worker.clone());
            return Ok(());
        }
        let text = reason(row, report, end);
        self.engine.note_failed(tx, ticket, &text, self.now)?;
        if own {
            self.work.failed = Some(end);
        } else {
            self.work.wake.extend(row.worker.clone());
        }
        self.work.wake.extend(tx.ticket_watchers(ticket)?);
        Ok(())
    }
}

/// The row of a ticket that the plan speaks of; it was loaded for that plan.
fn ticket_row(loaded: &Loaded, ticket: TicketId) -> &TicketRow {
    let index = loaded
        .tickets
        .binary_search_by_key(&ticket, |row| row.id)
        .unwrap_or_default();
    &loaded.tickets[index]
}
