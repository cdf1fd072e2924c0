//! Three streams, as bytes, to the last one.

use std::io::Read as _;

use super::bench::Bench;
use super::over_every_provider;

over_every_provider!(
    output_and_errors_stay_apart,
    every_byte_arrives,
    input_ends,
    input_that_nobody_reads_is_no_error,
    the_last_bytes_are_not_lost,
    output_arrives_while_the_command_runs,
    a_reader_that_goes_away_ends_the_command,
);

fn output_and_errors_stay_apart(bench: &Bench) {
    let id = bench.acquire();
    let script =
        "i=0; while [ $i -lt 200 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done; exit 5";
    let outcome = bench.run(&id, &["sh", "-c", script]).code(5);
    let want = |word: &str| {
        (0..200)
            .map(|i| format!("{word} {i}\n"))
            .collect::<String>()
    };
    assert_eq!(outcome.out(), want("out"));
    assert_eq!(outcome.err(), want("err"));
}

fn every_byte_arrives(bench: &Bench) {
    let id = bench.acquire();
    let all: Vec<u8> = (0..=255).chain([13, 10, 10, 13, 0, 0, 4, 26]).collect();
    let outcome = bench.command(&id, &["cat"]).stdin(all.clone()).run().ok();
    assert_eq!(outcome.stdout, all);
    assert!(outcome.stderr.is_empty(), "{outcome}");
    let outcome = bench
        .command(&id, &["sh", "-c", "cat >&2"])
        .stdin(all.clone())
        .run()
        .ok();
    assert_eq!(outcome.stderr, all);
    assert!(outcome.stdout.is_empty(), "{outcome}");
}

fn input_ends(bench: &Bench) {
    let id = bench.acquire();
    let outcome = bench.command(&id, &["wc", "-c"]).stdin("").run().ok();
    assert_eq!(outcome.out().trim(), "0");
    // With no input at all (/dev/null), too.
    let outcome = bench.run(&id, &["wc", "-c"]).ok();
    assert_eq!(outcome.out().trim(), "0");
    let outcome = bench
        .command(&id, &["sh", "-c", "head -c 3; echo; wc -c"])
        .stdin("abcdef")
        .run()
        .ok();
    assert!(outcome.out().starts_with("abc\n"), "{outcome}");
}

fn input_that_nobody_reads_is_no_error(bench: &Bench) {
    let id = bench.acquire();
    let outcome = bench
        .command(&id, &["sh", "-c", "exit 3"])
        .stdin(vec![b'x'; 4 << 20])
        .run()
        .code(3);
    assert!(outcome.stderr.is_empty(), "{outcome}");
}

fn the_last_bytes_are_not_lost(bench: &Bench) {
    let id = bench.acquire();
    // The command is gone as soon as it has written: what is in the pipes by then must still arrive.
    for _ in 0..10 {
        let outcome = bench
            .run(
                &id,
                &[
                    "sh",
                    "-c",
                    "head -c 300001 /dev/zero; printf end; printf end >&2; exit 9",
                ],
            )
            .code(9);
        assert_eq!(outcome.stdout.len(), 300_004);
        assert!(outcome.stdout.ends_with(b"end"));
        assert_eq!(outcome.err(), "end");
    }
}

fn output_arrives_while_the_command_runs(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    // It goes on only when the test has seen its first line.
    let script =
        format!("echo first; while [ ! -e {directory}/go ]; do sleep 0.02; done; echo second");
    let mut command = bench.command(&id, &["sh", "-c", &script]).into_command();
    let mut child = command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; 6];
    stdout.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"first\n");
    bench.sh(&id, &format!("touch {directory}/go"));
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "second\n");
    assert!(child.wait().unwrap().success());
}

fn a_reader_that_goes_away_ends_the_command(bench: &Bench) {
    let id = bench.acquire();
    let (outcome, head) = bench.command(&id, &["yes"]).run_into(|mut stdout| {
        let mut head = [0; 64];
        stdout.read_exact(&mut head).unwrap();
        head
    });
    assert!(head.starts_with(b"y\n"));
    // 141: killed by SIGPIPE, or 1 where `yes` sees the write fail.
    assert!(matches!(outcome.code, Some(141 | 1)), "{outcome}");
}
