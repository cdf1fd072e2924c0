//! What is read, what is refused, and in which words.

use runner_core::matrix::{Dialect, Size, Timeout};

use super::{Case, PROJECT, TASK};

const BOTH: &str = "sys-1:s/t sys-2:s/t";

/// The project with lines of its own at the top level.
fn with_line(line: &str) -> String {
    format!("{PROJECT}{line}\n")
}

fn with_path(path: &str) -> String {
    PROJECT.replace("path: /r/p\n", path)
}

fn with_backend(lines: &str) -> String {
    PROJECT.replace("        systems: [sys-1, sys-2]\n", lines)
}

#[test]
fn where_the_file_is() {
    let case = Case::new(PROJECT, TASK).with(".spread.yaml", "project: other\n");
    assert_eq!(case.spread(), BOTH);
    // Also from a directory below.
    let loaded = super::load::load(
        &case.directory().join("s/t"),
        None,
        &super::Kinds::new(&super::OnlyLocal, &[]),
        &super::HostCommands::new(case.directory()),
    );
    assert_eq!(loaded.unwrap().project.tasks.len(), 1);
    let hidden = Case::empty()
        .with(".spread.yaml", PROJECT)
        .with("s/t/task.yaml", TASK);
    assert_eq!(hidden.spread(), BOTH);
    let directory = Case::empty().with("spread.yaml/x", "");
    assert_eq!(
        directory.spread(),
        "error: cannot load project file from .: cannot find spread.yaml or .spread.yaml"
    );
}

#[test]
fn the_variant_comment_and_what_comes_before_it() {
    let plus = format!(
        "# spread-variant=plus\n{}",
        PROJECT.replace("sys-1", "rpi3-core")
    );
    let case = Case::new(&plus, TASK);
    assert_eq!(case.load(None).unwrap().project.dialect, Dialect::Plus);
    assert!(case.load(Some(Dialect::Spread)).is_err());
}

#[test]
fn the_remote_path() {
    for (path, wanted) in [
        (
            "",
            "missing project path field with remote project location",
        ),
        (
            "path:\n",
            "missing project path field with remote project location",
        ),
        (
            "path: foo\n",
            "remote project path must be absolute and not /: foo",
        ),
        (
            "path: /\n",
            "remote project path must be absolute and not /: /",
        ),
        (
            "path: $X/y\n",
            "remote project path must be absolute and not /: $X/y",
        ),
        (
            "path: /a/..\n",
            "remote project path must be absolute and not /: /a/..",
        ),
    ] {
        let case = Case::new(&with_path(path), TASK);
        assert_eq!(case.spread(), format!("error: {wanted}"), "{path}");
    }
    for (path, wanted) in [
        ("'$(HOST: echo /foo)/bar'", "/foo/bar"),
        ("/a//b/./c/", "/a/b/c"),
    ] {
        let case = Case::new(&with_path(&format!("path: {path}\n")), TASK);
        assert_eq!(case.load(None).unwrap().project.path, wanted);
    }
}

#[test]
fn backends() {
    for (project, wanted) in [
        (
            with_backend(""),
            "no systems specified for backend \"adhoc\"",
        ),
        (
            with_backend("        systems: []\n"),
            "no systems specified for backend \"adhoc\"",
        ),
        (
            PROJECT.replace("adhoc:", "x:"),
            "backend \"x\" has unsupported type \"x\"",
        ),
        (
            with_backend("        type: ./x.wasm\n        systems: [sys-1]\n"),
            "the plugin of backend \"adhoc\" cannot be read: $CASE/x.wasm: no such file or directory",
        ),
        (
            with_backend("        type: s/\n        systems: [sys-1]\n"),
            "the plugin of backend \"adhoc\" cannot be read: $CASE/s: it is no file",
        ),
        (
            PROJECT.replace("adhoc:", "lxd:"),
            "backend \"lxd\" cannot use allocate and dispose fields",
        ),
        (
            PROJECT.replace("        allocate: ADDRESS x\n", ""),
            "backend \"adhoc\" requires allocate and dispose fields",
        ),
        (
            PROJECT.replace("adhoc:", "Adhoc:"),
            "invalid backend name: \"Adhoc\"",
        ),
        (
            PROJECT.replace(
                "    adhoc:\n        allocate: ADDRESS x\n        systems: [sys-1, sys-2]\n",
                "    foo:\n",
            ),
            "must define at least one backend",
        ),
        (
            with_backend("        systems: [ubuntu]\n"),
            "backend \"adhoc\" refers to invalid system name: \"ubuntu\"",
        ),
        (
            with_backend("        systems:\n            - sys-1: {workers: -1}\n"),
            "backend \"adhoc\" has system \"sys-1\" with -1 workers",
        ),
        (
            with_backend("        systems: sys-1\n"),
            "cannot load $CASE/spread.yaml: yaml: unmarshal errors:\n  line 6: cannot unmarshal !!str `sys-1` into []string",
        ),
        (
            with_backend("        systems:\n            - sys-1:\n              sys-2:\n"),
            "backend \"adhoc\" has two systems in one item of the list: \"sys-1\" and \"sys-2\"",
        ),
    ] {
        let case = Case::new(&project, TASK);
        assert_eq!(case.spread(), format!("error: {wanted}"), "{project}");
    }
    // A plugin is a type, also by the name of the backend.
    let local = with_backend("        systems: [sys-1]\n")
        .replace("adhoc:\n        allocate: ADDRESS x\n", "local:\n");
    assert_eq!(Case::new(&local, TASK).spread(), "local:sys-1:s/t");
}

