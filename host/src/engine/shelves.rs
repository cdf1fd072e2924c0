//! Shelves: named, owned places where instances stay between two uses of the same owner.

use runner_core::id::{InstanceName, Timestamp};
use runner_core::instance::{Event, State};
use serde::Serialize;

use super::release::Manner;
use super::{
    Ask, Draw, Engine, EngineError, FailureKind, InstanceStatus, ReleaseEnd, Released, Result,
};
use crate::store::{Durability, InstanceRow, NewEvent, ShelfRow, StoreError, Tx};

/// The capacity of a shelf that is created without one (Artemis' `shelf.max-guests`).
pub const DEFAULT_CAPACITY: u32 = 10;

/// A shelf as its owner sees it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShelfStatus {
    pub name: String,
    pub owner: String,
    pub capacity: u32,
    pub enabled: bool,
    pub created: Timestamp,
    /// Idle on it.
    pub current: u32,
    /// Leased under it.
    pub in_use: u32,
}

/// What is changed about a shelf.
#[derive(Clone, Debug, Default)]
pub struct ShelfChange {
    pub enabled: Option<bool>,
    pub capacity: Option<u32>,
    pub name: Option<String>,
}

impl Engine {
    /// Makes a shelf of the caller's.
    pub fn create_shelf(&self, name: &str, capacity: u32) -> Result<ShelfStatus> {
        legal(name)?;
        let now = self.now();
        let owner = self.0.identity.owner.name().to_owned();
        self.store().write(Durability::Full, |tx| {
            let Some(shelf) = tx.create_shelf(name, &owner, capacity, now)? else {
                return Err(EngineError::new(
                    FailureKind::Invalid,
                    format!("there is a shelf `{name}` already"),
                )
                .hint("names of shelves are unique over all owners; take another one"));
            };
            note(tx, &shelf, "created", now)?;
            status(tx, shelf)
        })
    }

    /// The shelves of the caller's, or of everybody.
    pub fn shelves(&self, all: bool) -> Result<Vec<ShelfStatus>> {
        let owner = self.0.identity.owner.name();
        self.store().read(|tx| {
            let mut shelves = tx.shelves()?;
            shelves.retain(|shelf| all || shelf.owner == owner);
            shelves.into_iter().map(|shelf| status(tx, shelf)).collect()
        })
    }

    /// One shelf of the caller's.
    pub fn shelf(&self, name: &str) -> Result<ShelfStatus> {
        let shelf = self.own_shelf(name)?;
        self.store().read(|tx| status(tx, shelf))
    }

    /// Switches, resizes or renames a shelf. What is on it stays, also above a lowered capacity; leases under it go on, and
    /// come back to it under its new name.
    pub fn change_shelf(&self, name: &str, change: &ShelfChange) -> Result<ShelfStatus> {
        if let Some(new) = &change.name {
            legal(new)?;
        }
        let now = self.now();
        let mut shelf = self.own_shelf(name)?;
        self.store().write(Durability::Full, |tx| {
            shelf.enabled = change.enabled.unwrap_or(shelf.enabled);
            shelf.capacity = change.capacity.unwrap_or(shelf.capacity);
            if let Some(new) = &change.name {
                shelf.name.clone_from(new);
            }
            if !tx.update_shelf(&shelf)? {
                return Err(EngineError::new(
                    FailureKind::Invalid,
                    format!("there is a shelf `{}` already", shelf.name),
                ));
            }
            if shelf.name != name {
                tx.relabel("shelf_", name, &shelf.name)?;
            }
            note(tx, &shelf, "changed", now)?;
            status(tx, shelf)
        })
    }

    /// Removes a shelf: what is idle on it is destroyed; what is in use under it is destroyed when it is released.
    pub async fn delete_shelf(&self, name: &str) -> Result<Vec<Released>> {
        self.repair().await?;
        let shelf = self.own_shelf(name)?;
        let now = self.now();
        self.store()
            .write::<_, StoreError>(Durability::Full, |tx| {
                tx.delete_shelf(shelf.id)?;
                note(tx, &shelf, "deleted", now)
            })?;
        let guests = self
            .store()
            .read::<_, StoreError>(|tx| tx.of_shelf(shelf.id))?;
        self.discard_guests(guests, None).await
    }

    /// What belongs to a shelf: idle on it, or in use under it.
    pub fn shelf_guests(&self, name: &str) -> Result<Vec<InstanceStatus>> {
        let shelf = self.own_shelf(name)?;
        self.store().read(|tx| {
            tx.of_shelf(shelf.id)?
                .into_iter()
                .map(|row| self.instance_status(tx, row))
                .collect()
        })
    }

