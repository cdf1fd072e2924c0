//! The verbs of `runner plugin` that have to do with registries: install, update, publish and their kin.

mod args;

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::PathBuf;

use serde_json::json;

pub(crate) use args::Distribution;
use args::{InstallArgs, UpdateArgs};

use super::plugin::show;
use crate::app::{Installed, PublishRequest};
use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::exit_code;
use crate::registry::{RegistryError, Wanted};
use crate::report::{distribution as report, escape};

/// Carries out one of the verbs.
pub(crate) fn run(verb: Distribution, context: &Context) -> Outcome {
    let app = &context.app;
    match verb {
        Distribution::Install(args) => install(args, context),
        Distribution::Update(args) => update(args, context),
        Distribution::Remove { name } => {
            let notes = app.plugin_remove(&name)?;
            notes.iter().for_each(|note| context.console.note(note));
            show(context, &json!({ "removed": name, "notes": notes }), || {
                format!("removed plugin `{}`\n", escape::line(&name))
            })
        }
        Distribution::Outdated(net) => {
            let all = app.plugin_outdated(&net.options())?;
            show(context, &report::outdated_json(&all), || {
                report::outdated(&all)
            })
        }
        Distribution::Search(args) => {
            let all = app.plugin_search(&args.words, &args.registries, &args.net.options())?;
            show(context, &report::found_json(&all), || report::found(&all))
        }
        Distribution::Publish(args) => {
            let published = app.plugin_publish(&PublishRequest {
                reference: args.reference,
                plugin: args.plugin,
                key: args.key,
                level: args.level,
                proof: args.proof,
                annotations: args.annotations.into_iter().collect::<BTreeMap<_, _>>(),
                plain_http: args.net.plain_http,
                force: args.force,
            })?;
            show(context, &report::published_json(&published), || {
                report::published(&published)
            })
        }
        Distribution::Yank { reference, net } => {
            let version = app.plugin_yank(&reference, net.plain_http)?;
            show(context, &json!({ "yanked": version }), || {
                format!("withdrew version {version}\n")
            })
        }
        Distribution::Keygen { prefix } => {
            let (secret, public, fingerprint) = app.plugin_keygen(&prefix)?;
            let told = json!({
                "secret": secret.display().to_string(),
                "public": public.display().to_string(),
                "fingerprint": fingerprint,
            });
            show(context, &told, || {
                format!(
                    "made {} (keep it to yourself) and {}\n  key {fingerprint}\n",
                    secret.display(),
                    public.display()
                )
            })
        }
        Distribution::Export(args) => {
            let wanted = args.plugins.iter().map(|text| Wanted::parse(text));
            let wanted = wanted.collect::<Result<Vec<_>, _>>().map_err(unusable)?;
            let exported = app.plugin_export(&wanted, &args.output, &args.fetch.options())?;
            let names: Vec<_> = exported
                .iter()
                .map(|(name, version)| json!({ "name": name, "version": version }))
                .collect();
            let told = json!({ "file": args.output.display().to_string(), "plugins": names });
            show(context, &told, || {
                let lines = exported
                    .iter()
                    .map(|(name, version)| format!("exported `{name}` {version}\n"));
                lines.collect()
            })
        }
        Distribution::Import { file, fetch, take } => {
            let installed = app.plugin_import(&file, &take.and(fetch.options()))?;
            tell_installed(&installed, context)
        }
        Distribution::Login {
            host,
            user,
            password_stdin,
        } => {
            let password = password(password_stdin, context)?;
            let path = app.registry_login(&host, &user, &password)?;
            show(
                context,
                &json!({ "host": host, "file": path.display().to_string() }),
                || format!("kept in {}\n", path.display()),
            )
        }
        Distribution::Logout { host } => {
            let was_there = app.registry_logout(&host)?;
            show(
                context,
                &json!({ "host": host, "forgotten": was_there }),
                || match was_there {
                    true => format!("forgot the password for `{}`\n", escape::line(&host)),
                    false => format!("there was no password for `{}`\n", escape::line(&host)),
                },
            )
        }
    }
}

