//! A request on its way: first as the plugin wrote it, checked against the grant; then with everything filled in.

use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue, Method, header};

use super::placeholder::{self, Escape};
use super::url::{self, Destination};
use super::vault::Vault;
use super::{LARGEST_BODY, LONGEST_TIMEOUT, TIMEOUT, invalid};
use crate::plugin::bindings::http::{Auth, Request};
use crate::plugin::bindings::types::Error;
use crate::plugin::rights::Rights;
use crate::plugin::{Place, text};

/// A request that the grant allows, as the plugin wrote it.
pub(super) struct Granted {
    pub(super) method: Method,
    pub(super) to: Destination,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Vec<u8>,
    pub(super) timeout: Duration,
    pub(super) auth: Option<Auth>,
}

impl Granted {
    pub(super) fn new(rights: Rights<'_>, req: Request) -> Result<Self, Error> {
        let shown = || text::printable_cut(&req.url, 200);
        let to = url::destination(&req.url)
            .map_err(|why| invalid(format!("the address `{}` cannot be used: {why}", shown())))?;
        let method = url::method(&req.method).map_err(|why| {
            let shown = text::printable_cut(&req.method, 40);
            invalid(format!("the HTTP method `{shown}` cannot be used: {why}"))
        })?;
        let headers = url::headers(&req.headers)
            .map_err(|why| invalid(format!("bad HTTP headers: {why}")))?;
        if req.body.len() as u64 > LARGEST_BODY {
            let message = format!(
                "the HTTP body has {} bytes, and at most {LARGEST_BODY} are allowed",
                req.body.len()
            );
            return Err(invalid(message));
        }
        may_send(rights, &method, &to)?;
        let timeout = req.timeout.map_or(TIMEOUT, Duration::from_millis);
        Ok(Self {
            method,
            to,
            headers,
            body: req.body,
            timeout: timeout.min(LONGEST_TIMEOUT),
            auth: req.auth,
        })
    }

    /// Puts the secrets in.
    pub(super) fn fill(&self, vault: &mut Vault<'_>) -> Result<Outgoing, Error> {
        let grant = vault.rights().grant;
        let mut to = self.to.clone();
        if let Some(query) = &self.to.query
            && grant.uses_secrets_in(Place::Query)
            && placeholder::is_in(query.as_bytes())
        {
            let filled = vault.fill(&self.to, query.as_bytes(), Place::Query, Escape::Percent)?;
            to.query = Some(text_of(filled)?);
        }
        let mut headers = Vec::with_capacity(self.headers.len() + 2);
        for (name, value) in &self.headers {
            let mut value = value.clone();
            let secret =
                grant.uses_secrets_in(Place::Header) && placeholder::is_in(value.as_bytes());
            if secret {
                value = vault.text(&self.to, &value, Place::Header)?;
            }
            let mut value = header_value(name, &value)?;
            value.set_sensitive(secret);
            headers.push((name.clone(), value));
        }
        let body = if grant.uses_secrets_in(Place::Body) && placeholder::is_in(&self.body) {
            let escape = Escape::of_body(&self.headers);
            vault.fill(&self.to, &self.body, Place::Body, escape)?
        } else {
            self.body.clone()
        };
        if vault.holds_something() {
            whole_answers_only(&headers)?;
        }
        Ok(Outgoing {
            method: self.method.clone(),
            to,
            headers,
            body,
        })
    }
}

/// Method, host and port are granted.
pub(super) fn may_send(rights: Rights<'_>, method: &Method, to: &Destination) -> Result<(), Error> {
    if rights.grant.allows_http(method.as_str(), &to.host, to.port) {
        return Ok(());
    }
    let (host, port) = (&to.host, to.port);
    let message = format!("HTTP `{method}` to `{host}`, port {port}, is not granted");
    Err(rights.denied(message, "http"))
}

/// A secret that is sent back byte by byte would not be recognised.
fn whole_answers_only(headers: &[(HeaderName, HeaderValue)]) -> Result<(), Error> {
    let by_bytes = |value: &HeaderValue| value.as_bytes().trim_ascii_start().starts_with(b"bytes");
    if headers
        .iter()
        .any(|(name, value)| *name == header::RANGE && by_bytes(value))
    {
        return Err(invalid(
            "the header `range` cannot ask for bytes where the host uses secrets: it looks for them in whole answers",
        ));
    }
    Ok(())
}

/// A request as it is sent.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) to: Destination,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
}

impl Outgoing {
    /// Adds a header that the plugin must not have set, with a value that is secret.
    pub(super) fn add(&mut self, name: HeaderName, value: &str) -> Result<(), Error> {
        if self.headers.iter().any(|(known, _)| *known == name) {
            return Err(invalid(format!(
                "the header `{name}` is set by the request and by its `auth`"
            )));
        }
        let mut value = header_value(&name, value)?;
        value.set_sensitive(true);
        self.headers.push((name, value));
        Ok(())
    }

    /// Takes a header away again.
    pub(super) fn remove(&mut self, name: &HeaderName) {
        self.headers.retain(|(known, _)| known != name);
    }

    /// Adds a query parameter.
    pub(super) fn add_query(&mut self, name: &str, value: &str) {
        let parameter = format!(
            "{}={}",
            Escape::Percent.apply(name),
            Escape::Percent.apply(value)
        );
        match &mut self.to.query {
            Some(query) if !query.is_empty() => {
                query.push('&');
                query.push_str(&parameter);
            }
            query => *query = Some(parameter),
        }
    }
}

/// The value of a header. The error tells the header's name only.
fn header_value(name: &HeaderName, value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value).map_err(|_| {
        invalid(format!(
            "the value of the header `{name}` is not one line of ASCII text"
        ))
    })
}

/// A header's name that comes from a plugin's `auth`.
pub(super) fn header_name(name: &str) -> Result<HeaderName, Error> {
    let read = url::headers(&[(name.to_owned(), String::new())])
        .map_err(|why| invalid(format!("bad HTTP header in `auth`: {why}")))?;
    let read = read.into_iter().next().map(|(name, _)| name);
    read.ok_or_else(|| {
        let shown = text::printable_cut(name, 80);
        invalid(format!("the header `{shown}` cannot hold a secret"))
    })
}

pub(super) fn text_of(bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|_| invalid("a text with a secret in it is not UTF-8"))
}
