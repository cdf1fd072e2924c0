//! `http`: requests to granted hosts. Nothing is followed and nothing is proxied, so that every hop is looked at; the
//! addresses that a name resolves to are checked, and the connection goes to just those.

use std::io::Read as _;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use ureq::http::{HeaderName, HeaderValue, Method, Request as HttpRequest, Uri};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body};

use super::{Answer, address, chain, failed, invalid, unavailable, url};
use crate::plugin::bindings::http::{Host, Request, Response};
use crate::plugin::bindings::types::{Error, Failure};
use crate::plugin::limiter::LimitHit;
use crate::plugin::rights::Rights;
use crate::plugin::state::State;
use crate::plugin::tap::through;
use crate::plugin::{Capabilities, text};
use crate::provider::wire::Wire as _;

/// The largest body, in either direction.
const LARGEST_BODY: u64 = 8 << 20;
/// All headers of a response.
const LARGEST_HEADERS: usize = 64 << 10;
/// When the plugin says nothing.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Whatever the plugin says.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);

impl Host for State {
    async fn fetch(&mut self, req: Request) -> Answer<Response> {
        through!(self, "http.fetch", req.to_json(), self.fetch_granted(req))
    }
}

impl State {
    async fn fetch_granted(&mut self, req: Request) -> Answer<Response> {
        if req.auth.is_some() {
            return Ok(Err(Error::Unsupported(Failure {
                message: "this `runner` does not do `auth` for HTTP requests yet".to_owned(),
                remedy: None,
            })));
        }
        let granted = match Granted::new(self.bound.rights(), req) {
            Ok(granted) => granted,
            Err(refused) => return Ok(Err(refused)),
        };
        let left = self.count_request(granted.body.len() as u64)?;
        let timeout = self.deadline.map_or(granted.timeout, |deadline| {
            granted
                .timeout
                .min(deadline.saturating_duration_since(Instant::now()))
        });
        let agent = self
            .bound
            .http
            .get_or_init(|| agent(&self.bound.grant, self.bound.rights().remedy("http")))
            .clone();
        let _quiet = self.running.pause();

        // A thread of its own: it cannot be interrupted, and nobody should have to wait for it to the end of its timeout
        // when the call is over, least of all the end of the program.
        let (answer, answered) = oneshot::channel();
        let exchange = move || {
            let _nobody_waits = answer.send(exchange(&agent, granted, timeout, left));
        };
        let thread = std::thread::Builder::new()
            .name("plugin-http".into())
            .spawn(exchange);
        if let Err(e) = thread {
            return Ok(Err(unavailable(format!("no thread for the request: {e}"))));
        }
        match answered.await {
            Ok(Ok(response)) => {
                self.used.http_bytes += response.body.len() as u64;
                Ok(Ok(response))
            }
            Ok(Err(Failed::OverLimit)) => Err(self.over_bytes()),
            Ok(Err(Failed::Error(error))) => Ok(Err(error)),
            Err(_gone) => Ok(Err(failed("the request was given up: its thread panicked"))),
        }
    }

    /// Counts one request with such a body; answers how many bytes are left for the response.
    fn count_request(&mut self, body: u64) -> wasmtime::Result<u64> {
        self.used.http_requests += 1;
        let allowed = u64::from(self.bound.limits.http_requests);
        if self.used.http_requests > allowed {
            let what = format!(
                "the plugin sent {} HTTP requests in one call",
                self.used.http_requests
            );
            return Err(LimitHit::trap("http-requests", what, allowed.to_string()));
        }
        self.used.http_bytes += body;
        match self
            .bound
            .limits
            .http_bytes
            .checked_sub(self.used.http_bytes)
        {
            Some(left) => Ok(left),
            None => Err(self.over_bytes()),
        }
    }

    fn over_bytes(&self) -> wasmtime::Error {
        let allowed = self.bound.limits.http_bytes;
        let what = format!("the plugin moved more than {allowed} bytes over HTTP in one call");
        LimitHit::trap("http-bytes", what, allowed.to_string())
    }
}

/// A request that the grant allows.
struct Granted {
    method: Method,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
    timeout: Duration,
}

