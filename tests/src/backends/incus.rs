//! A real Incus daemon in a network of its own, with everything that it keeps below the test's directory, and one image:
//! busybox.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use crate::TestEnv;
use crate::backends::{rootfs, unmount_below};
use crate::command::kill;
use crate::skip::{is_root, program, skip};

/// Where Debian puts it; it is no command of the user's.
const DAEMON: &str = "/usr/libexec/incus/incusd";

/// A network without a way out, a file system that says so, and the control groups as they were.
const ALONE: &str = "d=$(mktemp -d); mount --rbind /sys/fs/cgroup $d; mount -t sysfs sysfs /sys; mount --rbind $d /sys/fs/cgroup
umount -l $d; rmdir $d; ip link set lo up; exec \"$@\"";

/// The daemon. Dropping it stops it and its containers.
#[derive(Debug)]
pub struct Incus {
    daemon: Child,
    variables: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    directory: std::path::PathBuf,
}

impl Incus {
    /// Starts it in `env`, with the image `tiny`. None, loudly, when it cannot work here.
    pub fn start(env: &mut TestEnv) -> Option<Self> {
        if !is_root() {
            skip("the incus tests need root (its daemon)");
            return None;
        }
        if program("incus").is_none() || !std::path::Path::new(DAEMON).exists() {
            skip("there is no incus (Debian: incus-base incus-client, from backports)");
            return None;
        }
        let directory = env.path("incus");
        std::fs::create_dir(&directory).expect("a directory");
        env.set("INCUS_DIR", &directory);
        let log = std::fs::File::create(env.path("incusd.log")).expect("a log");
        let mut daemon = Command::new("unshare");
        daemon
            .args([
                "--net", "--mount", "sh", "-ec", ALONE, "sh", DAEMON, "--group", "root",
            ])
            .env("INCUS_DIR", &directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log"))
            .stderr(log)
            .process_group(0);
        let incus = Self {
            daemon: daemon.spawn().expect("unshare starts"),
            variables: env.environment(),
            directory,
        };
        env.program(DAEMON)
            .args(["waitready", "--timeout", "300"])
            .run()
            .ok();
        env.program("incus")
            .args(["admin", "init", "--preseed"])
            .stdin(
                "storage_pools: [{name: default, driver: dir}]\n\
                 profiles: [{name: default, devices: {root: {path: /, pool: default, type: disk}}}]\n",
            )
            .run()
            .ok();
        let root = rootfs::busybox(&env.path("tiny"))?;
        incus.import(env, &root, "tiny");
        Some(incus)
    }

    /// Makes an image of a root file system with a busybox.
    pub fn import(&self, env: &TestEnv, root: &std::path::Path, alias: &str) {
        let here = env.path("");
        let init = root
            .strip_prefix(&here)
            .expect("it is the test's")
            .join("sbin/init");
        // Process 1 of a container; it reaps, and ends when it is told to.
        env.script(init, "#!/bin/sh\nmount -t proc p /proc\ntrap 'exit 0' TERM PWR\nwhile :; do sleep 600 & wait $!; done\n");
        let about = format!("{alias}.yaml");
        env.write(
            format!("{about}/metadata.yaml"),
            "architecture: x86_64\ncreation_date: 1\n",
        );
        let metadata = env.path(format!("{alias}.metadata.tar"));
        let pack = env.program("tar").arg("-cf").arg(&metadata).arg("-C");
        pack.arg(env.path(about)).arg("metadata.yaml").run().ok();
        let image = env.path(format!("{alias}.tar"));
        rootfs::tarball(root, &image);
        let import = env.program("incus").args(["image", "import"]);
        let import = import.arg(metadata).arg(image);
        import.args(["--alias", alias]).run().ok();
    }

    /// Names of all instances, running or not.
    pub fn instances(env: &TestEnv) -> Vec<String> {
        env.program("incus")
            .args(["list", "--format", "csv", "--columns", "n"])
            .run()
            .ok()
            .words()
    }
}

impl Drop for Incus {
    fn drop(&mut self) {
        // It stops its containers first, when it is asked like this.
        let mut stop = Command::new("incus");
        stop.args(["admin", "shutdown", "--timeout", "60"])
            .env_clear()
            .envs(self.variables.clone());
        if !stop.output().is_ok_and(|output| output.status.success()) {
            kill(self.daemon.id(), rustix::process::Signal::KILL);
        }
        drop(self.daemon.wait());
        unmount_below(&self.directory);
    }
}
