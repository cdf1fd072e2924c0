//! One provider operation on a warm host, beside the floor of a bare task switch: what the sandbox, its limits and its
//! answers cost. Not a test: it prints figures and judges nothing.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures"
)]

use std::time::{Duration, Instant};

use runner::plugin::{Binding, Limits, Locator, PluginDirs, PluginHost, Services};
use runner::provider::{Doomed, Request};
use runner_core::id::{InstanceName, SourceName, Token};

/// The middle of many, and the best.
fn spread(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[0])
}

fn show(what: &str, times: Vec<Duration>) {
    let (median, best) = spread(times);
    println!(
        "{what:<44} median {:>8.1} us   best {:>8.1} us",
        median.as_secs_f64() * 1e6,
        best.as_secs_f64() * 1e6
    );
}

fn main() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let host = PluginHost::new(PluginDirs {
        installed: at("installed"),
        components: at("components"),
        compiled: at("compiled"),
        ssh: at("ssh"),
        compiler: None,
    });
    let component = host.inspect(&Locator::Name("local".into())).unwrap();
    let config = component
        .manifest
        .configure(&serde_json::Map::new(), &[])
        .unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let grant = component.manifest.requested(&config, &path).unwrap();
    let binding = || Binding {
        source: SourceName::new("bench").unwrap(),
        config: config.clone(),
        grant: grant.clone(),
        limits: Limits::default(),
        services: Services {
            path: path.clone(),
            ..Services::default()
        },
    };

    let started = Instant::now();
    host.provider(&component.reference, binding()).unwrap();
    println!(
        "{:<44} {:>15.1} ms",
        "compile and load `local`",
        started.elapsed().as_secs_f64() * 1e3
    );
    let started = Instant::now();
    let provider = host.provider(&component.reference, binding()).unwrap();
    println!(
        "{:<44} {:>15.1} us",
        "bind it again",
        started.elapsed().as_secs_f64() * 1e6
    );

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut floor = Vec::new();
        for _ in 0..2000 {
            let started = Instant::now();
            tokio::spawn(async {}).await.unwrap();
            floor.push(started.elapsed());
        }
        show("floor: a task that does nothing", floor);
        let (mut allocate, mut discard) = (Vec::new(), Vec::new());
        for number in 0..2000_u64 {
            let token = Token::from_bytes(u128::from(number).to_be_bytes());
            let name = InstanceName::typed(format!("bench-{number}"));
            let workdir = Some(scratch.path().to_owned());
            let request = Request {
                token: token.clone(),
                name: name.clone(),
                slot: 0,
                workdir: workdir.clone(),
            };
            let started = Instant::now();
            let allocated = provider.allocate(&request).await.unwrap();
            allocate.push(started.elapsed());
            let doomed = Doomed {
                token,
                handle: Some(allocated.handle),
                name,
                workdir,
            };
            let started = Instant::now();
            provider.discard(&doomed).await.unwrap();
            discard.push(started.elapsed());
        }
        show("allocate: store, instance, limits, answer", allocate);
        show("discard", discard);
    });
}
