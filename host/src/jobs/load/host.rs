//! What `$(HOST:…)` and local `$VAR`s in a project mean: the only part of loading that runs commands.
//!
//! A command is run by bash in the directory that we were called from, once for each text, and only when a job that is
//! selected needs it ([`HostCommands::check`]); the ancestor's rule, all of them always, is [`HostCommands::check_all`].

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use runner_core::matrix::environment::{self, HOST_COMMAND, Origin, Variable};
use runner_core::matrix::select::Parts;
use runner_core::matrix::{
    Backend, BackendId, Environment, Job, JobView, Place, Problem, Project, Spot, System, SystemId,
};

use crate::jobs::mask;

/// The host's side of a project. Results are kept: the same text is run once.
#[derive(Debug)]
pub struct HostCommands {
    directory: PathBuf,
    results: Mutex<HashMap<String, Result<String, String>>>,
}

/// What is packed, with everything expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub rename: Vec<String>,
}

impl HostCommands {
    /// Commands are run in this directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            results: Mutex::default(),
        }
    }

    /// The text with the output of its host commands. `context` is how a failure names where the text stands.
    pub fn expand(&self, context: &str, text: &str) -> Result<String, Problem> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(HOST_COMMAND) {
            let inner = &rest[start + HOST_COMMAND.len()..];
            let Some(end) = end_of_command(inner) else {
                break;
            };
            out.push_str(&rest[..start]);
            let command = &inner[..end];
            let output = self.output(command).map_err(|why| {
                Problem::new(format!(
                    "$(HOST:{command}) in {context} environment returned error: {why}"
                ))
            })?;
            out.push_str(&output);
            rest = &inner[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// The environment of a job as pairs to export, in order; what is left in the values is for the remote shell.
    pub fn exported(&self, view: JobView<'_>) -> Result<Vec<(String, String)>, Problem> {
        let variables = view.environment().into_iter();
        variables
            .map(|it| {
                let value = if it.origin == Origin::Tool {
                    it.value.into_owned()
                } else {
                    self.variable(view, &it)?
                };
                Ok((it.name.to_owned(), value))
            })
            .collect()
    }

    /// A variable of a job that does not come from us.
    fn variable(&self, view: JobView<'_>, it: &Variable<'_>) -> Result<String, Problem> {
        let expanded = self.expand(&environment::context(view, it.origin), &it.value);
        expanded.map_err(|problem| placed(problem, environment::place(view, it)))
    }

    /// Of the values of a job those that nobody should see: what host commands gave to variables with a telling name, and the
    /// credential of its backend.
    pub fn secrets(&self, view: JobView<'_>, exported: &[(String, String)]) -> Vec<String> {
        let mut secrets = Vec::new();
        if exported.iter().any(|(name, _)| mask::is_telling(name)) {
            for (written, (name, value)) in view.environment().iter().zip(exported) {
                if written.value.contains(HOST_COMMAND) && mask::is_telling(name) {
                    secrets.push(value.clone());
                }
            }
        }
        if view.backend().key.contains(HOST_COMMAND) {
            // One that cannot be had is told where it is needed.
            secrets.extend(self.key(view.project, view.backend()));
        }
        secrets
    }

    /// The credential of a backend; its `$VAR`s are those of project and backend.
    pub fn key(&self, project: &Project, backend: &Backend) -> Result<String, Problem> {
        let context = format!("{} key", backend.context());
        self.local(project, backend, &context, &backend.key)
    }

    /// The user of a system; empty is the default. Its `$VAR`s are those of project and backend.
    pub fn username(
        &self,
        project: &Project,
        backend: &Backend,
        system: &System,
    ) -> Result<String, Problem> {
        let context = format!("{}:{} username", backend.name, system.name);
        self.local(project, backend, &context, &system.username)
    }

    /// The password of a system; empty is that of the session. It is only expanded when all of it is one reference.
    pub fn password(
        &self,
        project: &Project,
        backend: &Backend,
        system: &System,
    ) -> Result<String, Problem> {
        let text = &system.password;
        if !is_one_reference(text) {
            return Ok(text.clone());
        }
        let context = format!("{}:{} password", backend.name, system.name);
        self.local(project, backend, &context, text)
    }

    /// What the project wants packed; `$VAR`s are those of the project.
    pub fn packing(&self, project: &Project) -> Result<Packing, Problem> {
        let wanted = [&project.include, &project.exclude, &project.rename];
        let variables = if wanted
            .iter()
            .any(|texts| texts.iter().any(|text| text.contains('$')))
        {
            self.variables(project, [("project".to_owned(), &project.environment)])?
        } else {
            Vec::new()
        };
        let expanded = |key: &str, texts: &[String]| -> Result<Vec<String>, Problem> {
            let context = format!("project {key}");
            let spot = match key {
                "include" => project.include_spot,
                _ => Spot::default(),
            };
            let all = texts.iter().map(|text| {
                let text = self.expand(&context, text);
                let text = text.map_err(|it| placed(it, Some(project.place(spot))))?;
                Ok(substitute(&text, &variables))
            });
            all.collect()
        };
        Ok(Packing {
            include: expanded("include", &project.include)?,
            exclude: expanded("exclude", &project.exclude)?,
            rename: expanded("rename", &project.rename)?,
        })
    }

    fn local(
        &self,
        project: &Project,
        backend: &Backend,
        context: &str,
        text: &str,
    ) -> Result<String, Problem> {
        if !text.contains('$') {
            return Ok(text.to_owned());
        }
        let levels = [
            ("project".to_owned(), &project.environment),
            (backend.context(), &backend.environment),
        ];
        let variables = self.variables(project, levels)?;
        Ok(substitute(&self.expand(context, text)?, &variables))
    }

    /// Bare variables, each with the ones before it in its value.
    fn variables<'a>(
        &self,
        project: &Project,
        levels: impl IntoIterator<Item = (String, &'a Environment)>,
    ) -> Result<Vec<(&'a str, String)>, Problem> {
        let mut all: Vec<(&str, String)> = Vec::new();
        for (context, environment) in levels {
            for it in environment.of_variant("") {
                let value = self.expand(&context, &it.value);
                let value = value.map_err(|error| placed(error, Some(project.place(it.spot))))?;
                let value = substitute(&value, &all);
                all.retain(|(name, _)| *name != it.name);
                all.push((&it.name, value));
            }
        }
        Ok(all)
    }

    /// Runs what the selected jobs need, so that a failure is told before anything is allocated: their variables, and the
    /// credentials of their systems. All failures at once.
    pub fn check(&self, project: &Project, jobs: &[Job]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let systems = Parts::of(project, jobs).systems;
        self.check_credentials(project, &systems, &mut problems);
        // A value is looked at once, however many jobs have it: most jobs find that nothing of theirs is left to do.
        let mut pending = pending_commands(project);
        for job in jobs {
            if pending.is_empty() {
                break;
            }
            let view = project.view(job);
            let levels = environment::levels(view);
            if !levels
                .iter()
                .any(|(_, it)| pending.contains_key(&std::ptr::from_ref(*it)))
            {
                continue;
            }
            for variable in view.environment() {
                let Some((_, level)) = levels.iter().find(|(origin, _)| *origin == variable.origin)
                else {
                    continue;
                };
                let level = std::ptr::from_ref(*level);
                let Some(values) = pending.get_mut(&level) else {
                    continue;
                };
                let Some(at) = values.iter().position(|value| *value == variable.value) else {
                    continue;
                };
                values.swap_remove(at);
                if values.is_empty() {
                    pending.remove(&level);
                }
                problems.extend(self.variable(view, &variable).err());
            }
        }
        problems
    }

    /// The ancestor's rule: every credential, and the variables of every job, whichever are selected.
    pub fn check_all(&self, project: &Project, jobs: &[Job]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let all = (0..).map(BackendId).zip(&project.backends);
        let systems: Vec<(BackendId, SystemId)> = all
            .flat_map(|(id, backend)| {
                let systems = (0..).map(SystemId).take(backend.systems.len());
                systems.map(move |system| (id, system))
            })
            .collect();
        self.check_credentials(project, &systems, &mut problems);
        problems.extend(self.check(project, jobs));
        // What both found is the same text.
        let mut seen = std::collections::HashSet::new();
        problems.retain(|problem| seen.insert(problem.message.clone()));
        problems
    }

    fn check_credentials(
        &self,
        project: &Project,
        systems: &[(BackendId, SystemId)],
        problems: &mut Vec<Problem>,
    ) {
        let mut last = None;
        for (backend_id, system) in systems {
            let backend = project.backend(*backend_id);
            if last != Some(*backend_id) {
                last = Some(*backend_id);
                let found = self.key(project, backend).err();
                problems.extend(found.map(|it| placed(it, Some(project.place(backend.spot)))));
            }
            let system = backend.system(*system);
            for result in [
                self.username(project, backend, system),
                self.password(project, backend, system),
            ] {
                let found = result.err();
                problems.extend(found.map(|it| placed(it, Some(project.place(system.spot)))));
            }
        }
    }

    fn output(&self, command: &str) -> Result<String, String> {
        let results = &self.results;
        let known = results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(command)
            .cloned();
        if let Some(result) = known {
            return result;
        }
        let result = self.run(command);
        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
        results.insert(command.to_owned(), result.clone());
        result
    }

    fn run(&self, command: &str) -> Result<String, String> {
        let output = Command::new("bash")
            .args(["-c", command])
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("bash cannot be started: {error}"))?;
        if output.status.success() {
            let text = String::from_utf8_lossy(&output.stdout);
            return Ok(text.trim_end_matches('\n').to_owned());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let complaint: Vec<&str> = complaint.trim().lines().collect();
        Err(match (complaint.is_empty(), output.status.code()) {
            (false, _) => complaint.join("; "),
            (true, Some(code)) => format!("exit status {code}"),
            (true, None) => output.status.to_string(),
        })
    }
}

/// The problem at this place, unless it knows a better one.
fn placed(problem: Problem, place: Option<Place>) -> Problem {
    Problem {
        place: problem.place.or(place),
        ..problem
    }
}

/// The values that have a host command, level by level.
fn pending_commands(project: &Project) -> HashMap<*const Environment, Vec<&str>> {
    let backends = project.backends.iter().flat_map(|backend| {
        let systems = backend.systems.iter().map(|it| &it.environment);
        std::iter::once(&backend.environment).chain(systems)
    });
    let all = std::iter::once(&project.environment)
        .chain(backends)
        .chain(project.suites.iter().map(|it| &it.environment))
        .chain(project.tasks.iter().map(|it| &it.environment));
    all.filter(|it| it.has_host_commands())
        .map(|it| {
            let values = it.definitions().iter().map(|it| &*it.value);
            let values = values.filter(|value| value.contains(HOST_COMMAND));
            (std::ptr::from_ref(it), values.collect())
        })
        .collect()
}

/// Where a command ends: at the `)` that belongs to its beginning. The ancestor takes the first `)`, which is the same for every
/// command that worked there.
fn end_of_command(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    text.find(')')
}

/// `$X`, `${X}` or `$(HOST:…)`, and nothing else.
fn is_one_reference(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix(HOST_COMMAND) {
        return end_of_command(inner) == Some(inner.len().wrapping_sub(1));
    }
    text.strip_prefix('$')
        .and_then(reference)
        .is_some_and(|(_, rest)| rest.is_empty())
}

/// The name after a `$`, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let word = |text: &str| {
        text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(text.len())
    };
    if let Some(inner) = text.strip_prefix('{') {
        let (name, rest) = inner.split_once('}')?;
        return (word(name) == name.len() && !name.is_empty()).then_some((name, rest));
    }
    let (name, rest) = text.split_at(word(text));
    let starts_well = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
    starts_well.then_some((name, rest))
}

