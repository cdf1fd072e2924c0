//! What there is: read by index, without touching a provider.

use std::collections::{BTreeMap, BTreeSet};

use runner_core::id::{InstanceName, SourceName};
use runner_core::plan::Counts;
use runner_core::policy::Policy;

use super::loose::Living;
use super::{
    Engine, InstanceStatus, Listing, MadeBy, OperationStatus, Owner, Result, SourceStatus, parse,
    parse_definition,
};
use crate::store::{InstanceRow, OperationFilter, Tx};

impl Engine {
    /// One entry per source and pool: all that are configured and all that have instances, or just these names. Names
    /// that nothing knows are left out. `detail` also reads the instances themselves.
    pub fn status(&self, names: &[SourceName], detail: bool) -> Result<Vec<SourceStatus>> {
        self.gather(
            names,
            if detail {
                Depth::Instances
            } else {
                Depth::States
            },
        )
    }

    /// The same without the instances, but with every number.
    pub fn numbers(&self, names: &[SourceName]) -> Result<Vec<SourceStatus>> {
        self.gather(names, Depth::Numbers)
    }

    fn gather(&self, names: &[SourceName], depth: Depth) -> Result<Vec<SourceStatus>> {
        let mut listings: BTreeMap<SourceName, Listing> = self
            .catalogue()
            .listings()?
            .into_iter()
            .map(|listing| (listing.name.clone(), listing))
            .collect();
        self.store().read(|tx| {
            for name in tx.populated_sources()? {
                if listings.contains_key(&name) {
                    continue;
                }
                // Not configured (any more): its limits are those that its instances were made under.
                let (policy, tags) = match tx.newest_definition(&name)? {
                    Some(stored) => {
                        let definition = parse_definition(&stored)?;
                        (definition.policy, definition.tags)
                    }
                    None => (Policy::default(), Vec::new()),
                };
                let listing = Listing {
                    name: name.clone(),
                    tags,
                    policy,
                    policy_until: None,
                    children: None,
                };
                listings.insert(name, listing);
            }
            let wanted = |name: &SourceName| names.is_empty() || names.contains(name);
            listings
                .values()
                .filter(|listing| wanted(&listing.name))
                .map(|listing| self.source_status(tx, listing, depth))
                .collect()
        })
    }

    /// The operation log, oldest first.
    pub fn operations(&self, filter: &OperationFilter) -> Result<Vec<OperationStatus>> {
        let rows = self.store().read(|tx| tx.operations(filter))?;
        rows.into_iter()
            .map(|row| {
                let running = row.ended_at.is_none();
                let outcome = match row.outcome {
                    Some(outcome) => outcome,
                    None if running && self.store().workers().is_alive(&row.worker) => {
                        "running".into()
                    }
                    None => "interrupted".into(),
                };
                Ok(OperationStatus {
                    id: row.id.0,
                    verb: row.verb,
                    instance: row.instance.map(InstanceName::typed),
                    source: row.source.and_then(|source| SourceName::new(source).ok()),
                    owner: parse(&row.owner, "owner")?,
                    started: row.started_at,
                    ended: row.ended_at,
                    outcome,
                    detail: row.detail,
                })
            })
            .collect()
    }
}

/// How much is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    /// How many are in which state.
    States,
    /// Also what takes a look at each.
    Numbers,
    Instances,
}

impl Engine {
    fn source_status(&self, tx: &Tx<'_>, listing: &Listing, depth: Depth) -> Result<SourceStatus> {
        let members: Vec<&SourceName> = match &listing.children {
            None => vec![&listing.name],
            Some(children) => children.iter().collect(),
        };
        let mut status = SourceStatus {
            source: listing.name.clone(),
            pool: listing.children.clone(),
            cached: 0,
            in_use: 0,
            other: 0,
            counts: Counts::default(),
            shelved: 0,
            suspect: 0,
            waiting: 0,
            maximum: listing.policy.maximum,
            canary: self.canary_to_show(tx, &listing.name)?,
            instances: Vec::new(),
        };
        let mut waiting = BTreeSet::new();
        for member in members {
            let counts = tx.counts(member)?;
            status.cached += counts.ready;
            status.in_use += counts.leased + counts.releasing;
            status.other += counts.starting + counts.broken + counts.discarding;
            status.counts.starting += counts.starting;
            status.counts.ready += counts.ready;
            status.counts.leased += counts.leased;
            status.counts.releasing += counts.releasing;
            status.counts.broken += counts.broken;
            status.counts.discarding += counts.discarding;
            if depth >= Depth::Numbers {
                let (shelved, suspect) = tx.asides(member)?;
                status.shelved += shelved;
                status.suspect += suspect;
                let tickets = tx.waiting_for(member)?;
                waiting.extend(tickets.into_iter().map(|(ticket, _)| ticket));
            }
            if depth == Depth::Instances && listing.children.is_none() {
                for row in tx.live_instances(Some(member))? {
                    status.instances.push(self.instance_status(tx, row)?);
                }
            }
        }
        status.waiting = waiting.len() as u32;
        Ok(status)
    }

    /// One instance.
    pub(super) fn instance_status(&self, tx: &Tx<'_>, row: InstanceRow) -> Result<InstanceStatus> {
        let made_by = self.made_by(tx, &row)?;
        let loose_end = self.loose_end(&row, self.now(), &mut Living::default());
        let shelf = match row.shelf {
            None => None,
            Some(shelf) => tx.shelf_by_id(shelf)?.map(|shelf| shelf.name),
        };
        let owner: Option<Owner> = match &row.lease {
            None => None,
            Some(lease) => Some(parse(&lease.owner, "owner")?),
        };
        Ok(InstanceStatus {
            name: row.name,
            source: row.source,
            pool: row.pool,
            state: row.state,
            since: row.changed_at,
            created: row.created_at,
            owner,
            fence: row.lease.as_ref().map(|lease| lease.fence),
            expires: row.lease.as_ref().and_then(|lease| lease.expires_at),
            ticket: row.ticket,
            shelf,
            uses: row.uses,
            checked: row.checked_at,
            check_failures: row.check_failures,
            attributes: row
                .attributes
                .as_deref()
                .map(|json| parse(json, "attributes"))
                .transpose()?
                .unwrap_or_default(),
            facts: row
                .facts
                .as_deref()
                .map(|json| parse(json, "facts"))
                .transpose()?,
            access: row
                .access
                .as_deref()
                .map(|json| parse(json, "access"))
                .transpose()?,
            trouble: row.trouble.or_else(|| made_by.lost.clone()),
            loose_end,
            made_by,
        })
    }

    /// The component that made it.
    pub(super) fn made_by(&self, tx: &Tx<'_>, row: &InstanceRow) -> Result<MadeBy> {
        let definition = self.definition_in(tx, row)?;
        Ok(MadeBy {
            plugin: definition.label.clone(),
            digest: definition.component.clone(),
            lost: self.catalogue().lost(&definition),
        })
    }
}
