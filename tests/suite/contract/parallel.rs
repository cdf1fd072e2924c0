//! Several commands on one instance at once, up to `concurrency` and not beyond.

use std::process::{Child, Stdio};

use super::bench::Bench;
use super::over_every_provider;

over_every_provider!(
    as_many_as_allowed_run_at_once,
    beyond_it_they_wait_for_their_turn,
    a_signal_reaches_the_command,
);

fn start(bench: &Bench, id: &str, script: &str) -> Child {
    bench
        .command(id, &["sh", "-c", script])
        .into_command()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn finish(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn as_many_as_allowed_run_at_once(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    // Each waits until all four are there: it only ends when they really run side by side.
    let children: Vec<_> = (0..4)
        .map(|number| {
            let script = format!(
                "cd {directory} && : > {number} && while [ $(ls | wc -l) -lt 4 ]; do sleep 0.02; done; echo {number}"
            );
            start(bench, &id, &script)
        })
        .collect();
    for (number, child) in children.into_iter().enumerate() {
        assert_eq!(finish(child), format!("{number}\n"));
    }
}

fn beyond_it_they_wait_for_their_turn(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    // Four may run; each of eight counts those that run beside it.
    let script = format!(
        "cd {directory}; me=$(cat /proc/sys/kernel/random/uuid); : > $me; ls | wc -l; sleep 0.2; rm $me"
    );
    let children: Vec<_> = (0..8).map(|_| start(bench, &id, &script)).collect();
    for child in children {
        let seen: u32 = finish(child).trim().parse().unwrap();
        assert!((1..=4).contains(&seen), "{seen} ran at once");
    }
}

fn a_signal_reaches_the_command(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let script = format!(
        "trap 'echo got it; exit 21' TERM; : > {directory}/ready; while :; do sleep 0.05; done"
    );
    let child = start(bench, &id, &script);
    while bench
        .run(&id, &["test", "-e", &format!("{directory}/ready")])
        .code
        != Some(0)
    {}
    runner_tests::command::kill(child.id(), rustix::process::Signal::TERM);
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(21), "{}: {error}", output.status);
    assert_eq!(output.stdout, b"got it\n");
}
