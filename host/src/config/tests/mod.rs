//! The room as a whole: folders and files on disk in, sources or problems out.

mod crcache;
mod discovering;
mod explaining;
mod fleet;
mod hostile;
mod limits;
mod manual;
mod pools;
mod reloading;
mod schedules;
mod settings;
mod sources;

use std::fs;
use std::path::PathBuf;

use runner_core::id::SourceName;

use super::scripts::POINTS;
use super::*;

/// A user's and a project's directories that vanish after the test.
struct Place {
    temp: tempfile::TempDir,
}

/// The four roots, in order of precedence.
const ROOTS: [&str; 4] = [
    "user/runner",
    "user/crcache",
    "project/.runner",
    "project/.crcache",
];

impl Place {
    fn new() -> Self {
        Self {
            temp: tempfile::tempdir().unwrap(),
        }
    }

    /// With one file each.
    fn with(files: &[(&str, &str)]) -> Self {
        let place = Self::new();
        for (path, text) in files {
            place.write(path, text);
        }
        place
    }

    fn path(&self, path: &str) -> PathBuf {
        self.temp.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn config(&self) -> Config {
        let [runner, crcache, ours, theirs] = ROOTS.map(|root| self.path(root));
        Config::discover(Roots {
            user: vec![runner, crcache],
            project: vec![ours, theirs],
            ignored: Vec::new(),
            plugins: None,
        })
    }

    fn source(&self, name: &str) -> SourceConfig {
        self.config().source(&named(name)).unwrap().unwrap()
    }

    /// What is printed, with the place's own directory cut off.
    fn error(&self, name: &str) -> String {
        self.cut(&self.config().source(&named(name)).unwrap_err())
    }

    fn cut(&self, error: &ConfigError) -> String {
        error
            .to_string()
            .replace(&format!("{}/", self.temp.path().display()), "")
    }
}

fn named(name: &str) -> SourceName {
    SourceName::new(name).unwrap()
}

fn names(config: &Config) -> Vec<String> {
    config
        .source_names()
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// A source of the user's runner directory with this `source.toml`.
fn toml(text: &str) -> Place {
    Place::with(&[("user/runner/sources/web/source.toml", text)])
}

/// A source of the user's crcache directory with this `source.conf`.
fn conf(text: &str) -> Place {
    Place::with(&[("user/crcache/sources/web/source.conf", text)])
}
