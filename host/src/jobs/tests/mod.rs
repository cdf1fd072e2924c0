//! Tests of loading and choosing, over small projects that are written here. What only the whole program shows is in
//! `tests/suite/spread`.

mod choosing;
mod environment;
mod loading;
mod matrix;
mod schema;

use std::path::Path;

use jiff::civil::date;
use runner_core::matrix::{Dialect, Problems};

use super::load::{self, HostCommands, Kinds, Loaded, PluginKeys, Plugins};
use super::options::TestOptions;
use super::plan::{Plan, Surroundings, plan};

/// One plugin besides the ancestors' types.
struct OnlyLocal;

impl Plugins for OnlyLocal {
    fn is_there(&self, kind: &str, _directory: &Path) -> bool {
        kind == "local"
    }

    fn keys(&self, _kind: &str, _directory: &Path) -> Option<PluginKeys> {
        None
    }
}

/// A project in a directory of its own.
struct Case(tempfile::TempDir);

/// Two systems, one suite.
const PROJECT: &str = "\
project: p
path: /r/p
backends:
    adhoc:
        allocate: ADDRESS x
        systems: [sys-1, sys-2]
suites:
    s/:
        summary: S
";

const TASK: &str = "summary: x\nexecute: |\n    true\n";

impl Case {
    /// Nothing yet.
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A project file and one task, `s/t`.
    fn new(project: &str, task: &str) -> Self {
        Self::empty()
            .with("spread.yaml", project)
            .with("s/t/task.yaml", task)
    }

    fn with(self, file: &str, text: &str) -> Self {
        let path = self.0.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn directory(&self) -> &Path {
        self.0.path()
    }

    fn load(&self, dialect: Option<Dialect>) -> Result<Loaded, Problems> {
        let kinds = Kinds::new(&OnlyLocal, &[]);
        let host = HostCommands::new(self.directory());
        load::load(self.directory(), dialect, &kinds, &host)
    }

    fn plan(&self, options: &TestOptions) -> Result<Plan, Problems> {
        self.plan_with_warnings(options).0
    }

    fn plan_with_warnings(&self, options: &TestOptions) -> (Result<Plan, Problems>, Vec<String>) {
        let surroundings = Surroundings {
            directory: self.directory(),
            kinds: Kinds::new(&OnlyLocal, &[]),
            today: date(2026, 7, 1),
            failed: None,
            durations: None,
        };
        let mut warnings = Vec::new();
        let plan = plan(options, &surroundings, &mut warnings);
        (plan, warnings)
    }

    fn names(&self, options: &TestOptions) -> Result<Vec<String>, String> {
        let plan = self.plan(options).map_err(|problems| first(&problems))?;
        let jobs = plan.jobs.iter();
        Ok(jobs
            .map(|job| plan.project.view(job).name().to_string())
            .collect())
    }

    /// The jobs, each without `adhoc:` in front, on one line; or the first message.
    fn list(&self, dialect: Dialect, filters: &[&str]) -> String {
        let options = TestOptions {
            dialect: Some(dialect),
            filters: filters.iter().map(|text| (*text).to_owned()).collect(),
            ..TestOptions::default()
        };
        match self.names(&options) {
            Ok(names) => {
                let short = names
                    .iter()
                    .map(|name| name.strip_prefix("adhoc:").unwrap_or(name));
                short.collect::<Vec<_>>().join(" ")
            }
            Err(message) => format!(
                "error: {}",
                message.replace(&self.directory().display().to_string(), "$CASE")
            ),
        }
    }

    fn spread(&self) -> String {
        self.list(Dialect::Spread, &[])
    }

    fn plus(&self) -> String {
        self.list(Dialect::Plus, &[])
    }
}

fn first(problems: &Problems) -> String {
    problems.0[0].message.clone()
}
