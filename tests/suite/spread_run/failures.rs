//! The order of all scripts, and what follows when one of them fails: each rule is an order.
//!
//! `P` project, `B` backend, `S` and `Z` the two suites, `1` and `2` tasks of the first, `3` of the second; `+` prepare, `!` execute,
//! `-` restore, `?` debug, `e+` and `e-` the project's prepare-each and restore-each.

use super::{Project, log, total};

/// A script that notes its sign, and fails where the test says so.
fn step(sign: &str) -> String {
    format!("|\n      echo '{sign}' >> $ORDER\n      ! grep -qxF -e '{sign}' $FAILING\n")
}

fn scripts(sign: &str, indent: &str) -> String {
    [("prepare", "+"), ("restore", "-"), ("debug", "?")]
        .map(|(key, mark)| {
            let script =
                step(&format!("{sign}{mark}")).replace("\n      ", &format!("\n{indent}  "));
            format!("{indent}{key}: {}", script.trim_end_matches(' '))
        })
        .concat()
}

fn project() -> Project {
    let mut project = Project::new();
    let (order, failing) = (project.path("order"), project.path("failing"));
    project.backend = format!(
        "  local:\n    systems: [this-machine]\n{}",
        scripts("B", "    ")
    );
    let suites = format!(
        "suites:\n  s/:\n    summary: s\n{}  z/:\n    summary: z\n{}",
        scripts("S", "    "),
        scripts("Z", "    ")
    );
    let each = format!("prepare-each: {}restore-each: {}", step("e+"), step("e-"));
    project = project.top(&format!(
        "environment:\n  ORDER: {}\n  FAILING: {}\nexclude: [order, failing]\n{}{each}{suites}",
        order.display(),
        failing.display(),
        scripts("P", "")
    ));
    for (task, sign) in [("s/one", "1"), ("s/two", "2"), ("z/three", "3")] {
        let yaml = format!(
            "{}execute: {}",
            scripts(sign, ""),
            step(&format!("{sign}!"))
        );
        project = project.task(task, &yaml);
    }
    project
}

struct Told {
    order: String,
    log: String,
    successful: usize,
    aborted: usize,
}

/// Runs it with these failing: the exit code must say so.
#[track_caller]
fn play(failing: &[&str], args: &[&str]) -> Told {
    let project = project();
    project.env.write("work/failing", failing.join("\n"));
    project.env.write("work/order", "");
    let mut all = vec!["--order"];
    all.extend(args);
    let outcome = project.run(&all);
    assert_eq!(
        outcome.code,
        Some(i32::from(!failing.is_empty())),
        "{outcome}"
    );
    let order = std::fs::read_to_string(project.path("order")).unwrap();
    Told {
        order: order
            .split('\n')
            .collect::<Vec<_>>()
            .join(" ")
            .trim()
            .to_owned(),
        successful: total(&outcome, "Successful tasks"),
        aborted: total(&outcome, "Aborted tasks"),
        log: log(&outcome),
    }
}

#[track_caller]
fn plays(failing: &[&str], order: &str, successful: usize, aborted: usize, class: &str) {
    let told = play(failing, &[]);
    assert_eq!(
        (told.order.as_str(), told.successful, told.aborted),
        (order, successful, aborted),
        "{}",
        told.log
    );
    assert!(class.is_empty() || told.log.contains(class), "{}", told.log);
}

#[test]
fn the_order_of_everything() {
    plays(
        &[],
        "P+ B+ S+ e+ 1+ 1! 1- e- e+ 2+ 2! 2- e- S- Z+ e+ 3+ 3! 3- e- Z- B- P-",
        3,
        0,
        "",
    );
}

