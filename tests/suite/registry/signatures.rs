//! Whose signature counts: keys, and identities with a certificate of minutes. The certificates, the log and all signatures of this file are
//! made by openssl, so that both halves are not ours.

use runner_tests::variant;
use serde_json::{Value, json};

use super::{World, digest};

const IDENTITY: &str = "https://example.com/providers/release.yml@refs/tags/v1";
const ISSUER: &str = "https://issuer.example.com";

impl World {
    /// Runs a shell script in the working directory.
    #[track_caller]
    fn sh(&self, script: &str) -> String {
        let call = self.env.program("sh").args(["-ec", script]);
        call.run().ok().out().to_owned()
    }

    /// Publishes `fake` in a version past the program, and unsigned; answers the manifest's digest. `change` may make it worse.
    pub(super) fn put_unsigned(
        &self,
        tag: &str,
        component: &[u8],
        change: impl FnOnce(&mut Value),
    ) -> String {
        let layer = self.put_blob(component);
        let config = json!({
            "created": "2026-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip2",
            "layerDigests": [layer], "component": { "exports": [], "imports": [] },
        })
        .to_string();
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.wasm.config.v0+json",
                "digest": self.put_blob(config.as_bytes()), "size": config.len(),
            },
            "layers": [{ "mediaType": "application/wasm", "digest": layer, "size": component.len() }],
        });
        change(&mut manifest);
        self.put_manifest(tag, manifest.to_string().as_bytes())
    }

    /// The same, signed by `team` as `cosign sign --key` does it.
    pub(super) fn put_signed(&self, tag: &str, component: &[u8], change: impl FnOnce(&mut Value)) {
        let manifest = self.put_unsigned(tag, component, change);
        let payload = payload(&manifest);
        self.env.write("work/payload", &payload);
        let signature = self.sh("openssl dgst -sha256 -sign team.key payload | openssl base64 -A");
        self.put_signature(
            &manifest,
            &payload,
            &json!({ "dev.cosignproject.cosign/signature": signature }),
        );
    }

    fn put_signature(&self, manifest: &str, payload: &str, annotations: &Value) {
        let config = "{}";
        let list = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": self.put_blob(config.as_bytes()), "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                "digest": self.put_blob(payload.as_bytes()), "size": payload.len(),
                "annotations": annotations,
            }],
        });
        let tag = manifest.replace(':', "-") + ".sig";
        self.put_manifest(&tag, list.to_string().as_bytes());
    }
}

fn payload(manifest: &str) -> String {
    json!({
        "critical": {
            "identity": { "docker-reference": "somewhere/else" },
            "image": { "docker-manifest-digest": manifest },
            "type": "cosign container image signature",
        },
        "optional": { "creator": "openssl" },
    })
    .to_string()
}

#[test]
fn only_a_signature_that_counts_is_enough() {
    let Some(world) = World::new() else { return };
    let env = &world.env;
    world.keygen("stranger");
    let component = variant::version(&world.component, "1.0.0");
    world.put_unsigned("1.0.0", &component, |_| {});
    let unsigned = world.install("fake", &[]).code(3);
    assert!(
        unsigned
            .err()
            .contains("it is not signed; wanted is the key `"),
        "{unsigned}"
    );
    assert!(unsigned.err().contains("--allow-unsigned"), "{unsigned}");
    let taken = world.install("fake", &["--allow-unsigned"]).ok();
    assert!(
        taken
            .err()
            .contains("nobody whose signature counts has signed `fake`"),
        "{taken}"
    );
    assert!(taken.out().contains("signed by  nobody"), "{taken}");
    env.runner(["plugin", "remove", "fake"]).run().ok();

    world.publish("1.1.0", "stranger");
    let other = world.install("fake", &[]).code(3);
    assert!(
        other.err().contains("it has one signature, by another key"),
        "{other}"
    );
    // Signed by a second one as well, and now it is enough.
    world.publish("1.1.0", "team");
    world.install("fake", &[]).ok();
    env.runner(["plugin", "remove", "fake"]).run().ok();
    // The keys of one call count instead of the configured ones.
    world.install("fake", &["--key", "stranger.pub"]).ok();
    env.runner(["plugin", "remove", "fake"]).run().ok();
    world.keygen("third");
    world.install("fake", &["--key", "third.pub"]).code(3);

    // No rule for this registry: the same, in other words.
    env.write("config/runner/config.toml", "");
    let refused = world.install(&world.at("fake"), &[]).code(3);
    assert!(
        refused
            .err()
            .contains("nobody's signature counts for this repository"),
        "{refused}"
    );
    // A project cannot say whom to trust.
    env.write(
        "work/.runner/config.toml",
        "[plugins]\nregistries = [\"evil.example\"]\n",
    );
    let refused = world.install("fake", &[]).code(3);
    assert!(
        refused
            .err()
            .contains("a project cannot set `plugins.registries`"),
        "{refused}"
    );
}

