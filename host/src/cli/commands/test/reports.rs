//! Reports that are written to files: by whom, where, and what happens when that fails.
//!
//! Every file is opened before anything is run, so that nobody waits an hour to hear that a directory is not there.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use runner_core::schedule::Verb;

use crate::app::GitHub;
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::jobs::events::{Event, Listener};
use crate::jobs::plan::Plan;
use crate::jobs::tally::{Reader, Tally};
use crate::jobs::{Style, TestOptions};
use crate::report::run::{github, html, junit, plus};
use crate::report::{escape, json};

/// A line of JSON for each event.
pub(super) struct Events {
    out: Box<dyn Write + Send>,
}

impl Events {
    /// To this file; `-` is standard output.
    pub(super) fn new(path: &Path) -> Result<Self, Failure> {
        let out: Box<dyn Write + Send> = if path == Path::new("-") {
            Box::new(std::io::stdout())
        } else {
            Box::new(create(path)?)
        };
        Ok(Self { out })
    }
}

impl Listener for Events {
    fn on(&mut self, event: &Event) {
        // Events are made of plain fields, and always serialise.
        let value = serde_json::to_value(event).unwrap_or_default();
        let line = format!("{}\n", json::compact(&value));
        let _nobody_reads = self
            .out
            .write_all(line.as_bytes())
            .and_then(|()| self.out.flush());
    }
}

/// Who wants the whole run, once it is over.
pub(super) fn readers(
    plan: &Plan,
    options: &TestOptions,
    place: &Path,
    context: &Context,
) -> Result<Vec<Reader>, Failure> {
    let mut all: Vec<Reader> = Vec::new();
    if let Some(path) = &options.json {
        let report = |tally: &Tally| json::pretty(&plus::plus(tally, &TimeZone::system()));
        all.push(written(path, report)?);
    }
    if let Some(path) = &options.junit {
        all.push(written(path, junit::junit)?);
    }
    if let Some(path) = &options.html {
        let report = |tally: &Tally| html::html(tally, &TimeZone::system());
        all.push(written(path, report)?);
    }
    let there = context.app.environment().github.clone();
    // Called as spread, nothing is added to the log unless it is asked for.
    let wanted = options.github || (there.is_some() && options.style == Style::Native);
    if wanted {
        let to_stdout = options.events.as_deref() != Some(Path::new("-"));
        all.push(on_github(plan, place, there.unwrap_or_default(), to_stdout));
    }
    Ok(all)
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| {
        let what = format!("the report `{}` cannot be written", path.display());
        Failure::io(&what, &error)
    })
}

/// A report in a file of its own.
fn written(
    path: &Path,
    report: impl FnOnce(&Tally) -> String + Send + 'static,
) -> Result<Reader, Failure> {
    let mut file = create(path)?;
    let path = path.to_owned();
    Ok(Box::new(move |tally| {
        let written = file.write_all(report(tally).as_bytes());
        if let Err(error) = written.and_then(|()| file.flush()) {
            complain(&path, &error);
        }
    }))
}

fn complain(path: &Path, error: &std::io::Error) {
    tracing::warn!(
        "the report `{}` is not complete: {error}",
        escape::line(&path.display().to_string())
    );
}

/// Annotations on standard output, and the summary of the step.
fn on_github(plan: &Plan, place: &Path, there: GitHub, to_stdout: bool) -> Reader {
    let (project, jobs) = (plan.project.clone(), plan.jobs.clone());
    let top: PathBuf = there.workspace.unwrap_or_else(|| place.to_owned());
    let summary = there.summary;
    Box::new(move |tally| {
        let place = |job: usize, verb: Verb| {
            let task = project.view(jobs.get(job)?).task();
            let script = match verb {
                Verb::Prepare => &task.prepare,
                Verb::Execute => &task.execute,
                Verb::Restore => &task.restore,
                Verb::Debug => &task.debug,
            };
            let file = std::path::absolute(&task.file).ok()?;
            let file = file.strip_prefix(&top).map(Path::to_owned).unwrap_or(file);
            Some((file, script.line))
        };
        if to_stdout {
            let text = github::annotations(tally, &place);
            let mut out = std::io::stdout().lock();
            let _nobody_reads = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
        if let Some(path) = &summary {
            let file = OpenOptions::new().append(true).create(true).open(path);
            let written =
                file.and_then(|mut file| file.write_all(github::summary(tally).as_bytes()));
            if let Err(error) = written {
                complain(path, &error);
            }
        }
    })
}
