//! The grammar of the command line, as tables: what is accepted and what it means, what is refused and how.

use std::ffi::OsString;

use runner_core::id::SourceName;

use super::args::{Cli, Verb};
use super::commands::run::without_separator;
use super::usage::{self, Refusal};
use crate::config::SourceArgument;

fn words(line: &str) -> Vec<OsString> {
    std::iter::once("runner")
        .chain(line.split_whitespace())
        .map(OsString::from)
        .collect()
}

fn parse(line: &str) -> Cli {
    match usage::parse(&words(line)) {
        Ok(cli) => cli,
        Err(Refusal::Clap(error)) => panic!("{line}: {error}"),
        Err(Refusal::Failure(failure)) => panic!("{line}: {failure:?}"),
        Err(Refusal::Go(message)) => panic!("{line}: {message}"),
    }
}

fn verb(line: &str) -> Verb {
    parse(line).verb.unwrap()
}

fn named(name: &str) -> Option<SourceArgument> {
    Some(SourceArgument::Named(SourceName::new(name).unwrap()))
}

fn code(line: &str) -> u8 {
    let words = words(line);
    match usage::parse(&words) {
        Ok(_) => panic!("`{line}` is accepted"),
        Err(refusal) => refusal.code(&words),
    }
}

#[test]
fn the_definition_is_sound() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}

#[test]
fn a_source_before_and_after_the_verb() {
    for line in [
        "-s web acquire 3",
        "acquire -s web 3",
        "acquire 3 --source web",
        "--source=web acquire 3",
        "-sweb acquire 3",
        "-s web acquire -s web 3",
    ] {
        let Verb::Acquire(acquire) = verb(line) else {
            panic!("{line}");
        };
        assert_eq!(acquire.draw.wants.source, named("web"), "{line}");
        assert_eq!(acquire.count, 3, "{line}");
    }
    for line in [
        "-s web exec -- true",
        "exec -s web true",
        "exec -s web -- true",
    ] {
        let Verb::Exec(exec) = verb(line) else {
            panic!("{line}");
        };
        assert_eq!(exec.draw.wants.source, named("web"), "{line}");
        assert_eq!(exec.words, ["true"], "{line}");
    }
    assert!(matches!(verb("-s web log"), Verb::Log(log) if log.source == named("web")));
}

#[test]
fn acquire() {
    let Verb::Acquire(plain) = verb("acquire") else {
        panic!();
    };
    assert_eq!((plain.count, plain.draw.wait.wait), (1, None));
    assert_eq!(plain.draw.wants.source, None);
    for (line, wait) in [
        ("acquire --wait 2", Some(None)),
        ("acquire --wait=1h30m 2", Some(Some(5400))),
        ("acquire 2 --wait=30", Some(Some(30))),
    ] {
        let Verb::Acquire(acquire) = verb(line) else {
            panic!("{line}");
        };
        let seconds = acquire
            .draw
            .wait
            .wait
            .map(|wait| wait.map(|wait| wait.as_secs()));
        assert_eq!((acquire.count, seconds), (2, wait), "{line}");
    }
    let Verb::Acquire(file) = verb("acquire -s ./x.wasm:a=1,b=2 -o c=d=e -o f= --grant") else {
        panic!();
    };
    assert!(
        matches!(&file.draw.wants.source, Some(SourceArgument::File { options, .. }) if options.len() == 2)
    );
    let options = [
        ("c".to_owned(), "d=e".to_owned()),
        ("f".to_owned(), String::new()),
    ];
    assert_eq!(file.draw.options, options);
    assert!(file.draw.grant);
}

