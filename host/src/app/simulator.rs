//! A simulated backend for one trial: a program of the author's that says where it is, and the same `App` pointed at it. Nothing of it
//! is written down anywhere.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::App;
use crate::engine::{EngineError, FailureKind, Result};
use crate::process::Helper;

/// What the program says on its first line.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Told {
    /// Of the plugin.
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    ca_file: Option<PathBuf>,
}

/// What is otherwise beside a simulated backend.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Simulated {
    /// Secrets, before the user's own.
    pub(super) secrets: BTreeMap<String, String>,
    /// Certificates to trust in place of those in `http.ca_file`.
    pub(super) ca_file: Option<PathBuf>,
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulated")
            .field("ca_file", &self.ca_file)
            .finish_non_exhaustive()
    }
}

/// A simulated backend. Dropping it ends it.
pub struct Simulator {
    /// The program over the simulated backend.
    pub app: App,
    /// Settings that point the plugin at it.
    pub settings: Vec<(String, String)>,
    _helper: Helper,
}

impl App {
    /// Starts a line of shell that simulates a backend, and waits until it says where it is.
    pub async fn simulator(&self, line: &OsStr) -> Result<Simulator> {
        let shown = line.to_string_lossy().into_owned();
        let failed = |why: String| {
            EngineError::new(
                FailureKind::Invalid,
                format!("the simulator `{shown}` cannot be used: {why}"),
            )
            .hint("its first line is a JSON object such as {\"settings\": {\"port\": 4711}}; see `runner help plugin test`")
        };
        let (helper, told) = Helper::start(line).await.map_err(failed)?;
        let (world, settings) = read(&told).map_err(failed)?;
        let mut environment = self.environment().clone();
        environment.simulated = world;
        Ok(Simulator {
            app: Self::assembled(environment, Arc::clone(&self.0.clock), None),
            settings,
            _helper: helper,
        })
    }
}

/// What was said; settings as `KEY=VALUE` has them.
fn read(line: &str) -> std::result::Result<(Simulated, Vec<(String, String)>), String> {
    let told: Told = serde_json::from_str(line)
        .map_err(|error| format!("its first line is not as it should be: {error}"))?;
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let settings = told.settings.into_iter();
    let settings = settings.map(|(key, value)| (key, text(value)));
    let world = Simulated {
        secrets: told.secrets,
        ca_file: told.ca_file,
    };
    Ok((world, settings.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_it_all() {
        let (world, settings) = read(
            r#"{"settings": {"url": "http://x", "port": 7, "names": ["a"]}, "secrets": {"T": "s"}, "ca-file": "/ca.pem"}"#,
        )
        .unwrap();
        let pairs = [("names", "[\"a\"]"), ("port", "7"), ("url", "http://x")];
        assert_eq!(settings.len(), 3);
        for (key, value) in pairs {
            assert!(
                settings.contains(&(key.to_owned(), value.to_owned())),
                "{key}"
            );
        }
        assert_eq!(world.secrets["T"], "s");
        assert_eq!(world.ca_file, Some("/ca.pem".into()));
        assert_eq!(read("{}").unwrap(), (Simulated::default(), Vec::new()));
        for wrong in ["4711", "{\"port\": 1}", "{\"secrets\": {\"T\": 1}}", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
