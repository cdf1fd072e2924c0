//! HTTP as registries speak it, with a bound on everything: sizes, times, redirects, and where they lead.
//!
//! `http` is for the loopback interface, and for what the user named with `--plain-http`. A redirect is followed for content
//! only, to `https` or to where we are already, and credentials stay behind.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, Method, Request, StatusCode, header};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, TcpConnector};
use ureq::{Agent, Body, Proxy};

use super::error::{RegistryError, RegistryErrorKind, Result, short};
use crate::tls::TlsConnector;

/// Until a connection stands, and between two signs of life.
const PATIENCE: Duration = Duration::from_secs(60);
/// For one request with everything that it brings.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// Redirects of one download.
const MOST_HOPS: usize = 5;
/// What an error may say.
const LARGEST_ERROR: u64 = 16 << 10;

/// Whether a host, without its port, is reached without the proxy.
pub type Direct = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// How the outside is reached.
#[derive(Clone)]
pub struct Network {
    /// The operator's, or that of the environment.
    pub proxy: Option<Proxy>,
    /// Whether a host is reached without it.
    pub direct: Direct,
    /// Whose certificates are trusted.
    pub tls: TlsConnector,
    /// Speak `http` to every registry.
    pub plain_http: bool,
}

/// An address that a request can go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    scheme: &'static str,
    authority: String,
    /// With its query.
    path: String,
}

/// One request.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) address: Address,
    pub(super) headers: Vec<(header::HeaderName, String)>,
    pub(super) body: Option<&'a [u8]>,
    /// Redirects are followed.
    pub(super) follow: bool,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Body,
    subject: String,
}

/// Connections, kept open between requests.
pub(super) struct Wire {
    agent: Agent,
    /// Without the proxy: for this machine, and for what is excepted.
    direct: Agent,
    excepted: Direct,
    plain_http: bool,
}

impl Network {
    /// Opens nothing yet.
    pub(super) fn wire(&self) -> Wire {
        let agent = |proxy| {
            let config = Agent::config_builder()
                .http_status_as_error(false)
                // Each hop is looked at here.
                .max_redirects(0)
                .max_redirects_will_error(false)
                .proxy(proxy)
                .max_response_header_size(64 << 10)
                .timeout_connect(Some(PATIENCE))
                .timeout_recv_response(Some(PATIENCE))
                .timeout_per_read(Some(PATIENCE))
                .timeout_per_call(Some(LONGEST))
                // Digests are over the content as it is.
                .accept_encoding("identity")
                .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")))
                .build();
            let connector =
                ().chain(ConnectProxyConnector::default())
                    .chain(TcpConnector::default())
                    .chain(self.tls.clone());
            Agent::with_parts(config, connector, DefaultResolver::default())
        };
        Wire {
            agent: agent(self.proxy.clone()),
            direct: agent(None),
            excepted: Arc::clone(&self.direct),
            plain_http: self.plain_http,
        }
    }
}

impl Wire {
    /// An address of a registry.
    pub(super) fn address(&self, host: &str, path: &str) -> Address {
        Address {
            scheme: match self.plain_http || is_loopback(host) {
                true => "http",
                false => "https",
            },
            authority: host.to_owned(),
            path: path.to_owned(),
        }
    }

    /// Sends a request; an answer of any status.
    pub(super) fn send(&self, subject: &str, ask: &Ask<'_>) -> Result<Answer> {
        let mut address = ask.address.clone();
        for _ in 0..=MOST_HOPS {
            let at_home = address.same_place(&ask.address);
            let answer = self.send_once(subject, ask, &address, at_home)?;
            if !(ask.follow && answer.status.is_redirection()) {
                return Ok(answer);
            }
            let wanted = answer.header(header::LOCATION).unwrap_or_default();
            let next = address
                .join(wanted)
                .filter(|next| next.scheme == "https" || next.same_place(&ask.address));
            address = next.ok_or_else(|| {
                RegistryError::new(
                    RegistryErrorKind::Protocol,
                    subject,
                    format!(
                        "the registry redirects to `{}`, which is not followed",
                        short(wanted)
                    ),
                )
                .hint("content may come from the registry itself or from an `https` address, and from nowhere else")
            })?;
        }
        Err(RegistryError::new(
            RegistryErrorKind::Protocol,
            subject,
            format!("the registry redirects more than {MOST_HOPS} times"),
        ))
    }

