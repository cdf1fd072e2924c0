//! Arguments arrive exactly as they were given: one stays one, no shell looks at them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use runner::conformance::cases;

use super::bench::Bench;
use super::over_every_provider;

over_every_provider!(
    odd_arguments_arrive_unchanged,
    options_behind_the_id_belong_to_the_command,
    the_environment_and_directory_are_the_instances,
);

fn odd_arguments_arrive_unchanged(bench: &Bench) {
    let id = bench.acquire();
    let words: Vec<OsString> = cases::arguments()
        .into_iter()
        .map(OsString::from_vec)
        .collect();
    let outcome = bench
        .command(&id, &["sh", "-c", cases::SHOW, "sh"])
        .args(&words)
        .run()
        .ok();
    let mut want = Vec::new();
    for word in &words {
        want.extend_from_slice(word.as_bytes());
        want.push(0);
    }
    if outcome.stdout != want {
        let got: Vec<_> = outcome.stdout.split(|byte| *byte == 0).collect();
        for (number, word) in words.iter().enumerate() {
            assert_eq!(
                got.get(number).copied().map(OsStr::from_bytes),
                Some(word.as_os_str()),
                "argument {number}"
            );
        }
        panic!("{} arguments became {}", words.len(), got.len() - 1);
    }
}

fn options_behind_the_id_belong_to_the_command(bench: &Bench) {
    let id = bench.acquire();
    let env = &bench.env;
    let show = |words: &[&str]| env.runner(words).run().ok().out().to_owned();
    // crcache ate `-c`, and `-d` silently.
    assert_eq!(
        show(&["run", &id, "sh", "-c", "echo $1", "sh", "-d"]),
        "-d\n"
    );
    assert_eq!(
        show(&["run", &id, "--", "sh", "-c", "echo $1", "sh", "-d"]),
        "-d\n"
    );
    assert_eq!(
        show(&["run", "--", &id, "sh", "-c", "echo $1", "sh", "--json"]),
        "--json\n"
    );
    assert_eq!(show(&["run", &id, "basename", "--", "--help"]), "--help\n");
    // Only the first `--` is ours.
    assert_eq!(show(&["run", &id, "--", "echo", "--", "x"]), "-- x\n");
}

fn the_environment_and_directory_are_the_instances(bench: &Bench) {
    let id = bench.acquire();
    // It starts somewhere that exists and can be written to.
    bench.sh(&id, "touch a-file && rm a-file");
    // An equals sign does not make an assignment of a command.
    bench.run(&id, &["A=b"]).code(127);
}