impl Granted {
    fn new(rights: Rights<'_>, req: Request) -> Result<Self, Error> {
        let shown = || text::printable_cut(&req.url, 200);
        let destination = url::destination(&req.url)
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
        let (host, port) = (&destination.host, destination.port);
        if !rights.grant.allows_http(method.as_str(), host, port) {
            return Err(rights.denied(
                format!("HTTP `{method}` to `{host}`, port {port}, is not granted"),
                "http",
            ));
        }
        let timeout = req.timeout.map_or(TIMEOUT, Duration::from_millis);
        Ok(Self {
            method,
            uri: destination.uri,
            headers,
            body: req.body,
            timeout: timeout.min(LONGEST_TIMEOUT),
        })
    }
}

fn agent(grant: &Capabilities, remedy: String) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // A proxy would look names up where we cannot see it, and take them from our environment.
        .proxy(None)
        .max_response_header_size(LARGEST_HEADERS)
        .allow_non_standard_methods(true)
        .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(
        config,
        DefaultConnector::default(),
        Checked {
            grant: grant.clone(),
            remedy,
        },
    )
}

/// Looks names up, and refuses what is not public unless the grant has the name word for word. What it answers is what
/// is connected to: there is no second look-up that could say something else.
struct Checked {
    grant: Capabilities,
    /// How more is granted.
    remedy: String,
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checked")
    }
}

/// A name led to an address that it may not lead to.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{host}` leads to `{address}`, {kind}, which is only reachable when the grant names that host exactly"
)]
struct NotPublic {
    host: String,
    address: std::net::IpAddr,
    kind: &'static str,
    remedy: String,
}

impl Resolver for Checked {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = DefaultResolver::default().resolve(uri, config, timeout)?;
        let host = uri.host().unwrap_or_default();
        if !self.grant.names_http_host(host) {
            for address in addresses.iter() {
                if let Some(kind) = address::not_public(address.ip()) {
                    return Err(ureq::Error::Other(Box::new(NotPublic {
                        host: host.to_owned(),
                        address: address.ip(),
                        kind,
                        remedy: self.remedy.clone(),
                    })));
                }
            }
        }
        Ok(addresses)
    }
}

/// Why there is no response.
enum Failed {
    OverLimit,
    Error(Error),
}

