//! The keys that make a source a fleet: the same in every format, and what is said of each mistake.

use runner_core::policy::{Backoff, Checks, Limit, Millis, Policy, Reuse, Tag};

use super::*;

const TOML: &str = r#"type = "local"
maximum = 40
reserve = 2
prealloc = 5
max_starting = 3
start_delay = "1m30s"
on_demand = false
priority = -7
cost = 12
tags = ["x86_64", { name = "gpu", priority = 10 }, "spot:-1"]
reuse_max_count = 4
reuse_max_time = "2h"
reuse_opportunity_time = 45
idle_timeout = "1h"
max_age = "2d"
lease_ttl = "30m"
check_period = "1m"
check_attempts = 5
check_command = "test -e /run/ok ; true"
backoff = "10s"
backoff_max = "20m"

[[schedule]]
cron = "0 8 * * 1-5"
duration = "10h"
timezone = "Europe/Berlin"
prealloc = 20

[[schedule]]
cron = "0 0 * * 6"
duration = "2d"
prealloc = 0
"#;

const YAML: &str = r#"type: local
maximum: 40
reserve: 2
prealloc: 5
max_starting: 3
start_delay: 1m30s
on_demand: false
priority: -7
cost: 12
tags: [x86_64, {name: gpu, priority: 10}, 'spot:-1']
reuse_max_count: 4
reuse_max_time: 2h
reuse_opportunity_time: 45
idle_timeout: 1h
max_age: 2d
lease_ttl: 30m
check_period: 1m
check_attempts: 5
check_command: test -e /run/ok ; true
backoff: 10s
backoff_max: 20m
schedule:
- cron: 0 8 * * 1-5
  duration: 10h
  timezone: Europe/Berlin
  prealloc: 20
- {cron: 0 0 * * 6, duration: 2d, prealloc: 0}
"#;

const INI: &str = "[DEFAULT]
type = local
maximum = 40
reserve = 2 ; kept
prealloc = 5
max_starting = 3
start_delay = 1m30s
on_demand = no
priority = -7
cost = 12
tags = x86_64, gpu:10, spot:-1 ; as tables elsewhere
reuse_max_count = 4
reuse_max_time = 2h
reuse_opportunity_time = 45
idle_timeout = 1h
max_age = 2d
lease_ttl = 30m
check_period = 1m
check_attempts = 5
check_command = test -e /run/ok ; true
backoff = 10s
backoff_max = 20m
schedule =
  0 8 * * 1-5 | 10h | Europe/Berlin | 20
  0 0 * * 6 | 2d | UTC | 0
";

#[test]
fn every_key_in_every_format() {
    let policy = Policy {
        maximum: Limit::At(40),
        reserve: 2,
        concurrency: 0,
        prealloc: 5,
        max_starting: Limit::At(3),
        start_delay: Millis::seconds(90),
        on_demand: false,
        priority: -7,
        cost: 12,
        reuse: Reuse {
            max_count: 4,
            max_time: Some(Millis::seconds(7200)),
            opportunity: Some(Millis::seconds(45)),
        },
        idle_timeout: Some(Millis::seconds(3600)),
        max_age: Some(Millis::seconds(172_800)),
        lease_ttl: Some(Millis::seconds(1800)),
        checks: Checks {
            period: Some(Millis::seconds(60)),
            attempts: 5,
        },
        backoff: Backoff {
            first: Millis::seconds(10),
            longest: Millis::seconds(1200),
        },
    };
    let tag = |name: &str, priority| Tag {
        name: name.into(),
        priority,
    };
    for place in [toml(TOML), conf(YAML), conf(INI)] {
        let source = place.source("web");
        assert_eq!(source.policy(Limit::At(1)), policy);
        let tags = [tag("x86_64", 0), tag("gpu", 10), tag("spot", -1)];
        assert_eq!(source.tags, tags);
        let command = source.check_command.as_deref();
        assert_eq!(command, Some("test -e /run/ok ; true"));
        let hours = Schedule::new("0 8 * * 1-5", Millis::seconds(36_000), "Europe/Berlin", 20);
        let weekend = Schedule::new("0 0 * * 6", Millis::seconds(172_800), "UTC", 0);
        assert_eq!(source.schedule, [hours.unwrap(), weekend.unwrap()]);
        assert_eq!(source.options.len(), 0);
    }
    let place = toml(TOML).source("web");
    let place_of = |key: &str| place.position_of(key).map(|at| (at.line, at.column));
    assert_eq!(place_of("tags.1"), Some((10, 19)));
    assert_eq!(place_of("schedule.1.cron"), Some((30, 1)));
}

#[test]
fn what_is_not_written_is_the_default() {
    let source = toml("type = \"local\"\n").source("web");
    let policy = Policy {
        maximum: Limit::At(1),
        ..Policy::default()
    };
    assert_eq!(source.policy(Limit::At(1)), policy);
}

