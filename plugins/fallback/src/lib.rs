//! A wrapper that asks for an instance with one set of settings after the other, until one works: spot machines, then others.
//!
//! What a failed try left is destroyed before the next one is made. Which settings it may change is the operator's word (`sets`), which
//! the host sees to. The deadline of the call that is wrapped holds for all tries together.

use std::time::Duration;

use runner_sdk::prelude::*;
use runner_sdk::{Doomed, ErrorKind, inner};
use serde_json::{Map, Value};

struct Fallback;

#[derive(serde::Deserialize)]
struct Config {
    tries: Vec<Map<String, Value>>,
    on: Vec<On>,
}

type Ctx = Context<Config>;

/// A kind of failure.
#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum On {
    Exhausted,
    Unavailable,
    Failed,
}

impl Config {
    /// Another set of settings may help.
    fn goes_on(&self, error: &Error) -> bool {
        let kind = match error.kind {
            ErrorKind::Exhausted => On::Exhausted,
            ErrorKind::Unavailable => On::Unavailable,
            ErrorKind::Failed => On::Failed,
            _ => return false,
        };
        self.on.contains(&kind)
    }
}

/// A try, as it is shown to people.
fn shown(settings: &Map<String, Value>) -> String {
    if settings.is_empty() {
        return "the source as it stands".to_owned();
    }
    let one = |(key, value): (&String, &Value)| match value {
        Value::String(text) => format!("{key}={text}"),
        value => format!("{key}={value}"),
    };
    settings.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The failures of all tries, as one.
fn all_failed(failures: Vec<(String, Error)>) -> Error {
    let waits: Vec<Option<Duration>> = failures
        .iter()
        .map(|(_, error)| error.retry_after)
        .collect();
    let told: Vec<_> = failures
        .iter()
        .map(|(settings, error)| format!("with {settings}: {error}"))
        .collect();
    let Some((_, last)) = failures.into_iter().next_back() else {
        return Error::invalid("there is nothing to try");
    };
    Error {
        message: told.join("; "),
        // One that does not say when is asked whenever the host likes.
        retry_after: waits
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .and_then(|waits| waits.into_iter().min()),
        ..last
    }
}

impl Provider for Fallback {
    type Config = Config;

    fn allocate(ctx: &Ctx, request: &Request) -> Result<Allocated> {
        let left = request.leftover();
        let count = ctx.config.tries.len();
        let mut failures = Vec::new();
        for (number, settings) in (1..).zip(&ctx.config.tries) {
            let error = match inner::allocate_with(request, settings) {
                Ok(made) if made.attributes.len() < 32 => {
                    let which = format!("{number} of {count}: {}", shown(settings));
                    return Ok(made.attribute("fallback", which));
                }
                Ok(made) => return Ok(made),
                Err(error) => error,
            };
            if !ctx.config.goes_on(&error) {
                return Err(error.context(format!("with {}", shown(settings))));
            }
            log::info(format!(
                "try {number} of {count}, with {}: {error}",
                shown(settings)
            ));
            failures.push((shown(settings), error));
            if number < count {
                inner::discard(&left)?;
            }
        }
        Err(all_failed(failures))
    }

    fn run(_: &Ctx, instance: &Instance, command: Command, io: Stdio) -> Result<ExitStatus> {
        inner::run(instance, command, io)
    }

    fn discard(_: &Ctx, doomed: &Doomed) -> Result<()> {
        inner::discard(doomed)
    }
}

runner_sdk::provider!(Fallback, manifest = "plugin.json");

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_end_tells_of_every_try_and_waits_for_the_first() {
        let after = |seconds| Error::exhausted("none").retry_after(Duration::from_secs(seconds));
        let all =
            |errors: [Error; 2]| all_failed(errors.map(|error| ("x=1".to_owned(), error)).into());
        let both = all([after(60), after(30)]);
        assert_eq!(both.kind, ErrorKind::Exhausted);
        assert_eq!(both.message, "with x=1: none; with x=1: none");
        assert_eq!(both.retry_after, Some(Duration::from_secs(30)));
        let silent = all([after(60), Error::unavailable("down")]);
        assert_eq!(
            (silent.kind, silent.retry_after),
            (ErrorKind::Unavailable, None)
        );
    }

    #[test]
    fn settings_are_shown_as_they_are_written() {
        let settings = json!({"spot": true, "plan": "c7i.large"});
        let text = shown(settings.as_object().unwrap());
        assert!(
            text.contains("spot=true") && text.contains("plan=c7i.large"),
            "{text}"
        );
        assert_eq!(shown(&Map::new()), "the source as it stands");
    }
}