#[test]
fn systems() {
    let project = with_backend(
        "        storage: 20G
        groups: [web]
        systems:
            - sys-1: {image: one, storage: preserve-size}
            - sys-2:
            - sys-1: {workers: 3}
",
    );
    let loaded = Case::new(&project, TASK).load(None).unwrap();
    let systems = &loaded.project.backends[0].systems;
    assert_eq!(systems.len(), 2);
    // The last definition counts, and all of it.
    assert_eq!((&*systems[0].image, systems[0].workers), ("sys-1", 3));
    assert_eq!((&*systems[1].image, systems[1].workers), ("sys-2", 1));
    assert_eq!(systems[0].storage, Some(Size::Bytes(20 << 30)));
    assert_eq!(systems[1].groups, ["web"]);
    assert_eq!(
        loaded.notes[0].message,
        "system `sys-1` is given twice: the last one counts"
    );
    let digits = Case::new(&with_backend("        systems: [rpi3-core]\n"), TASK);
    assert_eq!(
        digits.spread(),
        "error: backend \"adhoc\" refers to invalid system name: \"rpi3-core\""
    );
    assert_eq!(digits.plus(), "rpi3-core:s/t");
}

#[test]
fn what_is_shared_by_anchors_is_separate() {
    let project = "\
project: p
path: /r/p
backends:
    one:
        type: lxd
        storage: 1G
        environment: &env {A: 1}
        systems: &all
            - sys-1: {environment: {B: 2}}
    two:
        type: lxd
        environment: *env
        systems: *all
suites:
    s/: {summary: S}
";
    let loaded = Case::new(project, TASK).load(None).unwrap();
    let [one, two] = &loaded.project.backends[..] else {
        panic!()
    };
    assert_eq!(one.environment, two.environment);
    assert_eq!(one.systems[0].environment, two.systems[0].environment);
    assert_eq!(
        (one.systems[0].storage, two.systems[0].storage),
        (Some(Size::Bytes(1 << 30)), None)
    );
}

#[test]
fn suites() {
    for (suite, wanted) in [
        (
            "    s:\n        summary: S\n",
            "invalid suite name: \"s\" must end with a slash",
        ),
        (
            "    S/:\n        summary: S\n",
            "invalid suite name: \"S/\"",
        ),
        ("    s/:\n", "suite s/ is missing a summary"),
        (
            "    r/:\n        summary: S\n",
            "cannot list suite r/: open $CASE/r: no such file or directory",
        ),
    ] {
        let case = Case::new(
            &PROJECT.replace("    s/:\n        summary: S\n", suite),
            TASK,
        );
        assert_eq!(case.spread(), format!("error: {wanted}"), "{suite}");
    }
}

#[test]
fn what_is_a_task() {
    let case = Case::new(PROJECT, TASK)
        .with("s/README", "")
        .with("s/lib/helper.sh", "")
        .with("common/c1/task.yaml", TASK);
    std::os::unix::fs::symlink("../common/c1", case.directory().join("s/lnk")).unwrap();
    std::os::unix::fs::symlink("nowhere", case.directory().join("s/dangling")).unwrap();
    std::os::unix::fs::symlink("README", case.directory().join("s/file")).unwrap();
    std::os::unix::fs::symlink("../s", case.directory().join("s/loop")).unwrap();
    assert_eq!(
        case.list(Dialect::Spread, &["sys-1"]),
        "sys-1:s/lnk sys-1:s/t"
    );
}

