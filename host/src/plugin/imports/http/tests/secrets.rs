//! Secrets go where they were granted, arrive whole, and do not come back.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;

const VALUE: &str = "tok\"en/&+value";

/// Sends back all that it gets, in header and body, clear and encoded.
fn echo() -> Server {
    Server::start(|seen| {
        let headers = format!("{:?}", seen.headers);
        let header = seen.header("authorization").unwrap_or("none").to_owned();
        let body = format!(
            "{}\n{headers}\n{}\n{}\n{}",
            seen.line,
            seen.text(),
            BASE64_STANDARD.encode(&headers),
            BASE64_STANDARD.encode(seen.text()),
        );
        answer("200 OK", &format!("X-Echo: {header}\r\n"), body.as_bytes())
    })
}

#[track_caller]
fn clean(response: &Response) {
    let shown = format!(
        "{:?} {}",
        response.headers,
        String::from_utf8_lossy(&response.body)
    );
    for form in [
        VALUE.to_owned(),
        "tok%22en".to_owned(),
        "tok\\\"en".to_owned(),
        "tok\\\\\\\"en".to_owned(),
    ] {
        assert!(!shown.contains(&form), "{form} in {shown}");
    }
    // Whatever is Base64 in it does not decode to the secret.
    for line in String::from_utf8_lossy(&response.body).lines() {
        let decoded = BASE64_STANDARD.decode(line).unwrap_or_default();
        let decoded = String::from_utf8_lossy(&decoded);
        assert!(!decoded.contains("en/&+value"), "{line}");
    }
}

#[test]
fn placeholders_are_filled_in_and_answers_are_cleaned() {
    let server = echo();
    let world = World::local(server.port)
        .with_secret("T", VALUE, "header")
        .with_secret("T", VALUE, "query")
        .with_secret("T", VALUE, "body");
    let sent = request("POST", server.url("/x?a=1&k={{secret:T}}"))
        .header("Authorization", "Token {{secret:T}}")
        .header("Content-Type", "application/json")
        .body(b"{\"password\":\"{{secret:T}}\"}");
    let got = world.send(sent).expect("answers");
    let seen = server.seen().pop().expect("seen");
    assert_eq!(seen.line, "POST /x?a=1&k=tok%22en%2F%26%2Bvalue HTTP/1.1");
    assert_eq!(seen.header("authorization"), Some("Token tok\"en/&+value"));
    let body: Value = serde_json::from_slice(&seen.body).expect("still JSON");
    assert_eq!(body, json!({ "password": VALUE }));
    clean(&got);
    let text = String::from_utf8_lossy(&got.body).into_owned();
    assert!(text.contains("POST /x?a=1&k={{secret:T}} HTTP"), "{text}");
    let header = ("x-echo".to_owned(), "Token {{secret:T}}".to_owned());
    assert!(got.headers.contains(&header), "{:?}", got.headers);
}

#[test]
fn it_does_not_come_back_later_either() {
    let server = Server::start(|_| answer("200 OK", "", b"{\"note\":\"tok\\\"en/&+value\"}"));
    let world = World::local(server.port).with_secret("T", VALUE, "header");
    let got = world.send(get(server.url("/"))).expect("answers");
    clean(&got);
    assert!(got.body.ends_with(b"{{secret:T}}\"}"));
    // A length that no longer holds is not told.
    assert!(got.headers.iter().all(|(name, _)| name != "content-length"));
}

#[test]
fn a_place_that_was_not_granted_gets_nothing() {
    let server = echo();
    let world = World::local(server.port)
        .with_secret("H", VALUE, "header")
        .with_secret("B", "another-value", "body")
        .with_secret("Q", "query-value", "query");
    let text = "{{secret:H}}";
    denied(world.send(request("POST", server.url("/")).body(text.as_bytes())));
    denied(world.send(get(server.url("/?{{secret:H}}"))));
    denied(world.send(get(server.url("/")).header("a", "{{secret:B}}")));
    denied(world.send(get(server.url("/")).header("a", "{{secret:UNKNOWN}}")));
    denied(world.send(get(server.url("/")).auth(Auth::Bearer("B".to_owned()))));
    let broken = world.send(get(server.url("/")).header("a", "{{secret:"));
    assert!(matches!(broken, Err(Error::Invalid(_))), "{broken:?}");
    assert!(server.seen().is_empty());
    // Where nothing may stand, text is left alone.
    let world = World::local(server.port).with_secret("H", VALUE, "header");
    world
        .send(request("POST", server.url("/?{{secret:H}}")).body(text.as_bytes()))
        .expect("answers");
    assert_eq!(server.seen()[0].body, text.as_bytes());
}

