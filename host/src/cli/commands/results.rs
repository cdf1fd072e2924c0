//! `runner results`: what was tested, and what came of it.

use clap::Args;
use jiff::tz::TimeZone;

use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::exit_code;
use crate::engine::FailureKind;
use crate::history::{History, RecordFilter, RecordId, RecordRow};
use crate::jobs::plan::names_meant_by;
use crate::report::results as report;

/// Show what was tested and what came of it: the latest runs, one of them, or a task over revisions and systems
///
/// Every `runner test` is recorded while it runs; what is left of one that was killed is `interrupted`. The newest comes last.
/// A task is named by a filter, as `test` takes them. How long records are kept is `fleet.history`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner results                            the latest runs
  runner results --run last                 the jobs of the last one, what failed first
  runner results --run 12 tests/main/apt    its phases, what it said, and its files
  runner results tests/main/apt             how that task did, over revisions and systems
  runner results ubuntu-24.04-64:tests/ --project snapd -n 5 --json")]
pub(crate) struct Results {
    /// The history of the tasks that this means
    #[arg(value_name = "TASK")]
    pub task: Option<String>,

    /// One run: its number, or `last`
    #[arg(long, value_name = "ID", value_parser = which)]
    pub run: Option<Which>,

    /// Only this project's
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,

    /// At most so many, the newest: runs, or entries for each job
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 20)]
    pub number: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Last,
    Number(i64),
}

fn which(text: &str) -> Result<Which, String> {
    match text {
        "last" => Ok(Which::Last),
        text => text
            .trim_start_matches('#')
            .parse()
            .map(Which::Number)
            .map_err(|_| "the number of a run, or `last`".to_owned()),
    }
}

/// Reads and prints.
pub(crate) fn run(args: &Results, context: &Context) -> Outcome {
    let history = context.app.history()?;
    match args.run {
        Some(which) => one(args, which, &history, context),
        None => match &args.task {
            Some(task) => of_task(args, task, &history, context),
            None => latest(args, &history, context),
        },
    }
}

fn latest(args: &Results, history: &History, context: &Context) -> Outcome {
    let records = newest(args, history, args.number)?;
    if context.console.json {
        context
            .console
            .print_json(&report::records_json(&records))?;
    } else {
        let table = report::records_table(&records, &TimeZone::system());
        context.console.print(&table)?;
    }
    Ok(exit_code::OK)
}

fn newest(args: &Results, history: &History, last: u32) -> Result<Vec<RecordRow>, Failure> {
    Ok(history.records(&RecordFilter {
        project: args.project.clone(),
        last,
        ..RecordFilter::default()
    })?)
}

fn of_task(args: &Results, task: &str, history: &History, context: &Context) -> Outcome {
    let meant = meant(task)?;
    let found = history.of_tasks(args.project.as_deref(), args.number, meant)?;
    if found.is_empty() {
        return Err(nothing(format!("no recorded task is meant by `{task}`")));
    }
    if context.console.json {
        context.console.print_json(&report::history_json(&found))?;
    } else {
        let table = report::history_table(&found, &TimeZone::system());
        context.console.print(&table)?;
    }
    Ok(exit_code::OK)
}

fn one(args: &Results, which: Which, history: &History, context: &Context) -> Outcome {
    let id = match which {
        Which::Number(number) => RecordId(number),
        Which::Last => match newest(args, history, 1)?.pop() {
            Some(record) => record.id,
            None => return Err(nothing("no run is recorded")),
        },
    };
    let mut whole = history
        .whole(id)?
        .ok_or_else(|| nothing(format!("no run {} is recorded", id.0)))?;
    let zone = TimeZone::system();
    let text = match &args.task {
        None => report::run(&whole, &zone),
        Some(task) => {
            let meant = meant(task)?;
            whole.keep(|task| meant(&task.name));
            if whole.tasks.is_empty() {
                return Err(nothing(format!("run {} has no task `{task}`", id.0)));
            }
            report::phases(&whole, &zone)
        }
    };
    if context.console.json {
        context.console.print_json(&report::run_json(&whole))?;
    } else {
        context.console.print(&text)?;
    }
    Ok(exit_code::OK)
}

fn meant(task: &str) -> Result<impl Fn(&str) -> bool + use<>, Failure> {
    names_meant_by(task).map_err(|problem| Failure::bad_option(problem.message))
}

fn nothing(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Invalid.word(), message)
        .hint("`runner results` shows which runs there are")
}
