//! Which jobs a project has, in both dialects.

use runner_core::matrix::Dialect;

use super::{Case, PROJECT, TASK};

fn task(lines: &str) -> String {
    format!("summary: x\n{lines}\n")
}

/// The jobs of a task on the first system, by their variants.
fn variants(suite: &str, lines: &str) -> String {
    let project = format!("{PROJECT}{suite}");
    let listed = Case::new(&project, &task(lines)).list(Dialect::Spread, &["sys-1"]);
    let jobs = listed
        .split(' ')
        .map(|job| job.strip_prefix("sys-1:s/t").unwrap_or(job));
    jobs.collect::<Vec<_>>().join(" ")
}

#[test]
fn variants_of_the_manual() {
    let suite = "        environment:\n            A/foo: one\n            A/bar: two\n            B/foo: three\n";
    assert_eq!(variants(suite, ""), ":bar :foo");
    let with_baz = "environment: {C/baz: 1}";
    assert_eq!(variants(suite, with_baz), ":bar :baz :foo");
    for (lines, wanted) in [
        ("variants: [-bar]", ":foo"),
        ("variants: [foo]", ":foo"),
        ("variants: [+buz]", ":bar :buz :foo"),
        ("variants: [-foo, -bar]", ""),
        ("variants: [nothere]", ":nothere"),
        ("variants: ['foo*']", ":foo"),
        ("variants: ['-*']", ""),
        ("variants: ['*']", ":bar :foo"),
    ] {
        assert_eq!(variants(suite, lines), wanted, "{lines}");
    }
    assert_eq!(
        Case::new(PROJECT, &task("variants: [foo, -bar]")).spread(),
        "error: s/t specifies variants both in delta and plain format"
    );
}

#[test]
fn a_pattern_is_no_variant() {
    let suite = "        environment: {A/foo1: 1, A/foo2: 2}\n";
    assert_eq!(variants(suite, "variants: ['foo*']"), ":foo1 :foo2");
    assert_eq!(variants(suite, "variants: ['-foo*']"), "");
    assert_eq!(variants("", "variants: ['foo*']"), "");
}

#[test]
fn variants_of_the_projects_environment() {
    let project = |lines: &str| {
        let top = "environment: {A/x: 1, A/y: 2}\n";
        let case = Case::new(&format!("{PROJECT}{top}"), &task(lines));
        case.list(Dialect::Spread, &["sys-1"])
    };
    assert_eq!(project(""), "sys-1:s/t:x sys-1:s/t:y");
    assert_eq!(project("variants: [-x]"), "sys-1:s/t:y");
    // With variants above there is no job without one.
    assert_eq!(
        project("variants: [-x, -y]"),
        "error: nothing matches provider filter"
    );
}

#[test]
fn variants_of_backends_and_systems() {
    let project = PROJECT.replace(
        "        systems: [sys-1, sys-2]\n",
        "        variants: [b, a]\n        systems:\n            - sys-1: {variants: [-a]}\n            - sys-2\n",
    );
    let case = Case::new(&format!("variants: [ignored]\n{project}"), TASK)
        .with("s/u/task.yaml", &task("variants: [+c]"));
    let wanted = "sys-1:s/t:b sys-1:s/u:b sys-1:s/u:c sys-2:s/t:a sys-2:s/t:b sys-2:s/u:a sys-2:s/u:b sys-2:s/u:c";
    assert_eq!(case.spread(), wanted);
    assert_eq!(case.plus(), wanted);
}

#[test]
fn systems() {
    let both = |suite: &str, lines: &str| {
        let project = format!("{PROJECT}        systems: [{suite}]\n");
        let case = Case::new(&project, &task(&format!("systems: [{lines}]")));
        (case.spread(), case.plus())
    };
    let none = "error: cannot find any tasks";
    for (suite, lines, spread, plus) in [
        (
            "-sys-1",
            "+sys-1",
            "sys-1:s/t sys-2:s/t",
            "sys-1:s/t sys-2:s/t",
        ),
        ("sys-1", "sys-1, sys-2", "sys-1:s/t sys-2:s/t", "sys-1:s/t"),
        ("sys-1", "", "sys-1:s/t", "sys-1:s/t"),
        ("", "'*-2'", "sys-2:s/t", "sys-2:s/t"),
        ("", "sys-9", none, none),
        ("", "+sys-9", "sys-1:s/t sys-2:s/t", "sys-1:s/t sys-2:s/t"),
    ] {
        assert_eq!(
            both(suite, lines),
            (spread.to_owned(), plus.to_owned()),
            "{suite} {lines}"
        );
    }
}

