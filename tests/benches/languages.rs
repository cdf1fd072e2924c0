//! What a provider costs by the language it is written in: compiling, starting from the cache, the first call, later ones.
//!
//! Arguments: `LANGUAGE=COMPONENT` each, the projects that `plugin new` writes; `run.sh` builds them. Not a test: it prints
//! figures and judges nothing.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runner::plugin::{Binding, Component, Limits, Locator, PluginDirs, PluginHost, Services};
use runner::provider::{Provider, Request};
use runner_core::id::{InstanceName, SourceName, Token};
use tokio::runtime::{Builder, Runtime};

/// So often is a start from the cache measured, each in a host of its own.
const STARTS: u64 = 20;
/// So often is a call measured, each in a store of its own.
const CALLS: u64 = 200;

fn main() {
    println!(
        "{:<10} {:>9} {:>12} {:>14} {:>14} {:>12}",
        "language", "MiB", "compile", "cached start", "first call", "later call"
    );
    for argument in std::env::args().skip(1) {
        // `cargo bench` adds `--bench`.
        let Some((language, file)) = argument.split_once('=') else {
            continue;
        };
        measure(language, Path::new(file));
    }
}

fn measure(language: &str, file: &Path) {
    let scratch = tempfile::tempdir().unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    let (host, component) = host(scratch.path(), file);
    drop(provider(&host, &component));
    let compile = begun.elapsed();

    // As a command that starts and makes one call: nothing in memory, everything in the cache.
    let (mut starts, mut firsts) = (Vec::new(), Vec::new());
    for number in 0..STARTS {
        let begun = Instant::now();
        let (host, component) = self::host(scratch.path(), file);
        let provider = provider(&host, &component);
        starts.push(begun.elapsed());
        firsts.push(allocate(&runtime, &*provider, number, scratch.path()));
    }
    let provider = provider(&host, &component);
    let later = (0..CALLS)
        .map(|number| allocate(&runtime, &*provider, number, scratch.path()))
        .collect();
    println!(
        "{language:<10} {:>9.2} {:>9.2} s  {:>11.2} ms {:>11.3} ms {:>9.3} ms",
        component.size as f64 / f64::from(1 << 20),
        compile.as_secs_f64(),
        median(starts),
        median(firsts),
        median(later),
    );
}

/// A host over the caches of `scratch`, and the component as it sees it.
fn host(scratch: &Path, file: &Path) -> (PluginHost, Component) {
    let at = |name: &str| -> PathBuf { scratch.join(name) };
    let host = PluginHost::new(PluginDirs {
        installed: at("installed"),
        components: at("components"),
        compiled: at("compiled"),
        ssh: at("ssh"),
        compiler: None,
    });
    let component = host.inspect(&Locator::File(file.to_owned())).unwrap();
    component.keep(host.dirs()).unwrap();
    (host, component)
}

fn provider(host: &PluginHost, component: &Component) -> Arc<dyn Provider> {
    let config = component
        .manifest
        .configure(&serde_json::Map::new(), &[])
        .unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let grant = component.manifest.requested(&config, &path).unwrap();
    let binding = Binding {
        source: SourceName::new("bench").unwrap(),
        config,
        grant,
        limits: Limits::default(),
        services: Services {
            path,
            ..Services::default()
        },
    };
    host.provider(&component.reference, binding).unwrap()
}

/// How long one call takes.
fn allocate(runtime: &Runtime, provider: &dyn Provider, number: u64, workdir: &Path) -> Duration {
    let request = Request {
        token: Token::from_bytes(u128::from(number).to_be_bytes()),
        name: InstanceName::typed(format!("bench-{number}")),
        slot: 0,
        workdir: Some(workdir.to_owned()),
    };
    let begun = Instant::now();
    runtime.block_on(provider.allocate(&request)).unwrap();
    begun.elapsed()
}

/// In milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}
