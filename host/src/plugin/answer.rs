//! What a plugin may answer. Each answer is measured (`answer`), checked against the contract (`malformed`), and its
//! texts for people are escaped, before anything else of the program sees it.

use std::collections::HashSet;

use runner_core::id::Token;
use serde_json::Value;

use super::bindings::{facts, inventory, types};
use super::rights::Rights;
use super::secrecy::Secrecy;
use super::{ssh_access, text};
use crate::provider::wire::Wire as _;
use crate::provider::{Access, Allocated, ErrorKind, ExitStatus, Facts, Listed};

const LONGEST_HANDLE: usize = 4096;
const MOST_ATTRIBUTES: usize = 32;
const LONGEST_ATTRIBUTE: usize = 256;
const MOST_ENTRIES: usize = 100_000;
const LONGEST_FACT: usize = 256;

/// Why an answer is not used.
#[derive(Debug)]
pub(crate) struct Bad {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) remedy: Option<String>,
}

impl Bad {
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Malformed,
            message: message.into(),
            remedy: None,
        }
    }
}

/// An answer that comes from a guest.
pub(crate) trait Answer: Send + 'static {
    /// What the engine gets.
    type Checked: Send + 'static;

    /// Bytes in all its texts together.
    fn size(&self) -> usize;

    /// The answer, when it is one that the contract allows under this grant.
    fn check(self, rights: Rights<'_>) -> Result<Self::Checked, Bad>;

    /// The same without the secrets in what is for people.
    fn discreet(checked: Self::Checked, _secrecy: &Secrecy) -> Self::Checked {
        checked
    }

    /// What a tap is shown of it.
    fn shown(checked: &Self::Checked) -> Value;
}

impl Answer for () {
    type Checked = ();

    fn shown(checked: &Self::Checked) -> Value {
        checked.to_json()
    }

    fn size(&self) -> usize {
        0
    }

    fn check(self, _rights: Rights<'_>) -> Result<(), Bad> {
        Ok(())
    }
}

impl Answer for types::ExitStatus {
    type Checked = ExitStatus;

    fn shown(checked: &Self::Checked) -> Value {
        checked.to_json()
    }

    fn size(&self) -> usize {
        0
    }

    fn check(self, _rights: Rights<'_>) -> Result<ExitStatus, Bad> {
        match self {
            Self::Code(code) => Ok(ExitStatus::Code(code)),
            Self::Signal(signal @ 1..=64) => Ok(ExitStatus::Signal(signal)),
            Self::Signal(other) => Err(Bad::malformed(format!(
                "the plugin answered a command that signal {other} ended; there is no such signal"
            ))),
        }
    }
}

impl Answer for types::Allocated {
    type Checked = Allocated;

    fn discreet(mut checked: Allocated, secrecy: &Secrecy) -> Allocated {
        for (key, value) in &mut checked.attributes {
            *key = secrecy.text(std::mem::take(key));
            *value = secrecy.text(std::mem::take(value));
        }
        checked
    }

    fn shown(checked: &Self::Checked) -> Value {
        checked.to_json()
    }

    fn size(&self) -> usize {
        let attributes: usize = self
            .attributes
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        let access = match &self.access {
            types::Access::Plugin => 0,
            types::Access::Ssh(access) => ssh_access::size(access),
        };
        self.handle.len() + attributes + access
    }

    fn check(self, rights: Rights<'_>) -> Result<Allocated, Bad> {
        handle(&self.handle)?;
        let access = match self.access {
            types::Access::Plugin => Access::Plugin,
            types::Access::Ssh(access) => Access::Ssh(ssh_access::check(access, rights)?),
        };
        if self.attributes.len() > MOST_ATTRIBUTES {
            let message = format!(
                "the plugin answered {} attributes; at most {MOST_ATTRIBUTES} are allowed",
                self.attributes.len()
            );
            return Err(Bad::malformed(message));
        }
        let mut attributes = Vec::with_capacity(self.attributes.len());
        for (key, value) in self.attributes {
            if key.is_empty() || key.len() > LONGEST_ATTRIBUTE || value.len() > LONGEST_ATTRIBUTE {
                let shown = text::printable_cut(&key, 40);
                let message = format!(
                    "the plugin answered an attribute `{shown}` whose key or value is empty or over {LONGEST_ATTRIBUTE} bytes"
                );
                return Err(Bad::malformed(message));
            }
            attributes.push((
                text::printable(&key).into_owned(),
                text::printable(&value).into_owned(),
            ));
        }
        Ok(Allocated {
            handle: self.handle,
            access,
            attributes,
        })
    }
}

impl Answer for Vec<inventory::exports::runner::plugin::inventory::Entry> {
    type Checked = Vec<Listed>;

    fn shown(checked: &Self::Checked) -> Value {
        checked.to_json()
    }

    fn size(&self) -> usize {
        self.iter()
            .map(|entry| entry.token.len() + entry.handle.len())
            .sum()
    }

