//! The `[limits]` tables: checked when they are read, laid over each other when a source is used.
//!
//! What each limit means, its default and its bounds are the plugin room's (`Limits`). One more is the host's own:
//! `scripts`, the time that one script of `provision.d`, `acquire.d`, … may take.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::document::{Document, Entry, Value};
use super::error::{ConfigError, Position, Problem, closest};
use super::roots::Origin;
use super::settings::Settings;
use super::source::SourceConfig;
use crate::plugin::Limits;

/// The limit that is not the plugin room's.
pub(super) const SCRIPTS: &str = "scripts";
/// Installing packages on a slow machine takes minutes; a script that waits for somebody must end some time.
pub(super) const SCRIPTS_DEFAULT: u64 = 30 * 60;
/// A week, as for the other deadlines.
const SCRIPTS_MOST: u64 = 7 * 24 * 3600;

/// The limits whose 0 is "none". At the others it is a bound like any number, or refused.
const NONE_AT_ZERO: [&str; 2] = ["run", "copy"];

/// The limits that a source's instances are used with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLimits {
    /// Of one plugin call.
    pub calls: Limits,
    /// Of one script of `provision.d`, `acquire.d`, ….
    pub scripts: Duration,
}

/// The names of all limits.
pub fn limit_names() -> impl Iterator<Item = &'static str> {
    Limits::keys().chain([SCRIPTS])
}

/// The built-in values of all limits, as they would be written.
pub(super) fn built_in() -> Map<String, Json> {
    let mut table = as_table(&Limits::default());
    table.insert(SCRIPTS.into(), SCRIPTS_DEFAULT.into());
    table
}

/// Reads the entries of a `[limits]` table.
pub(super) fn read(document: &Document, entries: &[Entry]) -> (Map<String, Json>, Vec<Problem>) {
    let table: Map<String, Json> = entries
        .iter()
        .map(|entry| (entry.key.clone(), written(document, &entry.node.value)))
        .collect();
    let problems = check(&table).into_iter().map(|(key, message, meant)| {
        let entry = entries.iter().find(|entry| entry.key == key);
        let at = entry.map_or_else(
            || Position::whole(&document.file),
            |entry| document.position(entry.at),
        );
        let problem = Problem::at(at, format!("limit `{key}`: {message}"));
        match meant {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None => problem,
        }
    });
    let problems = problems.collect();
    (table, problems)
}

/// A value as written; in a format without types, numbers are texts that look like one.
fn written(document: &Document, value: &Value) -> Json {
    match value {
        Value::Text(text) if document.untyped => match serde_json::from_str(text) {
            Ok(number @ Json::Number(_)) => number,
            _ => text.as_str().into(),
        },
        other => other.to_json(),
    }
}

/// Key, message and what was probably meant, for everything that is wrong.
fn check(table: &Map<String, Json>) -> Vec<(String, String, Option<String>)> {
    let mut calls = table.clone();
    let scripts = calls.remove(SCRIPTS);
    let mut problems: Vec<_> = match Limits::from_table(&calls) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .into_iter()
            .map(|problem| {
                let known = limit_names().any(|name| name == problem.key);
                let meant = problem
                    .suggestion
                    .or_else(|| closest(&problem.key, limit_names()).map(str::to_owned))
                    .filter(|_| !known);
                (problem.key, problem.message, meant)
            })
            .collect(),
    };
    if let Some(scripts) = scripts
        && !scripts
            .as_u64()
            .is_some_and(|seconds| (1..=SCRIPTS_MOST).contains(&seconds))
    {
        let message = format!("must be between 1 and {SCRIPTS_MOST} seconds, not {scripts}");
        problems.push((SCRIPTS.into(), message, None));
    }
    problems
}

/// A source's limits: its own over the user's over the built-in ones. A project's source may lower them only: they
/// bound what a plugin can do to this machine.
pub(super) fn of_source(
    settings: &Settings,
    source: &SourceConfig,
) -> Result<SourceLimits, ConfigError> {
    let users = layered(&[&settings.limits]);
    if source.origin == Origin::Project {
        let wider = source.limits.keys().filter(|key| {
            let rank = |table: &Map<String, Json>| rank(key, table.get(key.as_str()));
            rank(&layered(&[&settings.limits, &source.limits])) > rank(&users)
        });
        let problems = wider.map(|key| {
            let value = source.limits.get(key).unwrap_or(&Json::Null);
            let holds = users.get(key).unwrap_or(&Json::Null);
            let message =
                format!("a project cannot raise the limit `{key}` to {value}: yours is {holds}");
            let hint = format!(
                "if you agree, write `{key} = {value}` under `[limits]` in your own `config.toml`"
            );
            source.problem(&format!("limits.{key}"), &message, Some(&hint))
        });
        ConfigError::unless_empty(problems.collect())?;
    }
    let mut table = layered(&[&settings.limits, &source.limits]);
    let scripts = table.remove(SCRIPTS).as_ref().and_then(Json::as_u64);
    let calls = Limits::from_table(&table).map_err(|problems| ConfigError {
        problems: problems
            .iter()
            .map(|problem| {
                source.problem(
                    &format!("limits.{}", problem.key),
                    &problem.to_string(),
                    None,
                )
            })
            .collect(),
    })?;
    Ok(SourceLimits {
        calls,
        scripts: Duration::from_secs(scripts.unwrap_or(SCRIPTS_DEFAULT)),
    })
}

/// The tables over the built-in values, in the spelling of the built-in ones (so that sizes compare). Tables are
/// checked when they are read; what is wrong in one all the same leaves the built-in values.
fn layered(tables: &[&Map<String, Json>]) -> Map<String, Json> {
    let mut calls = Map::new();
    let mut scripts = Json::from(SCRIPTS_DEFAULT);
    for table in tables {
        calls.extend((*table).clone());
        if let Some(own) = calls.remove(SCRIPTS) {
            scripts = own;
        }
    }
    let mut table = as_table(&Limits::from_table(&calls).unwrap_or_default());
    table.insert(SCRIPTS.into(), scripts);
    table
}

fn as_table(limits: &Limits) -> Map<String, Json> {
    match serde_json::to_value(limits) {
        Ok(Json::Object(table)) => table,
        _ => Map::new(),
    }
}

/// How wide a limit is.
fn rank(key: &str, value: Option<&Json>) -> f64 {
    match value.and_then(Json::as_f64) {
        Some(0.0) if NONE_AT_ZERO.contains(&key) => f64::INFINITY,
        Some(number) => number,
        None => f64::INFINITY,
    }
}
