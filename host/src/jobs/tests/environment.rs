//! What jobs are given, and which commands of the host are run for that.

use super::{Case, PROJECT, TASK, TestOptions, first};
use crate::jobs::plan::Plan;

const EVERYWHERE: &str = "\
project: p
path: /r/p
environment:
    A: project
    MOVED: project
    ONLY/x: project
backends:
    adhoc:
        allocate: ADDRESS x
        environment: {B: '$A backend'}
        systems:
            - sys-1: {environment: {C: system, MOVED: system}}
suites:
    s/:
        summary: S
        environment: {D: suite, D/y: suite y}
";

fn plan(project: &str, task: &str) -> Plan {
    Case::new(project, task)
        .plan(&TestOptions::default())
        .unwrap()
}

/// The environment of a job, the tool's own variables left out.
fn exported(plan: &Plan, job: usize) -> String {
    let pairs = plan
        .host
        .exported(plan.project.view(&plan.jobs[job]))
        .unwrap();
    let own = pairs
        .iter()
        .filter(|(name, _)| !name.starts_with("SPREAD_"));
    own.map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn in_the_order_of_the_levels() {
    let plan = plan(
        EVERYWHERE,
        "summary: x\nenvironment: {E: task, A: task}\nsamples: 2\nvariants: [x, y]\n",
    );
    let names: Vec<String> = plan
        .jobs
        .iter()
        .map(|job| plan.project.view(job).name().to_string())
        .collect();
    assert_eq!(names[2], "adhoc:sys-1:s/t:x#2");
    // What is given again later stands at the later place; other variants' keys are not there at all.
    assert_eq!(
        exported(&plan, 2),
        "ONLY=project B=$A backend C=system MOVED=system D=suite E=task A=task"
    );
    assert_eq!(
        exported(&plan, 3),
        "B=$A backend C=system MOVED=system D=suite y E=task A=task"
    );
    let pairs = plan
        .host
        .exported(plan.project.view(&plan.jobs[2]))
        .unwrap();
    let tool: Vec<String> = pairs[..9]
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let wanted = [
        "SPREAD_JOB=adhoc:sys-1:s/t:x#2",
        "SPREAD_PROJECT=p",
        "SPREAD_PATH=/r/p",
        "SPREAD_BACKEND=adhoc",
        "SPREAD_SYSTEM=sys-1",
        "SPREAD_SUITE=s/",
        "SPREAD_TASK=s/t",
        "SPREAD_VARIANT=x",
        "SPREAD_SAMPLE=2",
    ];
    assert_eq!(tool, wanted);
}

#[test]
fn of_several_keys_for_a_variant_the_last_holds() {
    let plan = plan(
        PROJECT,
        "summary: x\nenvironment: {A/x: 1, 'A/x,y': 2, A: 3, A/z: 4}\n",
    );
    let jobs: Vec<String> = (0..3).map(|job| exported(&plan, job)).collect();
    // The ancestor takes one by chance.
    assert_eq!(jobs, ["A=2", "A=2", "A=4"]);
}

#[test]
fn values_are_left_for_the_remote_shell() {
    let task = "summary: x\nenvironment:\n  A: \"'single'\"\n  B: '\"dq \\\"x\\\"\"'\n  C: a \"b\" c\n  D: ''\n  E: $(cmd) `cmd` $PATH\n";
    let plan = plan(PROJECT, task);
    assert_eq!(
        exported(&plan, 0),
        "A='single' B=\"dq \\\"x\\\"\" C=a \"b\" c D= E=$(cmd) `cmd` $PATH"
    );
}

#[test]
fn host_commands() {
    let project = format!(
        "{PROJECT}environment: {{A: '$(HOST: printf \"a\\nb\\n\")', B: 'x$(HOST: echo y)z'}}\n"
    );
    assert_eq!(exported(&plan(&project, TASK), 0), "A=a\nb B=xyz");
}

#[test]
fn the_same_command_is_run_once() {
    let case = Case::new(
        PROJECT,
        "summary: x\nenvironment: {A: '$(HOST: echo x >> ran)', B: '$(HOST: echo x >> ran)'}\n",
    );
    case.plan(&TestOptions::default()).unwrap();
    let ran = std::fs::read_to_string(case.directory().join("ran")).unwrap();
    assert_eq!(ran, "x\n");
}

#[test]
fn only_what_selected_jobs_need_is_run() {
    let case = Case::new(PROJECT, TASK).with(
        "s/u/task.yaml",
        "summary: x\nenvironment: {A: '$(HOST: exit 3)', B/v: '$(HOST: echo no >&2; exit 1)'}\n",
    );
    let options = |filters: &[&str], all| TestOptions {
        filters: filters.iter().map(|text| (*text).to_owned()).collect(),
        all_host_commands: all,
        ..TestOptions::default()
    };
    let failed = "$(HOST: exit 3) in s/u environment returned error: exit status 3";
    assert!(case.plan(&options(&["s/t"], false)).is_ok());
    // Both of its values, at once.
    let problems = case.plan(&options(&[], false)).unwrap_err();
    let messages: Vec<&str> = problems.0.iter().map(|problem| &*problem.message).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages.contains(&failed));
    for (problem, column) in problems.0.iter().zip([15, 37]) {
        let place = problem.place.as_ref().unwrap();
        assert!(place.file.ends_with("s/u/task.yaml"), "{place}");
        assert_eq!((place.spot.line, place.spot.column), (2, column));
    }
    // As the ancestor has it.
    let problems = case.plan(&options(&["s/t"], true)).unwrap_err();
    assert!(problems.0.iter().any(|problem| problem.message == failed));
    // What is overridden needs nothing.
    let project = format!("{PROJECT}environment: {{A: '$(HOST: exit 3)'}}\n");
    assert!(
        Case::new(&project, "summary: x\nenvironment: {A: 1}\n")
            .plan(&options(&[], false))
            .is_ok()
    );
}

