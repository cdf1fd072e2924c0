//! Requests over real connections on loopback: what the server gets, what comes back, and what is never sent.

mod address;
mod auth;
mod secrets;
mod server;
mod tls;
mod tokens;

use std::collections::HashMap;
use std::time::Instant;

use serde_json::{Value, json};

use self::server::{Server, answer};
use super::outgoing::Granted;
use super::*;
use crate::plugin::Capabilities;

/// A source with its rights, its secrets and the operator's settings.
struct World {
    grant: Capabilities,
    secrets: HashMap<&'static str, String>,
    settings: HttpSettings,
    clients: Clients,
}

impl Secrets for HashMap<&'static str, String> {
    fn get(&self, name: &str) -> Result<Option<String>, String> {
        Ok(HashMap::get(self, name).cloned())
    }
}

impl World {
    fn new(grant: Value) -> Self {
        Self {
            grant: serde_json::from_value(grant).expect("a grant"),
            secrets: HashMap::new(),
            settings: HttpSettings::default(),
            clients: Clients::default(),
        }
    }

    /// May send anything to `127.0.0.1` with this port.
    fn local(port: u16) -> Self {
        Self::new(json!({"http": [{"host": "127.0.0.1", "port": port, "method": "*"}]}))
    }

    /// And may have these secrets used there.
    fn with_secret(mut self, name: &'static str, value: &str, place: &str) -> Self {
        let right = json!({"name": name, "host": "127.0.0.1", "in": place});
        let right = serde_json::from_value(right).expect("a right");
        self.grant.http_secrets.insert(right);
        self.secrets.insert(name, value.to_owned());
        self
    }

    fn rights(&self) -> Rights<'_> {
        Rights {
            grant: &self.grant,
            source: "here",
        }
    }

    fn send(&self, request: Request) -> Result<Response, Error> {
        self.send_within(request, LARGEST_BODY)
    }

    fn send_within(&self, request: Request, left: u64) -> Result<Response, Error> {
        let granted = Granted::new(self.rights(), request)?;
        let client = self
            .clients
            .get("test", self.rights(), &self.settings)
            .map_err(invalid)?;
        let exchange = Exchange {
            client,
            until: Instant::now() + granted.timeout,
            granted,
            left,
        };
        exchange
            .perform(self.rights(), &self.secrets)
            .map_err(|failed| match failed {
                Failed::Unsent(error) | Failed::Error(error) => error,
                Failed::OverLimit => panic!("over the limit"),
            })
    }
}

fn request(method: &str, url: impl Into<String>) -> Request {
    Request {
        method: method.to_owned(),
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout: None,
        auth: None,
    }
}

fn get(url: impl Into<String>) -> Request {
    request("GET", url)
}

trait Build {
    fn header(self, name: &str, value: &str) -> Self;
    fn body(self, body: &[u8]) -> Self;
    fn auth(self, auth: Auth) -> Self;
}

impl Build for Request {
    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    fn auth(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }
}

use crate::plugin::bindings::http::Auth;

#[track_caller]
fn denied(outcome: Result<Response, Error>) -> String {
    match outcome {
        Err(Error::Denied(failure)) => failure.message,
        other => panic!("not denied: {other:?}"),
    }
}

#[test]
fn a_granted_host_answers_and_nothing_is_followed() {
    let server = Server::start(|seen| match seen.number {
        0 => answer("200 OK", "X-Answer: yes\r\n", b"hello"),
        1 => answer("302 Found", "Location: http://127.0.0.1:1/\r\n", b""),
        _ => answer("503 Busy", "", b"later"),
    });
    let world = World::local(server.port);
    let url = server.url("/a?b=c");
    let got = world
        .send(get(&url).header("X-Test", "1"))
        .expect("answers");
    assert_eq!((got.status, &got.body[..]), (200, &b"hello"[..]));
    let header = ("x-answer".to_owned(), "yes".to_owned());
    assert!(got.headers.contains(&header));
    assert_eq!(world.send(get(&url)).expect("answers").status, 302);
    assert_eq!(world.send(get(&url)).expect("answers").status, 503);
    let seen = server.seen();
    assert_eq!(seen[0].line, "GET /a?b=c HTTP/1.1");
    assert_eq!(seen[0].header("x-test"), Some("1"));
    // One connection for all three.
    assert!(seen.iter().all(|one| one.connection == 0), "{seen:?}");
}

#[test]
fn every_method_and_body_arrives_as_it_is() {
    let server = Server::start(|_| answer("200 OK", "", b""));
    let world = World::local(server.port);
    for (method, body, length) in [
        ("POST", &b"x=1"[..], Some("3")),
        ("POST", b"", Some("0")),
        ("PUT", b"", Some("0")),
        ("DELETE", b"{}", Some("2")),
        ("DELETE", b"", None),
        ("GET", b"odd", Some("3")),
        ("PROPFIND", b"<a/>", Some("4")),
    ] {
        let request = request(method, server.url("/")).body(body);
        world.send(request).expect(method);
        let seen = server.seen().pop().expect("seen");
        assert_eq!(seen.line, format!("{method} / HTTP/1.1"));
        assert_eq!(seen.body, body, "{method}");
        assert_eq!(seen.header("content-length"), length, "{method}");
    }
}

#[test]
fn what_is_not_granted_is_not_sent() {
    let server = Server::start(|_| answer("200 OK", "", b""));
    let grant = json!({"http": [{"host": "127.0.0.1", "port": server.port, "method": "GET"}]});
    let world = World::new(grant);
    for (method, url) in [
        ("GET", "http://127.0.0.1:1/".to_owned()),
        ("GET", format!("http://127.0.0.2:{}/", server.port)),
        ("GET", format!("http://localhost:{}/", server.port)),
        ("POST", server.url("/")),
        ("DELETE", server.url("/")),
    ] {
        denied(world.send(request(method, url)));
    }
    assert!(server.seen().is_empty());
}

#[test]
fn bodies_are_bounded() {
    let server = Server::start(|seen| match seen.number {
        0 => answer("200 OK", "", &vec![b'x'; 9 << 20]),
        _ => answer("200 OK", "", b"12345"),
    });
    let world = World::local(server.port);
    let huge = world.send_within(get(server.url("/")), u64::MAX);
    assert!(matches!(huge, Err(Error::Failed(_))), "{huge:?}");
    let got = world.send_within(get(server.url("/")), 5);
    assert_eq!(got.expect("just fits").body, b"12345");
    let large = request("POST", server.url("/")).body(&vec![0; (8 << 20) + 1]);
    assert!(matches!(world.send(large), Err(Error::Invalid(_))));
}

#[test]
fn a_server_that_is_silent_is_given_up() {
    let server = Server::start(|_| Vec::new());
    let mut silent = get(server.url("/"));
    silent.timeout = Some(50);
    match World::local(server.port).send(silent) {
        Err(Error::Unavailable(passing)) => {
            assert!(passing.message.contains("timeout"), "{passing:?}");
        }
        other => panic!("{other:?}"),
    }
}