#[test]
fn zero_is_none() {
    let text = "type = \"local\"\nmax_starting = 0\nreuse_max_time = 0\nreuse_opportunity_time = 0\nidle_timeout = 0\nmax_age = \"0s\"\nlease_ttl = 0\ncheck_period = 0\n";
    let policy = toml(text).source("web").policy(Limit::Unlimited);
    let wanted = Policy {
        reuse: Reuse {
            opportunity: Some(Millis(0)),
            ..Reuse::default()
        },
        checks: Checks {
            period: None,
            ..Checks::default()
        },
        ..Policy::default()
    };
    assert_eq!(policy, wanted);
}

#[test]
fn mistakes_of_one_line() {
    let table = [
        (
            "prealloc = -1",
            ":2:12: `prealloc` is -1: it cannot be negative",
        ),
        (
            "max_starting = -1",
            ":2:16: `max_starting` is -1: it cannot be negative\n  hint: for no limit write 0",
        ),
        (
            "priority = 2_000_000",
            ":2:12: `priority` is 2000000, more than",
        ),
        (
            "priority = \"1\"",
            ":2:12: `priority` must be a whole number, not the text `1`\n  hint: write 1 without quotes",
        ),
        (
            "on_demand = 1",
            ":2:13: `on_demand` must be `true` or `false`, not `1`",
        ),
        (
            "start_delay = \"soon\"",
            ":2:15: `start_delay` must be a duration such as `30s`, `5m` or `1h30m`, or whole seconds, not the text `soon`",
        ),
        (
            "start_delay = -5",
            ":2:15: `start_delay` is -5: it cannot be negative",
        ),
        (
            "start_delay = 1.5",
            ":2:15: `start_delay` must be a duration",
        ),
        (
            "max_age = \"99999d\"",
            ":2:11: `max_age` is 99999d, more than the ten years",
        ),
        ("max_age = 99999999999", ":2:11: `max_age` is "),
        (
            "max_age = \"999999999999999999d\"",
            ":2:11: `max_age` is 999999999999999999d, more than",
        ),
        (
            "check_attempts = 0",
            ":2:18: `check_attempts` is 0: it must be at least 1",
        ),
        ("check_command = \" \"", ":2:17: `check_command` is empty"),
        ("check_command = 3", ":2:17: `check_command` must be a text"),
        (
            "backoff = 0",
            ":2:11: `backoff` is 0: it must be at least `1s`",
        ),
        (
            "backoff = \"1h\"",
            ":2:1: `backoff` is 1h, more than the `backoff_max` of 10m",
        ),
        (
            "backoff_max = \"1s\"",
            ":2:1: `backoff` is 5s, more than the `backoff_max` of 1s",
        ),
        (
            "tags = \"a\"",
            ":2:8: `tags` must be a list, not the text `a`\n  hint: write `tags = [\"x86_64\"]`",
        ),
        (
            "tags = [1]",
            ":2:9: `tags` must be a list of texts or tables, not `1`",
        ),
        (
            "tags = [\"a b\"]",
            ":2:9: `a b` is not a tag\n  hint: tags are",
        ),
        ("tags = [\"\"]", ":2:9: `` is not a tag"),
        ("tags = [\"-a\"]", ":2:9: `-a` is not a tag"),
        (
            "tags = [\"a:b\"]",
            ":2:9: `priority` must be a whole number, not `b`",
        ),
        (
            "tags = [\"a\", \"a:1\"]",
            ":2:14: the tag `a` is given twice",
        ),
        ("tags = [{ priority = 1 }]", ":2:9: a tag needs `name`"),
        (
            "tags = [{ name = \"a\", prio = 1 }]",
            ":2:23: unknown key `prio` of a tag\n  hint: did you mean `priority`?",
        ),
        (
            "maximum = 4\nprealloc = 5",
            ":3:1: `prealloc` is 5, more than the `maximum` of 4\n  hint: no more than `maximum` ever exist: lower `prealloc`",
        ),
        (
            "on_demand = true\nprealloc = 1",
            ":3:1: `prealloc` has no effect beside `on_demand`",
        ),
        (
            "check_period = 0\ncheck_command = \"true\"",
            ":3:1: `check_command` has no effect: `check_period` is 0",
        ),
        (
            "schedule = 3",
            ":2:12: `schedule` must be a list of tables, not `3`",
        ),
        (
            "schedule = [3]",
            ":2:13: `schedule` must be a table, not `3`",
        ),
        ("schedule = []\n[x]", ""),
        (
            "[[schedule]]\ncron = \"0 8 * * *\"\nduration = \"1h\"",
            ":2:1: a schedule needs `prealloc`",
        ),
        (
            "[[schedule]]\ncron = \"0 8 * *\"\nduration = \"1h\"\nprealloc = 1",
            ":3:8: `0 8 * *` is not a cron expression: ",
        ),
        (
            "[[schedule]]\ncron = \"61 8 * * *\"\nduration = \"1h\"\nprealloc = 1",
            ":3:8: `61 8 * * *` is not a cron expression: ",
        ),
        (
            "[[schedule]]\ncron = \"0 0 8 * * *\"\nduration = \"1h\"\nprealloc = 1",
            ":3:8: `0 0 8 * * *` is not a cron expression: ",
        ),
        (
            "[[schedule]]\ncron = \"0 0 30 2 *\"\nduration = \"1h\"\nprealloc = 1",
            ":3:8: `0 0 30 2 *` names a time that never comes",
        ),
        (
            "[[schedule]]\ncron = \"0 8 * * *\"\nduration = 0\nprealloc = 1",
            ":4:12: `duration` is 0: it must be at least `1s`",
        ),
        (
            "[[schedule]]\ncron = \"0 8 * * *\"\nduration = 1\nprealloc = 1\ntimezone = \"Europe/Berln\"",
            ":6:12: there is no time zone `Europe/Berln`\n  hint: did you mean `Europe/Berlin`?",
        ),
        (
            "[[schedule]]\ncron = \"0 8 * * *\"\nduration = 1\nprealloc = 1\nzone = \"UTC\"",
            ":6:1: unknown key `zone` of a schedule",
        ),
        (
            "maximum = 4\n[[schedule]]\ncron = \"0 8 * * *\"\nduration = 1\nprealloc = 5",
            ":6:1: `prealloc` is 5, more than the `maximum` of 4",
        ),
    ];
    for (line, wanted) in table {
        let place = toml(&format!("type = \"local\"\n{line}\n"));
        if wanted.is_empty() {
            assert_eq!(place.source("web").schedule, [], "{line}");
            continue;
        }
        let error = place.error("web");
        let wanted = format!("user/runner/sources/web/source.toml{wanted}");
        assert!(error.starts_with(&wanted), "{line}\n{error}");
    }
}

