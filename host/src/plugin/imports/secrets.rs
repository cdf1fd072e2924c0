//! `secrets`: values that the user granted by name, and values that are kept for the instance of a call. A value is never logged
//! and never part of a message.

use std::future::ready;

use super::state::refused;
use super::{Answer, failed, invalid};
use crate::plugin::Right;
use crate::plugin::bindings::secrets::Host;
use crate::plugin::bindings::types::{Error, Failure};
use crate::plugin::books::Room;
use crate::plugin::state::State;
use crate::plugin::tap::through;
use crate::plugin::text;
use crate::process::{self, NativeCommand};
use crate::provider::wire::Wire as _;

/// Characters of a made password: 32 of 62 are 190 bits.
const PASSWORD: usize = 32;

// Whoever taps a plugin sees names, and what `get` tells the guest; no value on its way in.
impl Host for State {
    async fn get(&mut self, name: String) -> Answer<String> {
        through!(
            self,
            "secrets.get",
            name.to_json(),
            ready(Ok(self.secret(&name)))
        )
    }

    async fn keep(&mut self, name: String, value: String) -> Answer<()> {
        through!(
            self,
            "secrets.keep",
            name.to_json(),
            ready(Ok(self.keep_secret(&name, &value)))
        )
    }

    async fn make_password(&mut self, name: String) -> Answer<()> {
        through!(
            self,
            "secrets.make-password",
            name.to_json(),
            ready(Ok(
                password().and_then(|password| self.keep_secret(&name, &password))
            ))
        )
    }

    async fn make_ssh_key(&mut self, name: String) -> Answer<String> {
        through!(
            self,
            "secrets.make-ssh-key",
            name.to_json(),
            self.make_and_keep_key(&name)
        )
    }
}

impl State {
    async fn make_and_keep_key(&mut self, name: &str) -> Answer<String> {
        // Before anything is started: where nothing may be kept, nothing is made.
        if let Err(refused) = self.keeper(name) {
            return Ok(Err(refused));
        }
        self.count_process()?;
        let _quiet = self.running.pause();
        let made = ssh_key(&format!("runner-{}", self.bound.context.source)).await;
        Ok(made.and_then(|(private, public)| {
            self.keep_secret(name, &private)?;
            Ok(public)
        }))
    }

    /// The value of a secret: what was kept for this instance, or what the user granted.
    pub(super) fn secret(&self, name: &str) -> Result<String, Error> {
        let shown = text::printable_cut(name, 80);
        if let Some(token) = &self.purpose.token
            && self.bound.owns_instances()
        {
            let kept = self.bound.services.books.kept(token, name);
            if let Some(value) = kept.map_err(failed)? {
                self.secrecy.given(name, &value);
                return Ok(value);
            }
        }
        if !self.bound.grant.allows_secret(name) {
            let message = format!("the secret `{shown}` is not granted");
            return Err(self.bound.rights().denied(message, "secrets"));
        }
        let secrets = &self.bound.services.secrets;
        match secrets.get(name) {
            Ok(Some(value)) => {
                self.guard.used(Right::Secret, name.to_owned());
                Ok(value)
            }
            Ok(None) => Err(Error::Invalid(Failure {
                message: format!("the secret `{shown}` is granted, but it is not set"),
                remedy: Some(secrets.how_to_set(name)),
            })),
            Err(why) => Err(failed(format!(
                "the secret `{shown}` cannot be read: {why}"
            ))),
        }
    }

    /// Whose a secret of this name would be.
    fn keeper(&self, name: &str) -> Result<&runner_core::id::Token, Error> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            return Err(invalid(format!(
                "`{}` cannot be the name of a secret: 1 to 64 letters, digits, `_`, `.` and `-`",
                text::printable_cut(name, 80)
            )));
        }
        if !self.bound.owns_instances() {
            return Err(Error::Denied(Failure {
                message: "only the provider of an instance keeps secrets for it; a wrapper or hook keeps no secrets"
                    .to_owned(),
                remedy: None,
            }));
        }
        self.purpose.may_keep().ok_or_else(|| {
            failed("only a call that makes or changes an instance can keep secrets for it")
        })
    }

    fn keep_secret(&self, name: &str, value: &str) -> Result<(), Error> {
        let token = self.keeper(name)?;
        self.secrecy.given(name, value);
        let limits = &self.bound.limits;
        let room = Room {
            entries: limits.kept_secrets.into(),
            bytes: limits.kept_bytes,
        };
        let books = &self.bound.services.books;
        books.keep(token, name, value, room).map_err(refused)
    }
}

fn password() -> Result<String, Error> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut password = String::with_capacity(PASSWORD);
    let mut bytes = [0_u8; 64];
    while password.len() < PASSWORD {
        getrandom::fill(&mut bytes).map_err(|e| failed(format!("no random bytes: {e}")))?;
        // What is left over of 256 would make some letters likelier than others.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        let letters = fair.map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
        password.extend(letters.take(PASSWORD - password.len()));
    }
    Ok(password)
}

/// A new key: the private half, and the line of the public one. OpenSSH makes it, which will use it.
async fn ssh_key(comment: &str) -> Result<(String, String), Error> {
    let trouble = |e: std::io::Error| failed(format!("a key cannot be made: {e}"));
    // Its owner's alone, and gone with its value.
    let directory = tempfile::tempdir().map_err(trouble)?;
    let file = directory.path().join("key");
    let make = NativeCommand::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(&file);
    let made = process::capture(&make, Vec::new(), 1 << 16).await;
    let made = made.map_err(|e| failed(super::chain(&e)))?;
    if !made.status.success() {
        let why = String::from_utf8_lossy(&made.stderr);
        return Err(failed(format!(
            "`ssh-keygen` cannot make a key: {}",
            text::printable_cut(why.trim(), 400)
        )));
    }
    let private = std::fs::read_to_string(&file).map_err(trouble)?;
    let public = std::fs::read_to_string(file.with_extension("pub")).map_err(trouble)?;
    Ok((private, public.trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_plain_and_never_the_same() {
        let one = password().expect("random bytes");
        assert_eq!(one.len(), PASSWORD);
        assert!(one.bytes().all(|b| b.is_ascii_alphanumeric()), "{one}");
        assert_ne!(one, password().expect("random bytes"));
    }
}
