//! Tokens: fetched where it is granted, kept, fetched again when the server does not take them, and never shown.

use std::sync::atomic::{AtomicUsize, Ordering};

use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};

use super::*;
use crate::plugin::bindings::http::{
    ClientAuthentication, ClientCredentials, Field, JwtBearer, Login,
};

/// A cloud with an OAuth server in it: tokens are `token-1`, `token-2`, …, and only the newest is taken.
fn cloud() -> Server {
    let issued = AtomicUsize::new(0);
    Server::start(move |seen| match seen.line.as_str() {
        "POST /token HTTP/1.1" => {
            let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
            let token = json!({"access_token": format!("token-{number}"), "expires_in": 3600});
            answer("200 OK", "", token.to_string().as_bytes())
        }
        "POST /revoke HTTP/1.1" => {
            issued.fetch_add(1, Ordering::SeqCst);
            answer("200 OK", "", b"")
        }
        _ => {
            let told = seen.header("authorization").unwrap_or_default();
            let newest = format!("Bearer token-{}", issued.load(Ordering::SeqCst));
            match told == newest {
                true => answer("200 OK", "", told.as_bytes()),
                false => answer("401 Unauthorized", "", told.as_bytes()),
            }
        }
    })
}

fn credentials(server: &Server) -> ClientCredentials {
    ClientCredentials {
        token_url: server.url("/token"),
        client_id: "me".to_owned(),
        client_secret: "S".to_owned(),
        authentication: ClientAuthentication::Body,
        scopes: vec!["a".to_owned(), "b c".to_owned()],
        parameters: vec![("audience".to_owned(), "https://x/".to_owned())],
    }
}

fn lines(server: &Server) -> Vec<String> {
    let seen = server.seen().into_iter();
    seen.map(|one| one.line.trim_end_matches(" HTTP/1.1").to_owned())
        .collect()
}

#[test]
fn a_token_is_fetched_once_and_renewed_when_it_is_refused() {
    let server = cloud();
    let world = World::local(server.port).with_secret("S", "s&cret", "header");
    let auth = || Auth::OauthClientCredentials(credentials(&server));
    for _ in 0..2 {
        let got = world
            .send(get(server.url("/v1")).auth(auth()))
            .expect("answers");
        assert_eq!(
            (got.status, &got.body[..]),
            (200, &b"Bearer {{removed}}"[..])
        );
    }
    assert_eq!(lines(&server), ["POST /token", "GET /v1", "GET /v1"]);
    assert_eq!(
        server.seen()[0].text(),
        "grant_type=client_credentials&scope=a%20b%20c&audience=https%3A%2F%2Fx%2F&client_id=me&client_secret=s%26cret"
    );
    // Taken back: one more login, and the request once more.
    world
        .send(request("POST", server.url("/revoke")))
        .expect("answers");
    let got = world
        .send(get(server.url("/v2")).auth(auth()))
        .expect("answers");
    assert_eq!(got.status, 200);
    let after = &lines(&server)[4..];
    assert_eq!(after, ["GET /v2", "POST /token", "GET /v2"]);
    // A request without `auth` does not get it either.
    let got = world.send(get(server.url("/v3"))).expect("answers");
    assert_eq!(got.status, 401);
}

#[test]
fn a_server_that_refuses_every_token_is_asked_twice_and_no_more() {
    let server = Server::start(|seen| match seen.line.starts_with("POST /token") {
        true => answer("200 OK", "", b"{\"access_token\": \"some-token\"}"),
        false => answer("401 Unauthorized", "", b""),
    });
    let world = World::local(server.port).with_secret("S", "s&cret", "header");
    let basic = ClientCredentials {
        authentication: ClientAuthentication::Basic,
        ..credentials(&server)
    };
    let got = world.send(get(server.url("/")).auth(Auth::OauthClientCredentials(basic)));
    assert_eq!(got.expect("answers").status, 401);
    assert_eq!(
        lines(&server),
        ["POST /token", "GET /", "POST /token", "GET /"]
    );
    let sent = server.seen()[0].header("authorization").map(str::to_owned);
    // `me:s%26cret`
    assert_eq!(sent.as_deref(), Some("Basic bWU6cyUyNmNyZXQ="));
    assert!(!server.seen()[0].text().contains("cret"));
}

#[test]
fn a_login_is_granted_like_any_request() {
    let server = cloud();
    let auth = |server: &Server| Auth::OauthClientCredentials(credentials(server));
    // Not `POST`.
    let grant = json!({
        "http": [{"host": "127.0.0.1", "port": server.port, "method": "GET"}],
        "http-secrets": [{"name": "S", "host": "127.0.0.1", "in": "header"}],
    });
    let mut world = World::new(grant);
    world.secrets.insert("S", "s&cret".to_owned());
    let message = denied(world.send(get(server.url("/")).auth(auth(&server))));
    assert!(message.contains("`POST`"), "{message}");
    // The secret may go to the login, and what it is exchanged for may not go elsewhere.
    let elsewhere = format!("http://localhost:{}/", server.port);
    let grant = json!({
        "http": [
            {"host": "127.0.0.1", "port": server.port, "method": "POST"},
            {"host": "localhost", "port": server.port, "method": "GET"},
        ],
        "http-secrets": [{"name": "S", "host": "127.0.0.1", "in": "header"}],
    });
    world.grant = serde_json::from_value(grant).expect("a grant");
    let message = denied(world.send(get(elsewhere).auth(auth(&server))));
    assert!(
        message.contains("`S` is not granted towards `localhost`"),
        "{message}"
    );
    assert!(server.seen().is_empty());
}

