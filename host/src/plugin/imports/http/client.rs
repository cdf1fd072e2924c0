//! The connections: made only to addresses that may be reached, kept for the next request, and shared by all calls with the
//! same grant.

use std::collections::HashMap;
use std::fmt;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use ureq::http::Request as HttpRequest;
use ureq::http::{Uri, header};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector as _, NextTimeout, TcpConnector, time,
};
use ureq::{Agent, Body, Proxy};

use super::names::Names;
use super::outgoing::Outgoing;
use super::settings::HttpSettings;
use super::threads::Threads;
use super::tokens::Tokens;
use super::{LARGEST_BODY, LARGEST_HEADERS, address, chain, failed, unavailable};
use crate::plugin::Capabilities;
use crate::plugin::bindings::http::Response;
use crate::plugin::bindings::types::{Error, Failure};
use crate::plugin::engine::lock;
use crate::plugin::rights::Rights;
use crate::tls::TlsConnector;

/// Connections that wait for the next request, per client and per host.
const IDLE: usize = 64;
const IDLE_PER_HOST: usize = 32;
/// How long they wait. Servers close them after a minute or so.
const IDLE_FOR: Duration = Duration::from_secs(30);
/// Clients that are kept while nobody uses them.
const CLIENTS: usize = 64;

/// The clients of one process, and the threads that they work on.
#[derive(Default)]
pub(crate) struct Clients {
    clients: Mutex<HashMap<String, Arc<Client>>>,
    pub(super) threads: Threads,
}

impl Clients {
    /// The client for a source with this plugin, these rights and these settings.
    pub(crate) fn get(
        &self,
        plugin: &str,
        rights: Rights<'_>,
        settings: &HttpSettings,
    ) -> Result<Arc<Client>, String> {
        let key = key(plugin, rights, settings);
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        if clients.len() >= CLIENTS {
            clients.retain(|_, client| Arc::strong_count(client) > 1);
        }
        let client = Arc::new(Client::new(rights, settings)?);
        clients.insert(key, client.clone());
        Ok(client)
    }
}

/// Nobody shares connections or tokens with somebody who may do other things.
fn key(plugin: &str, rights: Rights<'_>, settings: &HttpSettings) -> String {
    let grant = serde_json::to_string(rights.grant).unwrap_or_default();
    let mut digest = Sha256::new();
    for part in [plugin, rights.source, &grant, &format!("{settings:?}")] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// Sends requests.
pub(crate) struct Client {
    direct: Agent,
    proxied: Option<Agent>,
    settings: HttpSettings,
    checked: Checked,
    pub(super) tokens: Tokens,
}

/// Why there is no response.
pub(super) enum Failed {
    OverLimit,
    /// It did not leave: there was no connection, or something in it could not be put in.
    Unsent(Error),
    Error(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Unsent(error)
    }
}

impl Client {
    fn new(rights: Rights<'_>, settings: &HttpSettings) -> Result<Self, String> {
        let checked = Checked {
            grant: Arc::new(rights.grant.clone()),
            remedy: rights.remedy("http"),
            names: Arc::default(),
        };
        let ca_file = settings.ca_file.as_deref();
        let direct = ().chain(TcpConnector::default()).chain(TlsConnector::new(ca_file)?);
        let proxied = match &settings.proxy {
            None => None,
            Some(address) => {
                // The address may hold a password.
                let proxy = Proxy::new(address)
                    .map_err(|_| "the proxy's address (`http.proxy`) cannot be used")?;
                let connector =
                    ().chain(ConnectProxyConnector::default())
                        .chain(TcpConnector::default())
                        .chain(TlsConnector::new(ca_file)?);
                // The only name that it looks up is the proxy's.
                let agent =
                    Agent::with_parts(config(Some(proxy)), connector, DefaultResolver::default());
                Some(agent)
            }
        };
        Ok(Self {
            direct: Agent::with_parts(config(None), direct, checked.clone()),
            proxied,
            settings: settings.clone(),
            checked,
            tokens: Tokens::new(settings.tokens.clone()),
        })
    }

    /// Sends a request that is complete and allowed, and reads the whole answer: at most `left` bytes, before `until`.
    pub(super) fn send(
        &self,
        request: &Outgoing,
        until: Instant,
        left: u64,
        packed: Packed,
    ) -> Result<Response, Failed> {
        let uri = request.to.uri().map_err(failed)?;
        let agent = self.way(request, &uri, until)?;
        let mut builder = HttpRequest::builder()
            .method(request.method.clone())
            .uri(uri);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let takes_body = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
        let timeout = Some(until.saturating_duration_since(Instant::now()));
        // Without a body there is no `content-length`, which these methods need even when it is zero.
        let answered = if takes_body || !request.body.is_empty() {
            let built = builder.body(&request.body[..]).map_err(ureq::Error::from);
            built.and_then(|request| {
                let request = agent.configure_request(request).timeout_global(timeout);
                agent.run(request.build())
            })
        } else {
            let built = builder.body(()).map_err(ureq::Error::from);
            built.and_then(|request| {
                let request = agent.configure_request(request).timeout_global(timeout);
                agent.run(request.build())
            })
        };
        let (head, body) = answered.map_err(no_answer)?.into_parts();
        if packed == Packed::Refused
            && let Some(how) = head.headers.get(header::CONTENT_ENCODING)
            && !how.as_bytes().eq_ignore_ascii_case(b"identity")
        {
            return Err(Failed::Error(failed(
                "the answer is packed in a way that was not asked for, so that secrets in it could not be found",
            )));
        }
        let headers = head.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        Ok(Response {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: read(body, left)?,
        })
    }

    /// Through the proxy or not. The proxy looks names up itself, where that cannot be seen: what can be seen from here is
    /// checked before.
    fn way(&self, request: &Outgoing, uri: &Uri, until: Instant) -> Result<&Agent, Failed> {
        let host = &request.to.host;
        let Some(proxied) = &self.proxied else {
            return Ok(&self.direct);
        };
        if address::is_this_machine(host) || self.settings.skips_proxy(host) {
            return Ok(&self.direct);
        }
        let timeout = NextTimeout {
            after: time::Duration::Exact(until.saturating_duration_since(Instant::now())),
            reason: ureq::Timeout::Resolve,
            ..NextTimeout::default()
        };
        match self.checked.resolve(uri, proxied.config(), timeout) {
            Err(refused @ ureq::Error::Other(_)) => Err(no_response(refused).into()),
            // A network behind a proxy may know no names of the outside.
            Ok(_) | Err(_) => Ok(proxied),
        }
    }
}

/// What to do with answers in an encoding that nobody asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    Passed,
    Refused,
}

