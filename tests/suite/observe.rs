//! Seeing what goes on: `why`, `events`, `metrics`, the numbers of `status`, and `top`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use runner_tests::TestEnv;
use runner_tests::fake::Fake;
use runner_tests::pty::Terminal;
use runner_tests::service::{events, eventually};

/// Every sample, after a strict look at the text: each family has its help and its type before its samples, which stand
/// together, and each sample is there once.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let mut families = Vec::new();
    let mut helped = None;
    let mut current = (String::new(), String::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty(), "{line}");
            helped = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(helped.as_deref(), Some(name), "{line}");
            assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(!families.contains(&name.to_owned()), "twice: {line}");
            families.push(name.to_owned());
            current = (name.to_owned(), kind.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let own = match current.1.as_str() {
                "summary" => {
                    name == format!("{}_sum", current.0) || name == format!("{}_count", current.0)
                }
                _ => name == current.0,
            };
            assert!(own, "{line} stands below {current:?}");
            if let Some(labels) = series.strip_prefix(name).filter(|rest| !rest.is_empty()) {
                let inner = labels
                    .strip_prefix('{')
                    .and_then(|rest| rest.strip_suffix('}'));
                for label in inner.unwrap().split("\",") {
                    let (key, text) = label.split_once("=\"").unwrap();
                    assert!(key.chars().all(|c| c.is_ascii_lowercase()), "{line}");
                    assert!(!text.trim_end_matches('"').contains('"'), "{line}");
                }
            }
            let value = match value {
                "+Inf" => f64::INFINITY,
                number => number.parse().unwrap(),
            };
            assert!(found.insert(series.to_owned(), value).is_none(), "{line}");
        }
    }
    found
}

#[test]
fn metrics_count_what_happened_and_survive() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "fake", "maximum = 2\n");
    env.runner(["shelf", "create", "warm"]).run().ok();
    let metrics = || samples(env.runner(["metrics"]).run().ok().out());
    let before = metrics();
    for name in [
        "runner_shelf_hits_total{shelf=\"warm\"}",
        "runner_shelf_forced_removals_total{shelf=\"warm\"}",
        "runner_source_starts_total{source=\"fake\"}",
        "runner_source_start_seconds_count{source=\"fake\"}",
        "runner_source_orphans{source=\"fake\"}",
        "runner_tickets_failed_total",
        "runner_serving",
    ] {
        assert_eq!(before.get(name), Some(&0.0), "{name} of {before:#?}");
    }
    assert_eq!(before["runner_shelf_size{shelf=\"warm\"}"], 10.0);
    assert_eq!(before["runner_source_maximum{source=\"fake\"}"], 2.0);

    for _ in 0..2 {
        let id = env
            .runner(["acquire", "-s", "fake", "--shelf", "warm"])
            .run()
            .ok();
        env.runner(["release", id.out().trim()]).run().ok();
    }
    fake.refuse("allocate", Some("failed"));
    env.runner(["acquire", "-s", "fake"]).run().code(3);
    let after = metrics();
    for (name, value) in [
        ("runner_shelf_hits_total{shelf=\"warm\"}", 1.0),
        ("runner_shelf_misses_total{shelf=\"warm\"}", 1.0),
        ("runner_shelf_current{shelf=\"warm\"}", 1.0),
        ("runner_source_starts_total{source=\"fake\"}", 2.0),
        ("runner_source_started_total{source=\"fake\"}", 1.0),
        ("runner_source_failures_total{source=\"fake\"}", 1.0),
        (
            "runner_source_instances{source=\"fake\",state=\"ready\"}",
            1.0,
        ),
        ("runner_tickets_waiting", 0.0),
        ("runner_ticket_wait_seconds_count", 2.0),
    ] {
        assert_eq!(after.get(name), Some(&value), "{name} of {after:#?}");
    }
}

#[test]
fn events_are_objects_of_one_shape() {
    let env = TestEnv::new();
    Fake::source(&env, "fake", "");
    Fake::source(&env, "other", "");
    let id = env.acquire("fake");
    env.acquire("other");
    env.runner(["release", &id]).run().ok();
    let all = events(&env);
    let mut last = 0;
    for event in &all {
        let keys: Vec<&str> = event
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let shape = [
            "id", "at", "event", "source", "instance", "ticket", "shelf", "detail",
        ];
        assert_eq!(keys, shape);
        assert!(event["id"].as_i64().unwrap() > last);
        last = event["id"].as_i64().unwrap();
    }
    let of = |args: &[&str]| -> Vec<String> {
        let told = env.runner(["events"]).args(args).run().ok();
        let lines = told.out().lines().map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["event"].as_str().unwrap().to_owned()
        });
        lines.collect()
    };
    let life = of(&["--instance", &id]);
    for state in ["allocating", "ready", "leased", "discarded"] {
        assert!(life.contains(&format!("instance.{state}")), "{life:?}");
    }
    assert_eq!(of(&["-s", "fake"]).len(), life.len());
    assert_eq!(of(&["-n", "2"]).len(), 2);
    assert!(of(&["--since", &last.to_string()]).is_empty());
    env.runner(["events", "-s", "./x.wasm"]).run().code(2);
}