    fn send_once(
        &self,
        subject: &str,
        ask: &Ask<'_>,
        address: &Address,
        at_home: bool,
    ) -> Result<Answer> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(address.to_string());
        for (name, value) in &ask.headers {
            if at_home || *name != header::AUTHORIZATION {
                request = request.header(name, value);
            }
        }
        let host = host_of(&address.authority);
        let agent = match is_loopback(&address.authority) || (self.excepted)(host) {
            true => &self.direct,
            false => &self.agent,
        };
        let answered = match ask.body {
            Some(body) => request
                .body(body)
                .map_err(ureq::Error::from)
                .and_then(|request| agent.run(request)),
            None => request
                .body(())
                .map_err(ureq::Error::from)
                .and_then(|request| agent.run(request)),
        };
        let (head, body) = answered
            .map_err(|error| no_answer(subject, address, error))?
            .into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            subject: subject.to_owned(),
        })
    }
}

impl Answer {
    /// A header as text.
    pub(super) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The whole body; more than `most` bytes are an error and are not read.
    pub(super) fn bytes(self, most: u64) -> Result<Vec<u8>> {
        let subject = self.subject;
        let too_large = || {
            RegistryError::new(
                RegistryErrorKind::TooLarge,
                &subject,
                format!("the registry sends more than the {most} bytes that were expected"),
            )
        };
        if self
            .body
            .content_length()
            .is_some_and(|length| length > most)
        {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let reader = self.body.into_with_config().limit(u64::MAX).reader();
        reader
            .take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| {
                RegistryError::new(
                    RegistryErrorKind::Unreachable,
                    &subject,
                    "the answer broke off",
                )
                .because(error)
            })?;
        match bytes.len() as u64 > most {
            true => Err(too_large()),
            false => Ok(bytes),
        }
    }

    /// A status that is not what it should be, as an error with what the registry says about it.
    pub(super) fn refused(self, doing: &str) -> RegistryError {
        let status = self.status;
        let host_hint = "`runner plugin login HOST` keeps a password or token for it";
        let (kind, hint) = match status.as_u16() {
            401 | 403 => (RegistryErrorKind::Unauthorized, Some(host_hint)),
            404 => (RegistryErrorKind::NotFound, None),
            408 | 429 | 500..=599 => (RegistryErrorKind::Unreachable, Some("try again later")),
            _ => (RegistryErrorKind::Protocol, None),
        };
        let subject = self.subject.clone();
        let said = self
            .bytes(LARGEST_ERROR)
            .ok()
            .and_then(|bytes| said(&bytes))
            .map_or_else(String::new, |said| format!(": {said}"));
        let error = RegistryError::new(
            kind,
            subject,
            format!(
                "the registry answers {doing} with status {}{said}",
                status.as_u16()
            ),
        );
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// The first error of an answer in the registries' own form.
fn said(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let error = value.get("errors")?.get(0)?;
    let text = |key: &str| error.get(key).and_then(|value| value.as_str());
    match (text("code"), text("message")) {
        (Some(code), Some(message)) => Some(short(&format!("{code}, {message}"))),
        (Some(only), None) | (None, Some(only)) => Some(short(only)),
        (None, None) => None,
    }
}

impl Address {
    /// Reads an absolute address.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = match text.split_once("://")? {
            ("https", rest) => ("https", rest),
            ("http", rest) => ("http", rest),
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // A name and a port, so that `user@host` cannot pose as another.
        if !super::reference::is_host(authority) || path.starts_with('#') {
            return None;
        }
        let path = path.split('#').next().unwrap_or_default();
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/{path}"),
        };
        Self::visible(&path).then_some(Self {
            scheme,
            authority: authority.to_owned(),
            path,
        })
    }

    /// Where a header of an answer from here points to.
    pub(super) fn join(&self, target: &str) -> Option<Self> {
        if target.starts_with('/') && !target.starts_with("//") {
            return Self::visible(target).then(|| Self {
                path: target.to_owned(),
                ..self.clone()
            });
        }
        Self::parse(target)
    }

    /// The same program on the same machine.
    pub(super) fn same_place(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.authority.eq_ignore_ascii_case(&other.authority)
    }

    /// Protected on the way, or never on a network.
    pub(super) fn is_private(&self) -> bool {
        self.scheme == "https" || is_loopback(&self.authority)
    }

