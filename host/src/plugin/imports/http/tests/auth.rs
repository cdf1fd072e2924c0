//! What `auth` adds, as the server gets it.

use super::*;
use crate::plugin::bindings::http::{Basic, Hash, Hmac, HmacPlace, Sigv4, TextEncoding};

fn seen_with(world: World, server: &Server, auth: Auth) -> server::Seen {
    let got = world.send(get(server.url("/x?a=1")).auth(auth));
    got.expect("answers");
    server.seen().pop().expect("seen")
}

fn hmac(key: Option<&str>, text: &str) -> Hmac {
    Hmac {
        hash: Hash::Sha256,
        key: key.map(str::to_owned),
        key_encoding: TextEncoding::Raw,
        derive: Vec::new(),
        text: text.into(),
        encoding: TextEncoding::Hex,
        place: HmacPlace::Header("x-signature".to_owned()),
        value: "v1 {signature}".to_owned(),
    }
}

#[test]
fn bearer_and_basic() {
    let server = Server::start(|_| answer("200 OK", "", b""));
    let world = || World::local(server.port).with_secret("T", "password", "header");
    let seen = seen_with(world(), &server, Auth::Bearer("T".to_owned()));
    assert_eq!(seen.header("authorization"), Some("Bearer password"));
    let basic = Auth::Basic(Basic {
        user: "me".to_owned(),
        password: "{{secret:T}}".to_owned(),
    });
    let seen = seen_with(world(), &server, basic);
    assert_eq!(seen.header("authorization"), Some("Basic bWU6cGFzc3dvcmQ="));
    let twice = get(server.url("/"))
        .header("Authorization", "x")
        .auth(Auth::Bearer("T".to_owned()));
    assert!(matches!(world().send(twice), Err(Error::Invalid(_))));
}

#[test]
fn hmac_in_its_variants() {
    let server = Server::start(|_| answer("200 OK", "", b""));
    let world = || {
        World::local(server.port)
            .with_secret("JEFE", "Jefe", "header")
            .with_secret("HEX", "4a656665", "header")
            .with_secret("B64", "SmVmZQ==", "header")
            .with_secret("AWS", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "header")
    };
    let text = "what do ya want for nothing?";
    // RFC 4231, test case 2.
    let expected = "v1 5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    for (key, key_encoding) in [
        ("{{secret:JEFE}}", TextEncoding::Raw),
        ("{{secret:HEX}}", TextEncoding::Hex),
        ("{{secret:B64}}", TextEncoding::Base64),
    ] {
        let auth = Hmac {
            key_encoding,
            ..hmac(Some(key), text)
        };
        let seen = seen_with(world(), &server, Auth::Hmac(auth));
        assert_eq!(seen.header("x-signature"), Some(expected), "{key}");
    }
    // RFC 2202, test case 2, in Base64 and in the query.
    let auth = Hmac {
        hash: Hash::Sha1,
        encoding: TextEncoding::Base64,
        place: HmacPlace::Query("signature".to_owned()),
        value: "{signature}".to_owned(),
        ..hmac(Some("{{secret:JEFE}}"), text)
    };
    let seen = seen_with(world(), &server, Auth::Hmac(auth));
    assert_eq!(
        seen.line,
        "GET /x?a=1&signature=7%2FzfauXrL6LSdBbV8YTfnCWafHk%3D HTTP/1.1"
    );
    // The signing key of AWS' guide, made step by step.
    let auth = Hmac {
        derive: ["20120215", "us-east-1", "iam"].map(str::to_owned).into(),
        ..hmac(Some("AWS4{{secret:AWS}}"), "aws4_request")
    };
    let seen = seen_with(world(), &server, Auth::Hmac(auth));
    assert_eq!(
        seen.header("x-signature"),
        Some("v1 f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d")
    );
    // A plain hash with the secret in the text: SHA-256 of `abcJefe`.
    let seen = seen_with(
        world(),
        &server,
        Auth::Hmac(hmac(None, "abc{{secret:JEFE}}")),
    );
    let digest = ring::digest::digest(&ring::digest::SHA256, b"abcJefe");
    let digest: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(seen.header("x-signature"), Some(&*format!("v1 {digest}")));
}

#[test]
fn hmac_that_cannot_be() {
    let world = World::local(9).with_secret("K", "not hex!", "header");
    let base = || hmac(Some("{{secret:K}}"), "t");
    for auth in [
        Hmac {
            encoding: TextEncoding::Raw,
            ..base()
        },
        Hmac {
            key_encoding: TextEncoding::Hex,
            ..base()
        },
        Hmac {
            key_encoding: TextEncoding::Base64,
            ..base()
        },
        Hmac {
            key: None,
            derive: vec!["a".to_owned()],
            ..base()
        },
        Hmac {
            derive: vec!["a".to_owned(); 9],
            ..base()
        },
        Hmac {
            place: HmacPlace::Header("host".to_owned()),
            ..base()
        },
        Hmac {
            place: HmacPlace::Header("a b".to_owned()),
            ..base()
        },
        Hmac {
            value: "a\r\nb: {signature}".to_owned(),
            ..base()
        },
    ] {
        let outcome = world.send(get("http://127.0.0.1:9/").auth(Auth::Hmac(auth)));
        match outcome {
            Err(Error::Invalid(failure)) => {
                assert!(!format!("{failure:?}").contains("not hex!"), "{failure:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_signature_does_not_come_back() {
    let server = Server::start(|seen| {
        let told = seen.header("authorization").unwrap_or_default();
        answer("403 Forbidden", "", told.as_bytes())
    });
    let world = World::local(server.port)
        .with_secret("ID", "AKIDEXAMPLE", "header")
        .with_secret("KEY", "wJalrXUtnFEMI", "header")
        .with_secret("SESSION", "session-token", "header");
    let auth = Sigv4 {
        access_key_id: "{{secret:ID}}".to_owned(),
        secret_access_key: "KEY".to_owned(),
        session_token: Some("SESSION".to_owned()),
        region: "eu-west-1".to_owned(),
        service: "ec2".to_owned(),
    };
    let got = world
        .send(get(server.url("/?Action=X")).auth(Auth::Sigv4(auth.clone())))
        .expect("answers");
    let seen = server.seen().pop().expect("seen");
    let sent = seen.header("authorization").expect("signed");
    assert_eq!(seen.header("x-amz-security-token"), Some("session-token"));
    let (before, signature) = sent.split_once("Signature=").expect("a signature");
    assert!(before.contains("Credential=AKIDEXAMPLE/") && signature.len() == 64);
    let text = String::from_utf8_lossy(&got.body).into_owned();
    assert!(
        !text.contains(signature) && !text.contains("AKIDEXAMPLE"),
        "{text}"
    );
    assert!(text.ends_with("Signature={{removed}}"), "{text}");
    for (region, service) in [("", "ec2"), ("eu/west", "ec2"), ("eu", "a b")] {
        let auth = Sigv4 {
            region: region.to_owned(),
            service: service.to_owned(),
            ..auth.clone()
        };
        let outcome = world.send(get(server.url("/")).auth(Auth::Sigv4(auth)));
        assert!(matches!(outcome, Err(Error::Invalid(_))), "{outcome:?}");
    }
}
