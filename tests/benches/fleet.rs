//! The figures of a fleet: from ticket to instance, bursts, planning at scale, recovery. Each beside a floor that is measured in the
//! same run. Not a test: it prints figures and judges nothing.
//!
//! The backend answers at once, so that what is measured is the engine and the store, on a real disk and durable.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures"
)]

#[path = "fleet/backend.rs"]
mod backend;
#[path = "fleet/planning.rs"]
mod planning;

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use backend::{Fleet, ask};
use runner::engine::Destination;
use runner::store::{Durability, StoreError};

fn main() {
    let scratch = tempfile::tempdir_in(std::env::var_os("RUNNER_BENCH_DIR").map_or_else(
        || std::env::current_dir().unwrap(),
        std::path::PathBuf::from,
    ))
    .unwrap();
    let floor = commit_floor(&scratch.path().join("floor"));
    for instances in [60, 1000] {
        for clients in [1, 10, 50] {
            let directory = scratch.path().join(format!("{instances}-{clients}"));
            cycles(&directory, instances, clients, floor);
        }
    }
    burst(&scratch.path().join("burst"), 1000, floor);
    planning::scale();
    recovery(&scratch.path().join("recovery"), 10_000);
}

/// One durable commit of one row: nothing that changes the books can be faster.
fn commit_floor(directory: &Path) -> Duration {
    let fleet = Fleet::new(directory, 1);
    let store = fleet.store();
    let mut times = Vec::new();
    for number in 0..200 {
        let started = Instant::now();
        store
            .write::<_, StoreError>(Durability::Full, |tx| {
                tx.count("bench", &number.to_string(), 1.0)
            })
            .unwrap();
        times.push(started.elapsed());
    }
    times.sort();
    let median = times[times.len() / 2];
    println!("floor: one durable commit            {:8.2} ms", ms(median));
    median
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Clients that take an instance and give it back, each with a connection of its own, as processes have.
fn cycles(directory: &Path, instances: u32, clients: u32, floor: Duration) {
    let fleet = Fleet::new(directory, instances);
    fleet.fill(instances);
    let start = Arc::new(Barrier::new(clients as usize));
    let length = Duration::from_secs(5);
    let threads: Vec<_> = (0..clients)
        .map(|_| {
            let (client, start) = (fleet.client(), Arc::clone(&start));
            std::thread::spawn(move || {
                client.block_on(async {
                    start.wait();
                    let begun = Instant::now();
                    let mut waits = Vec::new();
                    while begun.elapsed() < length {
                        let asked = Instant::now();
                        let acquired = client.engine.acquire(&client.draw, &ask(1)).await.unwrap();
                        waits.push(asked.elapsed());
                        let names = acquired.names();
                        acquired.confirm().unwrap();
                        client
                            .engine
                            .release(&names, &Destination::Usual)
                            .await
                            .unwrap();
                    }
                    waits
                })
            })
        })
        .collect();
    let mut waits: Vec<Duration> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    waits.sort();
    let at = |part: usize| ms(waits[(waits.len() * part / 100).min(waits.len() - 1)]);
    println!(
        "{instances:5} instances, {clients:2} clients: ticket to ready p50 {:7.2} p95 {:7.2} max {:8.2} ms, \
         {:7.0} cycles/s, p50 {:5.1} x floor",
        at(50),
        at(95),
        ms(*waits.last().unwrap()),
        waits.len() as f64 / length.as_secs_f64(),
        at(50) / ms(floor),
    );
}

/// As many tickets at once as there are instances.
fn burst(directory: &Path, size: u32, floor: Duration) {
    let fleet = Fleet::new(directory, size);
    fleet.fill(size);
    let client = fleet.client();
    client.block_on(async {
        let begun = Instant::now();
        let mut opened = Vec::new();
        for _ in 0..size {
            opened.push(client.engine.open_ticket(&client.draw, &ask(1)).await.unwrap());
        }
        let took = begun.elapsed();
        let served = opened.iter().filter(|ticket| ticket.state == "served").count();
        println!(
            "burst of {size} tickets: all of {served} served after {:.0} ms, {:.2} ms each, {:.1} x floor",
            ms(took),
            ms(took) / f64::from(size),
            ms(took) / f64::from(size) / ms(floor)
        );
    });
}

/// A process that held everything is gone: how long until the next one has seen to it, and works.
fn recovery(directory: &Path, leases: u32) {
    let fleet = Fleet::new(directory, leases + 1);
    fleet.fill(leases + 1);
    fleet.lease_all_but_one();
    let started = Instant::now();
    let client = fleet.client();
    client.block_on(async {
        client.engine.repair().await.unwrap();
        let repaired = started.elapsed();
        let acquired = client.engine.acquire(&client.draw, &ask(1)).await.unwrap();
        acquired.confirm().unwrap();
        println!(
            "recovery with {leases} leases: repaired after {:.1} ms, next lease after {:.1} ms",
            ms(repaired),
            ms(started.elapsed())
        );
    });
}
