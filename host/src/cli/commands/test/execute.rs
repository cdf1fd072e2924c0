//! Running the jobs of a plan: what the run is given, who listens, and how its end becomes ours.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use runner_core::matrix::{Backend, JobView, Limits, Problem, Project, System};

use signal_hook::consts::SIGHUP;

use super::args::refused;
use super::listeners::{listeners, wants_view};
use super::problems;
use super::streamed::Streamed;
use super::view::Live;
use crate::app::Consent;
use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::exit_code;
use crate::cli::grant_dialog::{Always, Dialog};
use crate::cli::signals::{self, Signals};
use crate::clock::{Clock, SystemClock};
use crate::jobs::events::Stream;
use crate::jobs::load::HostCommands;
use crate::jobs::pack::{HostScript, PackSpec};
use crate::jobs::plan::Plan;
use crate::jobs::run::{self, Expand, Interrupt, RunError, Setup};
use crate::jobs::server::script;
use crate::jobs::{Action, Style, TestOptions};

/// Runs, restores, discards or collects, as the options say.
pub(super) fn execute(plan: Plan, options: TestOptions, context: &Context) -> Outcome {
    let begins = matches!(options.action, Action::Run | Action::Restore);
    if let Some(limit) = plan.project.tasks_limit
        && begins
        && !options.yes
        && plan.jobs.len() as u64 > limit
    {
        let count = plan.jobs.len();
        return Err(refused(format!(
            "{count} jobs are selected, and `tasks-limit` of the project is {limit}"
        ))
        .hint("select fewer with a filter; `--yes` runs them all"));
    }
    let directory: PathBuf = std::path::absolute(&plan.project.directory)
        .map_err(|error| Failure::io("the project's directory cannot be used", &error))?;
    let place = directory.clone();
    let known = known_durations(&plan, &options, context)?;
    // Not where somebody said what decides.
    let longest_first = options.seed == 0 && !options.order;
    let app = &context.app;
    let view = wants_view(&options, context).then(|| {
        let streamed = (options.live || (options.perf && options.logs.is_none()))
            .then(|| Streamed::new(options.live, options.perf));
        Live::new(known.clone(), streamed)
    });
    let consent: Box<dyn Consent + Send + Sync> = match &view {
        _ if options.grant => Box::new(Always),
        Some(view) => Box::new(view.around(Box::new(Dialog))),
        None => Box::new(Dialog),
    };
    let machines = app.backends(directory.clone(), &options.sources, consent)?;
    let pack = pack(&plan, directory).map_err(|problem| {
        problems::told(
            &[problem],
            &context.console,
            &context.app.environment().directory,
        )
    })?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let seed = clock.now().0 / 1000;
    let stream = Stream::new(clock, listeners(&plan, &options, &place, view, context)?);
    let password = match &options.password {
        Some(password) => password.clone(),
        None => random_password()?,
    };
    let expand = HostExpand {
        project: Arc::clone(&plan.project),
        host: Arc::clone(&plan.host),
    };
    let setup = Setup {
        project: plan.project,
        jobs: plan.jobs,
        quarantined: plan.quarantined,
        durations: longest_first.then_some(known),
        options,
        pack,
        expand: Box::new(expand),
        machines: Arc::new(machines),
        engine: context.engine()?.clone(),
        stream,
        pid: std::process::id(),
        seed,
        password,
    };
    let summary = context.block_on(async {
        let mut signals = Signals::ending()?;
        let mut last = None;
        let ended = run::run(setup, async || {
            let arrived = signals.next().await;
            let reason = format!("interrupted by signal {}", arrived.number);
            // Of a terminal that is closed the kernel, the shell and the terminal's program may each send one: nobody pressed anything twice.
            let hung_up = i32::from(arrived.number) == SIGHUP;
            match last.replace(arrived.number) {
                Some(_) if !hung_up => Interrupt::Now(reason),
                Some(_) | None => Interrupt::Stop(reason),
            }
        })
        .await;
        if let (Err(RunError::Interrupted(_)), Some(number)) = (&ended, last) {
            // Whoever listens has heard of it. Nothing else is waited for.
            signals::die_of(number);
        }
        ended.map_err(|error| refused(error.to_string()).because(&error))
    })?;
    if summary.is_success() {
        return Ok(exit_code::OK);
    }
    let message = summary.error.as_deref().unwrap_or("unsuccessful run");
    Err(refused(message))
}

/// How long the jobs of the project took before; nothing where nobody asks.
fn known_durations(
    plan: &Plan,
    options: &TestOptions,
    context: &Context,
) -> Result<HashMap<String, u64>, Failure> {
    if options.style == Style::Spread || options.action != Action::Run {
        return Ok(HashMap::new());
    }
    Ok(context.app.history()?.durations(&plan.project.name)?)
}

/// What the project's host commands mean.
struct HostExpand {
    project: Arc<Project>,
    host: Arc<HostCommands>,
}

impl Expand for HostExpand {
    fn environment(&self, view: JobView<'_>) -> Result<Vec<(String, String)>, String> {
        self.host.exported(view).map_err(|problem| problem.message)
    }

    fn secrets(&self, view: JobView<'_>, exported: &[(String, String)]) -> Vec<String> {
        self.host.secrets(view, exported)
    }

    fn login(
        &self,
        backend: &Backend,
        system: &System,
    ) -> Result<(String, String, String), String> {
        let told = |problem: Problem| problem.message;
        let username = self.host.username(&self.project, backend, system);
        let password = self.host.password(&self.project, backend, system);
        let key = self.host.key(&self.project, backend);
        Ok((
            username.map_err(told)?,
            password.map_err(told)?,
            key.map_err(told)?,
        ))
    }
}

fn pack(plan: &Plan, directory: PathBuf) -> Result<PackSpec, Problem> {
    let project = &plan.project;
    let packing = plan.host.packing(project)?;
    let repack = if project.repack.is_empty() {
        None
    } else {
        Some(HostScript {
            text: project.repack.text.to_string(),
            exports: exports(plan)?,
            kill: Limits::resolve([&project.timeouts].into_iter()).kill,
        })
    };
    Ok(PackSpec {
        directory,
        include: packing.include,
        exclude: packing.exclude,
        rename: packing.rename,
        repack,
    })
}

/// The project's own variables, and which backends there will be.
fn exports(plan: &Plan) -> Result<String, Problem> {
    let project = &plan.project;
    let mut backends: Vec<&str> = plan
        .jobs
        .iter()
        .map(|job| project.backend(job.backend).name.as_str())
        .collect();
    backends.sort_unstable();
    backends.dedup();
    let mut text = script::export("SPREAD_BACKENDS", &backends.join(" "));
    text.push_str(&script::export("SPREAD_PROJECT", &project.name));
    text.push_str(&script::export("SPREAD_PATH", &project.path));
    for variable in project.environment.of_variant("") {
        let value = plan.host.expand("project", &variable.value)?;
        text.push_str(&script::export(&variable.name, &value));
    }
    Ok(text)
}

/// For systems that have none of their own: 16 hexadecimal digits.
fn random_password() -> Result<String, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| refused(format!("the system gives no random numbers: {error}")))?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}
