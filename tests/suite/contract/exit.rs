//! The exit code is the command's, a signal is 128+N, and what went wrong with `runner` itself can be told apart.

use runner::conformance::cases;

use super::bench::Bench;
use super::over_every_provider;

over_every_provider!(
    codes_are_the_commands,
    signals_are_128_and_their_number,
    what_cannot_be_executed_is_126_and_what_is_not_there_127,
    the_status_file_tells_which_it_was,
);

fn codes_are_the_commands(bench: &Bench) {
    let id = bench.acquire();
    for code in cases::CODES {
        bench
            .run(&id, &["sh", "-c", &format!("exit {code}")])
            .code((*code).into());
    }
    bench.run(&id, &["true"]).code(0);
    bench.run(&id, &["false"]).code(1);
}

fn signals_are_128_and_their_number(bench: &Bench) {
    let id = bench.acquire();
    for signal in cases::SIGNALS {
        let outcome = bench.run(
            &id,
            &["sh", "-c", &format!("kill -{signal} $$; sleep 1000")],
        );
        assert_eq!(
            outcome.code,
            Some(128 + i32::from(*signal)),
            "signal {signal}: {outcome}"
        );
    }
}

fn what_cannot_be_executed_is_126_and_what_is_not_there_127(bench: &Bench) {
    let id = bench.acquire();
    let missing = bench.run(&id, &["no-such-program-anywhere"]).code(127);
    assert!(!missing.stderr.is_empty(), "nothing says why: {missing}");
    bench.run(&id, &["/no/such/path"]).code(127);
    bench.run(&id, &["/etc"]).code(126);
}

fn the_status_file_tells_which_it_was(bench: &Bench) {
    let id = bench.acquire();
    let told = |argv: &[&str], id: &str| {
        let file = bench.env.path("told");
        let outcome = bench
            .env
            .program("sh")
            .args(["-c", "told=$1; id=$2; shift 2; exec runner run --status-fd 3 \"$id\" -- \"$@\" 3>\"$told\"", "sh"])
            .arg(&file)
            .arg(id)
            .args(argv)
            .run();
        let text = std::fs::read_to_string(&file).expect("the status was written");
        assert_eq!(text.lines().count(), 1, "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).expect("one line of JSON");
        (outcome.code.unwrap(), json)
    };
    let (code, exited) = told(&["sh", "-c", "exit 125"], &id);
    assert_eq!(code, 125);
    let (code, killed) = told(&["sh", "-c", "kill -9 $$"], &id);
    assert_eq!(code, 137);
    let (code, failed) = told(&["true"], "no-such-instance");
    assert_eq!(code, 125);
    // Whatever the words are, the three must be told apart and carry their numbers.
    assert!(exited.to_string().contains("125"), "{exited}");
    // Over ssh a shell on the other side says it, as a code.
    let killed = killed.to_string();
    assert!(killed.contains('9') || killed.contains("137"), "{killed}");
    assert!(failed.to_string().contains("unknown-instance"), "{failed}");
    assert!(!exited.to_string().contains("kind"), "{exited}");
}
