//! Random projects against a reading of the rules that knows nothing of sharing, ranks or caches: every combination of names is
//! looked at by itself, and the list is sorted as texts.

use proptest::prelude::*;

use super::lists::is_in;
use super::{backend, keys, list, project, suite, system, task};
use crate::matrix::filter::Filters;
use crate::matrix::select::{Choice, select};
use crate::matrix::{Dialect, Environment, NameList, Project, expand};

const BACKENDS: [&str; 3] = ["a", "a-b", "b"];
const SYSTEMS: [&str; 3] = ["s-1", "s-1.0", "t-1"];
const VARIANTS: [&str; 3] = ["v", "v1", "w"];

/// What one name stands for, by the rules and slowly.
fn slowly(project: &Project, filters: &Filters) -> Vec<String> {
    let mut rows: Vec<([String; 4], u32, String, [bool; 4])> = Vec::new();
    let backends: Vec<&str> = project.backends.iter().map(|it| &*it.name).collect();
    for task in &project.tasks {
        let suite = project.suite(task.suite);
        for backend in &project.backends {
            let lists = [suite.backends.clone(), task.backends.clone()];
            if !is_in(project.dialect, &backends, &lists, &backend.name) {
                continue;
            }
            let systems: Vec<&str> = backend.systems.iter().map(|it| &*it.name).collect();
            for system in &backend.systems {
                let lists = [suite.systems.clone(), task.systems.clone()];
                if !is_in(project.dialect, &systems, &lists, &system.name) {
                    continue;
                }
                let levels = [
                    (&backend.environment, &backend.variants),
                    (&system.environment, &system.variants),
                    (&suite.environment, &suite.variants),
                    (&task.environment, &task.variants),
                ];
                let variants = variants(project, levels);
                for sample in 1..=task.samples {
                    for variant in &variants {
                        let manual = [backend.manual, system.manual, suite.manual, task.manual];
                        let names =
                            [&backend.name, &system.name, &task.name, variant].map(Clone::clone);
                        let mut name = format!("{}:{}:{}", backend.name, system.name, task.name);
                        if !variant.is_empty() {
                            name = format!("{name}:{variant}");
                        }
                        if task.samples > 1 {
                            name = format!("{name}#{sample}");
                        }
                        rows.push((names, sample, name, manual));
                    }
                }
            }
        }
    }
    rows.retain(|(_, sample, name, _)| filters.is_empty() || filters.matches(name, *sample));
    let matching = rows.clone();
    for dimension in 0..4 {
        if filters.is_empty() || matching.iter().any(|row| !row.3[dimension]) {
            rows.retain(|row| !row.3[dimension]);
        }
    }
    rows.sort_by(|a, b| {
        // Whole names, except that within a task the sample and then the variant decide.
        let same_task = a.0[..3] == b.0[..3];
        if same_task {
            (a.1, &a.0[3]).cmp(&(b.1, &b.0[3]))
        } else {
            a.2.as_bytes().cmp(b.2.as_bytes())
        }
    });
    rows.into_iter().map(|(_, _, name, _)| name).collect()
}

fn variants(project: &Project, levels: [(&Environment, &NameList); 4]) -> Vec<String> {
    let base = project.environment.variants();
    let mut lists = Vec::new();
    for (environment, own) in levels {
        let keys = environment.variants();
        let added: Vec<String> = keys.iter().map(|key| format!("+{key}")).collect();
        lists.push(list(&added.join(" ")));
        lists.push(own.clone());
    }
    let named = VARIANTS
        .iter()
        .filter(|name| is_in(Dialect::Spread, &base, &lists, name));
    let named: Vec<String> = named.map(|name| (*name).to_owned()).collect();
    if named.is_empty() && base.is_empty() {
        vec![String::new()]
    } else {
        named
    }
}

fn some_list(names: &'static [&'static str]) -> impl Strategy<Value = NameList> {
    let item = prop_oneof![
        3 => prop::sample::select(names).prop_map(str::to_owned),
        1 => Just("*1".to_owned()),
        1 => Just("?*".to_owned()),
    ];
    let plain = prop::collection::vec(item.clone(), 1..3);
    let sign = prop::sample::select(vec!["+", "-"]);
    let delta = prop::collection::vec(
        (sign, item).prop_map(|(sign, item)| format!("{sign}{item}")),
        1..3,
    );
    prop_oneof![
        3 => Just(Vec::new()),
        1 => plain,
        2 => delta,
    ]
    .prop_map(|items| list(&items.join(" ")))
}

fn some_keys() -> impl Strategy<Value = Environment> {
    prop::sample::select(vec!["", "", "", "A", "A/v", "A/v,w B", "A/v1 A"]).prop_map(keys)
}

fn rarely() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.15)
}

