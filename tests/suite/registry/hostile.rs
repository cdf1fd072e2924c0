//! Registries that mean harm, and what lies in honest ones: each lie ends in the right error and installs nothing.
//!
//! Most of them are a [`Liar`] before the real registry: everything is true but for the one lie.

use runner_tests::liar::{Liar, Lie, Message};
use runner_tests::{Outcome, variant};
use serde_json::{Value, json};

use super::{World, digest};

/// Memory that the program may use whatever a registry sends; in KiB. An honest install of a small plugin needs a tenth.
const BOUND: u64 = 300 << 10;

impl World {
    /// Puts a liar between this world and its registry, whose signatures count as much as the registry's.
    fn lied_to(&self, judge: impl Fn(&Message) -> Option<Lie> + Send + Sync + 'static) -> Liar {
        let liar = Liar::before(&self.registry.host(), judge);
        self.trust(&liar.host(), &liar.host(), "team");
        liar
    }

    /// `install fake`, which must fail like this and leave nothing behind.
    #[track_caller]
    fn refuses(&self, said: &str) -> Outcome {
        let outcome = self.install("fake", &[]).code(3);
        let text = outcome.err();
        assert!(text.contains(said), "not `{said}`: {outcome}");
        assert!(
            outcome.peak_kib < BOUND,
            "{} KiB: {outcome}",
            outcome.peak_kib
        );
        assert_eq!(self.installed(), None, "{outcome}");
        let folder = self.env.path("data/runner/plugins");
        let left: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        outcome
    }
}

/// A request for the component itself.
fn for_layer(message: &Message, layer: &str) -> bool {
    message.path().contains(&format!("/blobs/{layer}"))
}

fn layer_of(world: &World, version: &str) -> String {
    digest(&variant::version(&world.component, version))
}

#[test]
fn another_content_than_the_digest_promises() {
    let Some(world) = World::new() else { return };
    world.publish("1.0.0", "team");
    let layer = layer_of(&world, "1.0.0");
    let asked = layer.clone();
    let _liar = world.lied_to(move |message| {
        for_layer(message, &asked).then_some(Lie::Twist(|body| {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }))
    });
    let outcome = world.refuses("the content is not what was promised");
    assert!(outcome.err().contains(&layer), "{outcome}");
}

#[test]
fn another_manifest_than_the_header_promises() {
    let Some(world) = World::new() else { return };
    world.publish("1.0.0", "team");
    let wrong = format!("docker-content-digest: sha256:{}", "0".repeat(64));
    let _liar = world.lied_to(move |message| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.oci.image.manifest.v1+json\r\n{wrong}"
        );
        message
            .path()
            .ends_with("/manifests/1.0.0")
            .then(|| Lie::Say(head, b"{}".to_vec()))
    });
    world.refuses("the content is not what was promised");
}

#[test]
fn a_manifest_that_was_changed_is_not_the_signed_one() {
    let Some(world) = World::new() else { return };
    world.publish("1.0.0", "team");
    let liar = world.lied_to(|message| {
        // Still a manifest, still complete: only nobody signed this one.
        message
            .path()
            .ends_with("/manifests/1.0.0")
            .then_some(Lie::Twist(|body| {
                let text = String::from_utf8_lossy(body).replace("a test", "a guest");
                *body = text.into_bytes();
            }))
    });
    world.refuses("it is not signed");
    let layer = layer_of(&world, "1.0.0");
    let fetched = liar
        .asked()
        .iter()
        .any(|message| for_layer(message, &layer));
    assert!(
        !fetched,
        "the component was fetched before it was known who made it"
    );
}

#[test]
fn signatures_of_another_manifest_or_of_nobody() {
    let Some(world) = World::new() else { return };
    let first = world.publish("1.0.0", "team");
    world.publish("1.1.0", "team");
    // The signature of 1.0.0, shown as that of 1.1.0.
    let other = first["manifest"].as_str().unwrap().replace(':', "-");
    let list = world.get(&format!("/v2/fake/manifests/{other}.sig"));
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.oci.image.manifest.v1+json\r\ncontent-length: {}",
        list.len()
    );
    let _liar = world.lied_to(move |message| {
        message
            .path()
            .ends_with(".sig")
            .then(|| Lie::Say(head.clone(), list.clone()))
    });
    world.refuses("its signature is about something else");
}