#[test]
fn a_login_that_fails_says_why_and_no_more() {
    let server = Server::start(|seen| match seen.number {
        0 => answer(
            "401 Unauthorized",
            "",
            b"{\"error\": \"invalid_client\", \"error_description\": \"no such client: s&cret\"}",
        ),
        1 => answer("503 Busy", "", b""),
        2 => answer("200 OK", "", b"<html>"),
        _ => answer("200 OK", "", b"{\"access_token\": \"two\\nlines\"}"),
    });
    let world = World::local(server.port).with_secret("S", "s&cret", "header");
    let ask = || {
        let auth = Auth::OauthClientCredentials(credentials(&server));
        world.send(get(server.url("/")).auth(auth))
    };
    let message = denied(ask());
    assert!(
        message.contains("401: no such client: {{secret:S}}"),
        "{message}"
    );
    assert!(matches!(ask(), Err(Error::Unavailable(_))));
    for _ in 0..2 {
        match ask() {
            Err(Error::Failed(failure)) => {
                assert!(failure.message.contains("without a token"), "{failure:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    let mut taken = credentials(&server);
    taken.parameters = vec![("client_secret".to_owned(), "x".to_owned())];
    let outcome = world.send(get(server.url("/")).auth(Auth::OauthClientCredentials(taken)));
    assert!(matches!(outcome, Err(Error::Invalid(_))), "{outcome:?}");
}

#[test]
fn a_clouds_own_login() {
    let server = Server::start(|seen| match seen.line.starts_with("POST /v3/auth/tokens") {
        true => answer(
            "201 Created",
            "X-Subject-Token: gAAAA-token\r\n",
            b"{\"token\": {\"expires_at\": \"2099-01-01T00:00:00.000000Z\"}}",
        ),
        false => answer("200 OK", "", b""),
    });
    let world = World::local(server.port)
        .with_secret("P", "pass\"word", "body")
        .with_secret("P", "pass\"word", "header");
    let login = Login {
        url: server.url("/v3/auth/tokens"),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: b"{\"auth\": {\"password\": \"{{secret:P}}\"}}".to_vec(),
        token: Field::Header("X-Subject-Token".to_owned()),
        expires: Some(Field::Json("/token/expires_at".to_owned())),
        header: "X-Auth-Token".to_owned(),
        prefix: String::new(),
    };
    for _ in 0..2 {
        let asked = get(server.url("/servers")).auth(Auth::Login(login.clone()));
        world.send(asked).expect("answers");
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    let body: Value = serde_json::from_slice(&seen[0].body).expect("JSON");
    assert_eq!(body, json!({"auth": {"password": "pass\"word"}}));
    assert_eq!(seen[2].header("x-auth-token"), Some("gAAAA-token"));
    // Only in a body: then what it is exchanged for may not go into a header.
    let world = World::local(server.port).with_secret("P", "pass\"word", "body");
    denied(world.send(get(server.url("/servers")).auth(Auth::Login(login))));
}

#[test]
fn an_assertion_is_signed_with_the_service_accounts_key() {
    let made = std::process::Command::new("openssl")
        .args([
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
        ])
        .output()
        .expect("openssl");
    let pem = String::from_utf8(made.stdout).expect("PEM");
    let server = cloud();
    let account = json!({
        "type": "service_account", "private_key": pem, "private_key_id": "key-7",
        "client_email": "me@project.example.com",
    });
    let world = World::local(server.port).with_secret("ACCOUNT", &account.to_string(), "header");
    let auth = JwtBearer {
        token_url: server.url("/token"),
        key: "ACCOUNT".to_owned(),
        issuer: None,
        subject: None,
        audience: Some("https://oauth2.example.com/token".to_owned()),
        scopes: vec!["compute".to_owned()],
    };
    for _ in 0..2 {
        let got = world.send(get(server.url("/")).auth(Auth::OauthJwtBearer(auth.clone())));
        assert_eq!(got.expect("answers").status, 200);
    }
    assert_eq!(lines(&server), ["POST /token", "GET /", "GET /"]);
    let form = server.seen()[0].text();
    let (kind, assertion) = form.split_once("&assertion=").expect("an assertion");
    assert_eq!(
        kind,
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
    );
    let (text, signature) = assertion.rsplit_once('.').expect("signed");
    let decode = |part: &str| {
        use base64::Engine as _;
        base64::prelude::BASE64_URL_SAFE_NO_PAD
            .decode(part)
            .expect("Base64")
    };
    let parts: Vec<Value> = text
        .split('.')
        .map(|part| serde_json::from_slice(&decode(part)).expect("JSON"))
        .collect();
    assert_eq!(
        parts[0],
        json!({"alg": "RS256", "typ": "JWT", "kid": "key-7"})
    );
    assert_eq!(parts[1]["iss"], "me@project.example.com");
    assert_eq!(parts[1]["aud"], "https://oauth2.example.com/token");
    assert_eq!(parts[1]["scope"], "compute");
    let (issued, ends) = (parts[1]["iat"].as_u64(), parts[1]["exp"].as_u64());
    assert_eq!(
        ends.zip(issued).map(|(ends, issued)| ends - issued),
        Some(600)
    );
    let der = {
        use rustls::pki_types::pem::PemObject as _;
        rustls::pki_types::PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("PEM")
    };
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("a key");
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    public
        .verify(text.as_bytes(), &decode(signature))
        .expect("the signature holds");
    for bad in ["{}", "no key", "{\"private_key\": \"no key\"}"] {
        let world = World::local(server.port).with_secret("ACCOUNT", bad, "header");
        let outcome = world.send(get(server.url("/")).auth(Auth::OauthJwtBearer(auth.clone())));
        assert!(
            matches!(outcome, Err(Error::Invalid(_) | Error::Denied(_))),
            "{outcome:?}"
        );
    }
}
