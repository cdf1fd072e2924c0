//! How a plugin may say that its instance is reached by ssh: nothing in it may be taken by ssh for an option, a second word or a
//! second line. Which secrets it may name is decided when they are used.

use super::answer::Bad;
use super::bindings::types;
use super::rights::Rights;
use super::text;
use crate::provider::{ErrorKind, HostKeys, SshAccess, SshKey, SshTarget};

/// As long as a host name can be, and longer than any alias somebody types.
const LONGEST_HOST: usize = 255;
const MOST_KEYS: usize = 16;
const MOST_HOST_KEYS: usize = 32;
/// A certificate with many principals, or an RSA key of 16384 bits.
const LONGEST_LINE: usize = 16 << 10;

/// Bytes of the texts in it.
pub(super) fn size(access: &types::SshAccess) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let keys: usize = access
        .keys
        .iter()
        .map(|key| match key {
            types::SshKey::Secret(text)
            | types::SshKey::File(text)
            | types::SshKey::Agent(text) => text.len(),
        })
        .sum();
    let host_keys = match &access.host_keys {
        types::HostKeys::Pinned(keys) => keys.iter().map(String::len).sum(),
        types::HostKeys::KnownHosts | types::HostKeys::FirstUse => 0,
    };
    access.host.len()
        + text(&access.user)
        + text(&access.certificate)
        + text(&access.password)
        + keys
        + host_keys
}

/// The same for the port, if it is in order and the host is granted.
pub(super) fn check(access: types::SshAccess, rights: Rights<'_>) -> Result<SshAccess, Bad> {
    let access = SshAccess {
        host: access.host,
        port: access.port,
        user: access.user,
        keys: access
            .keys
            .into_iter()
            .map(|key| match key {
                types::SshKey::Secret(name) => SshKey::Secret(name),
                types::SshKey::File(path) => SshKey::File(path),
                types::SshKey::Agent(line) => SshKey::Agent(line),
            })
            .collect(),
        certificate: access.certificate,
        password: access.password,
        host_keys: match access.host_keys {
            types::HostKeys::KnownHosts => HostKeys::KnownHosts,
            types::HostKeys::Pinned(keys) => HostKeys::Pinned(keys),
            types::HostKeys::FirstUse => HostKeys::FirstUse,
        },
    };
    shape(&access).map_err(Bad::malformed)?;
    if rights.grant.allows_ssh(&access.host) {
        return Ok(access);
    }
    Err(Bad {
        kind: ErrorKind::Denied,
        message: format!(
            "the plugin wants its instance to be reached by ssh at `{}`, which is not granted",
            access.host
        ),
        remedy: Some(rights.remedy("ssh")),
    })
}

fn shape(access: &SshAccess) -> Result<(), String> {
    target(&access.target())?;
    if access.keys.len() > MOST_KEYS {
        return Err(format!(
            "the plugin answered {} keys for ssh; at most {MOST_KEYS} are allowed",
            access.keys.len()
        ));
    }
    for key in &access.keys {
        match key {
            SshKey::Secret(name) => secret(name)?,
            SshKey::File(path) => {
                let rooted = path.starts_with('/') || path.starts_with("~/");
                if !rooted || path.len() > 4096 || path.chars().any(|c| c.is_control() || c == '"')
                {
                    return Err(format!(
                        "`{}` is not the file of a key: an absolute path, or `~/…`",
                        text::printable_cut(path, 80)
                    ));
                }
            }
            SshKey::Agent(key) => public_key("a public key", key)?,
        }
    }
    if let Some(certificate) = &access.certificate {
        public_key("a certificate", certificate)?;
        let kind = certificate.split(' ').next().unwrap_or_default();
        if !kind.ends_with("-cert-v01@openssh.com") {
            return Err(format!(
                "`{}` is not the kind of an OpenSSH certificate",
                text::printable_cut(kind, 80)
            ));
        }
    }
    if let Some(name) = &access.password {
        secret(name)?;
    }
    if let HostKeys::Pinned(keys) = &access.host_keys {
        if keys.is_empty() || keys.len() > MOST_HOST_KEYS {
            return Err(format!(
                "the plugin pinned {} host keys; 1 to {MOST_HOST_KEYS} are allowed",
                keys.len()
            ));
        }
        for key in keys {
            if !key.starts_with("SHA256:") {
                public_key("a host key", key)?;
            } else if key.len() != 50 || !base64(&key[7..]) {
                return Err(format!(
                    "`{}` is not a fingerprint: `SHA256:` and 43 letters of base64",
                    text::printable_cut(key, 80)
                ));
            }
        }
    }
    Ok(())
}

fn secret(name: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot be the name of a secret",
        text::printable_cut(name, 80)
    ))
}