#[test]
fn a_failure_stands_where_its_key_does() {
    let mut project = PROJECT.replace(
        "        systems: [sys-1, sys-2]\n",
        "        environment: {B: '$(HOST: exit 4)'}\n        systems: [sys-1]\n",
    );
    project.push_str("environment:\n    A: '$(HOST: exit 3)'\ninclude: ['$(HOST: exit 5)']\n");
    let case = Case::new(&project, TASK);
    let problems = case.plan(&TestOptions::default()).unwrap_err();
    let told = problems.0.iter().map(|problem| {
        let place = problem.place.as_ref().unwrap();
        assert!(place.file.ends_with("spread.yaml"), "{place}");
        (place.spot.line, place.spot.column)
    });
    assert_eq!(told.collect::<Vec<_>>(), [(12, 5), (6, 23)]);
}

#[test]
fn credentials() {
    let project = PROJECT.replace(
        "        systems: [sys-1, sys-2]\n",
        "        key: '$(HOST: echo secret)$A'
        environment: {A: 1, WHO: me}
        systems:
            - sys-1: {username: '$WHO', password: 'pa$$word'}
            - sys-2: {username: '$(HOST: exit 3)', password: '$WHO'}
",
    );
    let case = Case::new(&project, TASK);
    let options = |filter: &str| TestOptions {
        filters: vec![filter.to_owned()],
        ..TestOptions::default()
    };
    let plan = case.plan(&options("sys-1")).unwrap();
    let backend = &plan.project.backends[0];
    let [one, two] = &backend.systems[..] else {
        panic!()
    };
    let host = &plan.host;
    assert_eq!(host.key(&plan.project, backend).unwrap(), "secret1");
    assert_eq!(host.username(&plan.project, backend, one).unwrap(), "me");
    assert_eq!(
        host.password(&plan.project, backend, one).unwrap(),
        "pa$$word"
    );
    assert_eq!(host.password(&plan.project, backend, two).unwrap(), "me");
    let problems = case.plan(&options("sys-2")).unwrap_err();
    assert_eq!(
        first(&problems),
        "$(HOST: exit 3) in adhoc:sys-2 username environment returned error: exit status 3"
    );
    assert_eq!(problems.0[0].place.as_ref().unwrap().spot.line, 10);
}

#[test]
fn what_is_packed() {
    let project = format!(
        "{PROJECT}environment: {{X: dir}}\ninclude: [$X/a, '$(HOST: echo b)']\nrename: ['s,^$X,y,']\n"
    );
    let case = Case::new(&project, TASK);
    let plan = case.plan(&TestOptions::default()).unwrap();
    let packing = plan.host.packing(&plan.project).unwrap();
    assert_eq!(packing.include, ["dir/a", "b"]);
    assert_eq!(packing.rename, ["s,^dir,y,"]);
    assert!(packing.exclude.is_empty());
}