    /// Puts instances on a shelf: leased ones are released to it, idle ones that belong to no shelf go there at once.
    pub async fn shelve(&self, name: &str, names: &[InstanceName]) -> Result<Vec<Released>> {
        self.repair().await?;
        let shelf = self.own_shelf(name)?;
        let mut ended = Vec::new();
        let mut leased = Vec::new();
        let mut idle = Vec::new();
        for (name, row) in self.find_all(names)? {
            match row {
                Some(row) if row.state == State::Leased => leased.push(name),
                Some(row) if row.state == State::Ready && row.shelf.is_none() => idle.push(row),
                Some(row) if row.state == State::Ready && row.shelf == Some(shelf.id) => {
                    ended.push(Released {
                        name,
                        end: ReleaseEnd::Kept,
                    });
                }
                Some(row) => {
                    return Err(EngineError::new(
                        FailureKind::Invalid,
                        format!(
                            "`{}` cannot be shelved: it is {}{}",
                            row.name,
                            row.state.as_str(),
                            if row.shelf.is_some() {
                                ", on another shelf"
                            } else {
                                ""
                            }
                        ),
                    ));
                }
                None => return Err(EngineError::unknown_instance(&name)),
            }
        }
        let room = self
            .store()
            .read::<_, StoreError>(|tx| tx.shelf_room(shelf.id))?;
        let wanted = (idle.len() + leased.len()) as u32;
        // A release decides for itself; but whoever adds something does not want it destroyed for want of room.
        if !room.enabled || room.capacity.saturating_sub(room.shelved) < wanted {
            return Err(full(&shelf));
        }
        let now = self.now();
        self.store().write(Durability::Full, |tx| {
            for mut row in idle {
                let room = tx.shelf_room(shelf.id)?;
                if !room.enabled || room.shelved >= room.capacity {
                    return Err(full(&shelf));
                }
                row.shelf = Some(shelf.id);
                tx.save(&mut row, None, now)?;
                tx.count("shelf_stored_total", &shelf.name, 1.0)?;
                ended.push(Released {
                    name: row.name,
                    end: ReleaseEnd::Kept,
                });
            }
            Ok::<_, EngineError>(())
        })?;
        let to = super::Destination::Shelf(name.to_owned());
        ended.extend(self.release(&leased, &to).await?);
        Ok(ended)
    }

    /// Destroys idle instances of a shelf, these or all. Those in use are refused.
    pub async fn discard_shelved(
        &self,
        name: &str,
        names: Option<&[InstanceName]>,
    ) -> Result<Vec<Released>> {
        self.repair().await?;
        let shelf = self.own_shelf(name)?;
        let guests = self
            .store()
            .read::<_, StoreError>(|tx| tx.of_shelf(shelf.id))?;
        let mut doomed = Vec::new();
        match names {
            None => doomed.extend(guests.into_iter().filter(|row| row.state == State::Ready)),
            Some(names) => {
                for name in names {
                    let Some(row) = guests.iter().find(|row| row.name == *name) else {
                        return Err(EngineError::new(
                            FailureKind::UnknownInstance,
                            format!("there is no `{name}` on shelf `{}`", shelf.name),
                        ));
                    };
                    if row.state != State::Ready {
                        return Err(EngineError::new(
                            FailureKind::Invalid,
                            format!("`{name}` is in use ({})", row.state.as_str()),
                        )
                        .hint("release it first, or `runner discard` it"));
                    }
                    doomed.push(row.clone());
                }
            }
        }
        self.discard_guests(doomed, Some(&shelf)).await
    }

