//! The arguments of spread, which are those of Go's `flag`: `-x` and `--x` are the same, `-x=v` and `-x v` too, booleans take only
//! `-x=v`. Turned into the words that our own parser expects, so that there is one list of options and one manual.
//!
//! Called as `spread`, parsing stops at the first word that is no option, as it does there: `s/t -list` runs. Called as `runner test`,
//! options may stand anywhere, and what is no option of `test` (`-q`, `--here DIR`) is left to the parser.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use clap::CommandFactory;

use crate::cli::args::Cli;
use crate::jobs::Style;

/// Why arguments are refused, in Go's words. The answer is 2 and the list of options.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) String);

/// Options of the whole program with a value, which may stand after the verb.
const GLOBAL_WITH_VALUE: [&str; 3] = ["-d", "--here", "--owner"];

/// The words after `test`, as our parser wants them.
pub(crate) fn translate(words: &[OsString], style: Style) -> Result<Vec<OsString>, Refused> {
    let options = Options::of_test();
    let mut out: Vec<OsString> = Vec::new();
    let mut switches: BTreeMap<&str, bool> = BTreeMap::new();
    let mut filters: Vec<OsString> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(given) = flag(word, style)? else {
            if word == "--" {
                filters.extend(words.cloned());
                break;
            }
            let subcommand =
                style == Style::Native && matches!(word.to_str(), Some("lint" | "schema"));
            if subcommand && filters.is_empty() {
                out.push(word.clone());
                out.extend(words.cloned());
                return Ok(out);
            }
            filters.push(word.clone());
            if style == Style::Spread {
                filters.extend(words.cloned());
                break;
            }
            continue;
        };
        let Some((name, takes_value)) = options.find(given.name, style, given.dashes) else {
            if style == Style::Spread {
                return Err(Refused(format!(
                    "flag provided but not defined: -{}",
                    given.name
                )));
            }
            out.push(word.clone());
            if GLOBAL_WITH_VALUE.iter().any(|global| word == global) {
                out.extend(words.next().cloned());
            }
            continue;
        };
        if takes_value {
            let value = match given.value {
                Some(value) => OsStr::new(value).to_owned(),
                None => match words.next() {
                    Some(value) => value.clone(),
                    None => {
                        return Err(Refused(format!("flag needs an argument: -{}", given.name)));
                    }
                },
            };
            let mut joined = OsString::from(format!("--{name}="));
            joined.push(value);
            out.push(joined);
        } else {
            let on = match given.value {
                None => true,
                Some(value) => boolean(value).ok_or_else(|| {
                    Refused(format!(
                        "invalid boolean value {value:?} for -{}: parse error",
                        given.name
                    ))
                })?,
            };
            switches.insert(name, on);
        }
    }
    for (name, _) in switches.into_iter().filter(|(_, on)| *on) {
        out.push(match name {
            "v" | "vv" => format!("-{name}").into(),
            _ => format!("--{name}").into(),
        });
    }
    if !filters.is_empty() {
        out.push("--".into());
        out.extend(filters);
    }
    Ok(out)
}

/// A word that looks like an option.
struct Given<'a> {
    dashes: usize,
    name: &'a str,
    value: Option<&'a str>,
}

fn flag(word: &OsStr, style: Style) -> Result<Option<Given<'_>>, Refused> {
    let Some(text) = word.to_str() else {
        return Ok(None);
    };
    let dashes = text.len() - text.trim_start_matches('-').len();
    let body = &text[dashes..];
    if dashes == 0 || body.is_empty() && dashes <= 2 {
        return Ok(None);
    }
    if style == Style::Spread && (dashes > 2 || body.starts_with('=')) {
        return Err(Refused(format!("bad flag syntax: {text}")));
    }
    let (name, value) = match body.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (body, None),
    };
    Ok(Some(Given {
        dashes,
        name,
        value,
    }))
}

/// Go's words for booleans.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The long options of `test`, and whether they take a value.
struct Options(BTreeMap<String, bool>);

impl Options {
    fn of_test() -> Self {
        let root = Cli::command();
        let test = root.find_subcommand("test");
        let options = test.into_iter().flat_map(|test| test.get_opts());
        let options = options.filter_map(|option| {
            let name = option.get_long()?;
            Some((name.to_owned(), option.get_action().takes_values()))
        });
        let switches = test.into_iter().flat_map(|test| test.get_arguments());
        let switches = switches
            .filter(|option| !option.get_action().takes_values())
            .filter_map(|option| Some((option.get_long()?.to_owned(), false)));
        Self(options.chain(switches).collect())
    }

    /// The name that our parser has for an option. `-json FILE` is spread's; `--json` belongs to the whole program.
    fn find(&self, name: &str, style: Style, dashes: usize) -> Option<(&str, bool)> {
        let spread = style == Style::Spread;
        match name {
            "json" if spread || dashes == 1 => return Some(("json-report", true)),
            "v" if spread => return Some(("v", false)),
            "vv" if spread => return Some(("vv", false)),
            "h" | "help" if spread => return Some(("help", false)),
            "version" if spread => return Some(("version", false)),
            _ => {}
        }
        let (name, takes_value) = self.0.get_key_value(name)?;
        Some((name, *takes_value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str, style: Style) -> Result<String, String> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let words = translate(&words, style).map_err(|refused| refused.0)?;
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        Ok(words.join(" "))
    }

    #[test]
    fn called_as_spread() {
        for (line, wanted) in [
            ("", ""),
            ("-list", "--list"),
            ("--list", "--list"),
            ("-list=true", "--list"),
            ("-list=0", ""),
            ("-list -list=false", ""),
            ("-seed 5 -list", "--seed=5 --list"),
            ("-seed=5", "--seed=5"),
            ("-seed -1", "--seed=-1"),
            ("-pass -x", "--pass=-x"),
            ("-json report.json", "--json-report=report.json"),
            ("-vv", "-vv"),
            ("s/t -list", "-- s/t -list"),
            ("-list s/t -v", "--list -- s/t -v"),
            ("-list -- -v", "--list -- -v"),
            ("-list -", "--list -- -"),
            ("lint", "-- lint"),
        ] {
            assert_eq!(
                translated(line, Style::Spread).as_deref(),
                Ok(wanted),
                "{line}"
            );
        }
        for (line, wanted) in [
            (
                "-list=x",
                "invalid boolean value \"x\" for -list: parse error",
            ),
            ("-nope", "flag provided but not defined: -nope"),
            ("-q", "flag provided but not defined: -q"),
            ("-seed", "flag needs an argument: -seed"),
            ("---list", "bad flag syntax: ---list"),
            ("-=x", "bad flag syntax: -=x"),
        ] {
            assert_eq!(
                translated(line, Style::Spread).unwrap_err(),
                wanted,
                "{line}"
            );
        }
    }

    #[test]
    fn called_as_ourselves() {
        for (line, wanted) in [
            ("-list s/t", "--list -- s/t"),
            ("s/t -list", "--list -- s/t"),
            ("s/t -- -list", "-- s/t -list"),
            (
                "-q --here x -d y s/t --debug",
                "-q --here x -d y --debug -- s/t",
            ),
            ("-v --json s/t", "-v --json -- s/t"),
            ("-json x", "--json-report=x"),
            ("--nope", "--nope"),
            ("lint --json", "lint --json"),
            ("s/t lint", "-- s/t lint"),
            ("--not=x:y --not z", "--not=x:y --not=z"),
        ] {
            assert_eq!(
                translated(line, Style::Native).as_deref(),
                Ok(wanted),
                "{line}"
            );
        }
    }
}