#[test]
fn tasks() {
    for (name, text, wanted) in [
        ("T_1", TASK, "invalid task name: \"s/T_1\""),
        ("t__1", TASK, "invalid task name: \"s/t__1\""),
        ("t_1", "", "s/t_1 is missing a summary"),
        (
            "u",
            "summary: [x\n",
            "cannot load s/u/task.yaml: yaml: line ",
        ),
        (
            "u",
            "manual: \"yes\"\nsummary: x\n",
            "cannot load s/u/task.yaml: yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `yes` into bool",
        ),
        (
            "u",
            "priority: high\nsummary: x\n",
            "cannot load s/u/task.yaml: yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `high` into int",
        ),
        (
            "u",
            "summary: [x]\n",
            "cannot load s/u/task.yaml: yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into string",
        ),
        (
            "u",
            "summary: x\nkill-timeout: 10\n",
            "cannot load s/u/task.yaml: timeout must look like 10s or 15m or 1.5h, not \"10\"",
        ),
        (
            "u",
            "summary: x\nartifacts: [/abs]\n",
            "s/u has improper artifact path: /abs",
        ),
        (
            "u",
            "summary: x\nartifacts: [../x]\n",
            "s/u has improper artifact path: ../x",
        ),
        (
            "u",
            "summary: x\nartifacts: [some/dir/]\n",
            "s/u has improper artifact path: some/dir/",
        ),
        (
            "u",
            "summary: x\nsystems: ['*']\n",
            "s/u refers to invalid system name: \"*\"",
        ),
        (
            "u",
            "summary: x\nenvironment: {1A: 1}\n",
            "invalid s/u environment: invalid variable name: \"1A\"",
        ),
        (
            "u",
            "summary: x\nenvironment: {A/foo-bar: 1}\n",
            "invalid s/u environment: invalid variable name: \"A/foo-bar\"",
        ),
        (
            "u",
            "summary: x\nenvironment:\n  A: 1\n  A: 2\n",
            "invalid s/u environment: variable \"A\" defined multiple times",
        ),
        (
            "u",
            "summary: x\nenvironment: {A: [1]}\n",
            "cannot load s/u/task.yaml: yaml: unmarshal errors:\n  line 2: cannot unmarshal !!seq into string",
        ),
        (
            "u",
            "- x\n",
            "cannot load s/u/task.yaml: yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into task",
        ),
    ] {
        let case = Case::new(PROJECT, TASK).with(&format!("s/{name}/task.yaml"), text);
        let listed = case.spread();
        assert!(
            listed.starts_with(&format!("error: {wanted}")),
            "{text}: {listed}"
        );
    }
    for text in [
        "summary: x\n",
        "summary: x\nunknown: {a: b}\n",
        "summary: x\nsummary: y\n",
        "summary: x\nartifacts: ['..']\n",
        "summary: x\npriority: 1.5\n",
        "summary: x\nkill-timeout: -1\nwarn-timeout: 1.5h\n",
        "summary: x\nkill-timeout: 0\n",
        "summary: x\nenvironment: {Y: 1, on: 2}\n",
        "summary: x\nenvironment: {<<: {X: 1}, A: 3}\n",
        "\u{feff}summary: x\n",
    ] {
        let case = Case::new(PROJECT, text);
        assert_eq!(case.spread(), BOTH, "{text}");
    }
    assert_eq!(
        Case::new(PROJECT, "summary: x\nmanual: yes\n").spread(),
        "error: cannot find any tasks"
    );
}

#[test]
fn sizes_and_timeouts_of_the_project_file() {
    let storage = |size: &str| {
        Case::new(
            &with_backend(&format!(
                "        storage: {size}\n        systems: [sys-1]\n"
            )),
            TASK,
        )
    };
    assert_eq!(
        storage("10X").spread(),
        "error: cannot load $CASE/spread.yaml: unknown size suffix in \"10X\", must be one of: B, K, M, G"
    );
    assert!(
        storage("1.5G")
            .spread()
            .starts_with("error: cannot load $CASE/spread.yaml: ")
    );
    assert_eq!(storage("preserve-size").spread(), "sys-1:s/t");
    let case = Case::new(&with_line("kill-timeout: -1ns\nwarn-timeout: 1.5h"), TASK);
    let timeouts = case.load(None).unwrap().project.timeouts;
    assert_eq!(timeouts.kill, Timeout::Never);
    assert!(matches!(timeouts.warn, Timeout::After(span) if span.as_secs() == 5400));
}

