//! A provider call that makes one HTTP request on loopback, beside the same request made natively over a kept connection; and a
//! thousand of them at once, with the memory that they take. Not a test: it prints figures and judges nothing.
//!
//! The server is this program again, in a process of its own, and answers after a given time: a cloud takes milliseconds.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runner::plugin::{Binding, Limits, Locator, PluginDirs, PluginHost, Services};
use runner::provider::{Doomed, Provider, Request};
use runner_core::id::{InstanceName, SourceName, Token};
use runner_tests::guests;

/// Requests of one kind.
const ROUNDS: usize = 400;
/// Calls at the same time.
const MANY: usize = 1000;

fn main() {
    let words: Vec<_> = std::env::args().collect();
    if let [_, mode, delay] = &words[..]
        && mode == "serve"
    {
        return serve(Duration::from_micros(delay.parse().unwrap()));
    }
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let host = PluginHost::new(PluginDirs {
        installed: at("installed"),
        components: at("components"),
        compiled: at("compiled"),
        ssh: at("ssh"),
        compiler: None,
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    // As commands have it: the guest runs on the thread that waits for the call.
    let one_thread = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for delay in [0, 2_000, 20_000] {
        let server = Server::start(delay);
        let provider = provider(&host, server.port);
        let rounds = if delay > 2_000 { ROUNDS / 8 } else { ROUNDS };
        let (mut native, mut through, mut by_command) = (Vec::new(), Vec::new(), Vec::new());
        let agent = ureq::Agent::new_with_defaults();
        // By turns, so that both meet the same neighbours.
        for number in 0..rounds {
            let url = format!("http://127.0.0.1:{}/machines/{number:032x}", server.port);
            let started = Instant::now();
            let mut answer = agent.delete(&url).call().unwrap();
            answer.body_mut().read_to_vec().unwrap();
            native.push(started.elapsed());
            let doomed = doomed(number);
            let started = Instant::now();
            runtime.block_on(provider.discard(&doomed)).unwrap();
            through.push(started.elapsed());
            let started = Instant::now();
            one_thread.block_on(provider.discard(&doomed)).unwrap();
            by_command.push(started.elapsed());
        }
        let native = median(native).as_secs_f64();
        println!(
            "server takes {:>5.1} ms: natively {:>8.1} us",
            f64::from(delay) / 1e3,
            native * 1e6
        );
        for (who, times) in [("two threads", through), ("as a command", by_command)] {
            let through = median(times).as_secs_f64();
            println!(
                "  through the sandbox, {who:<12} {:>8.1} us, {:>+6.1} %",
                through * 1e6,
                (through / native - 1.0) * 100.0
            );
        }
    }

    let server = Server::start(200_000);
    let provider = provider(&host, server.port);
    runtime.block_on(provider.discard(&doomed(0))).unwrap();
    let before = memory("VmRSS");
    let started = Instant::now();
    runtime.block_on(async {
        let calls: Vec<_> = (0..MANY)
            .map(|number| {
                let provider = provider.clone();
                tokio::spawn(async move {
                    let request = Request {
                        token: token(number),
                        name: InstanceName::typed(format!("bench-{number}")),
                        slot: 0,
                        workdir: None,
                    };
                    provider.allocate(&request).await.unwrap();
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
    });
    println!(
        "{MANY} calls at once, the server takes 200 ms: {:.2} s, {:.1} MiB at most, {:.1} MiB before",
        started.elapsed().as_secs_f64(),
        memory("VmHWM"),
        before
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn token(number: usize) -> Token {
    Token::from_bytes((number as u128).to_be_bytes())
}

fn doomed(number: usize) -> Doomed {
    Doomed {
        token: token(number),
        handle: None,
        name: InstanceName::typed(format!("bench-{number}")),
        workdir: None,
    }
}

/// Of this process, in MiB.
fn memory(what: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}

fn provider(host: &PluginHost, port: u16) -> Arc<dyn Provider> {
    let locator = Locator::File(guests::web().to_owned());
    let component = host.inspect(&locator).unwrap();
    let config = serde_json::json!({
        "machines": format!("http://127.0.0.1:{port}/machines"),
        "hosts": ["127.0.0.1"], "ports": [port],
    });
    let config = component
        .manifest
        .configure(config.as_object().unwrap(), &[])
        .unwrap();
    let grant = component.manifest.requested(&config, "".as_ref()).unwrap();
    let binding = Binding {
        source: SourceName::new("bench").unwrap(),
        config,
        grant,
        limits: Limits::default(),
        services: Services::default(),
    };
    component.keep(host.dirs()).unwrap();
    host.provider(&component.reference, binding).unwrap()
}

/// This program as a server; ends with this value.
struct Server {
    port: u16,
    child: Child,
}

impl Server {
    fn start(delay: u32) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", &delay.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line.trim().parse().unwrap();
        Self { port, child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn serve(delay: Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || converse(stream, delay));
    }
}

fn converse(stream: TcpStream, delay: Duration) {
    stream.set_nodelay(true).unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).is_ok_and(|read| read > 0) {
        // No request of this bench has a body.
        if line == "\r\n" {
            std::thread::sleep(delay);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
            if stream.get_mut().write_all(answer).is_err() {
                return;
            }
        }
        line.clear();
    }
}
