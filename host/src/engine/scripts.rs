//! `provision.d` and `discard.d`: the operator's scripts, in the order and by the rules of run-parts.
//!
//! Each gets the instance's name as its first argument and may call `runner run` on it. What it prints goes to our
//! standard error: standard output belongs to the verb.

use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::{Engine, EngineError, FailureKind, Result, fault};
use crate::provider::HookPoint;
use crate::store::InstanceRow;

/// Tells a script's `runner` which instance it may use although it is not leased; the value is the token.
pub const SCRIPT_OF: &str = "RUNNER_SCRIPT_OF";

impl Engine {
    /// Runs the scripts of a directory; the first failure ends it.
    pub(super) async fn run_scripts(
        &self,
        point: HookPoint,
        directory: &Path,
        deadline: Duration,
        row: &InstanceRow,
    ) -> Result<()> {
        let scripts = crate::config::scripts::list(directory).map_err(|error| {
            EngineError::new(
                FailureKind::Hook,
                format!("cannot read the scripts in `{}`", directory.display()),
            )
            .because(error)
        })?;
        for script in scripts {
            self.run_script(point, &script, deadline, row).await?;
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
        let mut child = tokio::process::Command::new(script)
            .arg(row.name.as_str())
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
