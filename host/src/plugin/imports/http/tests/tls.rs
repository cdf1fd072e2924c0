//! TLS with an authority of the operator's.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

fn openssl(directory: &Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("openssl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

/// An authority in `ca.pem`, and a server's certificate for `127.0.0.1` by it.
fn authority(directory: &Path) -> Arc<ServerConfig> {
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let mut arguments = vec!["req", "-x509", "-days", "2", "-subj", "/CN=Test CA"];
    arguments.extend(key);
    arguments.extend(["-keyout", "ca.key", "-out", "ca.pem"]);
    openssl(directory, &arguments);
    let mut arguments = vec!["req", "-x509", "-days", "2", "-subj", "/CN=server"];
    arguments.extend(key);
    arguments.extend(["-CA", "ca.pem", "-CAkey", "ca.key"]);
    arguments.extend(["-addext", "basicConstraints=critical,CA:FALSE"]);
    arguments.extend(["-addext", "subjectAltName=IP:127.0.0.1"]);
    arguments.extend(["-keyout", "server.key", "-out", "server.pem"]);
    openssl(directory, &arguments);
    let certificates = CertificateDer::pem_file_iter(directory.join("server.pem"));
    let certificates: Result<Vec<_>, _> = certificates.expect("a file").collect();
    let key = PrivateKeyDer::from_pem_file(directory.join("server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(certificates.expect("certificates"), key)
        .expect("a certificate with its key");
    Arc::new(config)
}

#[test]
fn an_authority_is_trusted_when_the_operator_adds_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = authority(directory.path());
    let server = Server::start_tls(config, |_| answer("200 OK", "", b"private"));
    let mut world = World::local(server.port).with_secret("T", "plain-token", "header");
    let asked = || get(server.url("/")).auth(Auth::Bearer("T".to_owned()));
    // Not trusted: nothing of the request is sent.
    match world.send(asked()) {
        Err(Error::Failed(failure)) => {
            assert!(failure.message.contains("certificate"), "{failure:?}")
        }
        Err(Error::Unavailable(passing)) => {
            assert!(passing.message.contains("certificate"), "{passing:?}")
        }
        other => panic!("{other:?}"),
    }
    assert!(server.seen().is_empty());
    world.settings.ca_file = Some(directory.path().join("ca.pem"));
    for _ in 0..2 {
        let got = world.send(asked()).expect("answers");
        assert_eq!(got.body, b"private");
    }
    let seen = server.seen();
    assert_eq!(seen[0].header("authorization"), Some("Bearer plain-token"));
    assert_eq!(seen[0].connection, seen[1].connection);
    // The certificate is for another name.
    let grant = json!({"http": [{"host": "localhost", "port": server.port, "method": "GET"}]});
    world.grant = serde_json::from_value(grant).expect("a grant");
    let outcome = world.send(get(format!("https://localhost:{}/", server.port)));
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_file_that_is_no_certificate_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut world = World::local(9);
    let file = directory.path().join("ca.pem");
    world.settings.ca_file = Some(file.clone());
    for text in [
        None,
        Some("nothing"),
        Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ] {
        if let Some(text) = text {
            std::fs::write(&file, text).expect("writes");
        }
        match world.send(get("https://127.0.0.1:9/")) {
            Err(Error::Invalid(failure)) => {
                assert!(failure.message.contains("ca.pem"), "{failure:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}
