//! `runner plugin test`: the conformance suite, for anybody's provider.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::app::{Consent, Simulator, Trial};
use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::grant_dialog::{Always, Dialog};
use crate::cli::signals::{self, Signals};
use crate::cli::{exit_code, values};
use crate::config::SourceArgument;
use crate::conformance::{self, Bench, Finding, Level, Report};
use crate::plugin::Component;
use crate::report::conformance as report;
use crate::tape::{Bundle, Cassette};

/// Show whether a provider does what every provider owes
///
/// Tries each behaviour by name and tells what was expected and what was seen. Level `basic`: it makes instances, runs commands
/// faithfully and destroys what it made. `complete`: the whole contract, with lost answers, repeated and parallel calls, and
/// everything that it exports. `robust`: each import of `allocate` and `discard` fails in turn, in every way that applies, and
/// nothing may remain, by the books and by the plugin's own `list`.
///
/// It runs against whatever the settings name: the real backend, or an emulator of it, which `--simulator` starts; instances are
/// made and destroyed there.
/// Books and directories are the trial's own, apart from yours. With `--cassette` nothing is reached at all: the backend's
/// answers come from a recording, for the levels `basic` and `complete`. The exit code is 0 when the level is reached, and 5
/// when it is not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner plugin test ./box.wasm image=debian
  runner plugin test lab --level robust --junit conformance.xml
  runner plugin test ./box.wasm --simulator './boxes.py --port 0' --level robust
  runner plugin test lab --record lab.jsonl
  runner plugin test ./box.wasm --cassette lab.jsonl")]
pub(crate) struct Test {
    /// A component file (`PATH.wasm`), or a configured source
    #[arg(value_name = "FILE|SOURCE", value_parser = values::source())]
    pub source: SourceArgument,

    /// Settings of the plugin
    #[arg(value_name = "KEY=VALUE", value_parser = values::option)]
    pub options: Vec<(String, String)>,

    /// How much is demanded: `basic`, `complete` or `robust`
    #[arg(long, value_name = "LEVEL", default_value = "complete")]
    pub level: Level,

    /// A setting that the plugin must refuse as `invalid` or `denied` (may be repeated: each is tried alone)
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::option)]
    pub bad: Vec<(String, String)>,

    /// Play the backend's answers from this recording
    #[arg(long, value_name = "CASSETTE", conflicts_with_all = ["record", "bundle", "bad", "options"])]
    pub cassette: Option<PathBuf>,

    /// Start this simulated backend (a line of shell) first, use what it says, and end it afterwards
    ///
    /// Its first line of output says where it is, as a JSON object: `settings` for the plugin, which the ones given here override;
    /// `secrets`, by name; `ca-file` with the certificates to trust. All may be left out. Its standard input ends when `runner` does.
    #[arg(long, value_name = "COMMAND", conflicts_with = "cassette")]
    pub simulator: Option<OsString>,

    /// Record what passes between plugin and backend, without secrets
    #[arg(long, value_name = "CASSETTE")]
    pub record: Option<PathBuf>,

    /// When it fails, pack component, recording, log and report into this archive
    #[arg(long, value_name = "FILE.tar")]
    pub bundle: Option<PathBuf>,

    /// Write the findings as JUnit's XML as well
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    /// Write the findings as JSON as well: what `runner plugin publish --proof` takes
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// How many instances may exist at once, instead of the source's `maximum`; the suite wants 3
    #[arg(long, value_name = "N")]
    pub maximum: Option<u32>,

    /// How long one behaviour may take
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = values::duration)]
    pub patience: Duration,

    /// Grant the plugin what it asks for, for this call only
    #[arg(long)]
    pub grant: bool,
}

/// Shows everything, and tells.
pub(crate) fn run(args: &Test, context: &Context) -> Outcome {
    let report = match &args.cassette {
        Some(path) => on_cassette(args, path, context)?,
        None => live(args, context)?,
    };
    let write = |path: &Path, text: String| {
        std::fs::write(path, text)
            .map_err(|error| Failure::io(format!("cannot write `{}`", path.display()), &error))
    };
    if let Some(path) = &args.junit {
        write(path, report::junit(&report))?;
    }
    if let Some(path) = &args.report {
        write(path, format!("{:#}\n", report::json(&report)))?;
    }
    if context.console.json {
        context.console.print_json(&report::json(&report))?;
    } else {
        context.console.print(&report::summary(&report))?;
    }
    Ok(match report.passed() {
        true => exit_code::OK,
        false => exit_code::NOT_HELD,
    })
}

