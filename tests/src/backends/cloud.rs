//! A server that answers as a cloud documents that it does: `tests/suite/providers/cloud.py` for most, moto for EC2. With TLS, from an
//! authority of the test's own that this world trusts.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::TestEnv;
use crate::backends::sshd::Sshd;
use crate::skip::{program, skip};

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Cloud {
    child: Child,
    port: u16,
    authority: PathBuf,
}

/// The file with the keys of a cloud's machines that exist, where a real ssh server stands for all of them.
const AUTHORIZED: &str = "machines.authorized";

impl Cloud {
    /// Starts the server for this cloud (`LINODE`, `GCE`, `OPENSTACK`). None, loudly, when it cannot work here.
    pub fn start(env: &TestEnv, cloud: &str) -> Option<Self> {
        Self::playing(env, cloud, None)
    }

    /// The same with machines that can be entered, at the addresses that it says: one real ssh server stands for all of them, and each
    /// machine's key opens it as long as the machine exists. Nothing takes its time. `EC2` is moto.
    pub fn with_machines(env: &mut TestEnv, cloud: &str) -> Option<(Self, Sshd)> {
        let authorized = env.path(AUTHORIZED);
        let addresses = if cloud == "EC2" { "10.*" } else { "127.0.0.1" };
        let server = Sshd::start(env, &[addresses])?;
        server.authorize_only(&authorized);
        let cloud = match cloud {
            "EC2" => Self::emulating(env, &authorized),
            cloud => Self::playing(env, cloud, Some(&authorized)),
        };
        Some((cloud?, server))
    }

    fn playing(env: &TestEnv, cloud: &str, authorized: Option<&Path>) -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/suite/providers/cloud.py");
        let python = program("python3").or_else(|| {
            skip("there is no python3");
            None
        })?;
        let (certificate, key) = certificate(env)?;
        let mut command = Command::new(python);
        command.arg(script).arg(cloud).arg(&certificate).arg(key);
        command.args(authorized);
        let (child, port) = started(command);
        Some(Self {
            child,
            port,
            authority: certificate,
        })
    }

    /// Moto's EC2.
    fn emulating(env: &TestEnv, authorized: &Path) -> Option<Self> {
        let Some(python) = std::env::var_os("RUNNER_TESTS_MOTO") else {
            skip("there is no moto: `run.sh` installs it and sets RUNNER_TESTS_MOTO");
            return None;
        };
        let (certificate, key) = certificate(env)?;
        let mut command = Command::new(python);
        command
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/suite/providers/emulator.py"
            ))
            .arg(&certificate)
            .arg(key)
            .arg(authorized);
        let (child, port) = started(command);
        let moto = Self {
            child,
            port,
            authority: certificate,
        };
        // It reads its thousands of images when it is first asked, which on a loaded machine takes longer than a request may.
        moto.raw("Action=DescribeImages&Version=2016-11-15&ImageId.1=ami-1e749f67");
        Some(moto)
    }

    /// Its port on `localhost`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Asks the server itself, and not the cloud that it plays.
    #[track_caller]
    pub fn ask(&self, path: &str, body: Option<&Value>) -> Value {
        let mut curl = Command::new("curl");
        curl.arg("--cacert").arg(&self.authority);
        asked(
            curl,
            &format!("https://localhost:{}/-/{path}", self.port),
            body,
        )
    }

    /// What a form is answered with, as text; for moto, which verifies no signatures.
    #[track_caller]
    pub fn raw(&self, form: &str) -> String {
        // Without a date and a scope it would not know that it is EC2 that is asked for.
        let signed = "authorization: AWS4-HMAC-SHA256 Credential=x/20200101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=x";
        let answer = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--cacert"])
            .arg(&self.authority)
            .args(["--header", signed, "--data", form])
            .arg(format!("https://localhost:{}/", self.port))
            .output()
            .expect("curl starts");
        assert!(
            answer.status.success(),
            "{}",
            String::from_utf8_lossy(&answer.stderr)
        );
        String::from_utf8_lossy(&answer.stdout).into_owned()
    }

    /// Everything that exists there.
    #[track_caller]
    pub fn machines(&self) -> Vec<Value> {
        self.ask("state", None)["machines"]
            .as_array()
            .expect("a list")
            .clone()
    }

    /// Beside machines.
    #[track_caller]
    pub fn extra(&self) -> Vec<Value> {
        self.ask("state", None)["extra"]
            .as_array()
            .expect("a list")
            .clone()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The real `kubectl`, configured for a server that plays a cluster (`pods.py`). None, loudly, when it cannot work here.
pub fn pods(env: &mut TestEnv) -> Option<Pods> {
    for name in ["kubectl", "python3", "curl"] {
        if program(name).is_none() {
            skip(&format!("there is no {name}"));
            return None;
        }
    }
    let mut command = Command::new(program("python3")?);
    command.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/suite/providers/pods.py"
    ));
    let (child, port) = started(command);
    let config = env.write(
        "kubeconfig",
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: here\nclusters: [{{name: here, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
             users: [{{name: me, user: {{token: any}}}}]\ncontexts: [{{name: here, context: {{cluster: here, user: me}}}}]\n"
        ),
    );
    env.set("KUBECONFIG", config);
    Some(Pods { child, port })
}

/// The server that plays a cluster. Dropping it stops it.
#[derive(Debug)]
pub struct Pods {
    child: Child,
    port: u16,
}

impl Pods {
    /// Asks the server itself.
    #[track_caller]
    pub fn ask(&self, path: &str, body: Option<&Value>) -> Value {
        asked(
            Command::new("curl"),
            &format!("http://127.0.0.1:{}/-/{path}", self.port),
            body,
        )
    }
}

impl Drop for Pods {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a server answers to `curl`.
#[track_caller]
fn asked(mut curl: Command, url: &str, body: Option<&Value>) -> Value {
    curl.args(["--silent", "--show-error", "--fail"]);
    if let Some(body) = body {
        let body = body.to_string();
        curl.args([
            "--header",
            "content-type: application/json",
            "--data",
            &body,
        ]);
    }
    let answer = curl.arg(url).output().expect("curl starts");
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "{said}");
    serde_json::from_slice(&answer.stdout).expect("JSON")
}

/// A certificate for `localhost` that this world's settings trust, and its key.
pub fn certificate(env: &TestEnv) -> Option<(PathBuf, PathBuf)> {
    for name in ["openssl", "curl"] {
        if program(name).is_none() {
            skip(&format!("there is no {name}"));
            return None;
        }
    }
    let (certificate, key) = (env.path("authority.pem"), env.path("authority.key"));
    env.program("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args([
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-out",
        ])
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .run()
        .ok();
    env.write(
        "config/runner/config.toml",
        format!("[http]\nca_file = \"{}\"\n", certificate.display()),
    );
    Some((certificate, key))
}

/// Starts a server that prints its port first.
fn started(mut command: Command) -> (Child, u16) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut line = String::new();
    let mut printed = std::io::BufReader::new(child.stdout.take().expect("piped"));
    printed.read_line(&mut line).expect("a line");
    let port = line.trim().parse().expect("a port");
    (child, port)
}
