//! `-discard` and `-gc`: what earlier runs left behind, without running anything.

use runner_core::id::InstanceName;

use super::shop::{chain, open_reuse};
use super::{Login, RunError, Setup, Wish};
use crate::engine::{Ask, Destination, ReleaseEnd};
use crate::jobs::events::{Summary, What, WorkerNumber};
use crate::jobs::reuse::Entry;

/// Destroys every machine that the reuse file names; with filters, those of systems that have selected jobs. Unlike the ancestor
/// it also finds those of systems that the project does not have any more.
pub(super) async fn discard(setup: Setup) -> Result<Summary, RunError> {
    let mut file = open_reuse(&setup).await?;
    let all = setup.options.filters.is_empty();
    let selected = |backend: &str, system: &str| {
        all || setup.jobs.iter().any(|job| {
            let view = setup.project.view(job);
            view.backend().name == backend && view.system().name == system
        })
    };
    let mut number = 0;
    for (backend, systems) in file.entries().clone() {
        for (system, entry) in systems {
            if !selected(&backend, &system) {
                continue;
            }
            let worker = WorkerNumber(number);
            number += 1;
            let machine = format!(
                "{backend}:{system} ({})",
                entry.instance().unwrap_or(&entry.address)
            );
            setup.stream.emit(What::Discarding {
                worker,
                machine: machine.clone(),
            });
            match destroy(&setup, &backend, &system, &entry).await {
                Ok(()) => file.remove(&backend, &system, &entry)?,
                Err(error) => setup.stream.emit(What::DiscardFailed {
                    worker,
                    machine,
                    error,
                }),
            }
        }
    }
    file.remove_if_empty()?;
    Ok(Summary::default())
}

async fn destroy(setup: &Setup, backend: &str, system: &str, entry: &Entry) -> Result<(), String> {
    let engine = &setup.engine;
    let of = setup.project.backends.iter().find(|it| it.name == backend);
    let (name, lease, to) = if let Some(instance) = entry.instance() {
        let to = match of {
            // The project of the run that kept it is on it.
            Some(backend) if setup.machines.gives_back(backend) => Destination::Unclean,
            Some(_) | None => Destination::Nowhere,
        };
        (InstanceName::typed(instance), None, to)
    } else {
        // Another implementation made it: what knows how to destroy it must be told that it exists.
        let of = of.ok_or_else(|| format!("the project has no backend `{backend}` any more"))?;
        let system = of.systems.iter().find(|it| it.name == system);
        let system = system.ok_or("the backend has no such system any more")?;
        let wish = Wish {
            backend: of,
            system,
            login: Login {
                username: entry.username.clone(),
                password: entry.password.clone(),
                ..Login::default()
            },
            known: Some((entry, true)),
        };
        let told = |error| crate::engine::chain(&error);
        let draw = setup.machines.draw(&wish).map_err(told)?;
        let acquired = engine.acquire(&draw, &Ask::default()).await.map_err(told)?;
        let names = acquired.names();
        let name = names.into_iter().next().ok_or("nothing was handed out")?;
        (name, Some(acquired), Destination::Nowhere)
    };
    let released = engine.release(std::slice::from_ref(&name), &to).await;
    drop(lease);
    match released {
        Ok(released) => {
            for one in released {
                if let ReleaseEnd::Pending(error) = one.end {
                    return Err(crate::engine::chain(&error));
                }
            }
            Ok(())
        }
        // It is gone, which is what was wanted.
        Err(error) if error.kind == crate::engine::FailureKind::UnknownInstance => Ok(()),
        Err(error) => Err(chain(&error)),
    }
}

/// Finishes what dead processes left behind: their leases end, their machines are destroyed.
pub(super) async fn collect(setup: Setup) -> Result<Summary, RunError> {
    match setup.engine.repair().await {
        Ok(report) => tracing::debug!(?report, "collected"),
        Err(error) => setup.stream.emit(What::Note {
            text: format!("cannot collect: {}", crate::engine::chain(&error)),
        }),
    }
    Ok(Summary::default())
}