/// Puts values in the place of `$X` and `${X}`; a name that is not known is nothing, as in a shell.
fn substitute(text: &str, variables: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        match reference(after) {
            Some((name, tail)) => {
                let known = variables.iter().find(|(known, _)| *known == name);
                out.push_str(known.map_or("", |(_, value)| value));
                rest = tail;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> (tempfile::TempDir, HostCommands) {
        let directory = tempfile::tempdir().unwrap();
        let host = HostCommands::new(directory.path());
        (directory, host)
    }

    #[test]
    fn commands() {
        let (_directory, host) = host();
        for (text, wanted) in [
            ("$(HOST: echo hi)", "hi"),
            ("a$(HOST:echo b)c$(HOST:echo d)", "abcd"),
            ("$(HOST: printf 'x\\ny\\n\\n')", "x\ny"),
            ("$(HOST: echo $(echo nested))", "nested"),
            ("$(HOST: echo", "$(HOST: echo"),
            ("$(date) `x` $X", "$(date) `x` $X"),
            ("$(HOST: cat)", ""),
        ] {
            assert_eq!(host.expand("project", text).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn failures() {
        let (_directory, host) = host();
        for (command, why) in [
            (" echo l1 >&2; echo l2 >&2; exit 3", "l1; l2"),
            (" exit 3", "exit status 3"),
            (" kill -9 $$", "signal: 9 (SIGKILL)"),
        ] {
            let error = host
                .expand("s/u", &format!("$(HOST:{command})"))
                .unwrap_err();
            let wanted = format!("$(HOST:{command}) in s/u environment returned error: {why}");
            assert_eq!(error.message, wanted);
        }
    }

    #[test]
    fn the_same_text_is_run_once_and_in_our_directory() {
        let (directory, host) = host();
        for _ in 0..3 {
            host.expand("project", "$(HOST: echo x >> ran)").unwrap();
        }
        let ran = std::fs::read_to_string(directory.path().join("ran")).unwrap();
        assert_eq!(ran, "x\n");
    }

    #[test]
    fn local_references() {
        let variables = [("A", "1".to_owned()), ("AB", "2".to_owned())];
        for (text, wanted) in [
            ("$A ${A} $AB ${A}B", "1 1 2 1B"),
            ("$C|${C}|", "||"),
            ("$ $1 ${ $", "$ $1 ${ $"),
            ("cost: 5$", "cost: 5$"),
        ] {
            assert_eq!(substitute(text, &variables), wanted);
        }
        for (text, wanted) in [
            ("$A", true),
            ("${A}", true),
            ("$(HOST: echo x)", true),
            ("pa$$word", false),
            ("$A$B", false),
            ("x$A", false),
            ("$(HOST: echo x)y", false),
            ("$(HOST:", false),
        ] {
            assert_eq!(is_one_reference(text), wanted, "{text}");
        }
    }
}
