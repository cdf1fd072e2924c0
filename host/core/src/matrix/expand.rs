//! From a project to its jobs, in the order in which they are listed.
//!
//! The order is that of the bytes of their names, with two exceptions that the ancestor has as well: the samples of a task
//! are ordered by number, and its variants come within each sample. (There, variants came in a random order.)

use std::sync::Arc;

use super::lists::{self, Layer};
use super::variants::{Variant, Variants};
use super::{
    Backend, BackendId, Dialect, Job, NameList, Problem, Problems, Project, Suite, SystemId, Task,
    TaskId,
};

/// More jobs than any project has, and as many as fit into memory without trouble: `samples: 2000000000` is a slip.
pub const MOST_JOBS: u64 = 2_000_000;

/// The jobs of one task on one system.
struct Group {
    backend: BackendId,
    system: SystemId,
    task: TaskId,
    variants: Arc<[Variant]>,
}

/// What follows the name of the task in the names of a group.
#[derive(Clone, Copy)]
enum Tail {
    Nothing,
    Sample,
    Variant,
}

/// Every job of the project, in order.
pub fn expand(project: &Project) -> Result<Vec<Job>, Problems> {
    let mut problems = Vec::new();
    let mut groups = groups(project, &mut problems);
    Problems::unless_empty(problems)?;
    let count: u64 = groups
        .iter()
        .map(|group| {
            let samples = u64::from(project.task(group.task).samples);
            samples.saturating_mul(group.variants.len() as u64)
        })
        .fold(0, u64::saturating_add);
    if count > MOST_JOBS {
        let message =
            format!("the project has {count} jobs, and at most {MOST_JOBS} can be handled");
        return Err(Problem::new(message).hint("look at `samples:`").into());
    }
    let order = Order::of(project);
    groups.sort_by_cached_key(|group| order.rank(project, group));
    let mut jobs = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for group in &groups {
        for sample in 1..=project.task(group.task).samples {
            for variant in group.variants.iter() {
                jobs.push(Job {
                    backend: group.backend,
                    system: group.system,
                    task: group.task,
                    variant: variant.clone(),
                    sample,
                });
            }
        }
    }
    Ok(jobs)
}

fn groups(project: &Project, problems: &mut Vec<Problem>) -> Vec<Group> {
    let names: Vec<&str> = project.backends.iter().map(|it| &*it.name).collect();
    let systems: Vec<Vec<&str>> = project
        .backends
        .iter()
        .map(|backend| backend.systems.iter().map(|it| &*it.name).collect())
        .collect();
    let mut variants = Variants::new(project);
    let mut groups = Vec::new();
    for (task_id, task) in (0..).map(TaskId).zip(&project.tasks) {
        let suite = project.suite(task.suite);
        let layers = [Layer::List(&suite.backends), Layer::List(&task.backends)];
        let backends = lists::evaluate(project.dialect, &names, &layers);
        for name in backends {
            let Ok(at) = project.backends.binary_search_by(|it| (*it.name).cmp(name)) else {
                let problem = unknown_backend(project, suite, task, name);
                // What a suite says is the same for each of its tasks.
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
                continue;
            };
            let backend = &project.backends[at];
            for system in systems_of(project.dialect, &systems[at], backend, suite, task) {
                groups.push(Group {
                    backend: BackendId(narrow(at)),
                    system: SystemId(narrow(system)),
                    task: task_id,
                    variants: variants.of(
                        backend,
                        &backend.systems[system],
                        suite,
                        (task_id, task),
                    ),
                });
            }
        }
    }
    groups
}

/// The indices of the systems; names that the backend does not have are no systems of it.
fn systems_of(
    dialect: Dialect,
    names: &[&str],
    backend: &Backend,
    suite: &Suite,
    task: &Task,
) -> Vec<usize> {
    if suite.systems.is_empty() && task.systems.is_empty() {
        return (0..names.len()).collect();
    }
    let layers = [Layer::List(&suite.systems), Layer::List(&task.systems)];
    let mut found: Vec<usize> = lists::evaluate(dialect, names, &layers)
        .into_iter()
        .filter_map(|name| {
            let systems = &backend.systems;
            systems.binary_search_by(|it| (*it.name).cmp(name)).ok()
        })
        .collect();
    found.sort_unstable();
    found
}

/// The ancestor crashes here; in [`Dialect::Plus`] unknown names are harmless.
fn unknown_backend(project: &Project, suite: &Suite, task: &Task, name: &str) -> Problem {
    let has = |list: &NameList| list.names().any(|listed| listed == name);
    let (context, place) = if has(&task.backends) {
        (task.name.clone(), task.place(task.backends.spot))
    } else {
        (
            format!("suite {}", suite.name),
            project.place(suite.backends.spot),
        )
    };
    Problem::at(
        place,
        format!("{context} refers to unknown backend: {name:?}"),
    )
    .hint("`-x` is what leaves a backend out where it exists")
}

/// Counts of backends and systems are checked when they are loaded.
fn narrow(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// The places of names among their like, so that jobs can be put in order by comparing numbers.
struct Order {
    backends: Vec<u32>,
    systems: Vec<Vec<u32>>,
    /// Three for each task: alone, before `#` and before `:`. `-` and `.` stand before digits, and digits before `:`.
    tasks: Vec<u32>,
}

impl Order {
    fn of(project: &Project) -> Self {
        let before_colon = |names: Vec<&str>| ranks(names.iter().map(|it| format!("{it}:")));
        let backends = project.backends.iter().map(|it| &*it.name).collect();
        let systems = project
            .backends
            .iter()
            .map(|backend| before_colon(backend.systems.iter().map(|it| &*it.name).collect()));
        let tails = project.tasks.iter().flat_map(|task| {
            let name = &task.name;
            [name.clone(), format!("{name}#"), format!("{name}:")]
        });
        Self {
            systems: systems.collect(),
            backends: before_colon(backends),
            tasks: ranks(tails),
        }
    }

    fn rank(&self, project: &Project, group: &Group) -> (u32, u32, u32) {
        let tail = if group.variants.iter().any(Option::is_some) {
            Tail::Variant
        } else if project.task(group.task).samples > 1 {
            Tail::Sample
        } else {
            Tail::Nothing
        };
        let backend = usize::from(group.backend.0);
        (
            self.backends[backend],
            self.systems[backend][usize::from(group.system.0)],
            self.tasks[group.task.0 as usize * 3 + tail as usize],
        )
    }
}

/// For each text, how many stand before it.
fn ranks(texts: impl Iterator<Item = String>) -> Vec<u32> {
    let texts: Vec<String> = texts.collect();
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_unstable_by(|a, b| texts[*a].as_bytes().cmp(texts[*b].as_bytes()));
    let mut ranks = vec![0; texts.len()];
    for (rank, at) in (0..).zip(order) {
        ranks[at] = rank;
    }
    ranks
}
