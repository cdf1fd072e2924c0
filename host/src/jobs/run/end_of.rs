//! The end of a machine's use: kept for the next run, given back, or destroyed.

use super::send;
use super::shop::{Shop, chain};
use super::station::{Station, Tree};
use crate::engine::{Acquired, Destination, ReleaseEnd};
use crate::jobs::events::What;

/// The worker is done with it.
pub(super) async fn close(shop: &Shop, mut station: Station, system: usize) {
    if !shop.setup.options.reuse {
        return discard(shop, station, system, false).await;
    }
    let (worker, machine, address) = (
        station.worker,
        station.label.clone(),
        station.address.clone(),
    );
    // First: what is neither kept nor under way would go back with the project on it, should we be killed in between.
    let confirmed = station.lease.take().map(Acquired::confirm);
    shop.holds_none(worker);
    drop(station.close().await);
    // One that was kept before is not worth a word, and its lease is held already.
    let Some(confirmed) = confirmed else {
        return;
    };
    match confirmed {
        Ok(()) => shop.stream().emit(What::Keeping {
            worker,
            machine,
            address,
        }),
        Err(error) => shop.stream().emit(What::Note {
            text: format!("cannot keep {machine}: {}", crate::engine::chain(&error)),
        }),
    }
}

/// It is destroyed, or given back to the source that it came from. `of_earlier`: it cannot be used, but is not ours to
/// destroy.
pub(super) async fn discard(shop: &Shop, mut station: Station, system: usize, of_earlier: bool) {
    if of_earlier && shop.setup.options.reuse {
        shop.holds_none(station.worker);
        drop(station.close().await);
        return;
    }
    let (worker, label) = (station.worker, station.label.clone());
    shop.stream().emit(What::Discarding {
        worker,
        machine: label.clone(),
    });
    let (backend, number) = shop.place(system);
    let backend = shop.setup.project.backend(backend);
    let to = if !shop.setup.machines.gives_back(backend) {
        Destination::Nowhere
    } else if fit_for_others(shop, &mut station).await {
        Destination::Usual
    } else {
        Destination::Unclean
    };
    let (machine, lease, entry) = station.close().await;
    let name = machine.name().clone();
    drop(machine);
    let released = shop.setup.engine.release(&[name], &to).await;
    drop(lease);
    shop.holds_none(worker);
    let trouble = match released {
        Ok(released) => released.into_iter().find_map(|one| match one.end {
            ReleaseEnd::Pending(error) => Some(crate::engine::chain(&error)),
            ReleaseEnd::Kept | ReleaseEnd::Discarded | ReleaseEnd::Already => None,
        }),
        Err(error) => Some(crate::engine::chain(&error)),
    };
    if let Some(error) = trouble {
        // The lease has ended all the same, and the discard is tried again by whoever comes next.
        shop.stream().emit(What::DiscardFailed {
            worker,
            machine: label,
            error,
        });
    }
    if let Some(file) = shop.reuse().as_mut()
        && let Err(error) = file.remove(&backend.name, &backend.system(number).name, &entry)
    {
        shop.stream().emit(What::Note {
            text: chain(&error),
        });
    }
}

/// Whoever is handed the machine next finds no project on it. False: as it is, it is of no use to anybody.
async fn fit_for_others(shop: &Shop, station: &mut Station) -> bool {
    if station.unrestored {
        let text = format!(
            "not everything that ran on {} was restored: it goes to nobody else as it is",
            station.label
        );
        shop.stream().emit(What::Note { text });
        return false;
    }
    match station.tree {
        Tree::Nothing => true,
        Tree::Foreign => false,
        Tree::Ours => {
            let path = format!("{}{}", station.root, shop.setup.project.path);
            match send::remove(station, &path).await {
                Ok(()) => true,
                Err(error) => {
                    shop.stream().emit(What::Note {
                        text: format!(
                            "cannot remove the project from {}, which goes to nobody else as it is: {error}",
                            station.label
                        ),
                    });
                    false
                }
            }
        }
    }
}
