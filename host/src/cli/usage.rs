//! Parses the arguments, and maps what clap says about wrong ones to our exit codes.

use std::ffi::{OsStr, OsString};

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::Cli;
use super::console::Console;
use super::error::Failure;
use super::exit_code;

/// Why there is nothing to carry out.
#[derive(Debug)]
pub(super) enum Refusal {
    /// clap's own words: an error, or the help and the version that were asked for.
    Clap(Box<clap::Error>),
    /// Ours.
    Failure(Failure),
}

/// Parses, and puts an `-s` from before the verb where the verb expects it.
pub(super) fn parse(words: &[OsString]) -> Result<Cli, Refusal> {
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
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("-s" | "--source" | "-d" | "--here" | "--owner") => {
                words.next();
            }
            Some(option) if option.starts_with('-') => {}
            _ => return Some(word),
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
