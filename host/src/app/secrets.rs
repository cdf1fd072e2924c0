//! Where the values of granted secrets come from: `RUNNER_SECRET_NAME`, or the file `secrets/NAME` of the user's own
//! configuration directory. A project's directory is never looked at. And what the host itself uses of them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use runner_core::id::Token;

use super::App;
use crate::plugin::{Capabilities, Secrets};

/// The user's secrets.
pub(super) struct UserSecrets(pub(super) App);

/// Those of one source: what its description gave, before the user's.
pub(super) struct SourceSecrets {
    pub(super) own: BTreeMap<String, String>,
    pub(super) user: UserSecrets,
}

impl Secrets for SourceSecrets {
    fn get(&self, name: &str) -> Result<Option<String>, String> {
        match self.own.get(name) {
            Some(value) => Ok(Some(value.clone())),
            None => self.user.get(name),
        }
    }

    fn how_to_set(&self, name: &str) -> String {
        self.user.how_to_set(name)
    }
}

/// The secrets that the host may use for one instance: those that were kept for it, and those that its plugin was granted.
pub(super) struct InstanceSecrets {
    pub(super) app: App,
    /// What the source's description gave.
    pub(super) own: BTreeMap<String, String>,
    pub(super) grant: Capabilities,
    pub(super) token: Token,
}

impl InstanceSecrets {
    /// The value, or why there is none.
    pub(super) fn get(&self, name: &str) -> Result<String, String> {
        if let Some(value) = self.app.books().kept(&self.token, name)? {
            return Ok(value);
        }
        if !self.grant.allows_secret(name) {
            return Err(format!(
                "the secret `{name}` is neither kept for the instance nor granted to its plugin"
            ));
        }
        let secrets = SourceSecrets {
            own: self.own.clone(),
            user: UserSecrets(self.app.clone()),
        };
        secrets.get(name)?.ok_or_else(|| {
            format!(
                "the secret `{name}` is not set: {}",
                secrets.how_to_set(name)
            )
        })
    }
}

impl Secrets for UserSecrets {
    fn get(&self, name: &str) -> Result<Option<String>, String> {
        if let Some(value) = self.0.environment().secret(name) {
            return value
                .into_string()
                .map(Some)
                .map_err(|_| format!("`RUNNER_SECRET_{name}` is not text"));
        }
        let path = self.0.environment().user_config.join("secrets").join(name);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot read `{}`: {error}", path.display())),
        };
        if metadata.mode() & 0o077 != 0 {
            return Err(format!(
                "`{}` can be read by others: `chmod 600` it",
                path.display()
            ));
        }
        let value = fs::read_to_string(&path)
            .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
        Ok(Some(value.trim_end_matches('\n').to_owned()))
    }

    fn how_to_set(&self, name: &str) -> String {
        let path = self.0.environment().user_config.join("secrets").join(name);
        format!(
            "put it into `{}` (mode 600), or set `RUNNER_SECRET_{name}`",
            path.display()
        )
    }
}