fn config(proxy: Option<Proxy>) -> ureq::config::Config {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // Never from our environment by itself: the operator's settings say it.
        .proxy(proxy)
        .max_response_header_size(LARGEST_HEADERS)
        .max_idle_connections(IDLE)
        .max_idle_connections_per_host(IDLE_PER_HOST)
        .max_idle_age(IDLE_FOR)
        .allow_non_standard_methods(true)
        .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Looks names up, and refuses what is not public unless it is granted. What it answers is what is connected to: there is no
/// second look-up that could say something else.
#[derive(Clone)]
struct Checked {
    grant: Arc<Capabilities>,
    /// How more is granted.
    remedy: String,
    names: Arc<Names>,
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checked")
    }
}

/// A name led to an address that it may not lead to.
#[derive(Debug, thiserror::Error)]
#[error("`{host}` leads to `{address}`, {kind}, which is only reachable when {needed}")]
struct NotPublic {
    host: String,
    address: IpAddr,
    kind: &'static str,
    needed: &'static str,
    remedy: String,
}

impl Checked {
    fn allows(&self, host: &str, port: u16, address: IpAddr) -> Result<(), NotPublic> {
        let local = address::is_localhost(host);
        let address = address.to_canonical();
        let refused = |kind, needed| {
            Err(NotPublic {
                host: host.to_owned(),
                address,
                kind,
                needed,
                remedy: self.remedy.clone(),
            })
        };
        if local && !address.is_loopback() {
            return refused("another machine", "it is called by another name");
        }
        let Some(inside) = address::inside(address) else {
            return Ok(());
        };
        let named = self.grant.names_http_host(host);
        if local && named || self.grant.names_http_port(&address.to_string(), port) {
            return Ok(());
        }
        match inside.by_address_only {
            true => refused(
                inside.kind,
                "the grant names that address itself, with this port",
            ),
            false if named => Ok(()),
            false => refused(inside.kind, "the grant names that host exactly"),
        }
    }
}

impl Resolver for Checked {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default();
        let default = match uri.scheme_str() {
            Some("https") => 443,
            _ => 80,
        };
        let port = uri.port_u16().unwrap_or(default);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = if let Ok(address) = bare.parse() {
            vec![SocketAddr::new(address, port)]
        } else if let Some(known) = self.names.get(host, port) {
            known
        } else {
            // Each look-up with a timeout costs a thread.
            let found = DefaultResolver::default().resolve(uri, config, timeout)?;
            let found: Vec<_> = found.iter().copied().collect();
            self.names.keep(host, port, &found);
            found
        };
        let mut allowed = self.empty();
        for address in found {
            self.allows(host, port, address.ip())
                .map_err(|refused| ureq::Error::Other(Box::new(refused)))?;
            allowed.push(address);
        }
        Ok(allowed)
    }
}

fn read(body: Body, left: u64) -> Result<Vec<u8>, Failed> {
    let most = left.min(LARGEST_BODY);
    let mut bytes = Vec::new();
    // Counted after decompression: a small answer may unfold to a large one.
    let reader = body.into_with_config().limit(u64::MAX).reader();
    match reader.take(most + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 <= most => Ok(bytes),
        Ok(_) if left < LARGEST_BODY => Err(Failed::OverLimit),
        Ok(_) => Err(Failed::Error(failed(format!(
            "the HTTP response is larger than {LARGEST_BODY} bytes"
        )))),
        Err(e) => Err(Failed::Error(unavailable(format!(
            "the HTTP response broke off: {e}"
        )))),
    }
}

fn no_answer(error: ureq::Error) -> Failed {
    match never_connected(&error) {
        true => Failed::Unsent(no_response(error)),
        false => Failed::Error(no_response(error)),
    }
}

/// Certainly before anything was sent. A connection that exists is never refused; one that is kept may break off later.
fn never_connected(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::ConnectProxyFailed(_)
        | ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => true,
        ureq::Error::Other(cause) => cause.is::<NotPublic>(),
        ureq::Error::Io(cause) => cause.kind() == std::io::ErrorKind::ConnectionRefused,
        _ => false,
    }
}

fn no_response(error: ureq::Error) -> Error {
    match error {
        ureq::Error::Other(cause) => match cause.downcast::<NotPublic>() {
            Ok(refused) => Error::Denied(Failure {
                message: refused.to_string(),
                remedy: Some(refused.remedy),
            }),
            Err(cause) => failed(format!("the HTTP request failed: {cause}")),
        },
        ureq::Error::Io(_)
        | ureq::Error::Timeout(_)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::ConnectProxyFailed(_)
        | ureq::Error::Protocol(_) => {
            unavailable(format!("no answer to the HTTP request: {}", chain(&error)))
        }
        error => failed(format!("the HTTP request failed: {}", chain(&error))),
    }
}
