//! Which jobs are run, beyond the ancestor's filters: left out, tagged, changed, shared out, in quarantine, in order.

use std::collections::BTreeSet;
use std::process::Command;

use super::{Case, PROJECT, TASK, TestOptions};
use crate::jobs::Shard;

fn four() -> Case {
    let mut case = Case::empty().with("spread.yaml", &format!("{PROJECT}        tags: [all]\n"));
    for (name, tag) in [("a", "slow"), ("b", "slow, net"), ("c", "net"), ("d", "")] {
        let task = format!("summary: x\nexecute: 'true'\ntags: [{tag}]\n");
        case = case.with(&format!("s/{name}/task.yaml"), &task);
    }
    case
}

/// The tasks on the first system.
fn tasks(case: &Case, options: TestOptions) -> String {
    let names = match case.names(&options) {
        Ok(names) => names,
        Err(message) => return format!("error: {message}"),
    };
    let first = names
        .iter()
        .filter_map(|name| name.strip_prefix("adhoc:sys-1:s/"));
    first.collect::<Vec<_>>().join(" ")
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn left_out_and_tagged() {
    let case = four();
    for (filters, without, tags, without_tags, wanted) in [
        ("", "", "", "", "a b c d"),
        ("", "s/a s/c", "", "", "b d"),
        ("s/a s/b", "s/a", "", "", "b"),
        ("", "", "slow", "", "a b"),
        ("", "", "slow net", "", "a b c"),
        ("", "", "all", "net", "a d"),
        ("", "", "slow", "net", "a"),
        ("", "", "nope", "", "error: nothing matches provider filter"),
        (
            "",
            "adhoc",
            "",
            "",
            "error: nothing matches provider filter",
        ),
        ("", "s/(", "", "", "error: invalid filter string: \"s/(\""),
    ] {
        let options = TestOptions {
            filters: words(filters),
            without: words(without),
            tags: words(tags),
            without_tags: words(without_tags),
            ..TestOptions::default()
        };
        assert_eq!(
            tasks(&case, options),
            wanted,
            "{filters}|{without}|{tags}|{without_tags}"
        );
    }
}

#[test]
fn in_the_order_of_the_filters() {
    let options = TestOptions {
        filters: words("s/c s/ s/c"),
        order: true,
        ..TestOptions::default()
    };
    assert_eq!(tasks(&four(), options), "c a b c d c");
}

#[test]
fn shards_are_everything_once() {
    let case = four();
    let all = case.names(&TestOptions::default()).unwrap();
    for of in 1..6 {
        let mut seen = BTreeSet::new();
        let mut sizes = Vec::new();
        for number in 1..=of {
            let options = TestOptions {
                shard: Some(Shard { number, of }),
                ..TestOptions::default()
            };
            let names = case.names(&options).unwrap();
            sizes.push(names.len());
            for name in names {
                assert!(seen.insert(name));
            }
        }
        assert_eq!(seen.len(), all.len());
        let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
        assert!(most - least <= 1, "{sizes:?}");
    }
}

#[test]
fn shards_are_balanced_by_a_report() {
    let item = |task: &str, verb: &str, end: u32| {
        format!(
            r#"{{"start": 0, "end": {end}, "verb": "{verb}", "backend": "adhoc", "system": "sys-1", "level": "task", "name": "s/{task}"}}"#
        )
    };
    let items = [
        item("a", "preparing", 1000),
        item("a", "executing", 8000),
        item("b", "executing", 3000),
        item("c", "executing", 3000),
        item("d", "executing", 3000),
    ];
    let case = four().with(
        "report.json",
        &format!(r#"{{"items": [{}]}}"#, items.join(",")),
    );
    let part = |number| TestOptions {
        filters: words("sys-1"),
        shard: Some(Shard { number, of: 2 }),
        durations: Some(case.directory().join("report.json")),
        ..TestOptions::default()
    };
    assert_eq!(tasks(&case, part(1)), "a");
    assert_eq!(tasks(&case, part(2)), "b c d");
    let missing = TestOptions {
        durations: Some(case.directory().join("nope.json")),
        ..part(1)
    };
    assert!(tasks(&case, missing).starts_with("error: the report `"));
}

#[test]
fn quarantine() {
    let list = r#"
[[quarantine]]
job = "s/a"
reason = "races"
until = "2026-07-01"

[[quarantine]]
job = "sys-2:s/b"
reason = "no network there"

[[quarantine]]
job = "s/c"
reason = "long ago"
until = "2026-06-30"
"#;
    let case = four().with("q.toml", list);
    let options = TestOptions {
        quarantine: vec![case.directory().join("q.toml")],
        ..TestOptions::default()
    };
    let (plan, warnings) = case.plan_with_warnings(&options);
    let plan = plan.unwrap();
    let name = |job| plan.project.view(job).name().to_string();
    let left: Vec<String> = plan.jobs.iter().map(name).collect();
    assert_eq!(
        left,
        [
            "adhoc:sys-1:s/b",
            "adhoc:sys-1:s/c",
            "adhoc:sys-1:s/d",
            "adhoc:sys-2:s/c",
            "adhoc:sys-2:s/d"
        ]
    );
    let out: Vec<String> = plan
        .quarantined
        .iter()
        .map(|(job, why)| format!("{} {why}", name(job)))
        .collect();
    assert_eq!(
        out,
        [
            "adhoc:sys-1:s/a races (until 2026-07-01)",
            "adhoc:sys-2:s/a races (until 2026-07-01)",
            "adhoc:sys-2:s/b no network there"
        ]
    );
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].ends_with("the entry for `s/c` ended on 2026-06-30: long ago"));
}

