//! A real OpenSSH server on a loopback port, and a client configuration that knows it.
//!
//! OpenSSH takes the home directory from the user database and not from `HOME`, so the client's configuration is passed
//! by an `ssh` of the test's own, first on its `PATH`, that adds `-F`.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::TestEnv;
use crate::skip::{is_root, program, skip};

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Sshd {
    child: Child,
    port: u16,
    directory: PathBuf,
}

impl Sshd {
    /// Starts a server in `env` and makes `hosts` aliases of it. None, loudly, when it cannot work here.
    pub fn start(env: &mut TestEnv, hosts: &[&str]) -> Option<Self> {
        let Some(sshd) = program("sshd") else {
            skip("there is no sshd (Debian: openssh-server)");
            return None;
        };
        if !is_root() {
            skip("the ssh tests need root (sshd for the own account)");
            return None;
        }
        let directory = env.path("ssh");
        std::fs::create_dir_all(&directory).expect("a directory");
        // Where the server locks itself in before it knows who calls; Debian makes it when the service starts.
        std::fs::create_dir_all("/run/sshd").expect("/run/sshd");
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"])
                .arg(directory.join(key))
                .status()
                .expect("ssh-keygen starts");
            assert!(made.success(), "ssh-keygen failed");
        }
        std::fs::copy(directory.join("user.pub"), directory.join("authorized")).expect("the key");
        // Another process may take the port between our look and the server's start.
        let (child, port) = (0..20)
            .find_map(|_| listen(&sshd, &directory, env))
            .expect("sshd starts");
        let server = Self {
            child,
            port,
            directory,
        };
        server.configure(env, hosts);
        Some(server)
    }

    fn configure(&self, env: &mut TestEnv, hosts: &[&str]) {
        let Self {
            port, directory, ..
        } = self;
        let key = std::fs::read_to_string(directory.join("host.pub")).expect("the host key");
        let mut words = key.split(' ');
        let key = format!(
            "{} {}",
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default()
        );
        std::fs::write(
            directory.join("known_hosts"),
            format!("[127.0.0.1]:{port} {key}\n"),
        )
        .expect("known hosts");
        let config = directory.join("client");
        let here = directory.display();
        std::fs::write(
            &config,
            format!(
                "Host {}\n  HostName 127.0.0.1\n  Port {port}\n  User root\n  IdentityFile {here}/user\n  \
                 IdentitiesOnly yes\n  UserKnownHostsFile {here}/known_hosts\n  GlobalKnownHostsFile /dev/null\n  \
                 StrictHostKeyChecking yes\n  BatchMode yes\n",
                hosts.join(" ")
            ),
        )
        .expect("the client's configuration");
        let ssh = program("ssh").expect("the client comes with the server");
        env.script(
            "bin/ssh",
            format!(
                "#!/bin/sh\nexec {} -F {} \"$@\"\n",
                ssh.display(),
                config.display()
            ),
        );
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server and every session of it, as a machine that is switched off.
    pub fn stop(&mut self) {
        let sessions = descendants(self.child.id());
        drop(self.child.kill());
        for session in sessions {
            crate::command::kill(session, rustix::process::Signal::KILL);
        }
        drop(self.child.wait());
    }

    /// Switches it on again, on the same port.
    pub fn restart(&mut self, env: &TestEnv) {
        let sshd = program("sshd").expect("it was here before");
        let begun = Instant::now();
        while begun.elapsed() < crate::command::HANG {
            if let Some(child) = spawn(&sshd, &self.directory, env, self.port) {
                self.child = child;
                return;
            }
        }
        panic!("sshd does not come back on port {}", self.port);
    }

    /// What the server wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

/// Everything that a process started, and they.
fn descendants(of: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let parent = after.split_ascii_whitespace().nth(1);
        if let (Some(pid), Some(parent)) = (pid, parent.and_then(|text| text.parse().ok())) {
            parents.push((pid, parent));
        }
    }
    let mut found: Vec<u32> = vec![of];
    let mut next = 0;
    while next < found.len() {
        let children = parents
            .iter()
            .filter(|(_, parent): &&(u32, u32)| *parent == found[next]);
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        found.extend(children);
        next += 1;
    }
    found.split_off(1)
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn listen(sshd: &Path, directory: &Path, env: &TestEnv) -> Option<(Child, u16)> {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let here = directory.display();
    std::fs::write(
        directory.join("server"),
        format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host\nPidFile none\n\
             AuthorizedKeysFile {here}/authorized\nUsePAM no\nStrictModes no\nPrintMotd no\nPrintLastLog no\n\
             Subsystem sftp internal-sftp\n"
        ),
    )
    .expect("the server's configuration");
    spawn(sshd, directory, env, port).map(|child| (child, port))
}

/// Starts the server and waits until it listens; none when it ends instead.
fn spawn(sshd: &Path, directory: &Path, env: &TestEnv, port: u16) -> Option<Child> {
    let mut child = Command::new(sshd)
        .arg("-D")
        .arg("-f")
        .arg(directory.join("server"))
        .arg("-E")
        .arg(directory.join("log"))
        .envs(env.environment())
        .stdin(Stdio::null())
        .spawn()
        .expect("sshd starts");
    let begun = Instant::now();
    loop {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        if child.try_wait().expect("waiting").is_some() {
            return None;
        }
        assert!(
            begun.elapsed() < crate::command::HANG,
            "sshd never listened"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
