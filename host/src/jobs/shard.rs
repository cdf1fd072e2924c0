//! One of several equal parts of the jobs, for as many machines.
//!
//! Every machine must come to the same parts without talking to the others. So what is balanced by are durations that all of
//! them have: a report of an earlier run, as `-json` writes it, or the history where they share it and the user says so; never
//! the history of one machine. Without either all jobs weigh the same. Jobs are taken from the longest to the shortest, each by the part that has least so far.

use std::collections::HashMap;

use runner_core::matrix::{Job, Problem, Project};
use serde::Deserialize;

use super::options::{Shard, TestOptions};

/// Milliseconds by the name of the job.
pub(super) type Durations = HashMap<String, u64>;

/// What of a report is needed here.
#[derive(Debug, Deserialize)]
struct Report {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(default)]
    start: Moment,
    #[serde(default)]
    end: Moment,
    #[serde(default)]
    backend: String,
    #[serde(default)]
    system: String,
    #[serde(default)]
    level: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    variant: String,
}

/// A time as reports have it: milliseconds, or local time with milliseconds.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Moment {
    Number(f64),
    Text(String),
}

impl Default for Moment {
    fn default() -> Self {
        Self::Number(0.0)
    }
}

impl Moment {
    /// From one to another; nothing if they are not of one kind, or the wrong way round.
    fn until(&self, end: &Self) -> u64 {
        match (self, end) {
            (Self::Number(start), Self::Number(end)) => (end - start).max(0.0) as u64,
            (Self::Text(start), Self::Text(end)) => {
                let moment = |text: &str| text.parse::<jiff::civil::DateTime>().ok();
                let span = moment(start).zip(moment(end));
                let span = span.map_or(0, |(start, end)| end.duration_since(start).as_millis());
                u64::try_from(span).unwrap_or(0)
            }
            (Self::Number(_), Self::Text(_)) | (Self::Text(_), Self::Number(_)) => 0,
        }
    }
}

/// The durations of the report that the options name.
pub(super) fn durations(options: &TestOptions) -> Result<Durations, Problem> {
    let mut durations = Durations::new();
    let Some(file) = &options.durations else {
        return Ok(durations);
    };
    let refused = |why: String| {
        let message = format!(
            "the report `{}` cannot be used for durations: {why}",
            file.display()
        );
        Problem::new(message).hint("it is a report as `-json FILE` writes it")
    };
    let text = std::fs::read_to_string(file).map_err(|error| refused(error.to_string()))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
    for item in report.items.iter().filter(|item| item.level == "task") {
        let mut name = format!("{}:{}:{}", item.backend, item.system, item.name);
        if !item.variant.is_empty() {
            name.push(':');
            name.push_str(&item.variant);
        }
        // Prepare, execute and restore of one job are an item each.
        let spent = item.start.until(&item.end);
        let sum = durations.entry(name).or_default();
        *sum = sum.saturating_add(spent);
    }
    Ok(durations)
}

/// The jobs of this part, in their order. What the report does not know is taken for an average job.
pub(super) fn part(
    project: &Project,
    jobs: Vec<Job>,
    shard: Shard,
    durations: &Durations,
) -> Vec<Job> {
    let known: u64 = durations.values().sum();
    let average = known
        .checked_div(durations.len() as u64)
        .unwrap_or(0)
        .max(1);
    let mut order: Vec<(u64, usize)> = jobs
        .iter()
        .enumerate()
        .map(|(at, job)| {
            let name = project.view(job).name().to_string();
            // A report does not know of samples.
            let bare = name.split('#').next().unwrap_or_default();
            (durations.get(bare).copied().unwrap_or(average), at)
        })
        .collect();
    order.sort_by_key(|(weight, at)| (std::cmp::Reverse(*weight), *at));
    let mut loads = vec![0_u64; shard.of as usize];
    let mut mine = vec![false; jobs.len()];
    for (weight, at) in order {
        let least = (0..loads.len())
            .min_by_key(|part| loads[*part])
            .unwrap_or(0);
        loads[least] = loads[least].saturating_add(weight.max(1));
        mine[at] = least + 1 == shard.number as usize;
    }
    let mut mine = mine.into_iter();
    jobs.into_iter()
        .filter(|_| mine.next().unwrap_or(false))
        .collect()
}
