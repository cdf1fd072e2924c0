//! Tokens that the host fetches: what is sent to get one, and where it stands in the answer. OAuth client credentials (RFC
//! 6749, 4.4), and logins that a cloud made up itself.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use ureq::http::{HeaderName, HeaderValue, Method, header};

use super::super::outgoing::{Outgoing, header_name, may_send};
use super::super::placeholder::{self, Escape};
use super::super::tokens::Token;
use super::super::url::{self, Destination};
use super::super::vault::Vault;
use super::super::{failed, invalid, unavailable};
use super::hmac::hex;
use crate::plugin::bindings::http::{
    ClientAuthentication, ClientCredentials, Field, Login as CustomLogin, Response,
};
use crate::plugin::bindings::types::{Error, Failure};
use crate::plugin::{Place, text};

/// How long a token is taken to be good when nobody says.
const UNKNOWN: Duration = Duration::from_secs(600);
/// No token is kept longer, whatever is said.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The longest token.
const LONGEST_TOKEN: usize = 16 << 10;
const FORM: &str = "application/x-www-form-urlencoded";

/// A token that a request needs.
pub(in super::super) struct Login {
    /// Tells tokens apart: whoever asks the same with the same secrets gets the same.
    pub(in super::super) key: String,
    /// The header that takes it to the server, and what stands before it there.
    pub(in super::super) header: HeaderName,
    pub(in super::super) prefix: String,
    to: Destination,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Body,
    token: Field,
    expires: Option<Field>,
}

/// What a login sends.
pub(super) enum Body {
    Ready(Vec<u8>),
    /// Signed only when it is sent: it holds the time, and signing takes a while.
    Assertion(Box<super::jwt::Assertion>),
}

/// Where a login goes: a `POST` like any other, as far as the grant is concerned.
pub(super) fn destination(url: &str, vault: &Vault<'_>) -> Result<Destination, Error> {
    let shown = || text::printable_cut(url, 200);
    let to = url::destination(url).map_err(|why| {
        invalid(format!(
            "the login's address `{}` cannot be used: {why}",
            shown()
        ))
    })?;
    if to
        .query
        .as_deref()
        .is_some_and(|query| placeholder::is_in(query.as_bytes()))
    {
        return Err(invalid("the login's address cannot hold a secret"));
    }
    may_send(vault.rights(), &Method::POST, &to)?;
    Ok(to)
}

