//! Whole files in, source files out; what is refused, and where.

use std::path::PathBuf;

use super::*;
use crate::config::document::Value;

const FULL: &str = "\
aws:
  description: |
    Spot machines
    of ours
  max: 20
  max_starting: 3
  max_prealloc: 5
  start_delay: 60
  cmd_new: \"/srv/new --size 'big'\"
  cmd_delete: /srv/delete
  cmd_livecheck: resalloc-check-vm-ip
  cmd_release: /srv/release
  cmd_list: /srv/list
  livecheck_period: 180
  livecheck_attempts: 9
  tags:
    - copr_builder
    - name: arch_x86_64
      priority: -40
  reuse_opportunity_time: 45
  reuse_max_count: 8
  reuse_max_time: 1800
  name_pattern: 'b_{id}'
  named_counters: [ip, mac]
small:
  cmd_new: echo
  cmd_delete: 'true'
";

fn given(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pools.yaml");
    std::fs::write(&file, text).unwrap();
    (dir, file)
}

fn imported(text: &str) -> Import {
    let (_dir, file) = given(text);
    import(&file, &Reach::default()).unwrap()
}

/// The values of a source file, by our own reader.
fn values(pool: &ImportedPool) -> serde_json::Value {
    let document = Document::parse(
        std::path::Path::new("source.toml"),
        &pool.text,
        Format::Toml,
    );
    Value::Table(document.unwrap().root).to_json()
}

#[test]
fn every_key_has_its_counterpart() {
    let import = imported(FULL);
    assert!(import.warnings.is_empty());
    let [aws, small] = &import.pools[..] else {
        panic!("{:?}", import.pools)
    };
    assert!(
        aws.text
            .starts_with("# The pool `aws` of resalloc.\n# Spot machines\n# of ours\ntype = ")
    );
    let limits = serde_json::json!({"allocate": 3600, "discard": 600, "clean": 600, "check": 120, "list": 120});
    assert_eq!(
        values(aws),
        serde_json::json!({
            "type": "command", "new": "/srv/new --size 'big'", "delete": "/srv/delete",
            "check": "resalloc-check-vm-ip", "release": "/srv/release", "list": "/srv/list", "access": "ssh",
            "maximum": 20, "max_starting": 3, "prealloc": 5, "start_delay": "60s",
            "check_period": "180s", "check_attempts": 9,
            "tags": ["copr_builder", {"name": "arch_x86_64", "priority": -40}],
            "reuse_opportunity_time": "45s", "reuse_max_count": 8, "reuse_max_time": "1800s",
            "name_pattern": "b_{id}", "counters": ["ip", "mac"], "limits": limits,
        })
    );
    assert_eq!(aws.notes.len(), 1, "{:?}", aws.notes);
    assert_eq!(
        values(small),
        serde_json::json!({
            "type": "command", "new": "echo", "delete": "true", "access": "ssh",
            "maximum": 4, "max_starting": 1, "prealloc": 2, "check_period": "0s", "check_attempts": 3,
            "reuse_opportunity_time": "0s", "limits": limits,
        })
    );
    assert!(small.notes.is_empty(), "{:?}", small.notes);
}

#[test]
fn what_is_different_is_said() {
    let pool = |more: &str| {
        let text = format!("p:\n  cmd_new: a\n  cmd_delete: b\n{more}");
        let pool = imported(&text).pools.remove(0);
        (values(&pool), pool.notes.join("\n"))
    };
    let (values, notes) = pool("  max: 0\n");
    assert_eq!(
        (&values["maximum"], &values["prealloc"]),
        (&"none".into(), &0.into())
    );
    assert!(notes.contains("`max: 0` stops a pool"), "{notes}");
    let (values, notes) = pool("  max_starting: 0\n");
    assert_eq!(
        (&values["maximum"], &values["max_starting"]),
        (&"none".into(), &1.into())
    );
    assert!(notes.contains("`max_starting: 0`"), "{notes}");
    let (values, notes) = pool("  max: 1\n  max_prealloc: 7\n");
    assert_eq!(values["prealloc"], 1);
    assert!(notes.contains("`max_prealloc: 7`"), "{notes}");
    let (values, notes) = pool("  max_prealloc: 0\n");
    assert_eq!(values["prealloc"], 0);
    assert!(notes.contains("never starts"), "{notes}");
    let (values, notes) = pool("  tags: [a]\n  tags_on_demand: [b, {name: c, priority: 3}]\n");
    assert_eq!(
        values["tags"],
        serde_json::json!(["a", "b", {"name": "c", "priority": 3}])
    );
    assert_eq!(
        (&values["on_demand"], &values["prealloc"]),
        (&true.into(), &0.into())
    );
    assert!(notes.contains("tickets for `a` alone"), "{notes}");
    let (values, _) = pool("  tags: [8, true]\n");
    assert_eq!(values["tags"], serde_json::json!(["8", "true"]));
    let (values, notes) = pool("  cmd_livecheck: c\n  livecheck_period: 0\n");
    assert_eq!(values["check_period"], "1s");
    assert!(notes.contains("livecheck_period"), "{notes}");
}

