//! The records of the contract, with what makes them pleasant to build and read.

use std::fmt;
use std::str::FromStr;

use crate::Error;
pub use crate::bindings::facts::exports::runner::plugin::facts::Facts;
pub use crate::bindings::inventory::exports::runner::plugin::inventory::Entry;
pub use crate::bindings::provider::exports::runner::plugin::provider::Direction;
pub use crate::bindings::provider::runner::plugin::types::{
    Access, Allocated, Command, Doomed, ExitStatus, HostKeys, Instance, Request, SshAccess, SshKey,
    SshTarget,
};

impl Allocated {
    /// An instance reached through this plugin. The handle (at most 4096 bytes) comes back on each call.
    pub fn new(handle: impl Into<String>) -> Self {
        Self {
            handle: handle.into(),
            access: Access::Plugin,
            attributes: Vec::new(),
        }
    }

    /// Reached by OpenSSH from the host, with no plugin code on the way. A target alone is reached as the user's own `ssh`
    /// would; an [`SshAccess`] says more.
    #[must_use]
    pub fn by_ssh(mut self, access: impl Into<SshAccess>) -> Self {
        self.access = Access::Ssh(access.into());
        self
    }

    /// Adds an attribute, as `runner status -v --json` shows it: at most 32 of them, and what is longer than 256 bytes is cut.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let cut = |mut text: String| {
            text.truncate(text.floor_char_boundary(256));
            text
        };
        self.attributes.push((cut(name.into()), cut(value.into())));
        self
    }
}

/// The directory that the host made for an instance.
fn workdir(given: Option<&String>) -> Result<&str, Error> {
    given.map(String::as_str).ok_or_else(|| {
        Error::invalid("the host gave this instance no directory of its own")
            .remedy("the manifest must request it: `\"requests\": { \"workdir\": true }`")
    })
}

impl Request {
    /// The instance's own directory on the host, for a plugin whose manifest requests `workdir`.
    pub fn workdir(&self) -> Result<&str, Error> {
        workdir(self.workdir.as_ref())
    }

    /// What an `allocate` of this request may have left, for a wrapper that destroys it before it tries again.
    pub fn leftover(&self) -> Doomed {
        Doomed {
            token: self.token.clone(),
            handle: None,
            name: self.name.clone(),
            workdir: self.workdir.clone(),
        }
    }
}

impl Instance {
    /// The instance's own directory on the host, for a plugin whose manifest requests `workdir`.
    pub fn workdir(&self) -> Result<&str, Error> {
        workdir(self.workdir.as_ref())
    }
}

impl From<SshTarget> for SshAccess {
    fn from(target: SshTarget) -> Self {
        Self {
            host: target.host,
            port: target.port,
            user: target.user,
            keys: Vec::new(),
            certificate: None,
            password: None,
            host_keys: HostKeys::KnownHosts,
        }
    }
}

impl SshAccess {
    /// This host, on the usual port, and otherwise as the user's own `ssh` has it.
    pub fn new(host: impl Into<String>) -> Self {
        Self::from(SshTarget {
            host: host.into(),
            port: None,
            user: None,
        })
    }

    /// Another port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The user to log in as.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Offers this key, and no other than those that are named.
    #[must_use]
    pub fn key(mut self, key: SshKey) -> Self {
        self.keys.push(key);
        self
    }

    /// The name of the secret that holds the password.
    #[must_use]
    pub fn password(mut self, secret: impl Into<String>) -> Self {
        self.password = Some(secret.into());
        self
    }

    /// Accepts only this key of the machine (`ssh-ed25519 AAAA…` or `SHA256:…`), or others that are pinned as well.
    #[must_use]
    pub fn pinned(mut self, key: impl Into<String>) -> Self {
        match &mut self.host_keys {
            HostKeys::Pinned(keys) => keys.push(key.into()),
            HostKeys::KnownHosts | HostKeys::FirstUse => {
                self.host_keys = HostKeys::Pinned(vec![key.into()]);
            }
        }
        self
    }

    /// Accepts the first key that the machine shows, and no other afterwards.
    #[must_use]
    pub fn first_use(mut self) -> Self {
        self.host_keys = HostKeys::FirstUse;
        self
    }
}

impl ExitStatus {
    /// It ended with code 0.
    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with code {code}"),
            Self::Signal(signal) => write!(f, "was killed by signal {signal}"),
        }
    }
}

/// As the operator writes it: `[user@]host[:port]`, an IPv6 address with a port in brackets.
impl FromStr for SshTarget {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Error::invalid(format!("`{text}` is not an ssh target: {why}"))
                .remedy("write `[user@]host[:port]`, with an IPv6 address in brackets")
        };
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest
                    .split_once(']')
                    .ok_or_else(|| wrong("the bracket is not closed"))?;
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(wrong("after the bracket comes `:port` or nothing")),
                }
            }
            // More than one colon and no brackets: an IPv6 address alone.
            None if rest.matches(':').count() > 1 => (rest, None),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = match port {
            None => None,
            Some(digits) => match digits.parse::<u16>() {
                Ok(port) if port > 0 => Some(port),
                _ => return Err(wrong("the port is a number from 1 to 65535")),
            },
        };
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        if user.is_some_and(str::is_empty) {
            return Err(wrong("the user is missing"));
        }
        if host.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) {
            return Err(wrong("a leading `-` would be an option"));
        }
        if text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '/')
        {
            return Err(wrong(
                "blanks, control characters and `/` cannot be part of it",
            ));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            user: user.map(str::to_owned),
        })
    }
}

/// The form that `FromStr` reads.
impl fmt::Display for SshTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(user: Option<&str>, host: &str, port: Option<u16>) -> SshTarget {
        SshTarget {
            host: host.into(),
            port,
            user: user.map(str::to_owned),
        }
    }

    #[test]
    fn long_attributes_are_cut_between_characters() {
        let made = Allocated::new("h").attribute("path", "ä".repeat(200));
        assert_eq!(made.attributes, [("path".to_owned(), "ä".repeat(128))]);
    }

    #[test]
    fn ssh_targets_are_read_and_written() {
        for (text, expected) in [
            ("web", target(None, "web", None)),
            ("me@web", target(Some("me"), "web", None)),
            ("me@web:2222", target(Some("me"), "web", Some(2222))),
            ("a@b@web", target(Some("a@b"), "web", None)),
            ("[::1]:22", target(None, "::1", Some(22))),
            (
                "me@[fe80::1%eth0]",
                target(Some("me"), "fe80::1%eth0", None),
            ),
        ] {
            assert_eq!(text.parse::<SshTarget>(), Ok(expected), "{text}");
            assert_eq!(text.parse::<SshTarget>().unwrap().to_string(), text);
        }
        assert_eq!("::1".parse(), Ok(target(None, "::1", None)));
    }

    #[test]
    fn what_is_no_ssh_target_is_refused() {
        for text in [
            "",
            "@",
            "me@",
            "@web",
            ":22",
            "web:",
            "web:0",
            "web:65536",
            "web:x",
            "-oProxyCommand=x",
            "me@-x",
            "[::1",
            "[::1]x",
            "a b",
            "ssh://web",
        ] {
            assert!(text.parse::<SshTarget>().is_err(), "{text}");
        }
    }
}