#[test]
fn what_openssl_signs_is_believed() {
    let Some(world) = World::new() else { return };
    let one = variant::version(&world.component, "1.0.0");
    world.put_signed("1.0.0", &one, |_| {});
    world.install("fake", &[]).ok();
    // Ed25519, made and used by openssl.
    let two = variant::version(&world.component, "1.1.0");
    let manifest = world.put_unsigned("1.1.0", &two, |_| {});
    let payload = payload(&manifest);
    world.env.write("work/payload", &payload);
    let signature = world.sh(
        "openssl genpkey -algorithm ed25519 -out ed.key; openssl pkey -in ed.key -pubout -out ed.pub
         openssl pkeyutl -sign -inkey ed.key -rawin -in payload -out signature; openssl base64 -A -in signature",
    );
    world.put_signature(
        &manifest,
        &payload,
        &json!({ "dev.cosignproject.cosign/signature": signature }),
    );
    world.install("fake@1.1.0", &["--key", "ed.pub"]).ok();
    // And signed with openssl's keys by us.
    world.sh("openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out ec.key; openssl pkey -in ec.key -pubout -out ec.pub");
    world.publish("1.2.0", "ec");
    world.install("fake@1.2.0", &["--key", "ec.pub"]).ok();
    world.publish("1.3.0", "ed");
    world.install("fake@1.3.0", &["--key", "ed.pub"]).ok();
    world.sh("openssl genpkey -algorithm rsa -out rsa.key 2> /dev/null; openssl pkey -in rsa.key -pubout -out rsa.pub");
    let refused = world.install("fake@1.3.0", &["--key", "rsa.pub"]).code(3);
    assert!(
        refused.err().contains("neither ECDSA on P-256 nor Ed25519"),
        "{refused}"
    );
}

/// A certificate authority and a log of one's own, as Sigstore's are.
struct Authority<'a> {
    world: &'a World,
}

impl<'a> Authority<'a> {
    /// Makes both, and the file that says that they are believed.
    fn new(world: &'a World) -> Self {
        world.sh(
            "mkdir ca ca/new; : > ca/index; echo 01 > ca/serial
             openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-384 -out ca/root.key
             openssl req -x509 -new -key ca/root.key -sha384 -days 3650 -subj '/O=tests/CN=root' -out ca/root.pem \
               -addext 'basicConstraints=critical,CA:true' -addext 'keyUsage=critical,keyCertSign,cRLSign'
             openssl x509 -in ca/root.pem -outform DER -out ca/root.der
             openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out ca/log.key
             openssl pkey -in ca/log.key -pubout -outform DER -out ca/log.der",
        );
        let authority = Self { world };
        authority.believe("2020-01-01T00:00:00Z");
        authority
    }

