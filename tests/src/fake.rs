//! The fake provider's backend, seen from outside: a directory with one file per instance that exists, and a journal of
//! what was asked of it. What a leak, a loss or a double lease is, is read here and not from the state database.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::TestEnv;
use crate::guests;

/// The backend of one fake source.
#[derive(Clone, Debug)]
pub struct Fake {
    directory: PathBuf,
}

impl Fake {
    /// Defines source `name` over a backend of the same name, granted, with more lines for its `source.toml`.
    pub fn source(env: &TestEnv, name: &str, more: &str) -> Self {
        let fake = Self::ungranted(env, name, more);
        env.grant(name);
        fake
    }

    /// As [`Self::source`], without the grant.
    pub fn ungranted(env: &TestEnv, name: &str, more: &str) -> Self {
        let directory = env.path(format!("backend/{name}"));
        for part in ["live", "homes"] {
            std::fs::create_dir_all(directory.join(part)).expect("the backend's directory");
        }
        env.source(
            name,
            &format!(
                "type = \"{}\"\nbackend = \"{}\"\n{more}",
                guests::fake().display(),
                directory.display()
            ),
        );
        Self { directory }
    }

    /// Tokens of what exists.
    pub fn live(&self) -> BTreeSet<String> {
        std::fs::read_dir(self.directory.join("live"))
            .expect("the backend")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    }

    /// Homes of instances, which must go with them.
    pub fn homes(&self) -> BTreeSet<String> {
        std::fs::read_dir(self.directory.join("homes"))
            .expect("the backend")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    }

    /// The journal: `allocate TOKEN`, `discard TOKEN`, one per line, in order.
    pub fn journal(&self) -> Vec<String> {
        std::fs::read_to_string(self.directory.join("journal"))
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Rules that the backend saw broken: more instances than its capacity, a token used twice.
    pub fn violations(&self) -> String {
        std::fs::read_to_string(self.directory.join("violations")).unwrap_or_default()
    }

    /// The backend's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}