#[test]
fn options_of_run_end_at_the_id() {
    for (line, wanted) in [
        ("run a-1", &["a-1"][..]),
        ("run a-1 sh -c X", &["a-1", "sh", "-c", "X"]),
        ("run a-1 ls -d /", &["a-1", "ls", "-d", "/"]),
        ("run a-1 -q --json --cwd", &["a-1", "-q", "--json", "--cwd"]),
        ("run -- a-1 ls -l", &["a-1", "ls", "-l"]),
        ("run a-1 -- ls -l", &["a-1", "ls", "-l"]),
        ("run -- a-1 -- ls", &["a-1", "ls"]),
        (
            "run a-1 git checkout -- f",
            &["a-1", "git", "checkout", "--", "f"],
        ),
        ("run a-1 -- -- f", &["a-1", "--", "f"]),
        ("run a-1 x --help", &["a-1", "x", "--help"]),
        ("run a-1 --version", &["a-1", "--version"]),
    ] {
        let Verb::Run(run) = verb(line) else {
            panic!("{line}");
        };
        let mut got = vec![run.words[0].clone()];
        got.extend_from_slice(without_separator(&run.words[1..]));
        assert_eq!(got, wanted, "{line}");
    }
    let cli = parse("run -q -t --status-fd 3 --cwd /x -e A=b=c a-1 cmd -q");
    assert!(cli.globals.quiet);
    let Some(Verb::Run(run)) = cli.verb else {
        panic!();
    };
    assert!(run.how.tty);
    assert_eq!(run.how.status_fd, Some(3));
    assert_eq!(run.how.cwd, Some("/x".into()));
    assert_eq!(run.how.env, [("A".to_owned(), b"b=c".to_vec())]);
}

#[test]
fn exec_separates_itself_from_its_command() {
    for (line, wanted) in [
        ("exec", &[][..]),
        ("exec -- make -j2", &["make", "-j2"]),
        ("exec make -j2", &["make", "-j2"]),
        ("exec --wait -- make", &["make"]),
        ("exec -- git checkout -- f", &["git", "checkout", "--", "f"]),
    ] {
        let Verb::Exec(exec) = verb(line) else {
            panic!("{line}");
        };
        assert_eq!(exec.words, wanted, "{line}");
    }
}

#[test]
fn global_options_anywhere() {
    for line in [
        "-q -v -d / status",
        "status -q -v -d /",
        "-q status -v --here=/",
    ] {
        let cli = parse(line);
        assert!(cli.globals.quiet, "{line}");
        assert_eq!(cli.globals.verbose, 1, "{line}");
        assert_eq!(cli.globals.here, Some("/".into()), "{line}");
    }
    assert!(parse("plugin list --json").globals.json);
    assert_eq!(parse("status -vv").globals.verbose, 2);
}

#[test]
fn no_words_are_no_verb() {
    for line in ["", "-q", "-v --json"] {
        assert!(parse(line).verb.is_none(), "{line}");
    }
}

#[test]
fn what_is_refused_and_how() {
    for (line, wanted) in [
        // Unknown commands, missing and superfluous arguments.
        ("frobnicate", 1),
        ("source frobnicate", 1),
        ("source", 1),
        ("plugin", 1),
        ("release", 1),
        ("discard", 1),
        ("acquire 1 2", 1),
        ("log a-1 b-1", 1),
        ("source show", 1),
        ("completions", 1),
        // Unknown options and bad values.
        ("--frobnicate", 2),
        ("acquire --frobnicate", 2),
        ("release -f a-1", 2),
        ("acquire 0", 2),
        ("acquire x", 2),
        ("acquire -s", 2),
        ("acquire -s -x", 2),
        ("acquire -s a/b", 2),
        ("acquire -o novalue", 2),
        ("acquire --wait=soon", 2),
        ("status --query frobs", 2),
        ("log -n x", 2),
        ("completions frobsh", 2),
        ("-s a acquire -s b", 2),
        ("-s a release a-1", 2),
        ("-s a status", 2),
        ("acquire -q -q", 2),
        // `run` and `exec` keep the small numbers for their commands.
        ("run", 125),
        ("run --frobnicate a-1", 125),
        ("run --status-fd x a-1", 125),
        ("run --status-fd -1 a-1", 125),
        ("run -e novalue a-1", 125),
        ("-q run", 125),
        ("-d / run", 125),
        ("-s a run a-1", 125),
        ("exec --frobnicate", 125),
        ("-s run acquire x", 2),
        // Asked for, so no failure.
        ("--help", 0),
        ("acquire --help", 0),
        ("run -h", 0),
        ("--version", 0),
    ] {
        assert_eq!(code(line), wanted, "{line}");
    }
}
