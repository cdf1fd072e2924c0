//! Machines to log in to with a password, several on one real one: each an sshd in namespaces of its own, with its own
//! root home, password, boot id and `reboot`, or with an account of its own instead, from which sudo leads to root.
//! `machine.sh` is what runs in there.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::TestEnv;
use crate::skip::{is_root, program, skip};

/// The account of a machine where root cannot log in.
pub const USER: &str = "rt-somebody";
/// No account of this machine has it.
const UID: u32 = 61_357;

/// A running machine. Dropping it ends everything in it.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    port: u16,
    directory: PathBuf,
}

impl Machine {
    /// Starts one, with this password for root. None, loudly, when it cannot work here.
    pub fn start(env: &TestEnv, name: &str, password: &str) -> Option<Self> {
        Self::prepare(env, name, password, None)
    }

    /// Starts one where root cannot log in: the account `USER` can, with this password, and sudoers has this line for it.
    pub fn start_with_user(
        env: &TestEnv,
        name: &str,
        password: &str,
        sudoers: &str,
    ) -> Option<Self> {
        if program("sudo").is_none() {
            skip("there is no sudo");
            return None;
        }
        Self::prepare(env, name, password, Some(sudoers))
    }

    fn prepare(env: &TestEnv, name: &str, password: &str, sudoers: Option<&str>) -> Option<Self> {
        for needed in ["sshd", "ssh-keygen", "unshare", "perl"] {
            if program(needed).is_none() {
                skip(&format!("there is no {needed}"));
                return None;
            }
        }
        if !is_root() {
            skip("machines need root (namespaces, sshd)");
            return None;
        }
        let directory = env.path(format!("machines/{name}"));
        for below in ["root", "sbin"] {
            std::fs::create_dir_all(directory.join(below)).expect("a directory");
        }
        let hash = hashed(password);
        let (root, login) = match sudoers {
            None => (hash.as_str(), "yes"),
            Some(line) => {
                account(&directory, line);
                ("*", "no")
            }
        };
        std::fs::create_dir_all("/run/sshd").expect("/run/sshd");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(directory.join("host"))
            .status()
            .expect("ssh-keygen starts");
        assert!(made.success(), "ssh-keygen failed");
        let here = directory.display();
        let files = [
            (
                "server",
                format!(
                    "ListenAddress 127.0.0.1\nHostKey {here}/host\nPidFile none\nUsePAM no\nStrictModes no\n\
                     PermitRootLogin {login}\nPasswordAuthentication yes\nPubkeyAuthentication no\nPrintMotd no\n\
                     PrintLastLog no\nMaxStartups 100\n"
                ),
            ),
            (
                "shadow",
                format!("root:{root}:19000:0:99999:7:::\n{USER}:{hash}:19000:0:99999:7:::\n"),
            ),
            (
                "sbin/reboot",
                format!("#!/bin/sh\n: > {here}/reboot\nexec sleep 1000\n"),
            ),
            ("boot_id", String::new()),
            ("machine.sh", include_str!("machine.sh").to_owned()),
        ];
        for (file, text) in files {
            std::fs::write(directory.join(file), text).expect("a file of the machine");
        }
        let mode = |file: &str, mode| {
            let path = directory.join(file);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
        };
        mode("sbin/reboot", 0o755);
        mode("shadow", 0o600);
        mode("root", 0o700);
        // Another process may take the port between our look and the server's start.
        (0..20).find_map(|_| Self::listen(env, &directory))
    }

    fn listen(env: &TestEnv, directory: &std::path::Path) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let child = Command::new("unshare")
            .args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "bash",
            ])
            .arg(directory.join("machine.sh"))
            .arg(directory)
            .arg(port.to_string())
            .envs(env.environment())
            .stdin(Stdio::null())
            .spawn()
            .expect("unshare starts");
        let mut machine = Self {
            child,
            port,
            directory: directory.to_owned(),
        };
        let begun = Instant::now();
        loop {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(machine);
            }
            if machine.child.try_wait().expect("waiting").is_some() {
                return None;
            }
            assert!(
                begun.elapsed() < crate::command::HANG,
                "sshd never listened"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Where it is.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A path of its root's home, seen from here.
    pub fn home(&self, relative: &str) -> PathBuf {
        self.directory.join("root").join(relative)
    }

    /// What its sshd wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The files that make the account; `machine.sh` puts them in their places.
fn account(directory: &std::path::Path, sudoers: &str) {
    let own = |file: &str, text: String, mode| {
        let path = directory.join(file);
        std::fs::write(&path, text).expect("a file of the machine");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    let accounts = std::fs::read_to_string("/etc/passwd").expect("the accounts");
    own(
        "passwd",
        format!("{accounts}{USER}:x:{UID}:{UID}::/home/{USER}:/bin/bash\n"),
        0o644,
    );
    // What Debian's file says besides.
    let defaults = "Defaults env_reset, use_pty\n\
                    Defaults secure_path=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\n";
    own("sudoers", format!("{defaults}{sudoers}\n"), 0o440);
    let home = directory.join("home").join(USER);
    std::fs::create_dir_all(&home).expect("a directory");
    std::os::unix::fs::chown(&home, Some(UID), Some(UID)).expect("a home");
}

fn hashed(password: &str) -> String {
    let made = Command::new("perl")
        .args(["-e", "print crypt($ARGV[0], '$6$machine$')", password])
        .output()
        .expect("perl starts");
    String::from_utf8(made.stdout).expect("a hash is ASCII")
}