#[test]
fn names_that_no_source_can_have_are_kept_for_the_commands() {
    let import = imported("'lab/x86':\n  cmd_new: a\n  cmd_delete: b\n");
    let pool = &import.pools[0];
    assert_eq!(
        (pool.pool.as_str(), pool.source.as_str()),
        ("lab/x86", "lab-x86")
    );
    assert_eq!(values(pool)["pool_name"], "lab/x86");
    assert!(pool.notes[0].contains("`lab/x86`"));
}

#[test]
fn commands_of_many_lines_and_quotes_survive() {
    let command = "set -e\nx='a \"b\"' \\\n  && echo \"$x\" '''\n";
    let text = format!(
        "p:\n  cmd_delete: b\n  cmd_new: {}\n",
        serde_json::to_string(command).unwrap()
    );
    assert_eq!(values(&imported(&text).pools[0])["new"], command);
}

#[test]
fn unknown_keys_are_left_out_and_said() {
    let import = imported("p:\n  cmd_new: a\n  cmd_delete: b\n  max_pralloc: 3\n");
    let said = import.warnings[0].to_string();
    assert!(said.ends_with("pools.yaml:4:3: unknown key `max_pralloc` of pool `p`, left out\n  hint: did you mean `max_prealloc`?"), "{said}");
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    for (text, said) in [
        ("", "there is no pool in it"),
        (
            "p: 1\n",
            ":1:1: `p` must be a pool with its keys, not a whole number",
        ),
        ("p:\n  cmd_new: a\n", ":1:1: pool `p` has no `cmd_delete`"),
        ("p:\n  cmd_delete: a\n", ":1:1: pool `p` has no `cmd_new`"),
        (
            "p:\n  cmd_new: ''\n  cmd_delete: b\n",
            ":2:3: `cmd_new` is empty",
        ),
        (
            "p:\n  cmd_new: [a]\n  cmd_delete: b\n",
            ":2:12: `cmd_new` must be a text, not a list",
        ),
        (
            "p: &p\n  cmd_new: a\n  cmd_delete: b\n  max: -1\n",
            ":4:8: `max` is -1: it must be from 0",
        ),
        (
            "p:\n  cmd_new: a\n  cmd_delete: b\n  max: many\n",
            ":4:8: `max` must be a whole number, not a text",
        ),
        (
            "p:\n  cmd_new: a\n  cmd_delete: b\n  tags: x\n",
            ":4:9: `tags` must be a list, not a text",
        ),
        (
            "p:\n  cmd_new: a\n  cmd_delete: b\n  tags: [{priority: 1}]\n",
            ":4:10: a tag without a name",
        ),
        (
            "p:\n  cmd_new: a\n  cmd_delete: b\n  tags: ['a b']\n",
            ":4:10: `a b` cannot be a tag here",
        ),
        (
            "p:\n  cmd_new: a\n  cmd_delete: b\n  name_pattern: '{foo}'\n",
            "there is no `{foo}` for names",
        ),
        (
            "p:\n  cmd_new: a\n  cmd_delete: b\n  name_pattern: 'x{datetime}'\n",
            "two machines could both be called",
        ),
        (
            "p:\n  cmd_new: a\n  cmd_delete: b\n  named_counters: [a-b]\n",
            "`\"a-b\"` cannot be the name of a counter",
        ),
        (
            "p:\n  cmd_new: a\n  cmd_delete: b\n  tags: [x]\nq:\n  cmd_new: a\n  cmd_delete: b\n  tags_on_demand: [x]\n",
            ":8:20: the tag `x` is on demand in pool `q` and not in pool `p`",
        ),
        (
            "a/b:\n  cmd_new: a\n  cmd_delete: b\na-b:\n  cmd_new: a\n  cmd_delete: b\n",
            "would both be the source `a-b`",
        ),
        (
            "'':\n  cmd_new: a\n  cmd_delete: b\n",
            "no source can stand for a pool called ``",
        ),
    ] {
        let (_dir, file) = given(text);
        let error = import(&file, &Reach::default()).unwrap_err().to_string();
        assert!(error.contains(said), "{text}\n{error}");
    }
}

#[test]
fn all_problems_at_once() {
    let (_dir, file) = given("p:\n  max: x\nq:\n  cmd_new: a\n");
    assert_eq!(
        import(&file, &Reach::default()).unwrap_err().problems.len(),
        4
    );
}