#[test]
fn what_is_wrong_with_a_quarantine_has_its_place_and_hides_nothing() {
    for (text, wanted, place) in [
        (
            "job = \"s/(\"\nreason = \"x\"\n",
            "the entry for `s/(` cannot be used: invalid filter string",
            (6, 7),
        ),
        (
            "job = \"s/a\"\nreason = \"\"\n",
            "the entry for `s/a` has no reason",
            (7, 10),
        ),
        (
            "job = \"s/a\"\nreason = \"x\"\nuntil = \"soon\"\n",
            "the entry for `s/a` has no date in `until`",
            (8, 9),
        ),
        (
            "job = \"s/a\"\nreason = \"x\"\nuntil = 23:59:59\n",
            "the entry for `s/a` has no date in `until`",
            (8, 9),
        ),
        (
            "job = \"s/a\"\nreasn = \"x\"\n",
            "unknown field `reasn`",
            (7, 1),
        ),
    ] {
        // TOML's own dates are dates, too.
        let over = "[[quarantine]]\njob = \"s/b\"\nreason = \"x\"\nuntil = 2026-06-30\n";
        let case = four().with("q.toml", &format!("{over}[[quarantine]]\n{text}"));
        let options = TestOptions {
            quarantine: vec![case.directory().join("q.toml")],
            ..TestOptions::default()
        };
        let (plan, warnings) = case.plan_with_warnings(&options);
        let problems = plan.unwrap_err().0;
        let [problem] = &problems[..] else {
            panic!("{problems:?}")
        };
        assert!(problem.message.contains(wanted), "{problem}");
        let told = problem.place.as_ref().unwrap();
        assert!(told.file.ends_with("q.toml"), "{told}");
        assert_eq!((told.spot.line, told.spot.column), place, "{problem}");
        let readable = !wanted.starts_with("unknown");
        assert_eq!(warnings.len(), usize::from(readable), "{warnings:?}");
    }
}

#[test]
fn what_changed_since_a_revision() {
    let case = four()
        .with("s/lib.sh", "one\n")
        .with("other/file", "one\n")
        .with(".gitignore", "ignored\n");
    std::fs::create_dir(case.directory().join("far")).unwrap();
    let case = case.with("far/e/task.yaml", TASK);
    std::os::unix::fs::symlink("../far/e", case.directory().join("s/e")).unwrap();
    let git = |words: &[&str]| {
        let status = Command::new("git")
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.org",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(words)
            .current_dir(case.directory())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(status.status.success(), "{words:?}: {status:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "one"]);
    let changed = || {
        tasks(
            &case,
            TestOptions {
                changed_since: Some("HEAD".to_owned()),
                ..TestOptions::default()
            },
        )
    };
    let write = |file: &str, text: &str| std::fs::write(case.directory().join(file), text).unwrap();
    let none = "error: nothing matches provider filter";
    assert_eq!(changed(), none);
    // Nobody's file, and one that git ignores.
    write("other/file", "two\n");
    write("s/a/ignored", "x");
    assert_eq!(changed(), none);
    write("s/b/data", "new");
    assert_eq!(changed(), "b");
    // The files of a task that is a link.
    write("far/e/task.yaml", &format!("{TASK}details: y\n"));
    assert_eq!(changed(), "b e");
    // What the suite shares.
    write("s/lib.sh", "two\n");
    assert_eq!(changed(), "a b c d e");
    git(&["add", "-A"]);
    git(&["commit", "-qm", "two"]);
    assert_eq!(changed(), none);
    write("spread.yaml", &format!("{PROJECT}# two\n"));
    assert_eq!(changed(), "a b c d e");
    let odd = |revision: &str| {
        tasks(
            &case,
            TestOptions {
                changed_since: Some(revision.to_owned()),
                ..TestOptions::default()
            },
        )
    };
    assert_eq!(odd("HEAD~1"), "a b c d e");
    for revision in ["nope", "--output=x"] {
        let told = odd(revision);
        assert!(
            told.starts_with(&format!(
                "error: cannot tell what changed since `{revision}`: "
            )),
            "{told}"
        );
    }
    assert!(!case.directory().join("x").exists());
}