    async fn discard_guests(
        &self,
        guests: Vec<InstanceRow>,
        shelf: Option<&ShelfRow>,
    ) -> Result<Vec<Released>> {
        let worker = self.worker()?.id().clone();
        let now = self.now();
        let mut ended = Vec::new();
        for mut row in guests.into_iter().filter(|row| row.state == State::Ready) {
            let name = row.name.clone();
            let doomed = self.store().write::<_, StoreError>(Durability::Full, |tx| {
                row.worker = Some(worker.clone());
                tx.save(&mut row, Some(Event::Doomed), now)?;
                if let Some(shelf) = shelf {
                    tx.count("shelf_removals_total", &shelf.name, 1.0)?;
                    tx.count("shelf_forced_removals_total", &shelf.name, 1.0)?;
                }
                Ok(())
            });
            match doomed {
                Ok(()) => {}
                // Leased in this very moment: it is not idle any more.
                Err(StoreError::Stale { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
            let end = match self.discard_row(row).await {
                Ok(()) => ReleaseEnd::Discarded,
                Err(error) => ReleaseEnd::Pending(error),
            };
            ended.push(Released { name, end });
        }
        Ok(ended)
    }

    /// Makes new instances and puts them on a shelf, unused.
    pub async fn fill_shelf(
        &self,
        name: &str,
        draw: &Draw,
        ask: &Ask,
    ) -> Result<Vec<InstanceName>> {
        let shelf = self.own_shelf(name)?;
        let room = self
            .store()
            .read::<_, StoreError>(|tx| tx.shelf_room(shelf.id))?;
        if !room.enabled || room.capacity.saturating_sub(room.shelved) < ask.count {
            return Err(full(&shelf));
        }
        let ask = Ask {
            shelf: None,
            fresh: true,
            ..ask.clone()
        };
        let rows = self.acquire(draw, &ask).await?.into_rows();
        let names: Vec<InstanceName> = rows.iter().map(|row| row.name.clone()).collect();
        let manner = Manner {
            shelf: Some(shelf.id),
            unused: true,
            ..Manner::default()
        };
        for released in self.release_as(rows, manner).await? {
            if !matches!(released.end, ReleaseEnd::Kept) {
                return Err(EngineError::new(
                    FailureKind::Exhausted,
                    format!("`{}` could not be kept on shelf `{name}`", released.name),
                )
                .hint(
                    "somebody else filled it meanwhile, or the source's limits forbid to keep it",
                ));
            }
        }
        Ok(names)
    }

    /// A shelf that the caller owns.
    pub(super) fn own_shelf(&self, name: &str) -> Result<ShelfRow> {
        let shelf = self
            .store()
            .read::<_, StoreError>(|tx| tx.shelf(name))?
            .ok_or_else(|| EngineError::unknown_shelf(name))?;
        self.owns(&shelf)?;
        Ok(shelf)
    }

    fn owns(&self, shelf: &ShelfRow) -> Result<()> {
        let caller = self.0.identity.owner.name();
        if shelf.owner == caller {
            return Ok(());
        }
        Err(EngineError::new(
            FailureKind::Denied,
            format!(
                "shelf `{}` belongs to `{}`, not to `{caller}`",
                shelf.name, shelf.owner
            ),
        )
        .hint("use one of your own; `--owner` (or RUNNER_OWNER) says who you are"))
    }

    /// The shelf of a request. Where a source says how long released instances wait for their next holder (resalloc's
    /// sandboxes), a shelf comes into being with its first use.
    pub(super) fn shelf_for(&self, name: &str, draw: &Draw) -> Result<ShelfRow> {
        let found = self.store().read::<_, StoreError>(|tx| tx.shelf(name))?;
        if let Some(shelf) = found {
            self.owns(&shelf)?;
            return Ok(shelf);
        }
        let sandboxes = draw.sources.iter().any(|definition| {
            definition
                .policy
                .reuse
                .opportunity
                .is_some_and(|time| time.0 > 0)
        });
        if !sandboxes {
            return Err(EngineError::unknown_shelf(name));
        }
        self.create_shelf(name, u32::MAX)?;
        self.own_shelf(name)
    }
}

fn legal(name: &str) -> Result<()> {
    runner_core::id::SourceName::new(name)
        .map(drop)
        .map_err(|_| {
            EngineError::new(
                FailureKind::Invalid,
                format!("`{name}` is not a name for a shelf"),
            )
            .hint("1 to 64 of letters, digits, `.`, `_` and `-`, not starting with `.` or `-`")
        })
}

fn full(shelf: &ShelfRow) -> EngineError {
    let why = if shelf.enabled {
        format!(
            "shelf `{}` has no room (capacity {})",
            shelf.name, shelf.capacity
        )
    } else {
        format!("shelf `{}` is disabled", shelf.name)
    };
    EngineError::new(FailureKind::Exhausted, why)
        .hint("`runner shelf show` says what is on it; `runner shelf enable` switches it on and sets its capacity")
}

fn note(
    tx: &Tx<'_>,
    shelf: &ShelfRow,
    what: &str,
    now: Timestamp,
) -> std::result::Result<(), StoreError> {
    tx.note(&NewEvent {
        shelf: Some(&shelf.name),
        ..NewEvent::new("shelf", what, now)
    })
}

fn status(tx: &Tx<'_>, shelf: ShelfRow) -> Result<ShelfStatus> {
    let guests = tx.of_shelf(shelf.id)?;
    let count = |state| guests.iter().filter(|row| row.state == state).count() as u32;
    Ok(ShelfStatus {
        current: count(State::Ready),
        in_use: count(State::Leased) + count(State::Releasing),
        name: shelf.name,
        owner: shelf.owner,
        capacity: shelf.capacity,
        enabled: shelf.enabled,
        created: shelf.created_at,
    })
}