    fn check(self, _rights: Rights<'_>) -> Result<Vec<Listed>, Bad> {
        if self.len() > MOST_ENTRIES {
            let message = format!(
                "the plugin listed {} instances; at most {MOST_ENTRIES} are allowed",
                self.len()
            );
            return Err(Bad::malformed(message));
        }
        let mut seen = HashSet::with_capacity(self.len());
        let mut listed = Vec::with_capacity(self.len());
        for entry in self {
            if !is_token(&entry.token) {
                let shown = text::printable_cut(&entry.token, 40);
                let message = format!(
                    "the plugin listed `{shown}`, which is not a token (32 lower-case hexadecimal digits)"
                );
                return Err(Bad::malformed(message));
            }
            handle(&entry.handle)?;
            if seen.insert(entry.token.clone()) {
                listed.push(Listed {
                    token: Token::stored(entry.token),
                    handle: entry.handle,
                });
            }
        }
        Ok(listed)
    }
}

impl Answer for facts::exports::runner::plugin::facts::Facts {
    type Checked = Facts;

    fn shown(checked: &Self::Checked) -> Value {
        checked.to_json()
    }

    fn size(&self) -> usize {
        [&self.arch, &self.os, &self.hostname, &self.address]
            .into_iter()
            .map(|fact| optional(fact.as_ref()))
            .sum()
    }

    fn check(self, _rights: Rights<'_>) -> Result<Facts, Bad> {
        Ok(Facts {
            arch: fact("arch", self.arch)?,
            cpus: self.cpus,
            memory: self.memory,
            os: fact("os", self.os)?,
            hostname: fact("hostname", self.hostname)?,
            address: fact("address", self.address)?,
        })
    }
}

/// Bytes of the texts in an error.
pub(crate) fn error_size(error: &types::Error) -> usize {
    match error {
        types::Error::Exhausted(retryable) | types::Error::Unavailable(retryable) => {
            retryable.message.len() + optional(retryable.remedy.as_ref())
        }
        types::Error::Invalid(failure)
        | types::Error::Denied(failure)
        | types::Error::Gone(failure)
        | types::Error::Unsupported(failure)
        | types::Error::Failed(failure) => {
            failure.message.len() + optional(failure.remedy.as_ref())
        }
    }
}

fn optional(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}

fn is_token(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn handle(handle: &str) -> Result<(), Bad> {
    if handle.is_empty() {
        return Err(Bad::malformed("the plugin answered an empty handle"));
    }
    if handle.len() > LONGEST_HANDLE {
        let message = format!(
            "the plugin answered a handle of {} bytes; at most {LONGEST_HANDLE} are allowed",
            handle.len()
        );
        return Err(Bad::malformed(message));
    }
    if handle.chars().any(char::is_control) {
        let shown = text::printable_cut(handle, 80);
        return Err(Bad::malformed(format!(
            "the plugin answered a handle with control characters, `{shown}`"
        )));
    }
    Ok(())
}

fn fact(name: &str, value: Option<String>) -> Result<Option<String>, Bad> {
    match value {
        Some(value) if value.len() > LONGEST_FACT => {
            let message = format!(
                "the plugin answered {} bytes for the fact `{name}`; at most {LONGEST_FACT} are allowed",
                value.len()
            );
            Err(Bad::malformed(message))
        }
        value => Ok(value.map(|value| text::printable(&value).into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Capabilities;

    fn rights(grant: &Capabilities) -> Rights<'_> {
        Rights {
            grant,
            source: "here",
        }
    }

    fn allocated(handle: &str) -> types::Allocated {
        types::Allocated {
            handle: handle.into(),
            access: types::Access::Plugin,
            attributes: vec![("a\x1b".into(), "b\n".into())],
        }
    }

    #[test]
    fn handles() {
        let none = Capabilities::default();
        let good = allocated(&"x".repeat(4096))
            .check(rights(&none))
            .expect("longest handle");
        assert_eq!(
            good.attributes,
            [("a\\u{1b}".to_owned(), "b\\n".to_owned())]
        );
        for bad in ["", &"x".repeat(4097), "a\0b", "a\nb", "\u{85}"] {
            let bad = allocated(bad).check(rights(&none)).expect_err(bad);
            assert_eq!(bad.kind, ErrorKind::Malformed);
        }
    }

    #[test]
    fn attributes() {
        let none = Capabilities::default();
        let mut many = allocated("h");
        many.attributes = vec![("k".into(), "v".into()); 33];
        assert!(many.check(rights(&none)).is_err());
        let mut long = allocated("h");
        long.attributes = vec![("k".into(), "v".repeat(257))];
        assert!(long.check(rights(&none)).is_err());
    }

    #[test]
    fn listings() {
        use inventory::exports::runner::plugin::inventory::Entry;
        let none = Capabilities::default();
        let entry = |token: &str| Entry {
            token: token.into(),
            handle: "h".into(),
        };
        let token = "0123456789abcdef0123456789abcdef";
        assert_eq!(
            vec![entry(token), entry(token)]
                .check(rights(&none))
                .expect("one twice")
                .len(),
            1
        );
        for bad in ["", "0123", &token.to_uppercase(), &format!("{token}0")] {
            assert!(vec![entry(bad)].check(rights(&none)).is_err(), "{bad}");
        }
    }
}
