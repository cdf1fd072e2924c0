//! `runner test`, and the program called as `spread`: which jobs there are, and running them.

mod args;
mod execute;
mod lint;
mod listeners;
mod problems;
mod recall;
mod reports;
mod rows;
mod schema;
mod streamed;
mod view;
pub(crate) mod words;

use std::cell::Cell;
use std::fmt::Write as _;
use std::path::Path;

use runner_core::matrix::{Dialect, Project};
use serde_json::{Value, json};

pub(crate) use args::Test;
use args::{What, refused};

use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::exit_code;
use crate::jobs::load::Kinds;
use crate::jobs::plan::{Plan, Recall, Surroundings, plan};
use crate::jobs::{Action, TestOptions};

/// Does what was asked for.
pub(crate) fn run(mut args: Test, context: &Context) -> Outcome {
    let dialect = dialect(context)?;
    match args.what.take() {
        Some(What::Lint(lint)) => return lint::run(&lint, dialect, context),
        Some(What::Schema(schema)) => return schema::run(&schema, context),
        None => {}
    }
    let options = args.options(context.verbose, dialect)?;
    let Some(plan) = planned(&options, context)? else {
        return Ok(exit_code::OK);
    };
    match plan.quarantined.len() {
        0 => {}
        1 => context.console.note("1 job is in quarantine"),
        many => context
            .console
            .note(&format!("{many} jobs are in quarantine")),
    }
    match options.action {
        Action::List => list(&plan, context),
        Action::Run | Action::Restore | Action::Discard | Action::CollectGarbage => {
            execute::execute(plan, options, context)
        }
    }
}

/// The dialect of the environment.
fn dialect(context: &Context) -> Result<Option<Dialect>, Failure> {
    let given = context.app.environment().spread_dialect.as_deref();
    let dialect = given.map(str::parse::<Dialect>).transpose();
    dialect.map_err(|error| refused(format!("RUNNER_SPREAD_DIALECT: {error}")))
}

/// The plan, or everything that is in its way. None: what failed last time shall be run, and nothing did.
fn planned(options: &TestOptions, context: &Context) -> Result<Option<Plan>, Failure> {
    let directory = &context.app.environment().directory;
    let replaced: Vec<String> = options
        .sources
        .iter()
        .map(|(backend, _)| backend.clone())
        .collect();
    let all_well = Cell::new(None);
    let failed = |project: &Project| {
        let (record, names) = recall::failed(project, context)?;
        if names.is_empty() {
            all_well.set(Some(record));
        }
        Ok(names)
    };
    let durations = |project: &Project| recall::durations(project, context);
    let by_history = options.durations.as_deref() == Some(Path::new(recall::HISTORY));
    let mut warnings = Vec::new();
    let planned = with_kinds(&replaced, context, |kinds| {
        let surroundings = Surroundings {
            directory,
            kinds,
            today: context.app.today(),
            failed: options.failed.then_some(Recall(&failed)),
            durations: by_history.then_some(Recall(&durations)),
        };
        plan(options, &surroundings, &mut warnings)
    });
    for warning in &warnings {
        context.console.warning(warning);
    }
    match (planned, all_well.get()) {
        (_, Some(record)) => {
            let note = format!("nothing failed in run {}", record.0);
            context.console.note(&note);
            Ok(None)
        }
        (Ok(plan), None) => Ok(Some(plan)),
        (Err(problems), None) => Err(problems::told(&problems.0, &context.console, directory)),
    }
}

/// With what is known about types of backends: the plugins are looked up when a project names one.
fn with_kinds<T>(replaced: &[String], context: &Context, what: impl FnOnce(Kinds<'_>) -> T) -> T {
    what(Kinds::new(&context.app, replaced))
}

/// One name a line, or with `--json` what the name is made of.
fn list(plan: &Plan, context: &Context) -> Outcome {
    if context.console.json {
        let jobs = plan.jobs.iter().map(|job| {
            let view = plan.project.view(job);
            json!({
                "name": view.name().to_string(),
                "backend": view.backend().name,
                "system": view.system().name,
                "suite": view.suite().name,
                "task": view.task().name,
                "variant": job.variant.as_deref(),
                "sample": job.sample,
                "priority": view.priority(),
            })
        });
        context.console.print_json(&Value::Array(jobs.collect()))?;
        return Ok(exit_code::OK);
    }
    let mut text = String::new();
    for job in &plan.jobs {
        // Writing to a text cannot fail.
        let _written = writeln!(text, "{}", plan.project.view(job).name());
    }
    context.console.print(&text)?;
    Ok(exit_code::OK)
}