#[test]
fn a_task_that_fails() {
    plays(
        &["1+"],
        "P+ B+ S+ e+ 1+ 1? 1- e- e+ 2+ 2! 2- e- S- Z+ e+ 3+ 3! 3- e- Z- B- P-",
        2,
        1,
        "Failed task prepare: 1\n    - local:this-machine:s/one\n",
    );
    plays(
        &["e+"],
        "P+ B+ S+ e+ 1? 1- e- e+ 2? 2- e- S- Z+ e+ 3? 3- e- Z- B- P-",
        0,
        3,
        "Failed task prepare: 3\n    - local:this-machine:s/one\n    - local:this-machine:s/two\n",
    );
    plays(
        &["1!"],
        "P+ B+ S+ e+ 1+ 1! 1? 1- e- e+ 2+ 2! 2- e- S- Z+ e+ 3+ 3! 3- e- Z- B- P-",
        2,
        0,
        "Failed tasks: 1\n    - local:this-machine:s/one\n",
    );
    plays(
        &["1-"],
        "P+ B+ S+ e+ 1+ 1! 1- 1? S- B- P-",
        1,
        2,
        "Failed task restore: 1\n    - local:this-machine:s/one\n",
    );
    plays(
        &["1!", "1-"],
        "P+ B+ S+ e+ 1+ 1! 1? 1- S- B- P-",
        0,
        2,
        "Failed tasks: 1\n    - local:this-machine:s/one\nFailed task restore: 1\n    - local:this-machine:s/one\n",
    );
    plays(
        &["e-"],
        "P+ B+ S+ e+ 1+ 1! 1- e- 1? S- B- P-",
        1,
        2,
        "Failed task restore: 1\n    - local:this-machine:s/one\n",
    );
}

#[test]
fn a_suite_that_fails() {
    plays(
        &["S+"],
        "P+ B+ S+ S? S- Z+ e+ 3+ 3! 3- e- Z- B- P-",
        1,
        2,
        "Failed suite prepare: 1\n    - local:this-machine:s/\n",
    );
    plays(
        &["S-"],
        "P+ B+ S+ e+ 1+ 1! 1- e- e+ 2+ 2! 2- e- S- S? S- S? B- P-",
        2,
        1,
        "Failed suite restore: 2\n    - local:this-machine:s/\n    - local:this-machine:s/\n",
    );
    plays(
        &["Z-"],
        "P+ B+ S+ e+ 1+ 1! 1- e- e+ 2+ 2! 2- e- S- Z+ e+ 3+ 3! 3- e- Z- Z? B- P-",
        3,
        0,
        "Failed suite restore: 1\n    - local:this-machine:z/\n",
    );
}

#[test]
fn a_backend_or_project_that_fails() {
    plays(
        &["B+"],
        "P+ B+ B? B- P-",
        0,
        3,
        "Failed backend prepare: 1\n    - local:this-machine\n",
    );
    plays(
        &["P+"],
        "P+ P? P-",
        0,
        3,
        "Failed project prepare: 1\n    - local:this-machine\n",
    );
    plays(
        &["B-", "P-"],
        "P+ B+ S+ e+ 1+ 1! 1- e- e+ 2+ 2! 2- e- S- Z+ e+ 3+ 3! 3- e- Z- B- B? P- P?",
        3,
        0,
        "Failed backend restore: 1\n    - local:this-machine\nFailed project restore: 1\n",
    );
}

#[test]
fn a_debug_script_that_fails_changes_nothing() {
    let told = play(&["1!", "1?"], &[]);
    assert!(
        told.log
            .contains("Error debugging local:this-machine:s/one"),
        "{}",
        told.log
    );
    assert_eq!((told.successful, told.aborted), (2, 0));
}

#[test]
fn options_that_change_the_order() {
    let told = play(&["1!"], &["--abend"]);
    assert_eq!(told.order, "P+ B+ S+ e+ 1+ 1! 1?");
    assert_eq!(told.aborted, 2);
    let told = play(&[], &["--restore"]);
    assert_eq!(told.order, "1- e- 2- e- S- 3- e- Z- B- P-");
    let told = play(&["2!"], &["--repeat=2"]);
    assert_eq!(
        told.order,
        "P+ B+ S+ e+ 1+ 1! 1- e- e+ 1+ 1! 1- e- e+ 1+ 1! 1- e- e+ 2+ 2! 2? 2- e- S- \
         Z+ e+ 3+ 3! 3- e- e+ 3+ 3! 3- e- e+ 3+ 3! 3- e- Z- B- P-"
    );
    assert_eq!(told.successful, 6);
}
