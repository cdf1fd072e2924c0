//! Where a name leads decides, with and without a proxy.

use std::net::TcpListener;

use super::server::proxy;
use super::*;

fn granted(host: &str, port: u16) -> World {
    World::new(json!({"http": [{"host": host, "port": port, "method": "GET"}]}))
}

#[test]
fn a_pattern_does_not_reach_inside() {
    let world = granted("*", 9);
    for url in [
        "http://127.0.0.1:9/",
        "http://localhost:9/",
        "http://2130706433:9/",
        "http://127.1:9/",
        "http://[::1]:9/",
        "http://[::ffff:127.0.0.1]:9/",
        "http://169.254.169.254:9/",
        "http://0x7f000001:9/",
    ] {
        match world.send(get(url)) {
            Err(Error::Denied(failure)) => {
                let remedy = failure.remedy.expect("says how");
                assert!(remedy.contains("plugin grant here"), "{remedy}");
            }
            other => panic!("{url}: {other:?}"),
        }
    }
}

/// Whoever owns a name could point it at this machine, or at the metadata service, after it was granted.
#[test]
fn a_granted_name_does_not_lead_to_loopback() {
    // A name that the resolver takes for `127.0.0.1`.
    let message = denied(granted("127.1", 9).send(get("http://127.1:9/")));
    assert!(message.contains("a loopback address"), "{message}");
    assert!(message.contains("names that address itself"), "{message}");
    let message = denied(granted("2852039166", 80).send(get("http://2852039166/")));
    assert!(message.contains("169.254.169.254"), "{message}");
}

#[test]
fn this_machine_is_reached_when_it_is_named() {
    let free = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        listener.local_addr().expect("address").port()
    };
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("http://{host}:{free}/");
        match granted(host, free).send(get(url)) {
            // Nobody listens there.
            Err(Error::Unavailable(_)) => {}
            other => panic!("{host}: {other:?}"),
        }
    }
    // The address with another port is another right.
    let mut world = granted("127.0.0.1", free);
    let more = granted("127.1", 9);
    world.grant = world.grant.union(&more.grant);
    denied(world.send(get("http://127.1:9/")));
}

#[test]
fn the_operators_proxy_is_used_and_does_not_open_what_is_closed() {
    let server = Server::start(|_| answer("200 OK", "", b"through"));
    let (port, asked) = proxy(server.port);
    let mut world = granted("*", 80);
    world.settings.proxy = Some(format!("http://me:pass%21@127.0.0.1:{port}"));
    let got = world
        .send(get("http://api.example.invalid/x"))
        .expect("answers");
    assert_eq!(got.body, b"through");
    assert_eq!(
        *asked.lock().expect("lock"),
        ["CONNECT api.example.invalid:80 HTTP/1.1 Basic bWU6cGFzcyE="]
    );
    assert_eq!(server.seen()[0].header("host"), Some("api.example.invalid"));
    assert_eq!(server.seen()[0].header("proxy-authorization"), None);
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://127.0.0.1/",
        "http://localhost/",
        "http://2130706433/",
    ] {
        denied(world.send(get(url)));
    }
    assert_eq!(asked.lock().expect("lock").len(), 1);
}

#[test]
fn hosts_without_the_proxy_are_reached_directly() {
    let server = Server::start(|_| answer("200 OK", "", b"direct"));
    let (port, asked) = proxy(server.port);
    let mut world = World::local(server.port);
    world.settings.proxy = Some(format!("http://127.0.0.1:{port}"));
    assert_eq!(
        world.send(get(server.url("/"))).expect("answers").body,
        b"direct"
    );
    let mut world = granted("*", 80);
    world.settings.proxy = Some(format!("http://127.0.0.1:{port}"));
    world.settings.no_proxy = vec!["example.invalid".to_owned()];
    let outcome = world.send(get("http://api.example.invalid/"));
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    assert!(asked.lock().expect("lock").is_empty());
    world.settings.proxy = Some("http://[bad".to_owned());
    match world.send(get("http://api.example.com/")) {
        Err(Error::Invalid(failure)) => assert!(failure.message.contains("http.proxy")),
        other => panic!("{other:?}"),
    }
}