fn install(args: InstallArgs, context: &Context) -> Outcome {
    let app = &context.app;
    let options = args.take.and(args.fetch.options());
    let Some(plugin) = args.plugin else {
        let installed = app.plugin_install_locked(&options)?;
        for one in &installed {
            tell_notes(one, context);
        }
        let all: Vec<_> = installed.iter().map(report::installed_json).collect();
        return show(context, &json!({ "plugins": all }), || {
            report::installed(&installed)
        });
    };
    let is_reference = plugin.starts_with("oci://");
    if plugin.starts_with("https://") || plugin.starts_with("http://") {
        return Err(Failure::bad_option(format!(
            "`{plugin}` is a plain web address: nothing says who made what is there"
        ))
        .hint("download it, look at it with `runner plugin inspect ./FILE.wasm`, and install the file"));
    }
    let is_file = !is_reference && (plugin.contains('/') || plugin.ends_with(".wasm"));
    let installed = if is_file {
        if options.lock {
            return Err(Failure::bad_option(
                "a file cannot be pinned: `--lock` is for plugins from registries",
            ));
        }
        app.plugin_install_file(&PathBuf::from(plugin))?
    } else {
        let wanted = Wanted::parse(&plugin).map_err(unusable)?;
        app.plugin_install_wanted(&wanted, &options)?
    };
    tell_notes(&installed, context);
    let told = report::installed_json(&installed);
    let installed = [installed];
    show(context, &told, || report::installed(&installed))
}

fn tell_installed(installed: &[Installed], context: &Context) -> Outcome {
    for one in installed {
        tell_notes(one, context);
    }
    let all: Vec<_> = installed.iter().map(report::installed_json).collect();
    show(context, &json!({ "plugins": all }), || {
        report::installed(installed)
    })
}

fn tell_notes(installed: &Installed, context: &Context) {
    installed
        .notes
        .iter()
        .for_each(|note| context.console.note(note));
}

/// Shows each update, and takes it when the user says so. Taken or not: what was not taken is told, so that nobody thinks it was.
fn update(args: UpdateArgs, context: &Context) -> Outcome {
    let options = args.take.and(args.fetch.options());
    let updates = context.app.plugin_updates(&args.names, &options)?;
    let mut told = Vec::new();
    let mut refused = 0;
    if updates.is_empty() && !context.console.json {
        context
            .console
            .print("every plugin is the newest in its range\n")?;
        return Ok(exit_code::OK);
    }
    for update in updates {
        let mut value = report::update_json(&update);
        if !context.console.json {
            context.console.print(&report::update(&update))?;
        }
        let take =
            args.yes || (!args.dry_run && !context.console.json && wanted(&update.name, context)?);
        if take {
            let installed = context.app.plugin_update(update, &options)?;
            tell_notes(&installed, context);
            if !context.console.json {
                context
                    .console
                    .print(&report::installed(std::slice::from_ref(&installed)))?;
            }
        } else if !args.dry_run {
            refused += 1;
        }
        value["taken"] = take.into();
        told.push(value);
    }
    if context.console.json {
        context.console.print_json(&json!({ "updates": told }))?;
    }
    match refused {
        0 => Ok(exit_code::OK),
        _ => Err(
            Failure::new("denied", format!("{refused} of the updates were not taken"))
                .hint("`--yes` takes them without asking, `--dry-run` only shows them"),
        ),
    }
}

/// Asks at the terminal; nobody there is a no.
fn wanted(name: &str, context: &Context) -> Result<bool, Failure> {
    let (input, stderr) = (std::io::stdin(), std::io::stderr());
    if !(input.is_terminal() && stderr.is_terminal()) {
        return Ok(false);
    }
    let question = format!(
        "Take it, for every source that names `{}`? [y]es / [N]o ",
        escape::line(name)
    );
    context.console.say(&question);
    let mut line = String::new();
    let read = input.lock().read_line(&mut line);
    read.map_err(|error| Failure::io("the answer cannot be read", &error))?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn password(all: bool, context: &Context) -> Result<String, Failure> {
    let mut text = String::new();
    let mut input = std::io::stdin().lock();
    let read = if all {
        input.read_to_string(&mut text)
    } else {
        if std::io::stdin().is_terminal() {
            context.console.note("the password or token, on a line of its own (it is shown as you type; `--password-stdin` reads it from a pipe):");
        }
        input.read_line(&mut text)
    };
    read.map_err(|error| Failure::io("the password cannot be read", &error))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(Failure::bad_option("the password is empty").hint("give it on standard input"));
    }
    Ok(text.to_owned())
}

fn unusable(error: RegistryError) -> Failure {
    let hint = error.hint.clone();
    let failure = Failure::bad_option(error.to_string());
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
