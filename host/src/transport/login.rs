//! What to show to a machine and what to expect of it, where somebody said so: as options of `ssh`, and as the files that
//! these name. Secrets are on the disk while a connection is being opened and no longer, in the directory of the
//! sockets, which nobody else can enter.

use std::ffi::OsString;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::provider::{HostKeys, SshAccess, SshKey};

/// Finds the value of a secret that a login names; the error says why there is none.
pub type Secrets = Arc<dyn Fn(&str) -> Result<String, String> + Send + Sync>;

/// How to log in to one instance.
#[derive(Clone)]
pub struct Login {
    /// Of the instance: its connection is nobody else's, whatever has its address next.
    pub identity: String,
    pub access: SshAccess,
    /// Asked when a connection is opened, and not before.
    pub secrets: Secrets,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("identity", &self.identity)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// A login that `ssh` can be started with. Dropping it removes the files that hold secrets.
pub(super) struct Prepared {
    pub(super) options: Vec<String>,
    pub(super) env: Vec<(OsString, OsString)>,
    secrets: Vec<PathBuf>,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        for file in &self.secrets {
            // Nothing can be done about one that stays; the directory is the user's alone.
            let _gone = std::fs::remove_file(file);
        }
    }
}

/// Tells the password to `ssh`, and nothing to a question for anything else.
const ASKPASS: &str = "#!/bin/sh\ncase $1 in *assphrase*|*PIN*|*yes/no*) exit 1 ;; esac\nexec cat -- \"$RUNNER_ASKPASS\"\n";

/// Prints the host's key for `ssh` to believe, if its fingerprint ($1) is one of those in the file $4.
const FINGERPRINTS: &str =
    "[ \"$1\" = NONE ] || ! grep -qxF -- \"$1\" \"$4\" || printf '* %s %s\\n' \"$2\" \"$3\"\n";

impl Login {
    /// Keys of the machine are said here, and the user's known hosts have no say.
    pub(super) fn pins(&self) -> bool {
        self.access.host_keys != HostKeys::KnownHosts
    }

    /// Writes the files and names the options. The lock of the socket is held.
    pub(super) fn prepare(&self, socket: &Path) -> io::Result<Prepared> {
        let mut prepared = Prepared {
            options: Vec::new(),
            env: Vec::new(),
            secrets: Vec::new(),
        };
        self.offer_keys(socket, &mut prepared)?;
        if let Some(password) = &self.access.password {
            let password = self.secret(password)?;
            let file = socket.with_extension("password");
            prepared.write(&file, &password, 0o600)?;
            let program = socket.with_extension("askpass");
            prepared.write(&program, ASKPASS, 0o700)?;
            let mut env = |name: &str, value: OsString| prepared.env.push((name.into(), value));
            env("RUNNER_ASKPASS", file.into());
            env("SSH_ASKPASS", program.into());
            env("SSH_ASKPASS_REQUIRE", "force".into());
            prepared.option("NumberOfPasswordPrompts", "1");
            prepared.option("PasswordAuthentication", "yes");
            prepared.option("KbdInteractiveAuthentication", "yes");
            prepared.option("BatchMode", "no");
        }
        match (self.access.keys.is_empty(), &self.access.password) {
            (true, None) => {}
            (false, None) => prepared.option("PreferredAuthentications", "publickey"),
            (true, Some(_)) => {
                prepared.option("PreferredAuthentications", "password,keyboard-interactive");
            }
            (false, Some(_)) => prepared.option(
                "PreferredAuthentications",
                "publickey,password,keyboard-interactive",
            ),
        }
        self.expect_keys(socket, &mut prepared)?;
        Ok(prepared)
    }

    fn secret(&self, name: &str) -> io::Result<String> {
        (self.secrets)(name).map_err(io::Error::other)
    }

    fn offer_keys(&self, socket: &Path, prepared: &mut Prepared) -> io::Result<()> {
        if self.access.keys.is_empty() {
            return Ok(());
        }
        prepared.option("IdentitiesOnly", "yes");
        for (number, key) in self.access.keys.iter().enumerate() {
            let file = socket.with_extension(format!("key{number}"));
            let path = match key {
                SshKey::Secret(name) => {
                    let text = self.secret(name)?;
                    // OpenSSH refuses a key whose last line does not end.
                    prepared.write(&file, &format!("{}\n", text.trim_end()), 0o600)?;
                    file.display().to_string()
                }
                SshKey::Agent(line) => {
                    prepared.write(&file, &format!("{line}\n"), 0o600)?;
                    file.display().to_string()
                }
                SshKey::File(path) => path.replace('%', "%%"),
            };
            prepared.option("IdentityFile", &format!("\"{path}\""));
        }
        if let Some(certificate) = &self.access.certificate {
            let file = socket.with_extension("certificate");
            prepared.write(&file, &format!("{certificate}\n"), 0o600)?;
            prepared.option("CertificateFile", &format!("\"{}\"", file.display()));
        }
        Ok(())
    }