/// Shows everything. A person sees each finding as it becomes known.
fn show(report: &mut Report, bench: &Bench, context: &Context) -> Result<(), Failure> {
    let console = &context.console;
    let tell = |text: &str| match console.json {
        true => Ok(()),
        false => console.print(text),
    };
    tell(&report::head(report))?;
    let (mut level, mut told) = (None, Ok(()));
    let each = |finding: &Finding| {
        let mut text = String::new();
        if level != Some(finding.level) {
            level = Some(finding.level);
            text.push_str(&report::heading(finding.level));
        }
        text.push_str(&report::line(finding));
        if told.is_ok() {
            told = tell(&text);
        }
    };
    let (findings, left, interrupted) = context.block_on(async {
        let mut signals = Signals::ending()?;
        let shown = tokio::select! {
            findings = conformance::run(bench, report.level, each) => Ok(findings),
            arrived = signals.next() => Err(arrived),
        };
        // Also after Ctrl-C: what exists may cost somebody money.
        let left = bench.clear().await;
        Ok::<_, Failure>(match shown {
            Ok(findings) => (findings, left, None),
            Err(arrived) => (Vec::new(), left, Some(arrived)),
        })
    })?;
    report.findings = findings;
    report.left = left;
    if let Some(arrived) = interrupted {
        for left in &report.left {
            console.warning(&format!("left behind: {left}"));
        }
        return Err(signals::interrupted(arrived));
    }
    told
}

/// Ends a trial; answers what its books still hold.
pub(super) fn finish(trial: Trial) -> Result<Option<String>, Failure> {
    let kept = trial.finish()?;
    Ok(kept.map(|path| {
        let path = path.display();
        format!("books that hold something: `RUNNER_STATE_DIR={path} runner status -v` shows it")
    }))
}

fn begun(component: &Component, source: String, against: String, level: Level) -> Report {
    let reference = &component.reference;
    Report {
        plugin: reference.name.clone(),
        version: reference.version.clone(),
        digest: reference.digest.clone(),
        source,
        against,
        level,
        findings: Vec::new(),
        left: Vec::new(),
    }
}

fn live(args: &Test, context: &Context) -> Result<Report, Failure> {
    let consent: &dyn Consent = if args.grant { &Always } else { &Dialog };
    let record = args.record.is_some() || args.bundle.is_some();
    let simulator = match &args.simulator {
        Some(line) => Some(simulator(line, context)?),
        None => None,
    };
    let app = simulator.as_ref().map_or(&context.app, |one| &one.app);
    let mut options = simulator
        .as_ref()
        .map_or(Vec::new(), |one| one.settings.clone());
    options.retain(|(key, _)| args.options.iter().all(|(given, _)| given != key));
    options.extend(args.options.iter().cloned());
    let mut trial = app.trial(&args.source, &options, &args.bad, consent, record)?;
    let bench = trial.bench(args.maximum, args.patience)?;
    let source = trial.source().to_string();
    let against = match &args.simulator {
        Some(line) => format!("simulator `{}`", line.to_string_lossy()),
        None => "live".to_owned(),
    };
    let mut report = begun(trial.component(), source, against, args.level);
    show(&mut report, &bench, context)?;
    if let Some(path) = &args.record {
        trial.save(Some(args.level), path)?;
    }
    if let Some(path) = &args.bundle
        && !report.passed()
    {
        trial.pack(Some(args.level), report::json(&report), path)?;
        context.console.note(&format!(
            "what somebody else needs to see the same is in `{}`",
            path.display()
        ));
    }
    report.left.extend(finish(trial)?);
    Ok(report)
}

/// Starts a simulated backend. Ctrl-C ends that, and it.
fn simulator(line: &OsStr, context: &Context) -> Result<Simulator, Failure> {
    context.block_on(async {
        let mut signals = Signals::ending()?;
        tokio::select! {
            started = context.app.simulator(line) => Ok(started?),
            arrived = signals.next() => Err(signals::interrupted(arrived)),
        }
    })
}

fn on_cassette(args: &Test, path: &Path, context: &Context) -> Result<Report, Failure> {
    let unreadable = |error: &(dyn std::error::Error + 'static)| {
        Failure::new("invalid", "the recording cannot be used").because(error)
    };
    let cassette = match Bundle::is_bundle(path) {
        true => {
            Bundle::load(path)
                .map_err(|error| unreadable(&error))?
                .cassette
        }
        false => Cassette::load(path).map_err(|error| unreadable(&error))?,
    };
    let component = match &args.source {
        SourceArgument::File { path, .. } => path.display().to_string(),
        SourceArgument::Named(name) => name.to_string(),
    };
    let played = context.app.play(&cassette, Some(&component))?;
    let bench = played.bench(&cassette, args.patience)?;
    let against = format!("cassette `{}`", path.display());
    let source = cassette.header.source.clone();
    let mut report = begun(played.component(), source, against, args.level);
    show(&mut report, &bench, context)?;
    let different = played.player.differences();
    if !different.is_empty() {
        let shown = report::differences(&different, &[]);
        context.console.warning(&format!(
            "the plugin asks for other things than when this was recorded:\n{shown}"
        ));
    }
    Ok(report)
}