#[test]
fn an_older_version_under_a_newer_name() {
    let Some(world) = World::new() else { return };
    world.publish("1.0.0", "team");
    let old = world.get("/v2/fake/manifests/1.0.0");
    world.put_manifest("2.0.0", &old);
    // Signed, whole, and not what it says: the tag is the registry's word, the version the component's.
    world.refuses("the component is version 1.0.0, and it is published as 2.0.0");
}

#[test]
fn a_registry_that_holds_newer_versions_back() {
    let Some(world) = World::new() else { return };
    world.publish("1.0.0", "team");
    world.publish("2.0.0", "team");
    let honest = world.registry.host();
    let liar = Liar::before(&honest, |message| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 32".to_owned();
        let list = br#"{"name":"fake","tags":["1.0.0"]}"#.to_vec();
        (message.path().contains("/tags/list")).then_some(Lie::Say(head, list))
    });
    world.trust(&liar.host(), &liar.host(), "team");
    let reference = format!("oci://{}/fake:2.0.0", liar.host());
    world.install(&reference, &[]).ok();
    let older = world
        .install(&format!("oci://{}/fake", liar.host()), &[])
        .code(3);
    assert!(
        older
            .err()
            .contains("version 1.0.0 is older than the installed 2.0.0"),
        "{older}"
    );
    assert_eq!(world.installed().as_deref(), Some("2.0.0"));
    let list = world.env.runner(["plugin", "outdated"]).run().ok();
    assert!(
        list.out().contains("its version is not there any more"),
        "{list}"
    );
    let downgrade = format!("oci://{}/fake", liar.host());
    world.install(&downgrade, &["--downgrade"]).ok();
    assert_eq!(world.installed().as_deref(), Some("1.0.0"));
}

#[test]
fn a_component_that_breaks_off() {
    let Some(world) = World::new() else { return };
    world.publish("1.0.0", "team");
    let layer = layer_of(&world, "1.0.0");
    let whole = world.component.len();
    let half = world.component[..whole / 2].to_vec();
    for (length, said) in [(whole, "the answer broke off"), (whole / 2, "and sends")] {
        let (asked, half) = (layer.clone(), half.clone());
        let _liar = world.lied_to(move |message| {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}");
            for_layer(message, &asked).then(|| Lie::Say(head, half.clone()))
        });
        world.refuses(said);
    }
}

#[test]
fn components_that_are_none() {
    let Some(world) = World::new() else { return };
    let good = variant::version(&world.component, "1.0.0");
    let half = good[..good.len() / 2].to_vec();
    let mut damaged = good.clone();
    damaged[20..400].fill(0xff);
    // A key that counts has signed them: that says who made them, not that they are sound.
    for (version, content, said) in [
        (
            "1.0.0",
            b"#!/bin/sh\nrm -rf /\n".to_vec(),
            "this is a text file",
        ),
        ("1.0.1", half, "cannot be used"),
        ("1.0.2", damaged, "cannot be used"),
        ("1.0.3", Vec::new(), "cannot be used"),
    ] {
        world.put_signed(version, &content, |_| {});
        world.refuses(said);
    }
}

#[test]
fn a_plugin_under_anothers_name() {
    let Some(world) = World::new() else { return };
    let cake = variant::variant(&world.component, |manifest| {
        manifest["name"] = "cake".into()
    });
    world.put_signed("0.1.0", &cake, |_| {});
    world.refuses("the component calls itself `cake`, and it is published as `fake`");
}

#[test]
fn a_plugin_in_the_place_of_a_built_in_one() {
    let Some(world) = World::new() else { return };
    let local = variant::variant(&world.component, |manifest| {
        manifest["name"] = "local".into()
    });
    let file = world.file(&local);
    let call = world
        .env
        .runner(["plugin", "publish", &world.at("local")])
        .arg(file);
    call.args(["--key", "team.key"]).run().ok();
    let refused = world.install("local", &[]).code(3);
    assert!(refused.err().contains("part of this program"), "{refused}");
    world.env.runner(["acquire", "-s", "local"]).run().ok();
}