    /// Writes the trust root, with authority and log valid from a day on.
    fn believe(&self, start: &str) {
        let base64 = |file: &str| self.world.sh(&format!("openssl base64 -A -in ca/{file}"));
        let root = json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [{
                "baseUrl": "https://log.example.com", "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": base64("log.der"), "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": { "start": start },
                },
            }],
            "certificateAuthorities": [{
                "uri": "https://ca.example.com",
                "certChain": { "certificates": [{ "rawBytes": base64("root.der") }] },
                "validFor": { "start": start, "end": "2050-01-01T00:00:00Z" },
            }],
        });
        self.world
            .env
            .write("config/runner/root.json", root.to_string());
        let host = self.world.registry.host();
        self.world.env.write(
            "config/runner/config.toml",
            format!(
                "[plugins]\nregistries = [\"{host}\"]\n[[plugins.trust]]\nregistry = \"{host}\"\nroot = \"root.json\"\n\
                 identity = \"https://example.com/providers/release.yml@refs/tags/*\"\nissuer = \"{ISSUER}\"\n"
            ),
        );
    }

    /// A certificate for ten minutes of the first of March, long over, that says who signs.
    fn certificate(&self, identity: &str, issuer: &str, purpose: &str) -> String {
        self.world.env.write(
            "work/ca/conf",
            format!(
                "[ca]\ndefault_ca=c\n[c]\ndatabase=ca/index\nserial=ca/serial\nnew_certs_dir=ca/new\ncertificate=ca/root.pem\n\
                 private_key=ca/root.key\ndefault_md=sha384\npolicy=p\nunique_subject=no\n[p]\ncommonName=optional\n[leaf]\n\
                 keyUsage=critical,digitalSignature\nextendedKeyUsage={purpose}\nsubjectAltName=critical,URI:{identity}\n\
                 1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:{issuer}\n"
            ),
        );
        self.world.sh(
            "openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out leaf.key
             openssl req -new -key leaf.key -subj '/CN=x' -out leaf.csr
             openssl ca -batch -notext -config ca/conf -extensions leaf -in leaf.csr -out leaf.pem \
               -startdate 20260301120000Z -enddate 20260301121000Z 2> /dev/null",
        );
        std::fs::read_to_string(self.world.env.work().join("leaf.pem")).unwrap()
    }

    /// Signs a manifest as `cosign sign` does without a key: answers the statement and the annotations.
    fn sign(&self, manifest: &str, certificate: &str, time: i64) -> (String, Value) {
        let payload = payload(manifest);
        let env = &self.world.env;
        env.write("work/payload", &payload);
        let signature = self
            .world
            .sh("openssl dgst -sha256 -sign leaf.key payload | openssl base64 -A");
        env.write("work/leaf.pem", certificate);
        let body = json!({
            "apiVersion": "0.0.1", "kind": "hashedrekord",
            "spec": {
                "data": { "hash": { "algorithm": "sha256", "value": digest(payload.as_bytes())[7..] } },
                "signature": {
                    "content": signature,
                    "publicKey": { "content": self.world.sh("openssl base64 -A -in leaf.pem") },
                },
            },
        });
        env.write("work/body", body.to_string());
        let log = std::fs::read(env.work().join("ca/log.der")).unwrap();
        let entry = json!({
            "body": self.world.sh("openssl base64 -A -in body"),
            "integratedTime": time, "logID": digest(&log)[7..], "logIndex": 42,
        });
        // Just the bytes that the log signs: the members in the order of their names.
        env.write("work/entry", entry.to_string());
        let promise = self
            .world
            .sh("openssl dgst -sha256 -sign ca/log.key entry | openssl base64 -A");
        let annotations = json!({
            "dev.cosignproject.cosign/signature": signature,
            "dev.sigstore.cosign/certificate": certificate,
            "dev.sigstore.cosign/bundle": json!({ "SignedEntryTimestamp": promise, "Payload": entry }).to_string(),
        });
        (payload, annotations)
    }
}

/// Noon of the first of March 2026, and five minutes.
const THEN: i64 = 1_772_366_700;

