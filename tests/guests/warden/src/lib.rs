//! A hook whose journal is a directory, so that a test can see what it was told, and when: one file per call, whose
//! name says what happened and whose text says what is known of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use runner_sdk::{
    Candidate, Context, Error, ErrorKind, Event, Hook, Instance, Result, Router, Ticket, Verdict,
    target,
};

struct Warden;

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    journal: PathBuf,
    fail: Vec<String>,
    command: Vec<String>,
    order: Vec<String>,
    reject: BTreeMap<String, String>,
    route_error: Option<String>,
    verdicts: Option<usize>,
}

impl Config {
    fn note(&self, what: &str, text: &str) -> Result<()> {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let file = self.journal.join(format!("{:024}-{what}", now.as_nanos()));
        fs::write(file, text).map_err(|error| Error::failed(error.to_string()))
    }
}

impl Hook for Warden {
    type Config = Config;

    fn on_event(ctx: &Context<Config>, event: &Event, instance: &Instance) -> Result<()> {
        let config = &ctx.config;
        let mut text = format!(
            "source {}\nowner {}\nshelf {}\nticket {}\n",
            ctx.source,
            event.owner.as_deref().unwrap_or("-"),
            event.shelf.as_deref().unwrap_or("-"),
            event.ticket.as_deref().unwrap_or("-"),
        );
        if let Some((program, arguments)) = config.command.split_first() {
            let output = target::run(runner_sdk::Command::new(program).args(arguments))?;
            text.push_str(&String::from_utf8_lossy(&output.success()?.stdout));
        }
        let point = event.at.word();
        config.note(&format!("{point}-{}", instance.name), &text)?;
        if config.fail.iter().any(|fails| fails == point) {
            return Err(Error::failed(format!("the warden fails at `{point}`")));
        }
        Ok(())
    }
}

impl Router for Warden {
    type Config = Config;

    fn route(
        ctx: &Context<Config>,
        ticket: &Ticket,
        candidates: &[Candidate],
    ) -> Result<Vec<Verdict>> {
        let config = &ctx.config;
        config.note("route", &format!("{ticket:?}\n{candidates:#?}\n"))?;
        if let Some(kind) = &config.route_error {
            let kind = match kind.as_str() {
                "denied" => ErrorKind::Denied,
                "unavailable" => ErrorKind::Unavailable,
                "panic" => panic!("the warden panics"),
                _ => ErrorKind::Failed,
            };
            return Err(Error::new(kind, "the warden does not route"));
        }
        if let Some(count) = config.verdicts {
            return Ok(vec![Verdict::Take(0); count]);
        }
        let verdict = |candidate: &Candidate| {
            let name = &candidate.source;
            let place = config.order.iter().position(|first| first == name);
            match config.reject.get(name) {
                Some(reason) => Verdict::reject(reason),
                None => Verdict::Take(
                    u32::try_from(place.unwrap_or(config.order.len())).unwrap_or(u32::MAX),
                ),
            }
        };
        Ok(candidates.iter().map(verdict).collect())
    }
}

runner_sdk::hook!(Warden, manifest = "plugin.json", exports = [hook, routing]);
