//! `[limits]`: of the user, of a source, of a project's source.

use std::time::Duration;

use super::*;
use crate::plugin::Limits;

fn limits(place: &Place) -> Result<SourceLimits, String> {
    place
        .config()
        .limits(&place.source("web"))
        .map_err(|error| place.cut(&error))
}

#[test]
fn a_sources_over_the_users_over_the_built_in() {
    let place = toml("type = \"local\"\n");
    let all = limits(&place).unwrap();
    assert_eq!(
        (all.calls, all.scripts),
        (Limits::default(), Duration::from_secs(1800))
    );

    place.write(
        "user/runner/config.toml",
        "[limits]\nrun = 10\ncopy = 20\nscripts = 5\nmemory = \"8 MiB\"\n",
    );
    place.write(
        "user/runner/sources/web/source.toml",
        "type = \"local\"\n[limits]\nrun = 0.5\nmemory = \"1 GiB\"\n",
    );
    let all = limits(&place).unwrap();
    assert_eq!(all.calls.run, Duration::from_millis(500));
    assert_eq!(all.calls.copy, Duration::from_secs(20));
    assert_eq!(all.calls.memory, 1 << 30);
    assert_eq!(all.scripts, Duration::from_secs(5));
}

#[test]
fn the_formats_of_crcache_have_them_too() {
    for text in [
        "[DEFAULT]\ntype=local\n[limits]\nrun=5\nmemory=8 MiB\nscripts=7\n",
        "type: local\nlimits: {run: 5, memory: 8 MiB, scripts: 7}\n",
    ] {
        let all = limits(&conf(text)).unwrap();
        assert_eq!(
            (
                all.calls.run.as_secs(),
                all.calls.memory,
                all.scripts.as_secs()
            ),
            (5, 8 << 20, 7)
        );
    }
}

#[test]
fn mistakes() {
    let table = [
        (
            "memmory = 1",
            ":3:1: limit `memmory`: there is no such limit\n  hint: did you mean `memory`?",
        ),
        (
            "script = 1",
            ":3:1: limit `script`: there is no such limit\n  hint: did you mean `scripts`?",
        ),
        (
            "memory = \"much\"",
            ":3:1: limit `memory`: expected a number of bytes",
        ),
        ("allocate = 0", ":3:1: limit `allocate`: must be between"),
        (
            "scripts = 0",
            ":3:1: limit `scripts`: must be between 1 and 604800 seconds, not 0",
        ),
        ("scripts = \"5\"", ":3:1: limit `scripts`: must be between"),
        (
            "run = true",
            ":3:1: limit `run`: expected a number of seconds",
        ),
    ];
    for (line, wanted) in table {
        let error = toml(&format!("type = \"local\"\n[limits]\n{line}\n")).error("web");
        assert!(
            error.starts_with(&format!("user/runner/sources/web/source.toml{wanted}")),
            "{line}\n{error}"
        );
    }
}

#[test]
fn a_project_lowers_and_never_raises() {
    let users = "[limits]\nrun = 100\nmemory = \"512 MiB\"\n";
    let table = [
        ("run = 50", None),
        ("run = 100", None),
        ("run = 101", Some("`run` to 101: yours is 100")),
        ("run = 0", Some("`run` to 0: yours is 100")),
        ("copy = 5", None),
        ("copy = 0", None),
        ("memory = \"512 MiB\"", None),
        (
            "memory = \"1 GiB\"",
            Some("`memory` to \"1 GiB\": yours is 536870912"),
        ),
        ("allocate = 601", Some("`allocate` to 601: yours is 600")),
        ("log = 0", None),
        ("scripts = 1", None),
        ("scripts = 1801", Some("`scripts` to 1801: yours is 1800")),
    ];
    for (line, wanted) in table {
        let text = format!("type = \"local\"\n[limits]\n{line}\n");
        let place = Place::with(&[
            ("user/runner/config.toml", users),
            ("project/.runner/sources/web/source.toml", &text),
        ]);
        match (limits(&place), wanted) {
            (Ok(_), None) => {}
            (Err(error), Some(wanted)) => {
                let begin = format!(
                    "project/.runner/sources/web/source.toml:3:1: a project cannot raise the limit {wanted}\n  hint: if you agree, write"
                );
                assert!(error.starts_with(&begin), "{error}");
            }
            (other, _) => panic!("{line}: {other:?}"),
        }
    }
}