fn exchange(
    agent: &Agent,
    granted: Granted,
    timeout: Duration,
    left: u64,
) -> Result<Response, Failed> {
    let mut request = HttpRequest::builder()
        .method(granted.method)
        .uri(granted.uri);
    for (name, value) in granted.headers {
        request = request.header(name, value);
    }
    let answered = match granted.body.is_empty() {
        true => request
            .body(())
            .map_err(ureq::Error::from)
            .and_then(|request| {
                let request = agent
                    .configure_request(request)
                    .timeout_global(Some(timeout))
                    .build();
                agent.run(request)
            }),
        false => request
            .body(granted.body)
            .map_err(ureq::Error::from)
            .and_then(|request| {
                let request = agent
                    .configure_request(request)
                    .timeout_global(Some(timeout))
                    .build();
                agent.run(request)
            }),
    };
    let answered = answered.map_err(|e| Failed::Error(no_response(e)))?;
    let (head, body) = answered.into_parts();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    Ok(Response {
        status: head.status.as_u16(),
        headers,
        body: read(body, left)?,
    })
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
        | ureq::Error::Protocol(_) => {
            unavailable(format!("no answer to the HTTP request: {}", chain(&error)))
        }
        error => failed(format!("the HTTP request failed: {}", chain(&error))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::plugin::HttpRight;

    /// Answers one request per entry, each on a connection of its own, and gives back what was sent.
    fn serve(answers: Vec<Vec<u8>>) -> (u16, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let served = std::thread::spawn(move || {
            answers
                .into_iter()
                .map(|answer| {
                    let (mut stream, _) = listener.accept().expect("accept");
                    let request = head(&mut stream);
                    // A client that had enough has closed its end.
                    let _closed = stream.write_all(&answer);
                    request
                })
                .collect()
        });
        (port, served)
    }

    fn head(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("read");
            head.push(byte[0]);
        }
        String::from_utf8(head).expect("text")
    }

    fn grant(host: &str, port: u16) -> Capabilities {
        let mut grant = Capabilities::default();
        grant.http.insert(HttpRight {
            host: host.to_owned(),
            port,
            method: "GET".to_owned(),
        });
        grant
    }

    fn fetch(grant: &Capabilities, url: &str, left: u64) -> Result<Response, Error> {
        let request = Request {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: vec![("X-Test".to_owned(), "1".to_owned())],
            body: Vec::new(),
            timeout: None,
            auth: None,
        };
        let rights = Rights {
            grant,
            source: "here",
        };
        let granted = Granted::new(rights, request)?;
        let agent = agent(grant, rights.remedy("http"));
        exchange(&agent, granted, TIMEOUT, left).map_err(|failed| match failed {
            Failed::Error(error) => error,
            Failed::OverLimit => panic!("over the limit"),
        })
    }

    fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n");
        [head.as_bytes(), body].concat()
    }

    #[test]
    fn a_granted_host_answers_and_nothing_is_followed() {
        let (port, served) = serve(vec![
            answer("200 OK", "X-Answer: yes\r\n", b"hello"),
            answer("302 Found", "Location: http://127.0.0.1:1/\r\n", b""),
            answer("503 Busy", "", b"later"),
        ]);
        let grant = grant("127.0.0.1", port);
        let url = format!("http://127.0.0.1:{port}/a?b=c");
        let got = fetch(&grant, &url, LARGEST_BODY).expect("answers");
        assert_eq!((got.status, &got.body[..]), (200, &b"hello"[..]));
        assert!(
            got.headers
                .contains(&("x-answer".to_owned(), "yes".to_owned()))
        );
        assert_eq!(
            fetch(&grant, &url, LARGEST_BODY).expect("answers").status,
            302
        );
        assert_eq!(
            fetch(&grant, &url, LARGEST_BODY).expect("answers").status,
            503
        );
        let sent = served.join().expect("join");
        assert!(sent[0].starts_with("GET /a?b=c HTTP/1.1\r\n"), "{sent:?}");
        assert!(sent[0].to_lowercase().contains("x-test: 1"), "{sent:?}");
    }

    #[test]
    fn what_is_not_granted_is_refused() {
        let granted = grant("127.0.0.1", 80);
        for url in [
            "http://127.0.0.1:81/",
            "http://127.0.0.2/",
            "http://localhost/",
        ] {
            let refused = fetch(&granted, url, LARGEST_BODY).expect_err(url);
            assert!(matches!(refused, Error::Denied(_)), "{refused:?}");
        }
    }

    #[test]
    fn a_pattern_does_not_reach_inside() {
        for url in [
            "http://127.0.0.1:9/",
            "http://localhost:9/",
            "http://2130706433:9/",
        ] {
            match fetch(&grant("*", 9), url, LARGEST_BODY) {
                Err(Error::Denied(failure)) => {
                    assert!(failure.message.contains("loopback"), "{failure:?}");
                    let remedy = failure.remedy.expect("says how");
                    assert!(remedy.contains("plugin grant here"), "{remedy}");
                }
                other => panic!("{url}: {other:?}"),
            }
        }
        // Named exactly it is reached; nobody listens there.
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
            listener.local_addr().expect("address").port()
        };
        let url = format!("http://localhost:{port}/");
        match fetch(&grant("localhost", port), &url, LARGEST_BODY) {
            Err(Error::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bodies_are_bounded() {
        let (port, served) = serve(vec![
            answer("200 OK", "", &vec![b'x'; 9 << 20]),
            answer("200 OK", "", b"12345"),
        ]);
        let grant = grant("127.0.0.1", port);
        let url = format!("http://127.0.0.1:{port}/");
        let huge = fetch(&grant, &url, u64::MAX).expect_err("too large");
        assert!(matches!(huge, Error::Failed(_)), "{huge:?}");
        let got = fetch(&grant, &url, 5).expect("just fits");
        assert_eq!(got.body, b"12345");
        served.join().expect("join");
    }
}
