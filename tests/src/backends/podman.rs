//! Podman with a configuration and a storage of its own, and one image made here: busybox.
//!
//! The configuration is what this kind of machine needs (no right to raise limits, cgroups of version 1, no network).

use crate::TestEnv;
use crate::backends::rootfs;
use crate::skip::{is_root, program, skip};

/// The image every container test uses.
pub const IMAGE: &str = "localhost/busybox:1";

/// Podman's world inside a test's world. Dropping it removes its containers and its storage.
#[derive(Debug)]
pub struct Podman {
    variables: Vec<(std::ffi::OsString, std::ffi::OsString)>,
}

impl Podman {
    /// Configures podman in `env` and imports the image. None, loudly, when it cannot work here.
    pub fn start(env: &mut TestEnv) -> Option<Self> {
        if !is_root() {
            skip("the container tests need root (podman with its own storage)");
            return None;
        }
        for name in ["podman", "runc"] {
            if program(name).is_none() {
                skip(&format!("there is no {name} (Debian: podman runc)"));
                return None;
            }
        }
        let conf = env.write(
            "podman/containers.conf",
            "[containers]\n\
             default_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n\
             netns = \"none\"\n\
             [engine]\n\
             runtime = \"runc\"\n\
             cgroup_manager = \"cgroupfs\"\n\
             events_logger = \"file\"\n",
        );
        let storage = env.write(
            "podman/storage.conf",
            format!(
                "[storage]\ndriver = \"overlay\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
                env.path("podman/graph").display(),
                env.path("podman/run").display()
            ),
        );
        env.set("CONTAINERS_CONF", conf);
        env.set("CONTAINERS_STORAGE_CONF", storage);
        let tar = rootfs::busybox_tar(&env.path("podman/rootfs"), &env.path("podman/rootfs.tar"))?;
        let podman = Self {
            variables: env.environment(),
        };
        env.program("podman")
            .arg("import")
            .arg(tar)
            .arg(IMAGE)
            .run()
            .ok();
        Some(podman)
    }

    /// Names of all containers, running or not.
    pub fn containers(env: &TestEnv) -> Vec<String> {
        env.program("podman")
            .args(["ps", "--all", "--format", "{{.Names}}"])
            .run()
            .ok()
            .words()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        for args in [
            &["rm", "--all", "--force", "--time", "0"][..],
            &["rmi", "--all", "--force"][..],
        ] {
            drop(
                std::process::Command::new("podman")
                    .args(args)
                    .env_clear()
                    .envs(self.variables.iter().map(|(key, value)| (key, value)))
                    .output(),
            );
        }
    }
}
