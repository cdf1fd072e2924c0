//! Plugins in registries, over a real one: published, signed, found, installed, pinned, updated, carried.

mod everyday;
mod hostile;
mod layout;
mod reach;
mod signatures;
mod team;

use std::path::PathBuf;

use runner_tests::backends::registry::Registry;
use runner_tests::liar;
use runner_tests::variant;
use runner_tests::{Outcome, TestEnv, guests};
use serde_json::Value;

/// A world with a registry, and a key whose signatures count for it.
struct World {
    env: TestEnv,
    registry: Registry,
    component: Vec<u8>,
}

impl World {
    /// None, loudly, where there is no registry to start.
    fn new() -> Option<Self> {
        let env = TestEnv::new();
        let registry = Registry::start(&env)?;
        let component = std::fs::read(guests::fake()).expect("the guest was built");
        let world = Self {
            env,
            registry,
            component,
        };
        world.keygen("team");
        let host = world.registry.host();
        world.trust(&host, &host, "team");
        Some(world)
    }

    fn keygen(&self, name: &str) {
        self.env.runner(["plugin", "keygen", name]).run().ok();
    }

    /// Looks for names at `registry`, and believes a key there.
    fn trust(&self, registry: &str, prefix: &str, key: &str) {
        let key = self.env.work().join(format!("{key}.pub"));
        let text = format!(
            "[plugins]\nregistries = [\"{registry}\"]\n[[plugins.trust]]\nregistry = \"{prefix}\"\nkey = \"{}\"\n",
            key.display()
        );
        self.env.write("config/runner/config.toml", text);
    }

    /// A reference in this registry.
    fn at(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.registry.host())
    }

    fn file(&self, component: &[u8]) -> PathBuf {
        self.env.write("work/to-publish.wasm", component)
    }

    /// Publishes `fake` in a version, signed with a key.
    #[track_caller]
    fn publish(&self, version: &str, key: &str) -> Value {
        self.publish_bytes(&variant::version(&self.component, version), key)
    }

    #[track_caller]
    fn publish_bytes(&self, component: &[u8], key: &str) -> Value {
        let file = self.file(component);
        let key = format!("{key}.key");
        let call = self.env.runner(["plugin", "publish", &self.at("fake")]);
        call.arg(file)
            .args(["--key", &key, "--json"])
            .run()
            .ok()
            .json()
    }

    fn install(&self, what: &str, options: &[&str]) -> Outcome {
        let call = self.env.runner(["plugin", "install", what]);
        call.args(options).run()
    }

    /// The version of the installed `fake`; none: there is none.
    fn installed(&self) -> Option<String> {
        installed(&self.env)
    }

    /// What the registry really has.
    #[track_caller]
    fn get(&self, path: &str) -> Vec<u8> {
        let accept = [("accept", "application/vnd.oci.image.manifest.v1+json")];
        let answer = liar::request("GET", &self.registry.host(), path, &accept, b"");
        assert_eq!(answer.status(), 200, "{path}: {answer:?}");
        answer.body
    }

    /// Puts content into the registry past the program, as anybody with the right to push can.
    #[track_caller]
    fn put_blob(&self, content: &[u8]) -> String {
        let host = self.registry.host();
        let begun = liar::request("POST", &host, "/v2/fake/blobs/uploads/", &[], b"");
        let place = begun.header("location").expect("a place").to_owned();
        let place = place
            .split_once(&host)
            .map_or(place.as_str(), |(_, path)| path);
        let digest = digest(content);
        let path = format!("{place}&digest={digest}");
        let answer = liar::request("PUT", &host, &path, &[], content);
        assert_eq!(answer.status(), 201, "{answer:?}");
        digest
    }

    #[track_caller]
    fn put_manifest(&self, tag: &str, manifest: &[u8]) -> String {
        let kind = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
        let path = format!("/v2/fake/manifests/{tag}");
        let answer = liar::request("PUT", &self.registry.host(), &path, &kind, manifest);
        assert_eq!(answer.status(), 201, "{answer:?}");
        digest(manifest)
    }
}

/// The version of the installed `fake`, as the program lists it.
fn installed(env: &TestEnv) -> Option<String> {
    let list = env.runner(["plugin", "list", "--json"]).run().ok().json();
    let plugins = list["plugins"].as_array().expect("a list").clone();
    let fake = plugins.into_iter().find(|one| one["name"] == "fake")?;
    assert_eq!(fake["trouble"], Value::Null, "{fake}");
    Some(fake["version"].as_str().expect("a version").to_owned())
}

/// As registries name content.
fn digest(content: &[u8]) -> String {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(content);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
