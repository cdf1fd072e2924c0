//! What tries to carry something out by HTTP: redirects, names that lead elsewhere, headers, servers that send a secret back, floods and
//! silence. The guest is `web`, which prints all that a plugin gets to see.

use runner_tests::web::{Server, answer};

use crate::http::Web;

/// The plugin was told no, by both ways out.
#[track_caller]
fn refused(web: &Web, id: &str, words: &[&str]) {
    for through in ["fetch", "wasi"] {
        let mut all = vec![through];
        all.extend(words);
        let outcome = web.send(id, &all).code(1);
        assert!(outcome.err().contains("refused: "), "{outcome}");
        assert!(outcome.stdout.is_empty(), "{outcome}");
        web.nothing_leaked(&[&outcome]);
    }
}

#[test]
fn a_redirect_to_another_host() {
    let elsewhere = Server::echo();
    let to = elsewhere.url("/steal");
    let server = Server::start(move |asked| {
        let told = asked.header("authorization").unwrap_or_default();
        answer("307 Moved", &format!("Location: {to}?{told}\r\n"), "")
    });
    let web = Web::new(&[server.port], "");
    let id = web.env.acquire("web");
    let outcome = web
        .send(&id, &["fetch", "GET", &server.url("/"), "--bearer=TOKEN"])
        .ok();
    assert!(outcome.out().contains("location: "), "{outcome}");
    assert!(
        outcome.out().contains("/steal?Bearer {{secret:TOKEN}}"),
        "{outcome}"
    );
    web.nothing_leaked(&[&outcome]);
    // By hand it gets no further.
    refused(
        &web,
        &id,
        &["GET", &elsewhere.url("/steal"), "a: {{secret:TOKEN}}"],
    );
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn names_that_lead_to_this_machine_or_to_metadata() {
    let server = Server::echo();
    // These are granted by name, as a plugin's author would have them granted; they resolve to 127.0.0.1 and 169.254.169.254.
    let web = Web::new(&[server.port], "");
    web.env.source(
        "web",
        &format!(
            "type = \"{}\"\nhosts = [\"127.1\", \"2852039166\"]\nports = [{}]\nsecrets = [\"TOKEN\"]\n",
            runner_tests::guests::web().display(),
            server.port
        ),
    );
    web.env.grant("web");
    let id = web.env.acquire("web");
    for host in [
        "127.1",
        "2852039166",
        "127.0.0.1",
        "localhost",
        "[::1]",
        "169.254.169.254",
    ] {
        refused(
            &web,
            &id,
            &["GET", &format!("http://{host}:{}/", server.port)],
        );
    }
    assert!(server.asked().is_empty());
}

#[test]
fn headers_that_reach_behind_the_granted_host() {
    let server = Server::echo();
    let web = Web::new(&[server.port], "");
    let id = web.env.acquire("web");
    let url = server.url("/");
    for header in [
        "Host: metadata.internal",
        "Transfer-Encoding: chunked",
        "Connection: x",
        "Proxy-Authorization: x",
    ] {
        refused(&web, &id, &["GET", &url, header]);
    }
    // Not a way to learn a secret, or another's.
    for header in [
        "a: {{secret:OTHER}}",
        "a: {{secret:",
        "a: {{secret:../TOKEN}}",
    ] {
        refused(&web, &id, &["GET", &url, header]);
    }
    refused(&web, &id, &["PUT", &url]);
    refused(
        &web,
        &id,
        &["GET", &url, "Range: bytes=0-3", "a: {{secret:TOKEN}}"],
    );
    assert!(server.asked().is_empty());
}

#[test]
fn a_server_that_sends_a_secret_back_in_every_way_it_can() {
    let server = Server::start(|asked| {
        let secret = asked.header("a").unwrap_or_default().to_owned();
        let hex: String = secret.bytes().map(|b| format!("{b:02X}")).collect();
        let percent: String = secret.bytes().map(|b| format!("%{b:02x}")).collect();
        let unicode: String = secret.bytes().map(|b| format!("\\u{b:04x}")).collect();
        let body = format!(
            "{secret}\n{}\n{hex}\n{percent}\n{unicode}",
            secret.to_uppercase()
        );
        answer("200 OK", &format!("x-{secret}: {secret}\r\n"), &body)
    });
    let web = Web::new(&[server.port], "");
    let id = web.env.acquire("web");
    for through in ["fetch", "wasi"] {
        let outcome = web.send(
            &id,
            &[through, "GET", &server.url("/"), "a: {{secret:TOKEN}}"],
        );
        // A header's name with a placeholder in it is none, and `wasi:http` cannot have it.
        let said = format!("{}{}", outcome.out(), outcome.err()).to_lowercase();
        for form in [
            "tell-8f2a",
            "74656c6c2d38663261",
            "%74%65%6c%6c",
            "\\u0074\\u0065\\u006c",
        ] {
            assert!(!said.contains(form), "{form}: {said}");
        }
        web.nothing_leaked(&[&outcome]);
    }
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn floods_end_at_their_limits() {
    let server = Server::start(|_| answer("200 OK", "", &"x".repeat(100_000)));
    let limits = "[limits]\nhttp-requests = 5\nhttp-bytes = \"1 MiB\"\n";
    let web = Web::new(&[server.port], limits);
    let id = web.env.acquire("web");
    for through in ["fetch", "wasi"] {
        let before = server.asked().len();
        let outcome = web.send(&id, &[through, "GET", &server.url("/"), "--times=6"]);
        outcome
            .code(125)
            .says(&["web", "1.2.3", "`run`", "http-requests"]);
        assert_eq!(server.asked().len() - before, 5);
    }
    let web = Web::new(&[server.port], "[limits]\nhttp-bytes = \"250 KiB\"\n");
    let id = web.env.acquire("web");
    for through in ["fetch", "wasi"] {
        let outcome = web.send(&id, &[through, "GET", &server.url("/"), "--times=6"]);
        outcome.code(125).says(&["`run`", "http-bytes"]);
    }
}

#[test]
fn a_server_that_is_silent_ends_with_the_call() {
    let server = Server::start(|_| String::new());
    let web = Web::new(&[server.port], "[limits]\nrun = 2\n");
    let id = web.env.acquire("web");
    for through in ["fetch", "wasi"] {
        let outcome = web.send(&id, &[through, "GET", &server.url("/")]);
        outcome.code(125).says(&["web", "`run`", "2 s"]);
    }
    web.env.runner(["release", &id]).run().ok();
}