#[test]
fn keyless() {
    let Some(world) = World::new() else { return };
    let authority = Authority::new(&world);
    let component = variant::version(&world.component, "1.0.0");
    let manifest = world.put_unsigned("1.0.0", &component, |_| {});
    let good = authority.certificate(IDENTITY, ISSUER, "codeSigning");
    let (payload, signed) = authority.sign(&manifest, &good, THEN);
    world.put_signature(&manifest, &payload, &signed);
    let said = world.install("fake", &[]).ok();
    assert!(
        said.out()
            .contains(&format!("signed by  {IDENTITY} ({ISSUER})")),
        "{said}"
    );
    world.env.runner(["plugin", "remove", "fake"]).run().ok();

    let refuses = |annotations: &Value, said: &str| {
        world.put_signature(&manifest, &payload, annotations);
        let refused = world.install("fake", &[]).code(3);
        assert!(refused.err().contains(said), "not `{said}`: {refused}");
        assert_eq!(world.installed(), None);
    };
    // The same certificate, used before it was valid and after.
    for time in [THEN - 3600, THEN + 3600] {
        let (_, late) = authority.sign(&manifest, &good, time);
        refuses(&late, "its certificate is not believed");
    }
    // Without the log's receipt, with that of another signature, and with one that the log did not sign.
    let without = |key: &str| {
        let mut less = signed.clone();
        less.as_object_mut().unwrap().remove(key);
        less
    };
    refuses(
        &without("dev.sigstore.cosign/bundle"),
        "it has no receipt of a log",
    );
    let (_, other) = authority.sign(&digest(b"other"), &good, THEN);
    let mut swapped = signed.clone();
    swapped["dev.sigstore.cosign/bundle"] = other["dev.sigstore.cosign/bundle"].clone();
    refuses(&swapped, "the log's receipt is about another signature");
    let mut forged = signed.clone();
    let bundle = forged["dev.sigstore.cosign/bundle"]
        .as_str()
        .unwrap()
        .to_owned();
    forged["dev.sigstore.cosign/bundle"] =
        bundle.replace("\"logIndex\":42", "\"logIndex\":43").into();
    refuses(&forged, "the receipt was not signed by its log");
    // A signature by another key than the certificate's.
    let mut stolen = signed.clone();
    stolen["dev.cosignproject.cosign/signature"] =
        other["dev.cosignproject.cosign/signature"].clone();
    refuses(&stolen, "not made with the key of its certificate");

    // Others whom the same authority vouches for.
    for (identity, issuer, purpose, said) in [
        (
            "https://example.com/evil",
            ISSUER,
            "codeSigning",
            "it is signed by https://example.com/evil",
        ),
        (
            IDENTITY,
            "https://evil.example.com",
            "codeSigning",
            "in the words of https://evil.example.com",
        ),
        (
            IDENTITY,
            ISSUER,
            "serverAuth",
            "its certificate is not believed",
        ),
    ] {
        let certificate = authority.certificate(identity, issuer, purpose);
        let (_, other) = authority.sign(&manifest, &certificate, THEN);
        refuses(&other, said);
    }
    // An authority that nobody named, with the right words.
    world.sh("mv ca believed");
    let stranger = Authority::new(&world);
    let certificate = stranger.certificate(IDENTITY, ISSUER, "codeSigning");
    world.sh("mv ca/log.key strange.key; cp believed/log.key believed/log.der ca/");
    let (_, other) = stranger.sign(&manifest, &certificate, THEN);
    world.sh("rm -r ca; mv believed ca");
    authority.believe("2020-01-01T00:00:00Z");
    refuses(&other, "its certificate is not believed");
    // Believed only since yesterday, so to say.
    authority.believe("2026-06-01T00:00:00Z");
    refuses(&signed, "a log that the trust root does not have");
    authority.believe("2020-01-01T00:00:00Z");
    world.put_signature(&manifest, &payload, &signed);
    world.install("fake", &[]).ok();
}
