//! The planner's world, read by index: what concerns some sources, never more than their tickets can use.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use runner_core::id::{ShelfId, SourceName, TicketId, Timestamp};
use runner_core::plan::{
    Accepts, Candidate, Idle, Patience, PoolView, Refused, RowId, SourceView, TicketView, World,
};
use runner_core::policy::Policy;

use super::tickets::{self, TicketRow};
use super::{Result, Tx};

/// A source as it is configured now.
#[derive(Clone, Debug)]
pub struct SourceQuery {
    pub name: SourceName,
    /// None: not configured (any more).
    pub policy: Option<Policy>,
    /// What an idle instance must have been made by.
    pub shape: String,
}

/// A pool as it is configured now.
#[derive(Clone, Debug)]
pub struct PoolQuery {
    pub name: SourceName,
    pub policy: Policy,
}

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct WorldQuery {
    pub sources: Vec<SourceQuery>,
    pub pools: Vec<PoolQuery>,
    /// All idle instances, for looking after them.
    pub tend: bool,
}

/// Instances that have the same facts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Class {
    /// The index of their source in the world.
    pub source: usize,
    /// JSON, as measured.
    pub facts: Option<String>,
    /// JSON, as the provider answered.
    pub attributes: Option<String>,
}

/// The world, and what the engine needs beside it.
#[derive(Debug, Default)]
pub struct Loaded {
    pub world: World,
    /// The rows of the world's tickets, in the same order.
    pub tickets: Vec<TicketRow>,
    /// What the numbers of the classes mean.
    pub classes: Vec<Class>,
}

