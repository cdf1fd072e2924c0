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
    /// What the server is started by, if not by itself.
    wrapper: Vec<String>,
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
            make_key(&directory.join(key));
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
            wrapper: Vec::new(),
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

    /// The host key, as `TYPE BASE64`.
    pub fn host_key(&self) -> String {
        let key = std::fs::read_to_string(self.directory.join("host.pub")).expect("the host key");
        let words: Vec<&str> = key.split(' ').take(2).collect();
        words.join(" ")
    }

    /// Its fingerprint, as `ssh-keygen` and consoles print it.
    pub fn fingerprint(&self) -> String {
        let printed = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(self.directory.join("host.pub"))
            .output()
            .expect("ssh-keygen starts");
        let text = String::from_utf8_lossy(&printed.stdout).into_owned();
        text.split(' ').nth(1).expect("a fingerprint").to_owned()
    }

    /// A host key that is not this server's.
    pub fn other_host_key(&self) -> String {
        let file = self.directory.join("other");
        make_key(&file);
        let key = std::fs::read_to_string(file.with_extension("pub")).expect("the other key");
        let words: Vec<&str> = key.split(' ').take(2).collect();
        words.join(" ")
    }

    /// The machine becomes another one: of use after a restart.
    pub fn change_host_key(&self) {
        for name in ["host", "host.pub"] {
            std::fs::remove_file(self.directory.join(name)).expect("the host key");
        }
        make_key(&self.directory.join("host"));
    }

    /// Whoever has a key that this file names may log in, too.
    pub fn also_authorize(&self, file: &Path) {
        std::os::unix::fs::symlink(file, self.directory.join("more")).expect("a link");
    }

    /// Nobody else may log in, not even the user of this machine that the client's configuration knows.
    pub fn authorize_only(&self, file: &Path) {
        std::fs::write(self.directory.join("authorized"), "").expect("the keys");
        self.also_authorize(file);
    }

    /// Starts it again, after `stop`, where root has the password `correct horse`: in a mount namespace of its own, nothing else
    /// of this machine sees that.
    pub fn with_password(&mut self, env: &TestEnv) {
        const HASH: &str = "$6$runnertests$9pExjtdKVl7fM48UAYxfydGTBRTPk7ar0CGcV7aikRMBzBD68PZp4SNLf5wawNRZwnrZ.y8rxIyNVs3uaZVBw0";
        let shadow = std::fs::read_to_string("/etc/shadow").expect("the passwords");
        let lines = shadow.lines().map(|line| match line.strip_prefix("root:") {
            Some(rest) => {
                let after = rest.split_once(':').map_or("", |(_, after)| after);
                format!("root:{HASH}:{after}\n")
            }
            None => format!("{line}\n"),
        });
        let own = self.directory.join("shadow");
        std::fs::write(&own, lines.collect::<String>()).expect("the passwords of the test");
        self.configure_server("PermitRootLogin yes\nPasswordAuthentication yes\n");
        self.over(env, &own, "/etc/shadow");
    }

    /// Starts it again, after `stop`, where the boot id of the system is what this file says, which is answered.
    pub fn with_boot_id(&mut self, env: &TestEnv) -> PathBuf {
        let file = self.directory.join("boot");
        std::fs::write(&file, "11111111-1111-1111-1111-111111111111\n").expect("the boot id");
        self.over(env, &file, "/proc/sys/kernel/random/boot_id");
        file
    }

    /// Starts it where one file hides another.
    fn over(&mut self, env: &TestEnv, own: &Path, theirs: &str) {
        self.wrapper = vec![
            "unshare".into(),
            "--mount".into(),
            "sh".into(),
            "-c".into(),
            "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"".into(),
            "sh".into(),
            own.display().to_string(),
            theirs.into(),
        ];
        self.restart(env);
    }

    fn configure_server(&self, more: &str) {
        let file = self.directory.join("server");
        let text = std::fs::read_to_string(&file).expect("the server's configuration");
        std::fs::write(file, format!("{text}{more}")).expect("the server's configuration");
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
            if let Some(child) = spawn(&self.wrapper, &sshd, &self.directory, env, self.port) {
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

fn make_key(file: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(file)
        .status()
        .expect("ssh-keygen starts");
    assert!(made.success(), "ssh-keygen failed");
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
             AuthorizedKeysFile {here}/authorized {here}/more\nUsePAM no\nStrictModes no\nPrintMotd no\nPrintLastLog no\n\
             Subsystem sftp internal-sftp\n"
        ),
    )
    .expect("the server's configuration");
    spawn(&[], sshd, directory, env, port).map(|child| (child, port))
}

/// Starts the server and waits until it listens; none when it ends instead.
fn spawn(
    wrapper: &[String],
    sshd: &Path,
    directory: &Path,
    env: &TestEnv,
    port: u16,
) -> Option<Child> {
    let mut command = match wrapper {
        [] => Command::new(sshd),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(sshd);
            command
        }
    };
    let mut child = command
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