/// `TYPE BASE64`, and a comment perhaps, on one line.
fn public_key(what: &str, line: &str) -> Result<(), String> {
    let mut words = line.split(' ');
    let kind = words.next().unwrap_or_default();
    let named = kind.starts_with("ssh-") || kind.starts_with("ecdsa-") || kind.starts_with("sk-");
    let key = words.next().unwrap_or_default();
    let whole = line.len() <= LONGEST_LINE && !line.chars().any(char::is_control);
    if named && kind.len() <= 80 && !key.is_empty() && base64(key) && whole {
        return Ok(());
    }
    Err(format!(
        "`{}` is not {what}: a kind such as `ssh-ed25519`, a blank, and base64, on one line",
        text::printable_cut(line, 80)
    ))
}

fn base64(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

/// Nothing in a target may be taken for an option or for more than one word. The message names the part, escaped.
pub(crate) fn target(target: &SshTarget) -> Result<(), String> {
    let word = |what: &str, value: &str| {
        let bad = value.is_empty()
            || value.len() > LONGEST_HOST
            || value.starts_with('-')
            || value.chars().any(|c| c.is_control() || c.is_whitespace());
        if bad {
            let shown = text::printable_cut(value, 80);
            Err(format!(
                "`{shown}` is not {what} for ssh: 1 to {LONGEST_HOST} bytes, no blanks, not starting with `-`"
            ))
        } else {
            Ok(())
        }
    };
    word("a host", &target.host)?;
    match &target.user {
        Some(user) => word("a user", user),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Capabilities;

    fn access(host: &str) -> types::SshAccess {
        types::SshAccess {
            host: host.into(),
            port: None,
            user: None,
            keys: Vec::new(),
            certificate: None,
            password: None,
            host_keys: types::HostKeys::KnownHosts,
        }
    }

    fn checked(access: types::SshAccess) -> Result<SshAccess, ErrorKind> {
        let mut grant = Capabilities::default();
        grant.ssh.insert("*".into());
        let rights = Rights {
            grant: &grant,
            source: "here",
        };
        check(access, rights).map_err(|bad| bad.kind)
    }

    #[test]
    fn ssh_needs_a_grant_and_a_clean_target() {
        let none = Capabilities::default();
        let rights = Rights {
            grant: &none,
            source: "here",
        };
        let refused = check(access("web"), rights).expect_err("not granted");
        assert_eq!(refused.kind, ErrorKind::Denied);
        assert!(checked(access("web")).is_ok_and(|access| access.is_plain()));
        for (host, user) in [
            ("-oProxyCommand=x", None),
            ("a b", None),
            ("", None),
            ("web", Some("-x")),
            ("web", Some("a\nb")),
        ] {
            let mut bad = access(host);
            bad.user = user.map(Into::into);
            assert_eq!(checked(bad), Err(ErrorKind::Malformed), "{host:?} {user:?}");
        }
    }

    #[test]
    fn keys_and_certificates_are_one_line_of_the_right_kind() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5";
        let good = |keys: Vec<types::SshKey>| {
            let mut access = access("web");
            access.keys = keys;
            checked(access).is_ok()
        };
        assert!(good(vec![
            types::SshKey::Agent(key.into()),
            types::SshKey::Agent(format!("{key} a comment")),
            types::SshKey::File("~/.ssh/id".into()),
            types::SshKey::Secret("KEY.1".into()),
        ]));
        for bad in [
            "",
            "AAAA",
            "ssh-ed25519",
            "ssh-ed25519 A\nB x",
            "ssh-rsa $(id)",
            "* ssh-rsa AAAA",
        ] {
            assert!(!good(vec![types::SshKey::Agent(bad.into())]), "{bad:?}");
        }
        for bad in ["id", "../id", "/a\nb", "~root/x", ""] {
            assert!(!good(vec![types::SshKey::File(bad.into())]), "{bad:?}");
        }
        for bad in ["", "a b", "../x"] {
            assert!(!good(vec![types::SshKey::Secret(bad.into())]), "{bad:?}");
        }
        assert!(!good(vec![
            types::SshKey::Secret("K".into());
            MOST_KEYS + 1
        ]));
        let mut with = access("web");
        with.certificate = Some("ssh-ed25519-cert-v01@openssh.com AAAA".into());
        assert!(checked(with.clone()).is_ok());
        with.certificate = Some(key.into());
        assert!(checked(with).is_err());
    }

    #[test]
    fn pinned_keys_are_keys_or_fingerprints() {
        let pinned = |keys: &[&str]| {
            let mut access = access("web");
            access.host_keys =
                types::HostKeys::Pinned(keys.iter().map(|key| (*key).to_owned()).collect());
            checked(access).is_ok()
        };
        let print = format!("SHA256:{}", "a".repeat(43));
        assert!(pinned(&["ssh-ed25519 AAAA", &print]));
        for bad in [
            &[][..],
            &["SHA256:short"],
            &["MD5:aa"],
            &["@cert-authority * ssh-rsa AAAA"],
        ] {
            assert!(!pinned(bad), "{bad:?}");
        }
    }
}