    fn expect_keys(&self, socket: &Path, prepared: &mut Prepared) -> io::Result<()> {
        let known = known(socket);
        let mut fingerprints = None;
        match &self.access.host_keys {
            HostKeys::KnownHosts => return Ok(()),
            HostKeys::FirstUse => {
                // What an earlier attempt saw was never used.
                write(&known, "", 0o600)?;
                prepared.option("StrictHostKeyChecking", "accept-new");
            }
            HostKeys::Pinned(keys) => {
                let (prints, keys): (Vec<&String>, Vec<&String>) =
                    keys.iter().partition(|key| key.starts_with("SHA256:"));
                let lines = keys.iter().map(|key| format!("* {key}\n"));
                write(&known, &lines.collect::<String>(), 0o600)?;
                prepared.option("StrictHostKeyChecking", "yes");
                if !prints.is_empty() {
                    let list = socket.with_extension("fingerprints");
                    let lines = prints.iter().map(|print| format!("{print}\n"));
                    write(&list, &lines.collect::<String>(), 0o600)?;
                    let script = socket.with_extension("look");
                    write(&script, FINGERPRINTS, 0o600)?;
                    fingerprints = Some(format!(
                        "/bin/sh {} %f %t %K {}",
                        script.display(),
                        list.display()
                    ));
                }
            }
        }
        let command = fingerprints.as_deref().unwrap_or("none");
        prepared.option("KnownHostsCommand", command);
        let file = format!("\"{}\"", known.display());
        for (key, value) in [
            ("UserKnownHostsFile", file.as_str()),
            ("GlobalKnownHostsFile", "/dev/null"),
            ("CheckHostIP", "no"),
            ("UpdateHostKeys", "no"),
            ("VerifyHostKeyDNS", "no"),
            ("HashKnownHosts", "no"),
        ] {
            prepared.option(key, value);
        }
        Ok(())
    }
}

impl Prepared {
    fn option(&mut self, key: &str, value: &str) {
        self.options.extend(super::master::option(key, value));
    }

    /// A file that is gone when this is.
    fn write(&mut self, file: &Path, text: &str, mode: u32) -> io::Result<()> {
        self.secrets.push(file.to_owned());
        write(file, text, mode)
    }
}

/// Replaces a file. It is never open for anybody else, not even for a moment.
fn write(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(file)?;
    file.write_all(text.as_bytes())
}

fn known(socket: &Path) -> PathBuf {
    socket.with_extension("known")
}

/// The keys that the machine showed when its connection was opened, as `TYPE BASE64`.
pub(super) fn seen(socket: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(known(socket)).unwrap_or_default();
    let keys = text
        .lines()
        .filter_map(|line| line.split_once(' ').map(|(_host, key)| key.to_owned()));
    keys.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn login() -> Login {
        Login {
            identity: "t".into(),
            access: SshAccess {
                host: "h".into(),
                port: None,
                user: None,
                keys: vec![SshKey::Secret("KEY".into()), SshKey::File("~/a%b".into())],
                certificate: None,
                password: Some("WORD".into()),
                host_keys: HostKeys::Pinned(vec![
                    "ssh-ed25519 AAAA".into(),
                    format!("SHA256:{}", "a".repeat(43)),
                ]),
            },
            secrets: Arc::new(|name| match name {
                "KEY" | "WORD" => Ok(format!("SECRET-{name}")),
                other => Err(format!("the secret `{other}` is not granted")),
            }),
        }
    }

    #[test]
    fn secrets_are_files_of_the_users_alone_and_only_for_a_while() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("0123");
        let prepared = login().prepare(&socket).unwrap();
        let secret = |name: &str| socket.with_extension(name);
        for (name, mode) in [("key0", 0o600), ("password", 0o600), ("askpass", 0o700)] {
            let found = std::fs::metadata(secret(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(found & 0o777, mode, "{name}");
        }
        let options = prepared.options.join(" ");
        assert!(!options.contains("SECRET"), "{options}");
        assert!(options.contains("IdentityFile=\"~/a%%b\""), "{options}");
        assert!(options.contains("StrictHostKeyChecking=yes"), "{options}");
        let known = std::fs::read_to_string(known(&socket)).unwrap();
        assert_eq!(known, "* ssh-ed25519 AAAA\n");
        drop(prepared);
        for name in ["key0", "password", "askpass"] {
            assert!(!secret(name).exists(), "{name}");
        }
        let shown = format!("{:?}", login());
        assert!(!shown.contains("SECRET"), "{shown}");
    }

    #[test]
    fn what_is_not_said_is_the_users() {
        let directory = tempfile::tempdir().unwrap();
        let mut plain = login();
        plain.access.keys.clear();
        plain.access.password = None;
        plain.access.host_keys = HostKeys::KnownHosts;
        let prepared = plain.prepare(&directory.path().join("0123")).unwrap();
        assert_eq!(prepared.options, [""; 0]);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        plain.access.keys.push(SshKey::Secret("OTHER".into()));
        let refused = plain.prepare(&directory.path().join("0123")).err().unwrap();
        assert!(refused.to_string().contains("not granted"), "{refused}");
    }
}
