//! Parses the arguments, and maps what clap says about wrong ones to our exit codes.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::{Cli, Verb};
use super::commands::test;
use super::console::Console;
use super::error::Failure;
use super::exit_code;
use crate::jobs::Style;
use crate::report::escape;

/// Why there is nothing to carry out.
#[derive(Debug)]
pub(super) enum Refusal {
    /// clap's own words: an error, or the help and the version that were asked for.
    Clap(Box<clap::Error>),
    /// Ours.
    Failure(Failure),
    /// Options of `test`, refused in the words of Go's `flag`.
    Go(String),
}

/// The name under which the program is spread.
const SPREAD: &str = "spread";

/// Parses what was typed, under whichever name.
pub(super) fn parse(words: &[OsString]) -> Result<Cli, Refusal> {
    let called = words.first().map(Path::new).and_then(Path::file_name);
    if called.is_some_and(|name| name == SPREAD) {
        return parse_spread(&words[1..]);
    }
    match position(words) {
        Some(at) if words[at] == "test" => {
            let mut translated = words[..=at].to_vec();
            let rest = test::words::translate(&words[at + 1..], Style::Native);
            translated.extend(rest.map_err(|refused| Refusal::Go(refused.0))?);
            parse_ours(&translated)
        }
        _ => parse_ours(words),
    }
}

/// As spread: its options, its words for what is wrong, and nothing of ours but what has a name of its own.
fn parse_spread(words: &[OsString]) -> Result<Cli, Refusal> {
    let translated = test::words::translate(words, Style::Spread);
    let translated = translated.map_err(|refused| Refusal::Go(refused.0))?;
    if translated.iter().any(|word| word == "--version") {
        let version = Cli::try_parse_from(["runner", "--version"]);
        return version.map_err(|shown| Refusal::Clap(Box::new(shown)));
    }
    let ours = ["runner".into(), "test".into()];
    let ours: Vec<OsString> = ours.into_iter().chain(translated).collect();
    let mut cli = parse_ours(&ours).map_err(|refusal| match refusal {
        Refusal::Clap(error) if error.use_stderr() => go_words(&error),
        other => other,
    })?;
    if let Some(Verb::Test(test)) = &mut cli.verb {
        test.style = Style::Spread;
    }
    Ok(cli)
}

/// A value that is not accepted, as Go's `flag` has it.
fn go_words(error: &clap::Error) -> Refusal {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let option = text(ContextKind::InvalidArg);
    let name = option.split([' ', '=']).next().unwrap_or_default();
    let name = name.trim_start_matches('-');
    let value = text(ContextKind::InvalidValue);
    Refusal::Go(format!(
        "invalid value {value:?} for flag -{name}: parse error"
    ))
}

/// Parses, and puts an `-s` from before the verb where the verb expects it.
fn parse_ours(words: &[OsString]) -> Result<Cli, Refusal> {
    let mut cli = Cli::try_parse_from(words).map_err(|error| Refusal::Clap(Box::new(error)))?;
    let (Some(early), Some(verb)) = (cli.source.take(), cli.verb.as_mut()) else {
        return Ok(cli);
    };
    let word = verb.word();
    let refuse = |message| {
        let mut failure = Failure::bad_option(message);
        if matches!(word, "run" | "exec") {
            failure.code = exit_code::RUNNER_FAILED;
        }
        Err(Refusal::Failure(failure))
    };
    match verb.source() {
        None => refuse(format!("`{word}` takes no `--source`")),
        Some(Some(late)) if *late != early => {
            refuse("`--source` is given twice, with different values".to_owned())
        }
        Some(slot) => {
            *slot = Some(early);
            Ok(cli)
        }
    }
}

impl Refusal {
    /// The exit code.
    pub(super) fn code(&self, words: &[OsString]) -> u8 {
        match self {
            Self::Failure(failure) => failure.code,
            Self::Go(_) => exit_code::BAD_OPTION,
            Self::Clap(error) if !error.use_stderr() => exit_code::OK,
            Self::Clap(error) => code(error, words),
        }
    }

    /// Tells the user, and answers the exit code.
    pub(super) fn tell(&self, words: &[OsString], console: &Console) -> u8 {
        let error = match self {
            Self::Failure(failure) => {
                console.fail(failure);
                return failure.code;
            }
            Self::Go(message) => {
                let usage = "run `runner help test` for the list of options";
                console.say(&format!("{}\n{usage}\n", escape::line(message)));
                return exit_code::BAD_OPTION;
            }
            Self::Clap(error) => error,
        };
        let styled = error.render();
        if !error.use_stderr() {
            return match console.print(&styled.to_string()) {
                Ok(()) => exit_code::OK,
                Err(failure) => {
                    console.fail(&failure);
                    failure.code
                }
            };
        }
        if console.json {
            let text = styled.to_string();
            let first = text.lines().next().unwrap_or("wrong usage");
            let failure = Failure::usage(first.trim_start_matches("error: "));
            console.fail(&failure.hint("`runner help` shows the manual"));
        } else if console.colour {
            console.say(&styled.ansi().to_string());
        } else {
            console.say(&styled.to_string());
        }
        self.code(words)
    }
}

/// The exit code of a usage error.
fn code(error: &clap::Error, words: &[OsString]) -> u8 {
    if matches!(verb(words).and_then(OsStr::to_str), Some("run" | "exec")) {
        return exit_code::RUNNER_FAILED;
    }
    match error.kind() {
        ErrorKind::InvalidSubcommand
        | ErrorKind::MissingSubcommand
        | ErrorKind::MissingRequiredArgument
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::TooManyValues
        | ErrorKind::TooFewValues
        | ErrorKind::WrongNumberOfValues => exit_code::USAGE,
        // clap has one kind for unknown options and for words that are too many.
        ErrorKind::UnknownArgument if !names_an_option(error) => exit_code::USAGE,
        _ => exit_code::BAD_OPTION,
    }
}

fn names_an_option(error: &clap::Error) -> bool {
    matches!(
        error.get(ContextKind::InvalidArg),
        Some(ContextValue::String(arg)) if arg.starts_with('-')
    )
}

/// The verb among the words: the first that is no option and no option's value. For when clap did not get that far.
pub(super) fn verb(words: &[OsString]) -> Option<&OsStr> {
    position(words).map(|at| &*words[at])
}

/// Where the verb stands.
fn position(words: &[OsString]) -> Option<usize> {
    let mut words = words.iter().enumerate().skip(1);
    while let Some((at, word)) = words.next() {
        match word.to_str() {
            Some("-s" | "--source" | "-d" | "--here" | "--owner") => {
                words.next();
            }
            Some(option) if option.starts_with('-') => {}
            _ => return Some(at),
        }
    }
    None
}

/// Whether errors are wanted as JSON, for when the arguments cannot be parsed. What belongs to a command of `run` is
/// not ours.
pub(super) fn wants_json(words: &[OsString]) -> bool {
    words
        .iter()
        .skip(1)
        .take_while(|word| *word != "--")
        .any(|word| word == "--json")
}