#[test]
fn scalars_keep_their_text() {
    let task = "summary: 1.10\ndetails: yes\nenvironment:\n  A: 0x10\n  B: 010\n  C: 1_000\n  D: 2020-01-01\n  E: ~\n  F:\n  G: true\n";
    let loaded = Case::new(PROJECT, task).load(None).unwrap();
    let task = &loaded.project.tasks[0];
    assert_eq!((&*task.summary, &*task.details), ("1.10", "yes"));
    let values: Vec<&str> = task
        .environment
        .definitions()
        .iter()
        .map(|it| &*it.value)
        .collect();
    assert_eq!(
        values,
        ["0x10", "010", "1_000", "2020-01-01", "", "", "true"]
    );
}

#[test]
fn merges() {
    let project = format!(
        "x-defaults: &d {{prepare: one, restore: two}}\n{PROJECT}        <<: *d\n        prepare: own\n"
    );
    let loaded = Case::new(&project, TASK).load(None).unwrap();
    let scripts = &loaded.project.suites[0].scripts;
    assert_eq!(
        (&*scripts.prepare.text, &*scripts.restore.text),
        ("own", "two")
    );
    assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
}

#[test]
fn everything_at_once_with_its_place() {
    let case = Case::new(
        &PROJECT.replace("/r/p", "r"),
        "summary: x\nvariants: [foo, -bar]\n",
    )
    .with("s/u/task.yaml", "manual: 5\npriority: [1]\n");
    let problems = case.load(None).unwrap_err().0;
    let shown: Vec<String> = problems
        .iter()
        .map(|problem| {
            problem
                .to_string()
                .replace(&case.directory().display().to_string(), ".")
        })
        .collect();
    assert_eq!(shown.len(), 4, "{shown:#?}");
    assert!(shown[0].starts_with(
        "remote project path must be absolute and not /: r\n  at ./spread.yaml:2:1\n  hint: "
    ));
    assert!(shown[1].starts_with(
        "s/t specifies variants both in delta and plain format\n  at ./s/t/task.yaml:2:1\n"
    ));
    assert!(shown[2].starts_with("cannot load s/u/task.yaml: yaml: unmarshal errors:\n  line 1: cannot unmarshal !!int `5` into bool\n  line 2: cannot unmarshal !!seq into int\n  at ./s/u/task.yaml:1:9"));
    assert!(shown[3].starts_with("s/u is missing a summary\n  at ./s/u/task.yaml:1:1"));
}

#[test]
fn plus_keys_mean_nothing_to_spread() {
    let project = with_line("tasks-limit: 5\nartifacts: [x]");
    let task = "summary: x\nskip:\n  - if: test -e /x\n    reason: no x\n";
    let case = Case::new(&project, task);
    let spread = case.load(Some(Dialect::Spread)).unwrap().project;
    assert_eq!(
        (
            spread.tasks_limit,
            spread.artifacts.len(),
            spread.tasks[0].skip.len()
        ),
        (None, 0, 0)
    );
    let plus = case.load(Some(Dialect::Plus)).unwrap().project;
    assert_eq!(
        (
            plus.tasks_limit,
            plus.artifacts.len(),
            plus.tasks[0].skip.len()
        ),
        (Some(5), 1, 1)
    );
    assert_eq!(plus.tasks[0].skip[0].reason, "no x");
    let half = Case::new(PROJECT, "summary: x\nskip:\n  - if: 'true'\n");
    assert_eq!(half.plus(), "error: s/t has a skip without a reason");
}

#[test]
fn reroot() {
    let case = Case::empty()
        .with("sub/spread.yaml", &with_line("reroot: .."))
        .with("s/t/task.yaml", TASK);
    let load = |dialect| {
        let host = super::HostCommands::new(case.directory());
        let kinds = super::Kinds::new(&super::OnlyLocal, &[]);
        super::load::load(&case.directory().join("sub"), Some(dialect), &kinds, &host)
    };
    assert_eq!(
        load(Dialect::Spread).unwrap().project.directory,
        case.directory()
    );
    assert!(load(Dialect::Plus).is_err());
}

#[test]
fn scripts_know_their_lines() {
    let loaded = Case::new(PROJECT, "summary: x\nprepare: one\nexecute: |\n    two\n")
        .load(None)
        .unwrap();
    let task = &loaded.project.tasks[0];
    assert_eq!((task.prepare.line, task.execute.line), (2, 4));
}