#[test]
fn mistakes_in_ini() {
    let table = [
        (
            "on_demand = maybe",
            ":3:13: `on_demand` must be `true` or `false`, not the text `maybe`",
        ),
        (
            "prealloc = few",
            ":3:12: `prealloc` must be a whole number, not `few`",
        ),
        (
            "tags = a:b",
            ":3:8: `priority` must be a whole number, not `b`",
        ),
        (
            "schedule = 0 8 * * * | 1h",
            ":3:12: `0 8 * * * | 1h` is not a schedule\n  hint: write `CRON | DURATION | TIMEZONE | PREALLOC`",
        ),
        (
            "schedule = 0 8 * * * | 1h | UTC | x",
            ":3:12: `prealloc` must be a whole number, not `x`",
        ),
    ];
    for (line, wanted) in table {
        let error = conf(&format!("[DEFAULT]\ntype = local\n{line}\n")).error("web");
        let wanted = format!("user/crcache/sources/web/source.conf{wanted}");
        assert!(error.starts_with(&wanted), "{line}\n{error}");
    }
}

#[test]
fn near_misses_of_keys_are_asked_about() {
    let source = toml("type = \"local\"\nprealoc = 1\n").source("web");
    let problem = source.schema_problem("prealoc", "there is no such key", None);
    let hint = problem.hint.unwrap_or_default();
    assert_eq!(hint, "did you mean runner's own key `prealloc`?");
}

#[test]
fn it_is_shown_as_it_would_be_written() {
    let values = explain_source(&toml(TOML).source("web"));
    let bare = explain_source(&toml("type = \"local\"\n").source("web"));
    let of = |values: &[ExplainedValue], key: &str| {
        let found = values.iter().find(|value| value.key == key);
        found.unwrap_or_else(|| panic!("no {key}")).clone()
    };
    let table = [
        ("prealloc", "5", 4),
        ("max_starting", "3", 5),
        ("start_delay", "\"1m30s\"", 6),
        ("priority", "-7", 8),
        ("tags", "[\"x86_64\",\"gpu:10\",\"spot:-1\"]", 10),
        ("reuse_opportunity_time", "\"45s\"", 13),
        ("lease_ttl", "\"30m\"", 16),
        ("check_command", "\"test -e /run/ok ; true\"", 19),
        (
            "schedule.1",
            "{\"cron\":\"0 0 * * 6\",\"duration\":\"2d\",\"timezone\":\"UTC\",\"prealloc\":0}",
            29,
        ),
    ];
    for (key, wanted, line) in table {
        let value = of(&values, key);
        assert_eq!(value.value.to_string(), wanted, "{key}");
        assert_eq!(value.position.map(|at| at.line), Some(line), "{key}");
    }
    for key in FLEET_KEYS.iter().filter(|key| key.name != "schedule") {
        let value = of(&bare, key.name);
        assert_eq!(
            (value.position, value.origin),
            (None, Origin::Default),
            "{}",
            key.name
        );
    }
    assert_eq!(of(&bare, "check_period").value, "10m");
    assert_eq!(of(&bare, "lease_ttl").value, "0");
    assert!(of(&bare, "reuse_opportunity_time").value.is_null());
}
