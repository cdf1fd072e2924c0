//! Names in `backends:` and `systems:` that stand for nothing, which is harmless to the matrix and mostly a slip.

use runner_core::matrix::lists::{Kind, signed};
use runner_core::matrix::{NameList, Place, Problem, Project, glob};

use crate::config::closest;

pub(super) fn check(project: &Project, findings: &mut Vec<Problem>) {
    let backends: Vec<&str> = project.backends.iter().map(|it| &*it.name).collect();
    let systems = project.backends.iter().flat_map(|it| &it.systems);
    let systems: Vec<&str> = systems.map(|it| &*it.name).collect();
    let mut look = |list: &NameList, kind: Kind, known: &[&str], place: Place| {
        for item in &list.items {
            let (_, name) = signed(item);
            if known
                .iter()
                .any(|one| *one == name || glob::matches(name, one))
            {
                continue;
            }
            let word = kind.word();
            let message = format!("`{item}` in `{word}` matches nothing that the project has");
            let problem = Problem::at(place.clone(), message);
            findings.push(match closest(name, known.iter().copied()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            });
        }
    };
    for suite in &project.suites {
        let place = |list: &NameList| project.place(list.spot);
        look(
            &suite.backends,
            Kind::Backends,
            &backends,
            place(&suite.backends),
        );
        look(
            &suite.systems,
            Kind::Systems,
            &systems,
            place(&suite.systems),
        );
    }
    for task in &project.tasks {
        let place = |list: &NameList| task.place(list.spot);
        look(
            &task.backends,
            Kind::Backends,
            &backends,
            place(&task.backends),
        );
        look(&task.systems, Kind::Systems, &systems, place(&task.systems));
    }
}
