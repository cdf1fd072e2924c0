//! `provision.d`, `acquire.d`, `release.d`, `check.d` and `discard.d`: the operator's scripts, in the order and by the
//! rules of run-parts.
//!
//! Each gets the instance's name as its first argument and may call `runner run` on it. What it prints goes to our
//! standard error: standard output belongs to the verb.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Definition, Engine, EngineError, FailureKind, Result, fault};
use crate::provider::{HookPoint, Occasion};
use crate::store::InstanceRow;

/// Tells a script's `runner` which instance it may use although it is not leased; the value is the token.
pub const SCRIPT_OF: &str = "RUNNER_SCRIPT_OF";

/// The folders of scripts of a definition, by the word of their point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredFolders")]
pub struct ScriptFolders {
    scripts: BTreeMap<String, PathBuf>,
}

/// The folders in every form that was ever stored: at first there were two, each with a key of its own.
#[derive(Deserialize)]
struct StoredFolders {
    #[serde(default)]
    scripts: BTreeMap<String, PathBuf>,
    #[serde(default)]
    provision_scripts: Option<PathBuf>,
    #[serde(default)]
    discard_scripts: Option<PathBuf>,
}

impl From<StoredFolders> for ScriptFolders {
    fn from(stored: StoredFolders) -> Self {
        let StoredFolders {
            mut scripts,
            provision_scripts,
            discard_scripts,
        } = stored;
        for (word, folder) in [
            ("provision", provision_scripts),
            ("discard", discard_scripts),
        ] {
            if let Some(folder) = folder {
                scripts.entry(word.into()).or_insert(folder);
            }
        }
        Self { scripts }
    }
}

impl From<BTreeMap<String, PathBuf>> for ScriptFolders {
    fn from(scripts: BTreeMap<String, PathBuf>) -> Self {
        Self { scripts }
    }
}

impl ScriptFolders {
    /// The folder of a point, if there is one.
    pub fn at(&self, point: HookPoint) -> Option<&Path> {
        self.scripts.get(point.word()).map(PathBuf::as_path)
    }
}

impl Engine {
    /// Runs the scripts of a point.
    pub(super) async fn run_scripts(
        &self,
        point: HookPoint,
        definition: &Definition,
        row: &InstanceRow,
        occasion: &Occasion,
    ) -> Result<()> {
        let Some(directory) = definition.scripts.at(point) else {
            return Ok(());
        };
        let scripts = crate::config::scripts::list(directory).map_err(|error| {
            EngineError::new(
                FailureKind::Hook,
                format!("cannot read the scripts in `{}`", directory.display()),
            )
            .because(error)
        })?;
        for script in scripts {
            let ended = self
                .run_script(point, &script, definition.script_deadline, row, occasion)
                .await;
            self.or_reported(point, row, ended)?;
            fault::point("provision:script-passed");
        }
        Ok(())
    }

    async fn run_script(
        &self,
        point: HookPoint,
        script: &Path,
        deadline: Duration,
        row: &InstanceRow,
        occasion: &Occasion,
    ) -> Result<()> {
        let failed = |what: &str| {
            EngineError::new(
                FailureKind::Hook,
                format!(
                    "{} script `{}` {what} for `{}`",
                    point.word(),
                    script.display(),
                    row.name
                ),
            )
        };
        let stderr = std::io::stderr().as_fd().try_clone_to_owned();
        let out = stderr.map_or_else(|_| Stdio::null(), Stdio::from);
        let mut command = tokio::process::Command::new(script);
        // What is not known here is not inherited from a script that we were called by either.
        for (key, value) in [
            ("RUNNER_OWNER", &occasion.owner),
            ("RUNNER_SHELF", &occasion.shelf),
            ("RUNNER_TICKET", &occasion.ticket),
        ] {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        let mut child = command
            .arg(row.name.as_str())
            .env("RUNNER_HOOK", point.word())
            .env(SCRIPT_OF, row.token.as_str())
            .env("RUNNER", &self.0.program)
            .env("RUNNER_INSTANCE", row.name.as_str())
            .env("RUNNER_SOURCE", row.source.as_str())
            .stdin(Stdio::null())
            .stdout(out)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed("could not be started").because(error))?;
        let group = child
            .id()
            .and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        let ended = tokio::time::timeout(deadline, child.wait()).await;
        let Ok(ended) = ended else {
            // The script and what it started.
            if let Some(group) = group {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            return Err(failed(&format!(
                "took longer than {} s and was killed",
                deadline.as_secs()
            ))
            .hint("`scripts` in the source's `[limits]` sets the time a script may take"));
        };
        let status = ended.map_err(|error| failed("could not be waited for").because(error))?;
        if status.success() {
            Ok(())
        } else {
            Err(failed(&format!("ended with {status}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Definition;
    use super::*;

    /// As the first version stored it.
    const OLD: &str = r#"{"source":"box","policy":{"maximum":{"at":3},"reserve":1,"concurrency":0},"label":"`fake` 1",
        "shape":"s","workdir":false,"provision_scripts":"/c/provision.d","discard_scripts":null,
        "script_deadline":{"secs":1800,"nanos":0},"plugin":{"component":{}},"hooks":[{"component":{}}]}"#;

    #[test]
    fn a_definition_of_the_first_version_is_read() {
        let old: Definition = serde_json::from_str(OLD).unwrap();
        assert_eq!(
            old.scripts.at(HookPoint::Provision),
            Some(Path::new("/c/provision.d"))
        );
        for point in &HookPoint::ALL[1..] {
            assert_eq!(old.scripts.at(*point), None);
        }
        assert_eq!(old.hooks.len(), 1);
        let kept = serde_json::to_string(&old).unwrap();
        assert!(
            kept.contains(r#""scripts":{"provision":"/c/provision.d"}"#),
            "{kept}"
        );
        let again: Definition = serde_json::from_str(&kept).unwrap();
        assert_eq!(again.scripts, old.scripts);
    }

    #[test]
    fn a_folder_per_point_is_stored_and_read() {
        let folders: BTreeMap<_, _> = HookPoint::ALL
            .map(|point| (point.word().to_owned(), PathBuf::from(point.word())))
            .into();
        let folders = ScriptFolders::from(folders);
        let kept = serde_json::to_string(&folders).unwrap();
        let again: ScriptFolders = serde_json::from_str(&kept).unwrap();
        assert_eq!(again, folders);
        for point in HookPoint::ALL {
            assert_eq!(again.at(point), Some(Path::new(point.word())));
        }
    }
}
