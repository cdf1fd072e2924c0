//! The secrets that one exchange may use: each value is given out for a host, a place and a connection that were granted, and
//! whatever was given out is looked for in what comes back.

use std::collections::BTreeSet;

use super::address::is_this_machine;
use super::outgoing::text_of;
use super::placeholder::{self, Escape, Piece};
use super::scrub::{SHORTEST, Scrub};
use super::url::Destination;
use super::{failed, invalid};
use crate::plugin::bindings::types::{Error, Failure};
use crate::plugin::rights::Rights;
use crate::plugin::{Place, Secrets, text};

/// Gives secrets out, and remembers them.
pub(super) struct Vault<'a> {
    rights: Rights<'a>,
    secrets: &'a dyn Secrets,
    pub(super) scrub: Scrub,
    /// Names and values that were given out.
    given: Vec<(String, String)>,
}

impl<'a> Vault<'a> {
    /// All that may be used is looked for from the start: a server may answer now with what it was sent before.
    pub(super) fn new(rights: Rights<'a>, secrets: &'a dyn Secrets) -> Self {
        let mut scrub = Scrub::default();
        let names: BTreeSet<_> = rights
            .grant
            .http_secrets
            .iter()
            .map(|one| &one.name)
            .collect();
        for name in names {
            if let Ok(Some(value)) = secrets.get(name) {
                scrub.secret(name, &value);
            }
        }
        Self {
            rights,
            secrets,
            scrub,
            given: Vec::new(),
        }
    }

    pub(super) fn rights(&self) -> Rights<'a> {
        self.rights
    }

    /// There is something that must not come back.
    pub(super) fn holds_something(&self) -> bool {
        self.scrub.is_needed()
    }

    /// What was given out since the last time this was asked.
    pub(super) fn take_given(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.given)
    }

    /// The value of a secret, to be put there.
    pub(super) fn value(
        &mut self,
        to: &Destination,
        name: &str,
        place: Place,
    ) -> Result<String, Error> {
        self.permits(to, name, place)?;
        let shown = text::printable_cut(name, 80);
        let value = match self.secrets.get(name) {
            Ok(Some(value)) => value,
            Ok(None) => {
                return Err(Error::Invalid(Failure {
                    message: format!("the secret `{shown}` is granted, but it is not set"),
                    remedy: Some(self.secrets.how_to_set(name)),
                }));
            }
            Err(why) => {
                return Err(failed(format!(
                    "the secret `{shown}` cannot be read: {why}"
                )));
            }
        };
        if value.len() < SHORTEST {
            return Err(Error::Invalid(Failure {
                message: format!(
                    "the secret `{shown}` is shorter than {SHORTEST} bytes: it could not be told from other text when a server sends it back"
                ),
                remedy: Some(self.secrets.how_to_set(name)),
            }));
        }
        self.scrub.secret(name, &value);
        self.given.push((name.to_owned(), value.clone()));
        Ok(value)
    }

    /// This secret, or what is derived from it, may go there.
    pub(super) fn permits(&self, to: &Destination, name: &str, place: Place) -> Result<(), Error> {
        let clear = !to.encrypted && !is_this_machine(&to.host);
        let grant = self.rights.grant;
        if grant.allows_secret_use(name, &to.host, place, clear) {
            return Ok(());
        }
        let name = text::printable_cut(name, 80);
        let host = &to.host;
        let message = if clear && grant.allows_secret_use(&name, host, place, false) {
            format!(
                "the secret `{name}` may go to `{host}`, but not unencrypted: the address must begin with `https://`"
            )
        } else {
            let place = match place {
                Place::Header => "",
                Place::Query => " in a query",
                Place::Body => " in a body",
            };
            format!("the secret `{name}` is not granted towards `{host}`{place}")
        };
        Err(self.rights.denied(message, "http-secrets"))
    }

    /// A text with its placeholders filled in.
    pub(super) fn fill(
        &mut self,
        to: &Destination,
        text: &[u8],
        place: Place,
        escape: Escape,
    ) -> Result<Vec<u8>, Error> {
        let mut filled = Vec::with_capacity(text.len());
        for piece in placeholder::pieces(text).map_err(invalid)? {
            match piece {
                Piece::Text(text) => filled.extend_from_slice(text),
                Piece::Secret(name) => {
                    let value = self.value(to, name, place)?;
                    let escaped = escape.apply(&value);
                    filled.extend_from_slice(escaped.as_bytes());
                }
            }
        }
        Ok(filled)
    }

    /// The same for a text that stands by itself.
    pub(super) fn text(
        &mut self,
        to: &Destination,
        text: &str,
        place: Place,
    ) -> Result<String, Error> {
        text_of(self.fill(to, text.as_bytes(), place, Escape::Nothing)?)
    }
}