#[test]
fn backends() {
    let two = PROJECT.replace(
        "suites:\n",
        "    b2:\n        type: lxd\n        systems: [sys-1]\nsuites:\n",
    );
    let both = |suite: &str, lines: &str| {
        let project = format!("{two}        backends: [{suite}]\n");
        let case = Case::new(&project, &task(&format!("backends: [{lines}]")));
        (case.spread(), case.plus())
    };
    let all = "sys-1:s/t sys-2:s/t b2:sys-1:s/t";
    let unknown = "error: s/t refers to unknown backend: \"nope\"";
    let none = "error: cannot find any tasks";
    for (suite, lines, spread, plus) in [
        ("b2", "adhoc, b2", all, "b2:sys-1:s/t"),
        // The ancestor crashes where a name is unknown.
        ("", "nope", unknown, none),
        ("", "-nope", all, all),
        ("", "'*'", all, all),
        ("-b*", "", "sys-1:s/t sys-2:s/t", "sys-1:s/t sys-2:s/t"),
    ] {
        assert_eq!(
            both(suite, lines),
            (spread.to_owned(), plus.to_owned()),
            "{suite} {lines}"
        );
    }
}

#[test]
fn what_a_suite_says_is_told_once() {
    let project = format!("{PROJECT}        backends: [nope]\n");
    let case = Case::new(&project, TASK).with("s/u/task.yaml", TASK);
    let problems = case.plan(&super::TestOptions::default()).unwrap_err().0;
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].message,
        "suite s/ refers to unknown backend: \"nope\""
    );
    assert_eq!(problems[0].place.as_ref().unwrap().spot.line, 10);
}

#[test]
fn samples() {
    let listed = Case::new(PROJECT, &task("samples: 12")).list(Dialect::Spread, &["sys-1"]);
    let wanted: Vec<String> = (1..=12)
        .map(|sample| format!("sys-1:s/t#{sample}"))
        .collect();
    assert_eq!(listed, wanted.join(" "));
    let varied = Case::new(PROJECT, &task("samples: 2\nvariants: [b, a]"));
    assert_eq!(
        varied.list(Dialect::Spread, &["sys-1"]),
        "sys-1:s/t:a#1 sys-1:s/t:b#1 sys-1:s/t:a#2 sys-1:s/t:b#2"
    );
    assert_eq!(
        Case::new(PROJECT, &task("samples: -1")).spread(),
        "error: cannot find any tasks"
    );
    let many = Case::new(PROJECT, &task("samples: 2000000000")).spread();
    assert_eq!(
        many,
        "error: the project has 4000000000 jobs, and at most 2000000 can be handled"
    );
}

#[test]
fn the_order_of_names_that_begin_alike() {
    let case = Case::new(PROJECT, TASK)
        .with("s/a/task.yaml", &task("environment: {A/v1: 1, A/v2: 2}"))
        .with("s/a-b/task.yaml", TASK)
        .with("s/a.c/task.yaml", TASK)
        .with("s/a1/task.yaml", TASK);
    assert_eq!(
        case.list(Dialect::Spread, &["sys-1:s/a..."]),
        "sys-1:s/a-b sys-1:s/a.c sys-1:s/a1 sys-1:s/a:v1 sys-1:s/a:v2"
    );
}

/// Backends, systems, suites and tasks, one of each manual: `m`.
#[test]
fn manual_parts() {
    let project = "\
project: p
path: /r/p
backends:
    a: &b
        type: lxd
        systems: [sys-a, sys-m: {manual: true}]
    m:
        <<: *b
        manual: true
suites:
    sa/: {summary: S}
    sm/: {summary: S, manual: true}
";
    let mut case = Case::empty().with("spread.yaml", project);
    for suite in ["sa", "sm"] {
        case = case.with(&format!("{suite}/ta/task.yaml"), TASK).with(
            &format!("{suite}/tm/task.yaml"),
            "summary: x\nmanual: true\n",
        );
    }
    for (filters, wanted) in [
        (&[][..], "a:sys-a:sa/ta"),
        (&["m"], "m:sys-a:sa/ta"),
        (&["sys-m"], "a:sys-m:sa/ta"),
        (&["sm/"], "a:sys-a:sm/ta"),
        (&["/tm"], "a:sys-a:sa/tm"),
        (&["sys-..."], "a:sys-a:sa/ta"),
        (&["m:sys-m:sm/tm"], "m:sys-m:sm/tm"),
        (&["sa/ta", "sm/tm"], "a:sys-a:sa/ta"),
        (&["m:sm/"], "m:sys-a:sm/ta"),
        (&["m:sys-m"], "m:sys-m:sa/ta"),
        (&["a", "m"], "a:sys-a:sa/ta"),
        (
            &["a:sys-m", "m:sys-a"],
            "error: nothing matches provider filter",
        ),
    ] {
        assert_eq!(case.list(Dialect::Spread, filters), wanted, "{filters:?}");
    }
}

#[test]
fn priorities_do_not_change_the_order_of_the_list() {
    let case = Case::new(PROJECT, TASK).with("s/u/task.yaml", &task("priority: 100"));
    assert_eq!(
        case.list(Dialect::Spread, &["sys-1"]),
        "sys-1:s/t sys-1:s/u"
    );
    let plan = case.plan(&super::TestOptions::default()).unwrap();
    let priorities = plan
        .jobs
        .iter()
        .map(|job| plan.project.view(job).priority());
    assert_eq!(priorities.collect::<Vec<_>>(), [0, 100, 0, 100]);
}