impl Tx<'_> {
    /// Reads what a plan for these sources needs. Who requires what is left for the caller to weigh over the classes.
    pub fn world(&self, query: &WorldQuery) -> Result<Loaded> {
        let index: HashMap<&SourceName, usize> = query
            .sources
            .iter()
            .enumerate()
            .map(|(index, source)| (&source.name, index))
            .collect();
        let pools: HashMap<&SourceName, usize> = query
            .pools
            .iter()
            .enumerate()
            .map(|(index, pool)| (&pool.name, index))
            .collect();
        let mut loaded = Loaded::default();
        loaded.world.tend = query.tend;
        self.load_tickets(query, &index, &pools, &mut loaded)?;
        for pool in &query.pools {
            loaded.world.pools.push(PoolView {
                name: pool.name.clone(),
                policy: pool.policy,
                live: self.pool_live(&pool.name)?,
            });
        }
        let mut classes = HashMap::new();
        for (source, asked) in query.sources.iter().enumerate() {
            let view = self.load_source(query, source, asked, &loaded.world, &mut classes)?;
            loaded.world.sources.push(view);
        }
        let mut known: Vec<(Class, u32)> = classes.into_iter().collect();
        known.sort_by_key(|(_, number)| *number);
        loaded.classes = known.into_iter().map(|(class, _)| class).collect();
        Ok(loaded)
    }

    fn load_tickets(
        &self,
        query: &WorldQuery,
        index: &HashMap<&SourceName, usize>,
        pools: &HashMap<&SourceName, usize>,
        loaded: &mut Loaded,
    ) -> Result<()> {
        let names = serde_json::to_string(
            &query
                .sources
                .iter()
                .map(|source| source.name.as_str())
                .collect::<Vec<_>>(),
        )
        .unwrap_or_default();
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {} FROM tickets WHERE id IN (SELECT ticket FROM ticket_sources \
             WHERE source IN (SELECT value FROM json_each(?1))) AND state = 'waiting' ORDER BY id",
            tickets::COLUMNS
        ))?;
        let rows = statement.query_map([&names], tickets::from_row)?;
        for row in rows {
            loaded.tickets.push(tickets::finish(row?)?);
        }
        if loaded.tickets.is_empty() {
            return Ok(());
        }
        let mut candidates = self.load_candidates(&names, index)?;
        let mut underway = self.load_underway(&names)?;
        for ticket in &loaded.tickets {
            let (held, coming) = underway.remove(&ticket.id).unwrap_or_default();
            loaded.world.tickets.push(TicketView {
                id: ticket.id,
                wanted: ticket.wanted,
                held,
                coming,
                priority: ticket.priority,
                opened: ticket.opened_at,
                patience: if ticket.patient {
                    Patience::Until(ticket.deadline)
                } else {
                    Patience::None
                },
                shelf: ticket.shelf,
                fresh: ticket.fresh,
                pool: ticket
                    .asked
                    .as_ref()
                    .filter(|_| ticket.pool)
                    .and_then(|pool| pools.get(pool).copied()),
                candidates: candidates.remove(&ticket.id).unwrap_or_default(),
                // Who requires something accepts nothing until the caller has weighed the classes.
                accepts: if ticket.requires.is_empty() {
                    Accepts::Any
                } else {
                    Accepts::Only(BTreeSet::new())
                },
            });
        }
        Ok(())
    }

    fn load_candidates(
        &self,
        names: &str,
        index: &HashMap<&SourceName, usize>,
    ) -> Result<HashMap<TicketId, Vec<Candidate>>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT ticket, source, rank, tags, ruled_out, failed, passing FROM ticket_sources \
             WHERE source IN (SELECT value FROM json_each(?1)) ORDER BY ticket, position",
        )?;
        let mut rows = statement.query([names])?;
        let mut candidates: HashMap<TicketId, Vec<Candidate>> = HashMap::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(1)?;
            let Some(source) = SourceName::new(name)
                .ok()
                .and_then(|name| index.get(&name).copied())
            else {
                continue;
            };
            let ruled_out: Option<String> = row.get(4)?;
            let failed: Option<String> = row.get(5)?;
            let passing = row.get(6)?;
            let refused = ruled_out
                .map(Refused::RuledOut)
                .or(failed.map(|text| Refused::Failed { text, passing }));
            candidates
                .entry(TicketId(row.get(0)?))
                .or_default()
                .push(Candidate {
                    source,
                    rank: row.get(2)?,
                    tags: row.get(3)?,
                    refused,
                });
        }
        Ok(candidates)
    }

    /// Per waiting ticket: how many it holds, how many are being made for it.
    fn load_underway(&self, names: &str) -> Result<HashMap<TicketId, (u32, u32)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT instances.ticket, instances.state, count(*) FROM tickets \
             JOIN instances ON instances.ticket = tickets.id \
             WHERE tickets.id IN (SELECT ticket FROM ticket_sources WHERE source IN (SELECT value FROM json_each(?1))) \
             AND tickets.state = 'waiting' AND instances.state IN ('leased', 'allocating', 'provisioning') GROUP BY 1, 2",
        )?;
        let mut rows = statement.query([names])?;
        let mut underway: HashMap<TicketId, (u32, u32)> = HashMap::new();
        while let Some(row) = rows.next()? {
            let (held, coming) = underway.entry(TicketId(row.get(0)?)).or_default();
            let count: u32 = row.get(2)?;
            if row.get::<_, String>(1)? == "leased" {
                *held += count;
            } else {
                *coming += count;
            }
        }
        Ok(underway)
    }

    fn load_source(
        &self,
        query: &WorldQuery,
        source: usize,
        asked: &SourceQuery,
        world: &World,
        classes: &mut HashMap<Class, u32>,
    ) -> Result<SourceView> {
        let unassigned_starting = if query.tend {
            self.connection
                .prepare_cached(
                    "SELECT count(*) FROM instances WHERE source = ?1 AND state IN ('allocating', 'provisioning') \
                     AND ticket IS NULL",
                )?
                .query_row([asked.name.as_str()], |row| row.get(0))?
        } else {
            0
        };
        let counts = self.counts(&asked.name)?;
        let wants = Wants::of(source, asked, world);
        let mut idle = BTreeMap::new();
        // What is tried fits as well.
        let tried = match counts.ready {
            0 => None,
            _ => self.canary_shape(&asked.name)?,
        };
        let fitting = Fitting {
            own: &asked.shape,
            tried: tried.as_deref().unwrap_or(&asked.shape),
        };
        if counts.ready > 0 && (query.tend || wants.everything) {
            self.load_idle(source, asked, &fitting, "1", -1, classes, &mut idle)?;
        } else if counts.ready > 0 && wants.count > 0 {
            let limit = i64::from(wants.count);
            let usable =
                "instances.shelf IS NULL AND definitions.shape IN (?2, ?4) AND check_failures = 0";
            self.load_idle(source, asked, &fitting, usable, limit, classes, &mut idle)?;
            let stale = "instances.shelf IS NULL AND definitions.shape NOT IN (?2, ?4)";
            self.load_idle(source, asked, &fitting, stale, limit, classes, &mut idle)?;
            for shelf in &wants.shelves {
                let own = format!("instances.shelf = {}", shelf.0);
                self.load_idle(source, asked, &fitting, &own, limit, classes, &mut idle)?;
            }
        }
        let mut idle: Vec<Idle> = idle.into_values().collect();
        idle.sort_by_key(|one| (one.since, one.id));
        Ok(SourceView {
            name: asked.name.clone(),
            policy: asked.policy,
            counts,
            unassigned_starting,
            idle,
            health: self.health(&asked.name)?.for_plan(),
        })
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one query in three variations; what differs between them is told one by one"
    )]
    fn load_idle(
        &self,
        source: usize,
        asked: &SourceQuery,
        fitting: &Fitting<'_>,
        condition: &str,
        limit: i64,
        classes: &mut HashMap<Class, u32>,
        idle: &mut BTreeMap<RowId, Idle>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT instances.id, shelf, definitions.shape IN (?2, ?4), check_failures > 0, uses, facts, attributes, created_at, \
             changed_at, first_leased_at FROM instances JOIN definitions ON definitions.id = definition \
             WHERE instances.source = ?1 AND state = 'ready' AND {condition} ORDER BY changed_at LIMIT ?3"
        ))?;
        let mut rows = statement.query((asked.name.as_str(), fitting.own, limit, fitting.tried))?;
        while let Some(row) = rows.next()? {
            let class = Class {
                source,
                facts: row.get(5)?,
                attributes: row.get(6)?,
            };
            let next = classes.len() as u32;
            let class = *classes.entry(class).or_insert(next);
            let id = RowId(row.get(0)?);
            idle.insert(
                id,
                Idle {
                    id,
                    shelf: row.get::<_, Option<i64>>(1)?.map(ShelfId),
                    fits: row.get(2)?,
                    suspect: row.get(3)?,
                    uses: row.get(4)?,
                    class,
                    created: Timestamp(row.get(7)?),
                    since: Timestamp(row.get(8)?),
                    first_leased: row.get::<_, Option<i64>>(9)?.map(Timestamp),
                },
            );
        }
        Ok(())
    }
}

/// What an idle instance must have been made by: either.
struct Fitting<'a> {
    own: &'a str,
    tried: &'a str,
}

/// How much of a source's idle instances its tickets can use.
struct Wants {
    count: u32,
    shelves: Vec<ShelfId>,
    /// Which ones are usable shows only when they are looked at.
    everything: bool,
}

impl Wants {
    fn of(source: usize, asked: &SourceQuery, world: &World) -> Self {
        let mut wants = Self {
            count: 0,
            shelves: Vec::new(),
            everything: asked
                .policy
                .is_some_and(|policy| policy.max_age.is_some() || policy.reuse.max_time.is_some()),
        };
        for ticket in &world.tickets {
            if !ticket
                .candidates
                .iter()
                .any(|candidate| candidate.source == source)
            {
                continue;
            }
            wants.count = wants.count.saturating_add(ticket.missing());
            wants.everything |= ticket.fresh || ticket.accepts != Accepts::Any;
            if let Some(shelf) = ticket.shelf
                && !wants.shelves.contains(&shelf)
            {
                wants.shelves.push(shelf);
            }
        }
        wants
    }
}