fn some_project() -> impl Strategy<Value = Project> {
    let system_of = |name: &'static str| {
        (some_keys(), some_list(&VARIANTS), rarely()).prop_map(
            move |(environment, variants, manual)| {
                let mut it = system(name);
                (it.environment, it.variants, it.manual) = (environment, variants, manual);
                it
            },
        )
    };
    let backend_of = move |name: &'static str| {
        let systems = (
            system_of(SYSTEMS[0]),
            system_of(SYSTEMS[1]),
            system_of(SYSTEMS[2]),
        );
        let count = 1..4_usize;
        (some_keys(), some_list(&VARIANTS), rarely(), systems, count).prop_map(
            move |(environment, variants, manual, systems, count)| {
                let mut it = backend(name);
                (it.environment, it.variants, it.manual) = (environment, variants, manual);
                it.systems = [systems.0, systems.1, systems.2]
                    .into_iter()
                    .take(count)
                    .collect();
                it
            },
        )
    };
    let level = || {
        (
            some_list(&BACKENDS),
            some_list(&SYSTEMS),
            some_list(&VARIANTS),
            some_keys(),
            rarely(),
        )
    };
    let suites = (level(), level());
    let tasks = prop::collection::vec((level(), 0..3_u32), 6);
    let backends = (
        backend_of(BACKENDS[0]),
        backend_of(BACKENDS[1]),
        backend_of(BACKENDS[2]),
    );
    let plus = any::<bool>();
    (plus, some_keys(), backends, 1..4_usize, suites, tasks).prop_map(
        |(plus, environment, backends, count, suites, tasks)| {
            let mut it = project(if plus { Dialect::Plus } else { Dialect::Spread });
            it.environment = environment;
            it.backends = [backends.0, backends.1, backends.2]
                .into_iter()
                .take(count)
                .collect();
            for (name, level) in [("s/", suites.0), ("s/x/", suites.1)] {
                let mut suite = suite(name);
                (
                    suite.backends,
                    suite.systems,
                    suite.variants,
                    suite.environment,
                    suite.manual,
                ) = level;
                it.suites.push(suite);
            }
            let names = ["s/a", "s/a-b", "s/a.c", "s/a1", "s/x", "s/x/a"];
            for (name, (level, samples)) in names.into_iter().zip(tasks) {
                let mut task = task(name, u32::from(name.starts_with("s/x/")));
                (
                    task.backends,
                    task.systems,
                    task.variants,
                    task.environment,
                    task.manual,
                ) = level;
                task.samples = if samples == 2 { 11 } else { 1 };
                it.tasks.push(task);
            }
            it
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn as_the_slow_reading_says(
        project in some_project(),
        filter in prop::sample::select(vec!["", "", "a", "s-1", "s/", "s/x/", "/a", ":v", "s/a...", "a:v", "s/a#2..3", "s-...:s/x"]),
    ) {
        let jobs = match expand(&project) {
            Ok(jobs) => jobs,
            // A list names a backend that this project does not have: refused in one dialect.
            Err(problems) => {
                prop_assert_eq!(project.dialect, Dialect::Spread);
                prop_assert!(problems.to_string().contains("refers to unknown backend"));
                return Ok(());
            }
        };
        let filters: Vec<&str> = filter.split_whitespace().collect();
        let filters = Filters::parse(&filters).unwrap();
        let choice = Choice { filters: filters.clone(), ..Choice::default() };
        let selected = select(&project, &jobs, &choice).unwrap_or_default();
        let names: Vec<String> = selected.iter().map(|job| project.view(job).name().to_string()).collect();
        prop_assert_eq!(names, slowly(&project, &filters));
    }
}

#[test]
fn what_a_job_asks() {
    use crate::matrix::{Level, Script, Timeout};
    let mut project = project(Dialect::Spread);
    let mut one = backend("a");
    one.priority = Some(1);
    one.scripts.prepare_each = Script::new("backend", 0);
    one.timeouts.kill = Timeout::Never;
    one.systems.push(system("s-1"));
    project.backends.push(one);
    let mut its = suite("s/");
    its.scripts.restore_each = Script::new("suite", 0);
    project.suites.push(its);
    let mut own = task("s/t", 0);
    own.restore = Script::new("task", 0);
    own.prepare = Script::new(" \n", 0);
    project.tasks.push(own);
    let jobs = expand(&project).unwrap();
    let view = project.view(&jobs[0]);
    let texts = |scripts: Vec<&Script>| {
        scripts
            .iter()
            .map(|it| it.text.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(view.prepare()), ["backend"]);
    assert_eq!(texts(view.restore()), ["task", "suite"]);
    assert_eq!(view.priority(), 1);
    assert_eq!(view.limits(Level::Task).kill, None);
    assert!(view.limits(Level::Project).kill.is_some());
    assert_eq!(view.label(Level::Backend), "a:s-1");
    assert_eq!(view.label(Level::Suite), "a:s-1:s/");
    assert_eq!(view.label(Level::Task), "a:s-1:s/t");
    assert_eq!(view.directory(Level::Project), "/r");
    assert_eq!(view.directory(Level::Suite), "/r/s/t");
}
