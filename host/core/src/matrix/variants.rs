//! Which variants a task has on a system.

use std::collections::HashMap;
use std::sync::Arc;

use super::lists::{self, Layer};
use super::{Backend, Dialect, Environment, NameList, Project, Suite, System, Task, TaskId};

/// A variant; none for a job without.
pub(super) type Variant = Option<Arc<str>>;

/// Finds the variants of one task after another. Names are made once and shared by all jobs.
#[derive(Default)]
pub(super) struct Variants<'a> {
    base: Vec<&'a str>,
    names: HashMap<String, Arc<str>>,
    /// The answer for the task at hand where neither backend nor system say anything about variants, which is nearly
    /// everywhere: hundreds of systems then share one.
    quiet: Option<(TaskId, Arc<[Variant]>)>,
}

impl<'a> Variants<'a> {
    pub(super) fn new(project: &'a Project) -> Self {
        Self {
            base: project.environment.variants(),
            ..Self::default()
        }
    }

    /// In byte order; a job without a variant is the only one of its kind.
    ///
    /// The keys of each level's environment add their variants, then the level's list is applied. A task without any
    /// has one job; so has one whose variants were all removed, unless the project's environment has some.
    pub(super) fn of(
        &mut self,
        backend: &'a Backend,
        system: &'a System,
        suite: &'a Suite,
        (id, task): (TaskId, &'a Task),
    ) -> Arc<[Variant]> {
        let silent = |environment: &Environment, list: &NameList| {
            list.is_empty() && environment.variants().is_empty()
        };
        let quiet = silent(&backend.environment, &backend.variants)
            && silent(&system.environment, &system.variants);
        if quiet
            && let Some((known, variants)) = &self.quiet
            && *known == id
        {
            return Arc::clone(variants);
        }
        let variants = self.find([
            (&backend.environment, &backend.variants),
            (&system.environment, &system.variants),
            (&suite.environment, &suite.variants),
            (&task.environment, &task.variants),
        ]);
        if quiet {
            self.quiet = Some((id, Arc::clone(&variants)));
        }
        variants
    }

    fn find(&mut self, levels: [(&'a Environment, &'a NameList); 4]) -> Arc<[Variant]> {
        let keys: Vec<Vec<&'a str>> = levels.iter().map(|(it, _)| it.variants()).collect();
        let layers: Vec<Layer<'_>> = keys
            .iter()
            .zip(levels)
            .flat_map(|(keys, (_, list))| [Layer::Keys(keys), Layer::List(list)])
            .collect();
        // Both dialects have this rule for variants.
        let names = lists::evaluate(Dialect::Spread, &self.base, &layers);
        let mut found: Vec<Arc<str>> = Vec::with_capacity(names.len());
        for name in names {
            let shared = match self.names.get(name) {
                Some(shared) => Arc::clone(shared),
                None => {
                    let shared: Arc<str> = Arc::from(name);
                    self.names.insert(name.to_owned(), Arc::clone(&shared));
                    shared
                }
            };
            found.push(shared);
        }
        found.sort_unstable();
        match (found.is_empty(), self.base.is_empty()) {
            (true, true) => Arc::new([None]),
            _ => found.into_iter().map(Some).collect(),
        }
    }
}