#[test]
fn lists_without_an_end() {
    let Some(world) = World::new() else { return };
    world.publish("1.0.0", "team");
    let liar = world.lied_to(|message| {
        let list = br#"{"name":"fake","tags":["0.0.1"]}"#.to_vec();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nlink: </v2/fake/tags/list?n=1&last=x>; rel=\"next\"",
            list.len()
        );
        message.path().contains("/tags/list").then_some(Lie::Say(head, list))
    });
    world.refuses("list of tags does not end");
    assert!(liar.asked().len() <= 100, "{}", liar.asked().len());
    let _liar = world.lied_to(|message| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json".to_owned();
        message
            .path()
            .contains("/tags/list")
            .then_some(Lie::Endless(head))
    });
    world.refuses("sends more than the");
    let _liar = world.lied_to(|message| {
        let list = br#"{"tags":[]}"#.to_vec();
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\nlink: <http://127.0.0.1:1/v2/x>; rel=\"next\"".to_owned();
        message.path().contains("/tags/list").then_some(Lie::Say(head, list))
    });
    world.refuses("which is not followed");
}

#[test]
fn layers_without_an_end_and_layers_that_are_too_large() {
    let Some(world) = World::new() else { return };
    world.publish("1.0.0", "team");
    let layer = layer_of(&world, "1.0.0");
    let asked = layer.clone();
    let _liar = world.lied_to(move |message| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream".to_owned();
        for_layer(message, &asked).then_some(Lie::Endless(head))
    });
    world.refuses("sends more than the");
    // It says so itself, in a manifest that is signed: nothing of it is fetched.
    let good = variant::version(&world.component, "1.0.1");
    world.put_signed("1.0.1", &good, |manifest| {
        manifest["layers"][0]["size"] = json!(300_u64 << 20)
    });
    let honest = world.lied_to(|_| None);
    world.refuses("more than the 268435456 that any plugin needs");
    let layer = digest(&good);
    assert!(
        !honest
            .asked()
            .iter()
            .any(|message| for_layer(message, &layer))
    );
    for (version, change) in [
        ("1.0.2", json!([])),
        ("1.0.3", json!([good_layer(&good), good_layer(&good)])),
    ] {
        world.put_signed(version, &good, move |manifest| manifest["layers"] = change);
        world.refuses("a plugin is one component, and this artifact has");
    }
}

fn good_layer(component: &[u8]) -> Value {
    json!({ "mediaType": "application/wasm", "digest": digest(component), "size": component.len() })
}

#[test]
fn redirects_lead_nowhere_else_and_take_no_password_along() {
    let Some(world) = World::new() else { return };
    world.publish("1.0.0", "team");
    let layer = layer_of(&world, "1.0.0");
    // What would be there is even the right thing.
    let elsewhere = Liar::before(&world.registry.host(), |_| None);
    let secret = "http://169.254.169.254/latest/meta-data/".to_owned();
    for target in [
        format!("http://{}/v2/fake/blobs/{layer}", elsewhere.host()),
        secret,
    ] {
        let asked = layer.clone();
        let _liar = world.lied_to(move |message| {
            let head = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: {target}\r\ncontent-length: 0"
            );
            for_layer(message, &asked).then(|| Lie::Say(head, Vec::new()))
        });
        world.refuses("which is not followed");
    }
    assert!(elsewhere.asked().is_empty(), "{:?}", elsewhere.asked());
    // Round in circles at home.
    let asked = layer.clone();
    let liar = world.lied_to(move |message| {
        let head = format!(
            "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0",
            message.path()
        );
        for_layer(message, &asked).then(|| Lie::Say(head, Vec::new()))
    });
    world.refuses("redirects more than 5 times");
    assert!(liar.asked().len() < 20);
    // A manifest is not redirected at all.
    let _liar = world.lied_to(|message| {
        let head = "HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0"
            .to_owned();
        message
            .path()
            .contains("/manifests/")
            .then_some(Lie::Say(head, Vec::new()))
    });
    world.refuses("status 307");
}

