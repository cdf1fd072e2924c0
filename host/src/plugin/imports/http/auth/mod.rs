//! `auth`: what the host adds to a request so that the server knows who asks. One file per scheme that is more than
//! a line.

mod hmac;
mod jwt;
mod login;
mod sigv4;

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ureq::http::header;

use super::outgoing::Outgoing;
use super::vault::Vault;
use crate::plugin::Place;
use crate::plugin::bindings::http::Auth;
use crate::plugin::bindings::types::Error;

pub(super) use login::Login;

/// What is left to do for an `auth`.
pub(super) enum Applied {
    /// The request is complete.
    Complete,
    /// It takes a token, which has to be got first.
    Needs(Box<Login>),
}

/// Adds what the request itself is enough for.
pub(super) fn apply(
    auth: &Auth,
    request: &mut Outgoing,
    vault: &mut Vault<'_>,
    now: SystemTime,
) -> Result<Applied, Error> {
    match auth {
        Auth::Bearer(name) => {
            let value = vault.value(&request.to, name, Place::Header)?;
            request.add(header::AUTHORIZATION, &format!("Bearer {value}"))?;
        }
        Auth::Basic(basic) => {
            let user = vault.text(&request.to, &basic.user, Place::Header)?;
            let password = vault.text(&request.to, &basic.password, Place::Header)?;
            let value = BASE64_STANDARD.encode(format!("{user}:{password}"));
            vault.scrub.derived(&value);
            request.add(header::AUTHORIZATION, &format!("Basic {value}"))?;
        }
        Auth::Hmac(how) => hmac::sign(how, request, vault)?,
        Auth::Sigv4(how) => sigv4::sign(how, request, vault, now)?,
        Auth::OauthClientCredentials(how) => {
            let login = login::client_credentials(how, &request.to, vault)?;
            return Ok(Applied::Needs(Box::new(login)));
        }
        Auth::OauthJwtBearer(how) => {
            let login = jwt::bearer(how, &request.to, vault)?;
            return Ok(Applied::Needs(Box::new(login)));
        }
        Auth::Login(how) => {
            let login = login::custom(how, &request.to, vault)?;
            return Ok(Applied::Needs(Box::new(login)));
        }
    }
    Ok(Applied::Complete)
}