/// The secrets that the token is made of must be granted for where the token goes; and they tell tokens apart.
pub(super) fn key(
    how: &impl std::fmt::Debug,
    api: &Destination,
    vault: &mut Vault<'_>,
) -> Result<String, Error> {
    let mut digest = Sha256::new();
    digest.update(format!("{how:?}"));
    for (name, value) in vault.take_given() {
        vault.permits(api, &name, Place::Header)?;
        for part in [&name, &value] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    Ok(hex(&digest.finalize()))
}

/// OAuth 2 client credentials.
pub(super) fn client_credentials(
    how: &ClientCredentials,
    api: &Destination,
    vault: &mut Vault<'_>,
) -> Result<Login, Error> {
    let to = destination(&how.token_url, vault)?;
    vault.take_given();
    let id = vault.text(&to, &how.client_id, Place::Header)?;
    let secret = vault.value(&to, &how.client_secret, Place::Header)?;
    let mut form = Form::default();
    form.add("grant_type", "client_credentials");
    if !how.scopes.is_empty() {
        form.add("scope", &how.scopes.join(" "));
    }
    for (name, value) in &how.parameters {
        if matches!(
            name.as_str(),
            "grant_type" | "scope" | "client_id" | "client_secret"
        ) {
            return Err(invalid(format!(
                "`parameters` cannot hold `{name}`, which has a field of its own"
            )));
        }
        form.add(name, value);
    }
    let mut headers = form_headers();
    match how.authentication {
        ClientAuthentication::Body => {
            form.add("client_id", &id);
            form.add("client_secret", &secret);
        }
        ClientAuthentication::Basic => {
            let (id, secret) = (Escape::Percent.apply(&id), Escape::Percent.apply(&secret));
            let value = BASE64_STANDARD.encode(format!("{id}:{secret}"));
            vault.scrub.derived(&value);
            let mut value = HeaderValue::from_str(&format!("Basic {value}"))
                .map_err(|_| failed("Base64 is no header"))?;
            value.set_sensitive(true);
            headers.push((header::AUTHORIZATION, value));
        }
    }
    oauth(
        key(how, api, vault)?,
        to,
        headers,
        Body::Ready(form.finish()),
    )
}

/// A login whose answer is OAuth's.
pub(super) fn oauth(
    key: String,
    to: Destination,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Body,
) -> Result<Login, Error> {
    Ok(Login {
        key,
        header: header::AUTHORIZATION,
        prefix: "Bearer ".to_owned(),
        to,
        headers,
        body,
        token: Field::Json("/access_token".to_owned()),
        expires: Some(Field::Json("/expires_in".to_owned())),
    })
}

/// A login that the plugin describes.
pub(super) fn custom(
    how: &CustomLogin,
    api: &Destination,
    vault: &mut Vault<'_>,
) -> Result<Login, Error> {
    let to = destination(&how.url, vault)?;
    vault.take_given();
    let given =
        url::headers(&how.headers).map_err(|why| invalid(format!("bad HTTP headers: {why}")))?;
    let body = vault.fill(&to, &how.body, Place::Body, Escape::of_body(&given))?;
    let mut headers = Vec::new();
    for (name, value) in given {
        let value = vault.text(&to, &value, Place::Header)?;
        let mut value = HeaderValue::from_str(&value).map_err(|_| {
            invalid(format!(
                "the value of the header `{name}` is not ASCII text"
            ))
        })?;
        value.set_sensitive(true);
        headers.push((name, value));
    }
    Ok(Login {
        key: key(how, api, vault)?,
        header: header_name(&how.header)?,
        prefix: how.prefix.clone(),
        to,
        headers,
        body: Body::Ready(body),
        token: how.token.clone(),
        expires: how.expires.clone(),
    })
}

impl Login {
    /// What is sent to get the token.
    pub(in super::super) fn request(&self, now: SystemTime) -> Result<Outgoing, Error> {
        let body = match &self.body {
            Body::Ready(body) => body.clone(),
            Body::Assertion(assertion) => assertion.form(now)?,
        };
        Ok(Outgoing {
            method: Method::POST,
            to: self.to.clone(),
            headers: self.headers.clone(),
            body,
        })
    }

    /// The token in an answer. What the answer says stays here, but for an error's own words.
    pub(in super::super) fn token(
        &self,
        answer: &Response,
        now: SystemTime,
    ) -> Result<Token, Error> {
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let host = &self.to.host;
        match answer.status {
            200..=299 => {}
            429 | 500.. => {
                return Err(unavailable(format!(
                    "the login at `{host}` was answered with {}",
                    answer.status
                )));
            }
            status => {
                let said = ["/error_description", "/error/message", "/error", "/message"]
                    .into_iter()
                    .find_map(|at| json.pointer(at)?.as_str())
                    .map_or(String::new(), |said| {
                        format!(": {}", text::printable_cut(said, 200))
                    });
                return Err(Error::Denied(Failure {
                    message: format!("the login at `{host}` was answered with {status}{said}"),
                    remedy: Some("check the secrets that this source logs in with".to_owned()),
                }));
            }
        }
        let value = found(&self.token, answer, &json).filter(|value| {
            !value.is_empty()
                && value.len() <= LONGEST_TOKEN
                && HeaderValue::from_str(value).is_ok()
        });
        let Some(value) = value else {
            return Err(failed(format!(
                "the login at `{host}` was answered without a token in {}",
                shown(&self.token)
            )));
        };
        let expires = self.expires.as_ref();
        let until = expires.and_then(|field| until(&found(field, answer, &json)?, now));
        let until = until.unwrap_or(now + UNKNOWN).min(now + LONGEST);
        Ok(Token { value, until })
    }
}

fn found(field: &Field, answer: &Response, json: &Value) -> Option<String> {
    match field {
        Field::Header(name) => {
            let mut headers = answer.headers.iter();
            let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
            Some(found.1.clone())
        }
        Field::Json(at) => match json.pointer(at)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        },
    }
}

fn shown(field: &Field) -> String {
    match field {
        Field::Header(name) => format!("the header `{}`", text::printable_cut(name, 80)),
        Field::Json(at) => format!("`{}` of the body", text::printable_cut(at, 80)),
    }
}

/// Seconds from now, or a time.
fn until(said: &str, now: SystemTime) -> Option<SystemTime> {
    if let Ok(seconds) = said.parse::<f64>() {
        let seconds = Duration::try_from_secs_f64(seconds).ok()?;
        return now.checked_add(seconds.min(LONGEST));
    }
    let time: Timestamp = said.parse().ok()?;
    Some(time.into())
}

/// The header of a form.
pub(super) fn form_headers() -> Vec<(HeaderName, HeaderValue)> {
    vec![
        (header::CONTENT_TYPE, HeaderValue::from_static(FORM)),
        (header::ACCEPT, HeaderValue::from_static("application/json")),
    ]
}

/// A body of names and values.
#[derive(Default)]
pub(super) struct Form(String);

impl Form {
    pub(super) fn add(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(&Escape::Percent.apply(name));
        self.0.push('=');
        self.0.push_str(&Escape::Percent.apply(value));
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let after = |seconds| Some(now + Duration::from_secs(seconds));
        assert_eq!(until("3600", now), after(3600));
        assert_eq!(until("1e99", now), None);
        assert_eq!(until("999999999", now), after(24 * 3600));
        assert_eq!(until("-5", now), None);
        assert_eq!(until("1970-01-12T14:46:40Z", now), after(3600));
        assert_eq!(until("soon", now), None);
    }
}
