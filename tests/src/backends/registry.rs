//! A real OCI registry (Debian's docker-registry) on a loopback port, with everything it keeps below the test's directory.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::TestEnv;
use crate::skip::{program, skip};

/// The user and the password of a registry that wants one.
pub const LOGIN: (&str, &str) = ("tester", "secret");
/// The password, as the registry wants to have it kept (bcrypt).
const HTPASSWD: &str = "tester:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// A running registry. Dropping it stops it.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    port: u16,
}

impl Registry {
    /// Starts one that asks nobody who he is. None, loudly, when it cannot work here.
    pub fn start(env: &TestEnv) -> Option<Self> {
        Self::start_with(env, &Way::Open)
    }

    /// Starts one that wants [`LOGIN`].
    pub fn start_private(env: &TestEnv) -> Option<Self> {
        Self::start_with(env, &Way::Private)
    }

    /// Starts one that speaks TLS, with this certificate.
    pub fn start_tls(env: &TestEnv, certificate: &Path, key: &Path) -> Option<Self> {
        Self::start_with(env, &Way::Tls(certificate, key))
    }

    fn start_with(env: &TestEnv, way: &Way<'_>) -> Option<Self> {
        let Some(binary) = program("docker-registry") else {
            skip("there is no docker-registry (Debian: docker-registry)");
            return None;
        };
        // Another process may take the port between our look and the registry's start.
        let (child, port) = (0..20)
            .find_map(|_| listen(&binary, env, way))
            .expect("docker-registry starts");
        Some(Self { child, port })
    }

    /// As references name it.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Switches it off.
    pub fn stop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Who may come in, and how.
enum Way<'a> {
    Open,
    Private,
    Tls(&'a Path, &'a Path),
}

fn listen(binary: &Path, env: &TestEnv, way: &Way<'_>) -> Option<(Child, u16)> {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let folder = format!("registry-{port}");
    let passwords = env.write(format!("{folder}/htpasswd"), HTPASSWD);
    // `http` is the last section.
    let more = match way {
        Way::Open => String::new(),
        Way::Private => format!(
            "auth:\n  htpasswd:\n    realm: tests\n    path: {}\n",
            passwords.display()
        ),
        Way::Tls(certificate, key) => format!(
            "  tls:\n    certificate: {}\n    key: {}\n",
            certificate.display(),
            key.display()
        ),
    };
    let config = env.write(
        format!("{folder}/config.yml"),
        format!(
            "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    \
             rootdirectory: {}\n  maintenance:\n    uploadpurging:\n      enabled: false\nhttp:\n  addr: 127.0.0.1:{port}\n{more}",
            env.path(format!("{folder}/data")).display()
        ),
    );
    let log = std::fs::File::create(env.path(format!("{folder}/log"))).expect("a log");
    let mut child = Command::new(binary)
        .arg("serve")
        .arg(config)
        .envs(env.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("docker-registry starts");
    let begun = Instant::now();
    loop {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            // Somebody listens there: ours, unless it has ended because it was somebody else.
            let ended = child.try_wait().expect("a child can be waited for");
            return ended.is_none().then_some((child, port));
        }
        if child
            .try_wait()
            .expect("a child can be waited for")
            .is_some()
        {
            return None;
        }
        assert!(
            begun.elapsed() < crate::command::HANG,
            "docker-registry does not come up"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
