//! The project file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use runner_core::matrix::{Dialect, Problem, Project, names};

use super::decode::{Decoder, Fields};
use super::find::Found;
use super::host::HostCommands;
use super::kinds::Kinds;
use super::{backend, keys, levels, task};

/// The project without its tasks, and what there is to say about its file.
pub(super) struct Read {
    pub(super) project: Project,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<Problem>,
}

/// Reads the project file. What cannot be used is left at its default and told.
pub(super) fn read(
    found: &Found,
    dialect: Dialect,
    kinds: &Kinds<'_>,
    host: &HostCommands,
) -> Read {
    let file: Arc<Path> = Arc::from(&*found.file);
    let mut reading = Decoder::new(file.display().to_string(), Arc::clone(&file));
    let decoder = &mut reading;
    let root = decoder.parse(&found.bytes);
    let fields = match &root {
        Some(root) => decoder.fields(root, "project", keys::PROJECT),
        None => Fields::default(),
    };
    let unreadable = decoder.is_broken();
    let plus = dialect == Dialect::Plus;
    let above = found.file.parent().unwrap_or(Path::new("/"));
    let environment = decoder.environment(&fields, "project");
    let mut project = Project {
        name: decoder.text(&fields, "project"),
        dialect,
        file,
        directory: directory(decoder, &fields, above, dialect),
        path: String::new(),
        include: decoder.texts(&fields, "include"),
        include_spot: fields.spot("include"),
        exclude: decoder.texts(&fields, "exclude"),
        rename: decoder.texts(&fields, "rename"),
        repack: decoder.script(&fields, "repack"),
        scripts: levels::scripts(decoder, &fields),
        timeouts: levels::timeouts(decoder, &fields),
        artifacts: if plus {
            levels::artifacts(decoder, &fields, "project")
        } else {
            Vec::new()
        },
        tasks_limit: if plus { limit(decoder, &fields) } else { None },
        environment,
        backends: Vec::new(),
        suites: Vec::new(),
        tasks: Vec::new(),
    };
    if !unreadable {
        if !names::is_plain(&project.name) {
            let at = fields.spot("project");
            decoder.problem(at, format!("invalid project name: {:?}", project.name));
        }
        project.path = remote_path(decoder, &fields, host);
    }
    if let Some(node) = fields.get("backends") {
        let types = backend::Types {
            dialect,
            kinds,
            directory: &project.directory,
        };
        project.backends = types.backends(decoder, node);
    }
    if let Some(node) = fields.get("suites") {
        project.suites = task::suites(decoder, node, dialect);
    }
    if !unreadable && project.backends.is_empty() {
        decoder.problem(fields.spot("backends"), "must define at least one backend");
    }
    if !unreadable && project.suites.is_empty() {
        decoder.problem(fields.spot("suites"), "must define at least one task suite");
    }
    let (problems, notes) = reading.finish();
    Read {
        project,
        problems,
        notes,
    }
}

/// The top of the tree. `reroot` is always taken from the project file's directory, also when it begins with a slash.
fn directory(
    decoder: &mut Decoder,
    fields: &Fields<'_>,
    above: &Path,
    dialect: Dialect,
) -> PathBuf {
    let reroot = match dialect {
        Dialect::Spread => decoder.text(fields, "reroot"),
        Dialect::Plus => return above.to_owned(),
    };
    let mut directory = above.to_owned();
    for part in Path::new(reroot.trim_start_matches('/')).components() {
        match part {
            std::path::Component::ParentDir => {
                directory.pop();
            }
            std::path::Component::Normal(name) => directory.push(name),
            _ => {}
        }
    }
    directory
}

/// The remote directory: absolute and clean, never the root.
fn remote_path(decoder: &mut Decoder, fields: &Fields<'_>, host: &HostCommands) -> String {
    let written = decoder.text(fields, "path");
    let at = fields.spot("path");
    let hint =
        "the directory on the systems that the project is copied to, as in `path: /home/project`";
    if written.is_empty() {
        let message = "missing project path field with remote project location";
        decoder.problem_with_hint(at, message, hint);
        return written;
    }
    let path = match host.expand("project path", &written) {
        Ok(path) => path,
        Err(problem) => {
            decoder.problem(at, problem.message);
            return written;
        }
    };
    let clean = clean(&path);
    if !path.starts_with('/') || clean == "/" {
        let message = format!("remote project path must be absolute and not /: {path}");
        decoder.problem_with_hint(at, message, hint);
    }
    clean
}

/// Without doubled slashes and dots, as far as that can be done without looking.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let slash = if path.starts_with('/') { "/" } else { "" };
    format!("{slash}{}", parts.join("/"))
}

fn limit(decoder: &mut Decoder, fields: &Fields<'_>) -> Option<u64> {
    let number = decoder.integer(fields, "tasks-limit")?;
    if number < 0 {
        let message = format!("tasks-limit must not be negative: {number}");
        decoder.problem(fields.spot("tasks-limit"), message);
    }
    // 0 is no limit.
    u64::try_from(number).ok().filter(|limit| *limit > 0)
}