#[test]
fn passwords_go_only_where_they_belong() {
    let Some(world) = World::new() else { return };
    world.publish("1.0.0", "team");
    let thief = Liar::before(&world.registry.host(), |_| None);
    let realm = format!(
        "http://{}/token",
        thief.host().replace("127.0.0.1", "192.0.2.1")
    );
    let liar = world.lied_to(move |message| {
        let challenge = format!("www-authenticate: Bearer realm=\"{realm}\",service=\"x\"");
        let head = format!("HTTP/1.1 401 Unauthorized\r\n{challenge}\r\ncontent-length: 0");
        message
            .header("authorization")
            .is_none()
            .then(|| Lie::Say(head, Vec::new()))
    });
    let login = world.env.runner([
        "plugin",
        "login",
        &liar.host(),
        "-u",
        "me",
        "--password-stdin",
    ]);
    login.stdin("hunter2").run().ok();
    world.refuses("where none is asked for");
    let told = liar
        .asked()
        .iter()
        .any(|message| message.header("authorization").is_some());
    assert!(!told, "the password was sent unasked");

    // A token service at home gets it, and what comes back opens the door.
    let liar = world.lied_to(|message| {
        if message.path().starts_with("/token?") {
            let body = br#"{"token":"opens-the-door"}"#.to_vec();
            return Some(Lie::Say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}", body.len()), body));
        }
        if message.header("authorization") == Some("Bearer opens-the-door") {
            return None;
        }
        let host = message.header("host").unwrap_or_default().to_owned();
        let challenge = format!("www-authenticate: Bearer realm=\"http://{host}/token\",service=\"reg\",scope=\"repository:fake:pull\"");
        Some(Lie::Say(format!("HTTP/1.1 401 Unauthorized\r\n{challenge}\r\ncontent-length: 0"), Vec::new()))
    });
    let login = world.env.runner([
        "plugin",
        "login",
        &liar.host(),
        "-u",
        "me",
        "--password-stdin",
    ]);
    login.stdin("hunter2").run().ok();
    world.install("fake", &[]).ok();
    let asked = liar.asked();
    let token = asked
        .iter()
        .find(|message| message.path().starts_with("/token?"))
        .unwrap();
    assert_eq!(
        token.path(),
        "/token?scope=repository:fake:pull&service=reg"
    );
    assert_eq!(
        token.header("authorization"),
        Some("Basic bWU6aHVudGVyMg==")
    );
    let basic = asked
        .iter()
        .filter(|message| message.header("authorization") == token.header("authorization"));
    assert_eq!(
        basic.count(),
        asked
            .iter()
            .filter(|message| message.path().starts_with("/token?"))
            .count()
    );
}

#[test]
fn what_a_registry_says_is_shown_and_not_obeyed() {
    let Some(world) = World::new() else { return };
    world.publish("1.0.0", "team");
    let _liar = world.lied_to(|message| {
        let body = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"\u{1b}]0;owned\u{7}\\u001b[2J\\nerror: forged\"}]}";
        let head = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}", body.len());
        message.path().contains("/tags/").then(|| Lie::Say(head, body.as_bytes().to_vec()))
    });
    let outcome = world.refuses("status 403");
    assert!(!outcome.err().contains('\u{1b}'), "{outcome}");
    assert!(!outcome.err().contains("\nerror: forged"), "{outcome}");
}

#[test]
fn uploads_go_where_they_were_sent() {
    let Some(world) = World::new() else { return };
    let thief = Liar::before(&world.registry.host(), |_| None);
    let place = format!("http://{}/v2/fake/blobs/uploads/x", thief.host());
    let liar = Liar::before(&world.registry.host(), move |message| {
        let head = format!("HTTP/1.1 202 Accepted\r\nlocation: {place}\r\ncontent-length: 0");
        message
            .first
            .starts_with("POST")
            .then(|| Lie::Say(head, Vec::new()))
    });
    let reference = format!("oci://{}/fake", liar.host());
    let call = world
        .env
        .runner(["plugin", "publish", &reference])
        .arg(runner_tests::guests::fake());
    let refused = call.run().code(3);
    assert!(refused.err().contains("which is not followed"), "{refused}");
    assert!(thief.asked().is_empty());
}
