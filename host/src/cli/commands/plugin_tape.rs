//! `runner plugin record` and `replay`: what a plugin asks of the world, written down and played again without it.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::plugin_test;
use crate::app::Consent;
use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::grant_dialog::{Always, Dialog};
use crate::cli::{exit_code, values};
use crate::config::SourceArgument;
use crate::conformance;
use crate::engine::EngineError;
use crate::report::conformance as report;
use crate::tape::{Bundle, Cassette, repeat};

/// Nobody waits longer for a recording.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Record what a provider asks of the world, without secrets
///
/// Makes one instance, asks everything that the plugin can be asked (`check`, `probe`, `list`), runs the command if one is given,
/// and discards it. Every request to a program, an HTTP server, an ssh host, a clock or a source of random numbers is written
/// down with its answer, one JSON object per line; values of secrets are replaced by their names. Look at the file before you
/// give it away: what nobody could know to be secret is still in it. `plugin test --record` records a run of the suite.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner plugin record lab --to lab.jsonl -- uname -a
  runner plugin record ./box.wasm image=debian --to box.jsonl
  runner plugin replay box.jsonl --with ./box.wasm")]
pub(crate) struct Record {
    /// A component file (`PATH.wasm`), or a configured source
    #[arg(value_name = "FILE|SOURCE", value_parser = values::source())]
    pub source: SourceArgument,

    /// Settings of the plugin
    #[arg(value_name = "KEY=VALUE", value_parser = values::option)]
    pub options: Vec<(String, String)>,

    /// Where the recording goes
    #[arg(long, value_name = "CASSETTE")]
    pub to: PathBuf,

    /// Fail one import on purpose: `VERB:N=FAULT`, such as `allocate:0=lost-reply`
    ///
    /// The N-th use of an import in the call counts from 0. FAULT is an HTTP status from 400 to 599, `time-out`, `reset`,
    /// `lost-reply`, `stale`, `killed` or `killed-after`.
    #[arg(long, value_name = "PLACE")]
    pub fault: Option<crate::tape::Injection>,

    /// Grant the plugin what it asks for, for this call only
    #[arg(long)]
    pub grant: bool,

    /// A command to run on the instance
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Play a recording: the same calls, no network, every difference
///
/// Makes each recorded call of the component and answers its requests from the recording. Requests that differ from the
/// recorded ones are told by their place, and so are other ends; the exit code is 5 then. Without `--with` the plugin of the
/// recorded name is played, and of a bundle the component in it.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A cassette, or a bundle from `plugin test --bundle`
    #[arg(value_name = "CASSETTE|BUNDLE")]
    pub recording: PathBuf,

    /// The component to play: a file (`PATH.wasm`) or the name of a plugin
    #[arg(long, value_name = "FILE|NAME")]
    pub with: Option<String>,
}

/// Records one life.
pub(crate) fn record(args: &Record, context: &Context) -> Outcome {
    let consent: &dyn Consent = if args.grant { &Always } else { &Dialog };
    let mut trial = context
        .app
        .trial(&args.source, &args.options, &[], consent, true)?;
    if let Some(fault) = &args.fault {
        trial.faults().arm(fault.clone());
    }
    let bench = trial.bench(None, PATIENCE)?;
    let argv = values::argv(&args.command);
    let lived =
        context.block_on(async { Ok::<_, EngineError>(conformance::live(&bench, argv).await) })?;
    trial.save(None, &args.to)?;
    let left = plugin_test::finish(trial)?;
    if let Some(output) = &lived.output {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        context.console.print(&text(&output.stdout))?;
        let mut stderr = std::io::stderr().lock();
        let _nobody_to_tell = stderr.write_all(&output.stderr);
    }
    let steps = lived.steps.join(", ");
    context
        .console
        .note(&format!("recorded {steps} in `{}`", args.to.display()));
    if let (Some(fault), None) = (&args.fault, lived.struck) {
        context.console.warning(&format!(
            "`{fault}` never happened: the call did not get that far"
        ));
    }
    for left in left.into_iter().chain(lived.left) {
        context.console.warning(&format!("left behind: {left}"));
    }
    match lived.failure {
        None => Ok(exit_code::OK),
        Some(why) => Err(Failure::new("provider", "the provider failed")
            .hint(format!(
                "the recording has all of it: `{}`",
                args.to.display()
            ))
            .caused_by(why)),
    }
}

/// Plays a recording.
pub(crate) fn replay(args: &Replay, context: &Context) -> Outcome {
    let unreadable = |error: &(dyn std::error::Error + 'static)| {
        Failure::new("invalid", "the recording cannot be used").because(error)
    };
    // Kept until the component is loaded.
    let mut unpacked = None;
    let (cassette, component) = match Bundle::is_bundle(&args.recording) {
        false => {
            let cassette = Cassette::load(&args.recording).map_err(|error| unreadable(&error))?;
            (cassette, args.with.clone())
        }
        true => {
            let bundle = Bundle::load(&args.recording).map_err(|error| unreadable(&error))?;
            let mut file = tempfile::Builder::new()
                .suffix(".wasm")
                .tempfile()
                .map_err(|error| Failure::io("cannot unpack the component", &error))?;
            file.write_all(&bundle.component)
                .map_err(|error| Failure::io("cannot unpack the component", &error))?;
            let path = file.path().display().to_string();
            unpacked = Some(file);
            (bundle.cassette, Some(args.with.clone().unwrap_or(path)))
        }
    };
    let played = context.app.play(&cassette, component.as_deref())?;
    drop(unpacked);
    let made = context.block_on(async {
        for call in &cassette.calls {
            repeat(&*played.provider, call).await?;
        }
        Ok::<_, crate::tape::NotRepeatable>(cassette.calls.len())
    })?;
    let (found, unplayed) = (played.player.differences(), played.player.unplayed());
    let digest = &played.component().reference.digest;
    if context.console.json {
        context.console.print_json(&json!({
            "plugin": cassette.header.plugin, "recorded-digest": cassette.header.digest,
            "digest": digest, "calls": made, "differences": found,
        }))?;
    } else {
        context
            .console
            .print(&report::differences(&found, &unplayed))?;
        let which = match *digest == cassette.header.digest {
            true => "the component that was recorded",
            false => "another component than was recorded",
        };
        context.console.print(&format!(
            "played {made} calls of {which}: {}\n",
            match found.len() {
                0 => "no difference".to_owned(),
                1 => "1 difference".to_owned(),
                many => format!("{many} differences"),
            }
        ))?;
    }
    Ok(match found.is_empty() {
        true => exit_code::OK,
        false => exit_code::NOT_HELD,
    })
}

impl From<crate::tape::NotRepeatable> for Failure {
    fn from(error: crate::tape::NotRepeatable) -> Self {
        Self::new("invalid", error.to_string())
    }
}