    /// The same with more parameters.
    #[must_use]
    pub(super) fn with_query(mut self, parameters: &[(&str, &str)]) -> Self {
        for (name, value) in parameters {
            self.path.push(match self.path.contains('?') {
                true => '&',
                false => '?',
            });
            self.path.push_str(name);
            self.path.push('=');
            for byte in value.bytes() {
                match byte {
                    b'A'..=b'Z'
                    | b'a'..=b'z'
                    | b'0'..=b'9'
                    | b'-'
                    | b'.'
                    | b'_'
                    | b'~'
                    | b'/'
                    | b':' => {
                        self.path.push(char::from(byte));
                    }
                    _ => self.path.push_str(&format!("%{byte:02X}")),
                }
            }
        }
        self
    }

    fn visible(path: &str) -> bool {
        path.len() <= 8192 && path.bytes().all(|b| b.is_ascii_graphic())
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

/// What never leaves this machine.
/// Without the port, and without the brackets of IPv6.
fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = host_of(authority);
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn no_answer(subject: &str, address: &Address, error: ureq::Error) -> RegistryError {
    let place = format!("{}://{}", address.scheme, address.authority);
    let new = RegistryError::new(
        RegistryErrorKind::Unreachable,
        subject,
        format!("there is no answer from {place}"),
    );
    let hint = match address.scheme {
        "https" => {
            "is the name right, and does it speak TLS? For one without, on a network that you trust: `--plain-http`"
        }
        _ => "does it listen there, and without TLS?",
    };
    new.hint(hint).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_on_this_machine() {
        let network = |plain_http| Network {
            proxy: None,
            direct: Arc::new(|_| false),
            tls: TlsConnector::new(None).unwrap(),
            plain_http,
        };
        let wire = network(false).wire();
        for (host, scheme) in [
            ("localhost:5000", "http"),
            ("127.0.0.1:5000", "http"),
            ("127.9.9.9", "http"),
            ("[::1]:5000", "http"),
            ("localhost.example.com", "https"),
            ("127.0.0.1.example.com", "https"),
            ("10.0.0.1", "https"),
            ("registry.example.com", "https"),
        ] {
            assert_eq!(wire.address(host, "/v2/").scheme, scheme, "{host}");
        }
        assert_eq!(
            network(true).wire().address("r.example", "/").scheme,
            "http"
        );
    }

    #[test]
    fn where_a_header_points() {
        let here = Address::parse("http://127.0.0.1:5000/v2/a?x=1").unwrap();
        let joined = |target: &str| here.join(target).map(|address| address.to_string());
        assert_eq!(
            joined("/v2/b?y").as_deref(),
            Some("http://127.0.0.1:5000/v2/b?y")
        );
        assert_eq!(
            joined("https://cdn.example/x").as_deref(),
            Some("https://cdn.example/x")
        );
        assert_eq!(
            joined("https://cdn.example").as_deref(),
            Some("https://cdn.example/")
        );
        for target in [
            "",
            "b",
            "//evil.example/x",
            "file:///etc/passwd",
            "ftp://x/y",
            "https://user@evil.example/",
            "https://evil.example\\@good.example/",
            "https:///x",
            "/a b",
            "/a\r\nX: y",
        ] {
            assert_eq!(joined(target), None, "{target}");
        }
        assert!(here.same_place(&Address::parse("http://127.0.0.1:5000/").unwrap()));
        assert!(!here.same_place(&Address::parse("http://127.0.0.1:5001/").unwrap()));
        assert!(!here.same_place(&Address::parse("https://127.0.0.1:5000/").unwrap()));
    }

    #[test]
    fn parameters_are_escaped() {
        let address = Address::parse("https://r.example/t").unwrap();
        let asked =
            address.with_query(&[("service", "a b&c"), ("scope", "repository:a/b:pull,push")]);
        assert_eq!(
            asked.to_string(),
            "https://r.example/t?service=a%20b%26c&scope=repository:a/b:pull%2Cpush"
        );
    }

    #[test]
    fn what_a_registry_says_is_cut() {
        let body = format!(
            r#"{{"errors":[{{"code":"DENIED","message":"{}"}}]}}"#,
            "x".repeat(1000)
        );
        let text = said(body.as_bytes()).unwrap();
        assert!(
            text.starts_with("DENIED, x") && text.chars().count() == 201,
            "{text}"
        );
        assert_eq!(said(b"<html>"), None);
    }
}
