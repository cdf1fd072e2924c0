//! What builds plugins in Python, JavaScript and C: componentize-py, zig and componentize-qjs, in the versions that the
//! templates pin. `run.sh` installs them beside the build and names the place in `RUNNER_TESTS_TOOLCHAINS`.

use std::path::{Path, PathBuf};

use crate::TestEnv;
use crate::skip::{program, skip};

/// Where they lie.
#[derive(Debug)]
pub struct Toolchains(PathBuf);

impl Toolchains {
    /// None, loudly, where they are not installed.
    pub fn find() -> Option<Self> {
        let Some(place) = std::env::var_os("RUNNER_TESTS_TOOLCHAINS") else {
            skip(
                "RUNNER_TESTS_TOOLCHAINS does not say where the toolchains for plugins are (run.sh installs them)",
            );
            return None;
        };
        if program("make").is_none() {
            skip("there is no make");
            return None;
        }
        Some(Self(place.into()))
    }

    /// Makes a project find them where its own `make` or `npm install` would put them.
    pub fn lend(&self, project: &Path) {
        for (tool, place) in [("venv", ".venv"), ("js/node_modules", "node_modules")] {
            std::os::unix::fs::symlink(self.0.join(tool), project.join(place))
                .expect("a link in the project");
        }
        // As if `make` had just installed them.
        std::fs::File::create(self.0.join("venv/ready"))
            .and_then(|file| file.set_modified(std::time::SystemTime::now()))
            .expect("the mark of what is installed");
    }

    /// What a build sees: their programs, and a compiler cache that outlives the test.
    pub fn prepare(&self, env: &mut TestEnv) {
        let mut path = env.path("bin").into_os_string();
        path.push(":");
        path.push(self.0.join("venv/bin"));
        path.push(":");
        path.push(
            crate::env::binary()
                .parent()
                .expect("the binary lies in a directory"),
        );
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        env.set("PATH", path);
        env.set("ZIG_GLOBAL_CACHE_DIR", self.0.join("zig-cache"));
        env.set("npm_config_update_notifier", "false");
    }
}

/// Copies a directory of sources: files and directories, links as what they lead to.
pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory to copy") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            // What somebody built there by hand is not part of it.
            if !["target", ".venv", "node_modules"]
                .iter()
                .any(|built| entry.file_name() == *built)
            {
                copy_tree(&from, &to);
            }
        } else {
            std::fs::copy(&from, &to).expect("a copy");
        }
    }
}
