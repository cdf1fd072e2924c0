//! Arguments arrive exactly as they were given: one stays one, no shell looks at them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use super::bench::Bench;
use super::over_every_provider;

over_every_provider!(
    odd_arguments_arrive_unchanged,
    options_behind_the_id_belong_to_the_command,
    the_environment_and_directory_are_the_instances,
);

/// Prints each of its arguments followed by a zero byte.
const SHOW: &str = "for word; do printf '%s\\0' \"$word\"; done";

fn odd_arguments_arrive_unchanged(bench: &Bench) {
    let id = bench.acquire();
    let mut words: Vec<OsString> = [
        "",
        " ",
        "  two  blanks  ",
        "\t",
        "\n",
        "line\nbreak\n",
        "'",
        "\"",
        "'\"'\"'",
        "\\",
        "\\\\ \\n",
        "a\\",
        "$HOME",
        "${HOME}",
        "$(echo no)",
        "`echo no`",
        "*",
        "?",
        "[a-z]",
        "~",
        "!",
        "!!",
        "#",
        "# no",
        ";",
        "; exit 9",
        "&",
        "&&",
        "|",
        ">",
        "> /dev/null",
        "<",
        "(",
        ")",
        "{a,b}",
        "-",
        "--",
        "-n",
        "-c",
        "--help",
        "-s",
        "=",
        "A=b",
        "%s",
        "%",
        "\u{e9}\u{4e16}\u{1f600}",
        "\u{1b}[31m",
        "\r\n",
        "-d",
        "-q",
        "--json",
        "\u{7f}",
        "\u{1}",
    ]
    .map(OsString::from)
    .into();
    words.push(OsString::from_vec(vec![
        0xff, 0xfe, b' ', 0x80, b'\n', 0xc3,
    ]));
    words.push(OsString::from_vec((1..=255).collect()));
    words.push("x".repeat(100_000).into());
    let outcome = bench
        .command(&id, &["sh", "-c", SHOW, "sh"])
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