#[test]
fn another_host_and_a_clear_line_get_nothing() {
    let grant = json!({
        "http": [{"host": "*", "port": 443, "method": "*"}, {"host": "*", "port": 80, "method": "*"}],
        "http-secrets": [{"name": "T", "host": "api.example.invalid", "in": "header"}],
    });
    let mut world = World::new(grant);
    world.secrets.insert("T", VALUE.to_owned());
    let with = |url: &str| get(url).header("authorization", "{{secret:T}}");
    for url in [
        "https://evil.example.invalid/",
        "https://api.example.invalid.evil.invalid/",
        "https://xapi.example.invalid/",
    ] {
        let message = denied(world.send(with(url)));
        assert!(message.contains("`T` is not granted towards"), "{message}");
        denied(world.send(get(url).auth(Auth::Bearer("T".to_owned()))));
    }
    let message = denied(world.send(with("http://api.example.invalid/")));
    assert!(message.contains("not unencrypted"), "{message}");
    // The right one is not there, which is another error.
    let outcome = world.send(with("https://api.example.invalid/"));
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
}

#[test]
fn a_secret_that_cannot_be_used_says_why() {
    let server = echo();
    let mut world = World::local(server.port).with_secret("T", VALUE, "header");
    let with = || get(server.url("/")).header("a", "{{secret:T}}");
    for (value, said) in [
        (None, "not set"),
        (Some("abc"), "shorter than 4"),
        (Some("two\nlines"), "not one line"),
    ] {
        world.secrets.clear();
        if let Some(value) = value {
            world.secrets.insert("T", value.to_owned());
        }
        match world.send(with()) {
            Err(Error::Invalid(failure)) => {
                assert!(failure.message.contains(said), "{failure:?}");
                assert!(!format!("{failure:?}").contains("lines"), "{failure:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(server.seen().is_empty());
}

#[test]
fn errors_do_not_tell() {
    // A server that answers with something that is no HTTP, and the secret in it.
    let server = Server::start(|seen| format!("{}\r\n\r\n", seen.line).into_bytes());
    let world = World::local(server.port).with_secret("T", VALUE, "query");
    let error = world.send(get(server.url("/?k={{secret:T}}")));
    let shown = format!("{error:?}");
    assert!(error.is_err() && !shown.contains("tok"), "{shown}");
}

#[test]
fn what_cannot_be_looked_through_is_not_handed_over() {
    let packed = |text: &str| {
        let mut gzip = std::process::Command::new("gzip")
            .arg("-c")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("gzip");
        let mut stdin = gzip.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut stdin, text.as_bytes()).expect("write");
        drop(stdin);
        gzip.wait_with_output().expect("ends").stdout
    };
    let gzip = packed("here: tok\"en/&+value.");
    let server = Server::start(move |seen| match seen.number {
        0 => answer("200 OK", "Content-Encoding: gzip\r\n", &gzip),
        _ => answer("200 OK", "Content-Encoding: br\r\n", b"whatever"),
    });
    let world = World::local(server.port).with_secret("T", VALUE, "header");
    let got = world
        .send(get(server.url("/")).header("Accept-Encoding", "br"))
        .expect("answers");
    assert_eq!(got.body, b"here: {{secret:T}}.");
    assert_eq!(server.seen()[0].header("accept-encoding"), Some("gzip"));
    let refused = world.send(get(server.url("/")));
    assert!(matches!(refused, Err(Error::Failed(_))), "{refused:?}");
    // Without secrets it is nobody's business.
    let plain = World::local(server.port);
    assert_eq!(
        plain.send(get(server.url("/"))).expect("answers").body,
        b"whatever"
    );
    // Byte by byte it would not be recognised.
    let pieces = get(server.url("/")).header("Range", "bytes=0-2");
    assert!(matches!(world.send(pieces), Err(Error::Invalid(_))));
    let pages = get(server.url("/")).header("Range", "id 5..; max=10");
    assert!(matches!(world.send(pages), Err(Error::Failed(_))));
}

#[test]
fn a_redirect_takes_nothing_along() {
    let elsewhere = Server::start(|_| answer("200 OK", "", b""));
    let to = elsewhere.url("/");
    let server = Server::start(move |seen| {
        let told = seen.header("authorization").unwrap_or_default();
        answer("307 Moved", &format!("Location: {to}?{told}\r\n"), b"")
    });
    let world = World::local(server.port).with_secret("T", "plain-token", "header");
    let got = world.send(get(server.url("/")).auth(Auth::Bearer("T".to_owned())));
    let got = got.expect("answers");
    assert_eq!(got.status, 307);
    let location = got.headers.iter().find(|(name, _)| name == "location");
    let location = &location.expect("a location").1;
    assert!(location.ends_with("?Bearer {{secret:T}}"), "{location}");
    assert!(elsewhere.seen().is_empty());
    denied(world.send(get(location.replace(' ', "%20"))));
}
