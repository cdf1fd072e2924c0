//! How problems of a project are told: the ancestor's words first, then where and what to do.

use std::path::Path;

use runner_core::matrix::Problem;
use serde_json::{Value, json};

use crate::cli::console::Console;
use crate::cli::error::Failure;
use crate::cli::exit_code;
use crate::report::{escape, json as words};

/// Nobody reads more, and a project that is not one may have thousands.
const MOST: usize = 200;

/// Tells them all, and answers the failure, of which nothing more is to be told.
pub(super) fn told(problems: &[Problem], console: &Console, directory: &Path) -> Failure {
    if console.json {
        let all: Vec<Value> = problems.iter().map(|one| object(one, directory)).collect();
        let mut line = words::compact(&json!({ "kind": "project", "problems": all }));
        line.push('\n');
        console.say(&line);
    } else {
        let mut text = String::new();
        for problem in problems.iter().take(MOST) {
            text.push_str(&lines("error", problem, directory));
        }
        if problems.len() > MOST {
            text.push_str(&format!("and {} more\n", problems.len() - MOST));
        }
        console.say(&text);
    }
    Failure {
        code: exit_code::UNSUCCESSFUL,
        silent: true,
        ..Failure::new("project", "the project cannot be used")
    }
}

/// The lines for people.
pub(super) fn lines(word: &str, problem: &Problem, directory: &Path) -> String {
    let mut text = format!("{word}: {}\n", escape::block(&problem.message, "  "));
    if let Some(place) = place(problem, directory) {
        text.push_str(&format!("  at {}\n", escape::line(&place)));
    }
    if let Some(hint) = &problem.hint {
        text.push_str(&format!("  hint: {}\n", escape::block(hint, "  ")));
    }
    text
}

/// The object for programs.
pub(super) fn object(problem: &Problem, directory: &Path) -> Value {
    let spot = problem.place.as_ref().map(|place| place.spot);
    json!({
        "message": problem.message,
        "file": problem.place.as_ref().map(|place| near(&place.file, directory)),
        "line": spot.map(|spot| spot.line).filter(|line| *line > 0),
        "column": spot.map(|spot| spot.column).filter(|column| *column > 0),
        "hint": problem.hint,
    })
}

/// `FILE:LINE:COLUMN`.
pub(super) fn place(problem: &Problem, directory: &Path) -> Option<String> {
    let place = problem.place.as_ref()?;
    let mut text = near(&place.file, directory);
    if place.spot.line > 0 {
        text.push_str(&format!(":{}:{}", place.spot.line, place.spot.column));
    }
    Some(text)
}

/// From where the user is, if it lies below.
fn near(file: &Path, directory: &Path) -> String {
    file.strip_prefix(directory)
        .unwrap_or(file)
        .display()
        .to_string()
}

/// `FILE:LINE:COLUMN: warning: …`, as compilers have it, for editors and problem matchers.
pub(super) fn one_line(problem: &Problem, directory: &Path) -> String {
    let place = place(problem, directory).map(|place| format!("{place}: "));
    let mut text = format!("{}warning: {}", place.unwrap_or_default(), problem.message);
    if let Some(hint) = &problem.hint {
        text.push_str(&format!(" ({hint})"));
    }
    format!("{}\n", escape::line(&text))
}
