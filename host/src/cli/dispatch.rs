//! From arguments to an exit code: parse, look around, carry out, tell.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use super::args::{Cli, Verb};
use super::commands::{
    acquire, completions, config, cp, debug, discard, events, exec, forward, help, import, lease,
    list, log, metrics, plugin, reboot, release, results, run, serve, shelf, source, status, test,
    ticket, top, why,
};
use super::console::Console;
use super::context::Context;
use super::error::{Failure, Outcome};
use super::{compile, exit_code, signals, trace, usage};
use crate::app::{App, Environment};

/// The whole program.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = compile::called(&words) {
        return code;
    }
    let (code, console) = match usage::parse(&words) {
        Ok(cli) => carry_out(cli),
        Err(refusal) => {
            let json = usage::wants_json(&words);
            let console = Console::new(false, json, Environment::from_process(None).ok().as_ref());
            return ExitCode::from(refusal.tell(&words, &console));
        }
    };
    match code {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            console.fail(&failure);
            if let Some(number) = failure.signal {
                signals::die_of(number);
            }
            ExitCode::from(failure.code)
        }
    }
}

/// Looks around, then does what the verb says.
fn carry_out(cli: Cli) -> (Outcome, Console) {
    let Cli { globals, verb, .. } = cli;
    let entered = enter(globals.here.as_deref());
    let environment = Environment::from_process(None)
        .map(|environment| environment.owned_by(globals.owner.clone()))
        .map_err(Failure::from);
    let console = Console::new(globals.quiet, globals.json, environment.as_ref().ok());
    let serves = matches!(verb, Some(Verb::Serve(_)));
    let prepare = |verbose: u8| {
        entered?;
        let environment = environment?;
        if serves {
            let log = environment.log.as_deref();
            trace::start_service(verbose, log, console.quiet, environment.journal);
        } else {
            trace::start(
                verbose,
                environment.log.as_deref(),
                console.colour,
                // With `--json` standard error holds one object and nothing else.
                console.quiet || console.json,
            );
        }
        Ok(Context {
            console,
            verbose: globals.verbose,
            app: App::new(environment),
        })
    };
    let outcome = match verb {
        // What needs nothing of the program, and works even where its surroundings are broken.
        None => help::run(&help::Help { topic: Vec::new() }, &console),
        Some(Verb::Help(args)) => help::run(&args, &console),
        Some(Verb::Commands(_)) => list::run(&console),
        Some(Verb::Completions(args)) => completions::run(&args, &console),
        // These answer for a command: their own failures have a code and a way of their own.
        Some(Verb::Run(args)) => run::run(args, || prepare(globals.verbose)),
        Some(Verb::Exec(args)) => exec::run(args, || prepare(globals.verbose)),
        // Here `-v` means more rows, or more lines of a log that is not ours.
        Some(verb @ (Verb::Status(_) | Verb::Test(_))) => {
            prepare(0).and_then(|context| ordinary(verb, &context))
        }
        Some(verb) => prepare(globals.verbose).and_then(|context| ordinary(verb, &context)),
    };
    (outcome, console)
}

/// Goes where the user wants to be.
fn enter(here: Option<&Path>) -> Result<(), Failure> {
    let Some(here) = here else {
        return Ok(());
    };
    std::env::set_current_dir(here).map_err(|error| {
        Failure::bad_option(format!("`--here {}` cannot be entered", here.display()))
            .because(&error)
    })
}

fn ordinary(verb: Verb, context: &Context) -> Outcome {
    match verb {
        Verb::Acquire(args) => acquire::run(args, context),
        Verb::Cp(args) => cp::run(args, context),
        Verb::Release(args) => release::run(&args, context),
        Verb::Discard(args) => discard::run(&args, context),
        Verb::Forward(args) => forward::run(&args, context),
        Verb::Reboot(args) => reboot::run(&args, context),
        Verb::Ticket(args) => ticket::run(args, context),
        Verb::Lease(args) => lease::run(&args, context),
        Verb::Shelf(args) => shelf::run(args, context),
        Verb::Status(args) => status::run(&args, context),
        Verb::Top(args) => top::run(&args, context),
        Verb::Why(args) => why::run(&args, context),
        Verb::Events(args) => events::run(args, context),
        Verb::Metrics(_) => metrics::run(context),
        Verb::Serve(_) => serve::run(context),
        Verb::Log(args) => log::run(args, context),
        Verb::Source(args) => source::run(&args, context),
        Verb::Plugin(args) => plugin::run(args, context),
        Verb::Config(args) => config::run(&args, context),
        Verb::Test(args) => test::run(*args, context),
        Verb::Results(args) => results::run(&args, context),
        Verb::Import(args) => import::run(args, context),
        Verb::Debug(args) => debug::run(args, context),
        Verb::Run(_) | Verb::Exec(_) | Verb::Help(_) | Verb::Commands(_) | Verb::Completions(_) => {
            Ok(exit_code::OK)
        }
    }
}