#[test]
fn followers_are_told_and_may_go() {
    let env = TestEnv::new();
    Fake::source(&env, "fake", "");
    let mut follower = env
        .runner(["events", "--follow", "-n", "0"])
        .into_command()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap());
    // It may not listen yet: whatever comes first is late enough.
    let mut line = String::new();
    let mut ids = Vec::new();
    let poll = rustix::event::PollFlags::IN;
    loop {
        ids.push(env.acquire("fake"));
        let mut fds = [rustix::event::PollFd::new(lines.get_ref(), poll)];
        let second = rustix::event::Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        if rustix::event::poll(&mut fds, Some(&second)).unwrap() > 0 {
            break;
        }
    }
    lines.read_line(&mut line).unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(event["event"].is_string(), "{line}");
    // Nobody reads any more, and nothing happens either: it ends all the same, without a word.
    drop(lines);
    assert!(follower.wait().unwrap().success());
}

#[test]
fn why_names_what_stands_in_the_way() {
    let env = TestEnv::new();
    Fake::source(&env, "fake", "maximum = 1\n");
    let id = env.acquire("fake");
    let ticket = env.runner(["ticket", "open", "-s", "fake"]).run().ok();
    let ticket = ticket.out().trim().to_owned();
    let told = env.runner(["why", &ticket]).run().ok();
    for part in [
        "waits for 1 of 1, first in the queue",
        "is at its maximum of 1",
        "a release of an instance of `fake`",
        "ticket.waiting",
    ] {
        assert!(told.out().contains(part), "`{part}` is not said: {told}");
    }
    let json = env.runner(["why", &ticket, "--json"]).run().ok().json();
    assert_eq!(json["kind"], "ticket");
    assert_eq!(json["considered"][0]["source"], "fake");
    assert_eq!(json["history"][0]["event"], "ticket.waiting");
    let held = env.runner(["why", &id]).run().ok();
    assert!(held.out().contains("is leased, held by tester"), "{held}");
    let source = env.runner(["why", "fake"]).run().ok();
    assert!(source.out().contains("1 leased"), "{source}");
    env.runner(["why", "nothing"])
        .run()
        .code(3)
        .says(&["there is no ticket, instance or source"]);

    let status = env.runner(["status", "--json"]).run().ok().json();
    assert_eq!(status["waiting"][0]["ticket"].to_string(), ticket);
    assert!(
        status["waiting"][0]["why"]
            .as_str()
            .unwrap()
            .contains("maximum")
    );
    assert!(status["served-by"].is_null());
    env.runner(["release", &id]).run().ok();
    let served = env.runner(["why", &ticket]).run().ok();
    eventually("it is served or can be", || !served.out().is_empty());
    env.runner(["ticket", "close", &ticket]).run().ok();
}

#[test]
fn why_tells_of_each_source_of_a_pool() {
    let env = TestEnv::new();
    Fake::source(&env, "one", "maximum = 1\n");
    Fake::source(&env, "other", "maximum = 2\n");
    env.source("both", "type = \"pool\"\nsources = [\"one\", \"other\"]\n");
    let id = env.acquire("both");
    let told = env.runner(["why", "both"]).run().ok();
    for part in [
        "draws on `one`, `other`: 0 idle of 1 that exist",
        "at most 1: 0 idle, 1 leased",
        "at most 2: 0 idle, 0 leased",
    ] {
        assert!(told.out().contains(part), "`{part}` is not said: {told}");
    }
    let json = env.runner(["why", "both", "--json"]).run().ok().json();
    assert_eq!(json["kind"], "pool");
    assert_eq!(json["considered"][1]["source"], "other");
    env.runner(["release", &id]).run().ok();
}

#[test]
fn the_wide_table_has_every_number() {
    let env = TestEnv::new();
    Fake::source(&env, "fake", "maximum = 3\nreserve = 2\n");
    let ids = env.acquire_many("fake", 2);
    env.runner(["release", &ids[0]]).run().ok();
    let told = env.runner(["status", "--wide", "fake"]).run().ok();
    assert_eq!(
        told.out(),
        "\
source  starting  ready  leased  checking  shelved  broken  discarding  waiting  max
------  --------  -----  ------  --------  -------  ------  ----------  -------  ---
fake    0         1      1       0         0        0       0           0        3
"
    );
    // And the ordinary one is what it always was.
    let told = env.runner(["status", "fake"]).run().ok();
    assert_eq!(
        told.out(),
        "source  cached  in-use  max\n------  ------  ------  ---\nfake    1       1       3\n"
    );
    let plain = env.runner(["top", "-n", "2", "-i", "1s"]).run().ok();
    assert_eq!(plain.out().matches("discarding").count(), 2, "{plain}");
    let json = env.runner(["top", "-n", "1", "--json"]).run().ok().json();
    assert_eq!(json["sources"][0]["ready"], 1);
}

#[test]
fn top_draws_and_leaves_the_terminal_as_it_was() {
    let env = TestEnv::new();
    Fake::source(&env, "fake", "maximum = 3\n");
    for (key, code) in [("q", 0), ("\u{3}", 0)] {
        let command = env.runner(["top", "-i", "1h"]).into_command();
        let mut terminal = Terminal::start(&command, 120, 30);
        terminal.wait_for("fake");
        terminal.wait_for("[...]");
        let id = env.acquire("fake");
        // News draws it anew.
        terminal.wait_for("[#..]");
        env.runner(["release", &id]).run().ok();
        let seen = terminal.seen().len();
        terminal.resize(40, 10);
        eventually("it is drawn anew", || terminal.seen().len() > seen);
        terminal.type_in(key);
        assert_eq!(terminal.wait(), code);
        assert!(
            terminal.seen().ends_with("\u{1b}[?1049l"),
            "{:?}",
            terminal.seen()
        );
        assert!(
            terminal.settings().contains("ICANON"),
            "{}",
            terminal.settings()
        );
    }
}
