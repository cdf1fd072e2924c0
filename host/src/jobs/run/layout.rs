//! How a run is laid out before it begins: its jobs by numbers, their systems, how many workers each gets, and what is known
//! of how long they take.

use std::collections::HashMap;

use runner_core::matrix::Job;
use runner_core::schedule::Item;

use super::Setup;
use super::shop::Place;
use crate::jobs::events::{JobFacts, Quarantined};

/// The jobs by numbers, and the systems that the numbers stand for.
pub(super) fn items(setup: &Setup) -> (Vec<Item>, Vec<Place>) {
    let mut places: Vec<Place> = Vec::new();
    let mut tasks = HashMap::new();
    let items = setup.jobs.iter().map(|job| {
        let place = (job.backend, job.system);
        let system = places
            .iter()
            .position(|it| *it == place)
            .unwrap_or_else(|| {
                places.push(place);
                places.len() - 1
            });
        let count = tasks.len();
        let task = *tasks
            .entry((job.task, job.variant.clone()))
            .or_insert(count);
        let suite = setup.project.task(job.task).suite;
        Item {
            system,
            suite: suite.0 as usize,
            task,
            sample: job.sample,
            priority: setup.project.view(job).priority(),
        }
    });
    let items: Vec<Item> = items.collect();
    (items, places)
}

/// What each job is expected to take, if that shall decide and anything is known; what is new is taken for an average job.
pub(super) fn weights(setup: &Setup) -> Option<Vec<u64>> {
    let known = setup.durations.as_ref().filter(|known| !known.is_empty())?;
    let own = |job: &Job| {
        known
            .get(&setup.project.view(job).name().to_string())
            .copied()
    };
    let own: Vec<Option<u64>> = setup.jobs.iter().map(own).collect();
    let told: Vec<u64> = own.iter().copied().flatten().collect();
    let average = told.iter().sum::<u64>().checked_div(told.len() as u64)?;
    Some(own.into_iter().map(|own| own.unwrap_or(average)).collect())
}

pub(super) fn quarantined(setup: &Setup) -> Vec<Quarantined> {
    let all = setup.quarantined.iter();
    all.map(|(job, reason)| Quarantined {
        job: facts(setup, job),
        reason: reason.clone(),
    })
    .collect()
}

/// How many workers each system gets: no more than it has jobs.
pub(super) fn workers(setup: &Setup, places: &[Place]) -> Vec<(usize, usize)> {
    let mut counts = vec![0; places.len()];
    for job in &setup.jobs {
        if let Some(at) = places
            .iter()
            .position(|place| *place == (job.backend, job.system))
        {
            counts[at] += 1;
        }
    }
    let wanted = |(backend, system): Place| {
        let own = setup.project.backend(backend).system(system).workers;
        setup.options.workers.unwrap_or(own).max(1) as usize
    };
    counts
        .into_iter()
        .enumerate()
        .map(|(system, jobs)| (system, wanted(places[system]).min(jobs)))
        .collect()
}

pub(super) fn facts(setup: &Setup, job: &Job) -> JobFacts {
    let view = setup.project.view(job);
    JobFacts {
        name: view.name().to_string(),
        backend: view.backend().name.clone(),
        system: view.system().name.clone(),
        suite: view.suite().name.clone(),
        task: view.task().name.clone(),
        variant: view.variant().to_owned(),
        sample: if view.task().samples > 1 {
            job.sample
        } else {
            0
        },
    }
}
