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
        Self::of_type(env, name, &guests::fake().display().to_string(), more)
    }

    /// The same over a plugin that is found otherwise than by its file.
    pub fn of_type(env: &TestEnv, name: &str, kind: &str, more: &str) -> Self {
        let directory = env.path(format!("backend/{name}"));
        for part in ["live", "homes"] {
            std::fs::create_dir_all(directory.join(part)).expect("the backend's directory");
        }
        let fake = Self { directory };
        fake.write(env, name, kind, more);
        fake
    }

    /// Configures it anew, without the grant, with these lines more.
    pub fn configure(&self, env: &TestEnv, name: &str, more: &str) {
        self.write(env, name, &guests::fake().display().to_string(), more);
    }

    fn write(&self, env: &TestEnv, name: &str, kind: &str, more: &str) {
        env.source(
            name,
            &format!(
                "type = \"{kind}\"\nbackend = \"{}\"\n{more}",
                self.directory.display()
            ),
        );
    }

    /// Tokens of what exists.
    pub fn live(&self) -> BTreeSet<String> {
        self.names("live").into_iter().collect()
    }

    /// Homes of instances, which must go with them.
    pub fn homes(&self) -> BTreeSet<String> {
        self.names("homes").into_iter().collect()
    }

    /// The journal: `allocate-TOKEN`, `discard-TOKEN`, in order.
    pub fn journal(&self) -> Vec<String> {
        let mut entries = self.names("journal");
        entries.sort();
        entries
            .into_iter()
            .filter_map(|entry| entry.split_once('-').map(|(_, what)| what.to_owned()))
            .collect()
    }

    /// The versions of the component that this call of an instance reached.
    pub fn served(&self, call: &str, token: &str) -> Vec<String> {
        let end = format!("-{call}-{token}");
        let mut versions: Vec<String> = self
            .names("served")
            .iter()
            .filter_map(|name| Some(name.strip_suffix(&end)?.to_owned()))
            .collect();
        versions.sort();
        versions
    }

    /// What each instance that exists was made by, by its token.
    pub fn makers(&self) -> Vec<(String, String)> {
        let live = self.live().into_iter();
        live.map(|token| (self.served("allocate", &token).join(","), token))
            .collect()
    }

    /// The settings with which calls were made, in order: `allocate-spot`.
    pub fn flavours(&self) -> Vec<String> {
        let mut entries = self.names("flavours");
        entries.sort();
        entries
            .into_iter()
            .filter_map(|entry| entry.split_once('-').map(|(_, what)| what.to_owned()))
            .collect()
    }

    /// What the backend was told that an instance is called.
    pub fn name_of(&self, token: &str) -> String {
        std::fs::read_to_string(self.directory.join("live").join(token)).expect("an instance")
    }

    /// Rules that the backend saw broken: more instances than its capacity, a token used twice.
    pub fn violations(&self) -> String {
        self.names("violations").join(", ")
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.directory.join(directory)) else {
            return Vec::new();
        };
        entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    }

    /// Makes a call fail with this kind of error from now on, or (`none`) work again.
    pub fn refuse(&self, call: &str, kind: Option<&str>) {
        let control = self.directory.join("control");
        std::fs::create_dir_all(&control).expect("the backend's directory");
        let file = control.join(call);
        match kind {
            Some(kind) => std::fs::write(file, kind).expect("the control file"),
            None => std::fs::remove_file(file).expect("the control file"),
        }
    }

    /// Makes a call fail so often, and then work again.
    pub fn refuse_times(&self, call: &str, kind: &str, times: u32) {
        self.refuse(call, Some(&format!("{kind} {times}")));
    }

    /// Makes a call wait from now on.
    pub fn hold(&self, call: &str) {
        let control = self.directory.join("control");
        std::fs::create_dir_all(&control).expect("the backend's directory");
        std::fs::write(control.join(format!("{call}.wait")), "").expect("the control file");
    }

    /// Lets it go on.
    pub fn let_go(&self, call: &str) {
        let file = self.directory.join(format!("control/{call}.wait"));
        std::fs::remove_file(file).expect("the control file");
    }

    /// Puts something there behind everybody's back.
    pub fn put(&self, token: &str) {
        std::fs::create_dir_all(self.directory.join("homes").join(token)).expect("a home");
        std::fs::write(self.directory.join("live").join(token), "").expect("an instance");
    }

    /// Removes an instance behind everybody's back.
    pub fn remove(&self, token: &str) {
        std::fs::remove_file(self.directory.join("live").join(token)).expect("an instance");
    }

    /// The backend's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}
