//! What a run of a spread project costs beyond its scripts: per task over ssh on loopback, the same with a round trip of 50 ms, and packing.
//!
//! Floors are measured in the same run: a shell started here, and the tree packed by `tar | zstd -T2`.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use runner_tests::TestEnv;
use runner_tests::backends::machine::Machine;

const PASSWORD: &str = "secret";
const TASKS: usize = 50;
const ROUNDS: usize = 5;

fn main() {
    let mut env = TestEnv::new();
    let Some(machine) = Machine::start(&env, "box", PASSWORD) else {
        return;
    };
    let direct = machine.address();
    let there = machine.home("bench");
    let delayed = delaying(direct.clone(), Duration::from_millis(25));
    env.keep(machine);
    project(&env, &there);
    say("a shell", median(|| time(|| shell(&env))));
    for (what, address) in [("loopback", &direct), ("with 50 ms", &delayed)] {
        env.write("tmp/address", address);
        let one = median(|| time(|| run(&env, &["bare/t00"])));
        say(&format!("{what}: a run of one bare task"), one);
        for (kind, filter) in [("bare", "bare/"), ("full", "full/")] {
            let single = median(|| time(|| run(&env, &[&format!("{kind}/t00")])));
            let all = median(|| time(|| run(&env, &[filter])));
            let each = all.saturating_sub(single) / (TASKS as u32 - 1);
            say(&format!("{what}: each {kind} task"), each);
        }
    }
    packing(&env);
}

fn say(what: &str, took: Duration) {
    println!("{what:40} {:8.2} ms", took.as_secs_f64() * 1000.0);
}

fn median(mut one: impl FnMut() -> Duration) -> Duration {
    let mut all: Vec<Duration> = (0..ROUNDS).map(|_| one()).collect();
    all.sort();
    all[ROUNDS / 2]
}

fn time(what: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    what();
    begun.elapsed()
}

fn shell(env: &TestEnv) {
    env.program("bash").args(["-c", "(true)"]).run().ok();
}

fn run(env: &TestEnv, filters: &[&str]) {
    env.runner(["test"]).args(filters).run().ok();
}

/// 50 tasks that only execute, and 50 with three scripts each.
fn project(env: &TestEnv, there: &Path) {
    let address = env.path("tmp/address");
    env.write(
        "work/spread.yaml",
        format!(
            "project: bench\npath: /root/bench\nbackends:\n  adhoc:\n    allocate: ADDRESS $(cat {})\n    discard: rm -rf {}\n    \
             systems:\n      - box-1:\n          password: {PASSWORD}\nsuites:\n  bare/:\n    summary: x\n  full/:\n    summary: x\n    \
             prepare-each: 'true'\n    restore-each: 'true'\n",
            address.display(),
            there.display()
        ),
    );
    for number in 0..TASKS {
        env.write(
            format!("work/bare/t{number:02}/task.yaml"),
            "summary: x\nexecute: 'true'\n",
        );
        env.write(
            format!("work/full/t{number:02}/task.yaml"),
            "summary: x\nprepare: 'true'\nexecute: 'true'\nrestore: 'true'\n",
        );
    }
}

/// A port that leads to `to`, a while later, in both directions.
fn delaying(to: String, by: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        for from in listener.incoming().flatten() {
            let Ok(onwards) = TcpStream::connect(&to) else {
                continue;
            };
            for stream in [&from, &onwards] {
                drop(stream.set_nodelay(true));
            }
            let clone = |stream: &TcpStream| stream.try_clone().expect("a copy");
            delay(clone(&from), clone(&onwards), by);
            delay(onwards, from, by);
        }
    });
    address
}

fn delay(mut from: TcpStream, mut to: TcpStream, by: Duration) {
    let (sender, queue) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if sender
                .send((Instant::now() + by, buffer[..read].to_vec()))
                .is_err()
            {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in queue {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        drop(to.shutdown(std::net::Shutdown::Write));
    });
}

/// A tree of 100 MB that compresses as sources do.
fn packing(env: &TestEnv) {
    let tree = env.path("tmp/tree");
    let mut state = 1_u64;
    for number in 0..400 {
        let mut text = String::with_capacity(256 << 10);
        while text.len() < 256 << 10 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            text.push_str(
                [
                    "let ", "fn ", "value", "(x)", ";\n", "    ", "for ", "return ",
                ][(state >> 60) as usize % 8],
            );
            text.push_str(&format!("{:x}", state >> 52));
        }
        let path = tree.join(format!("d{}/f{number}", number % 20));
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
    let floor = median(|| time(|| packed_by_hand(&tree)));
    say("packing 100 MB: tar | zstd -T2", floor);
    let spec = runner::jobs::pack::PackSpec {
        directory: tree,
        ..Default::default()
    };
    let ours = median(|| time(|| drop(runner::jobs::pack::pack(&spec).expect("packed"))));
    say("packing 100 MB: ours", ours);
    println!(
        "{:40} {:8.2}",
        "ours to that",
        ours.as_secs_f64() / floor.as_secs_f64()
    );
}

fn packed_by_hand(tree: &Path) {
    let done = Command::new("bash")
        .args([
            "-c",
            "tar -c --sort=name -C \"$1\" . | zstd -q -3 -T2 -c > /dev/null",
            "bash",
        ])
        .arg(tree)
        .status()
        .expect("bash starts");
    assert!(done.success());
}
