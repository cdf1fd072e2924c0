//! Targets as ssh arguments, as names in messages, and as names of sockets.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

use sha2::{Digest, Sha256};

use super::TransportError;
use crate::provider::SshTarget;

/// As a person speaks of it: `user@host port 22`.
pub(super) fn shown(target: &SshTarget) -> String {
    let mut shown = host_of(target);
    if let Some(port) = target.port {
        // Writing to a string cannot fail.
        let _ = write!(shown, " port {port}");
    }
    shown
}

/// As a person would type it after `ssh`.
pub(super) fn typed(target: &SshTarget) -> String {
    let host = host_of(target);
    match target.port {
        Some(port) => format!("-p {port} {host}"),
        None => host,
    }
}

fn host_of(target: &SshTarget) -> String {
    match &target.user {
        Some(user) => format!("{user}@{}", target.host),
        None => target.host.clone(),
    }
}

/// Refuses what ssh could take for something other than a host and a user: an option, a URL, or text for a shell (ssh
/// puts both into `ProxyCommand`).
pub(super) fn check(target: &SshTarget) -> Result<(), TransportError> {
    let bad = |reason| {
        Err(TransportError::BadTarget {
            target: target.host.escape_debug().to_string(),
            reason,
        })
    };
    for (text, empty) in [
        (Some(&target.host), "the host is empty"),
        (target.user.as_ref(), "the user is empty"),
    ] {
        let Some(text) = text else { continue };
        if text.is_empty() {
            return bad(empty);
        }
        if text.starts_with('-') {
            return bad("it starts with `-`");
        }
        if text.contains("://") {
            return bad("it is a URL");
        }
        if text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || "'\"`$\\;&<>|(){}*?!#".contains(c))
        {
            return bad("it has blanks or characters that mean something to a shell");
        }
    }
    if target.user.is_some() && target.host.contains('@') {
        return bad("it names a user, and another one is given");
    }
    Ok(())
}

/// The words that name a target to ssh; none for one that is refused.
pub(crate) fn checked_arguments(target: &SshTarget) -> Option<Vec<OsString>> {
    check(target).ok().map(|()| arguments(target))
}

/// Where and as whom; goes before the host.
pub(super) fn arguments(target: &SshTarget) -> Vec<OsString> {
    let mut arguments = Vec::new();
    if let Some(port) = target.port {
        arguments.extend(["-p".into(), port.to_string().into()]);
    }
    if let Some(user) = &target.user {
        arguments.extend(["-l".into(), user.into()]);
    }
    arguments.extend(["--".into(), (&target.host).into()]);
    arguments
}

/// 16 digits that stand for everything that makes a connection this one. Short, because a socket's path has to fit into
/// 104 bytes on some systems, and ssh appends 17 of its own while it makes it.
pub(super) fn digest(
    target: &SshTarget,
    program: &std::path::Path,
    options: &[OsString],
    identity: Option<&str>,
) -> String {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    };
    add(program.as_os_str().as_bytes());
    for option in options {
        add(option.as_bytes());
    }
    for argument in arguments(target) {
        add(argument.as_bytes());
    }
    if let Some(identity) = identity {
        add(identity.as_bytes());
    }
    hash.finalize()[..8].iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, user: Option<&str>) -> SshTarget {
        SshTarget {
            host: host.to_owned(),
            port: None,
            user: user.map(str::to_owned),
        }
    }

    #[test]
    fn people_and_ssh_name_it_differently() {
        let mut to = target("box", Some("root"));
        assert_eq!((&*shown(&to), &*typed(&to)), ("root@box", "root@box"));
        to.port = Some(2222);
        let words = ("root@box port 2222", "-p 2222 root@box");
        assert_eq!((&*shown(&to), &*typed(&to)), words);
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        for host in [
            "",
            "-oProxyCommand=x",
            "a b",
            "ssh://a",
            "$(id)",
            "a\nb",
            "a;b",
            "\x1b[0m",
        ] {
            assert!(check(&target(host, None)).is_err(), "{host:?}");
        }
        for user in ["", "-l", "a'b"] {
            assert!(check(&target("h", Some(user))).is_err(), "{user:?}");
        }
        assert!(check(&target("a@h", Some("b"))).is_err());
        for host in [
            "h",
            "h.example.org",
            "10.0.0.1",
            "fe80::1%eth0",
            "user@h",
            "my_alias",
        ] {
            assert!(check(&target(host, None)).is_ok(), "{host:?}");
        }
    }

    #[test]
    fn connections_are_told_apart() {
        let program = std::path::Path::new("ssh");
        let one = digest(&target("h", None), program, &[], None);
        assert_eq!(one.len(), 16);
        assert_ne!(one, digest(&target("h", Some("u")), program, &[], None));
        assert_ne!(
            one,
            digest(&target("h", None), program, &["-4".into()], None)
        );
        assert_eq!(one, digest(&target("h", None), program, &[], None));
        assert_ne!(one, digest(&target("h", None), program, &[], Some("i")));
    }
}
