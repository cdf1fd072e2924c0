//! What lies in the registry is what the WebAssembly OCI guidance says and `wkg` reads, field by field.

use serde_json::json;

use super::{World, digest};
use runner_tests::variant;

#[test]
fn the_artifact_is_the_documented_one() {
    let Some(world) = World::new() else { return };
    let component = variant::version(&world.component, "1.0.0");
    let published = world.publish_bytes(&component, "team");
    let manifest = world.get("/v2/fake/manifests/1.0.0");
    assert_eq!(published["manifest"], digest(&manifest));
    let parsed: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let config_digest = parsed["config"]["digest"].as_str().unwrap().to_owned();
    let config = world.get(&format!("/v2/fake/blobs/{config_digest}"));
    assert_eq!(config_digest, digest(&config));
    assert_eq!(
        parsed,
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.wasm.config.v0+json",
                "digest": digest(&config),
                "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/wasm",
                "digest": digest(&component),
                "size": component.len(),
            }],
            "annotations": {
                "org.opencontainers.image.title": "fake",
                "org.opencontainers.image.version": "1.0.0",
                "org.opencontainers.image.description":
                    "Instances are files in a directory, so that a test can see what exists",
            },
        })
    );
    let inspect = world
        .env
        .runner(["plugin", "inspect", "./to-publish.wasm", "--json"]);
    let inspected = inspect.run().ok().json();
    let parsed: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(
        parsed,
        json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [digest(&component)],
            "component": { "exports": inspected["exports"], "imports": inspected["imports"] },
        })
    );
    let layer = world.get(&format!("/v2/fake/blobs/{}", digest(&component)));
    assert!(layer == component, "the layer is not the component");
}

/// As `cosign` writes them: where its specification says, and in the form that it says.
#[test]
fn the_signature_is_the_documented_one() {
    let Some(world) = World::new() else { return };
    let published = world.publish("1.0.0", "team");
    let manifest = published["manifest"].as_str().unwrap();
    let tag = manifest.replace(':', "-") + ".sig";
    let list = world.get(&format!("/v2/fake/manifests/{tag}"));
    let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
    let layer = &list["layers"][0];
    assert_eq!(list["layers"].as_array().unwrap().len(), 1);
    assert_eq!(
        layer["mediaType"],
        "application/vnd.dev.cosign.simplesigning.v1+json"
    );
    let payload = world.get(&format!(
        "/v2/fake/blobs/{}",
        layer["digest"].as_str().unwrap()
    ));
    let parsed: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        parsed,
        json!({
            "critical": {
                "identity": { "docker-reference": format!("{}/fake", world.registry.host()) },
                "image": { "docker-manifest-digest": manifest },
                "type": "cosign container image signature",
            },
            "optional": null,
        })
    );
    // Somebody else's arithmetic finds it right.
    let env = &world.env;
    env.write("work/payload", payload);
    let signature = layer["annotations"]["dev.cosignproject.cosign/signature"]
        .as_str()
        .unwrap();
    env.write("work/signature.b64", format!("{signature}\n"));
    let decode = "openssl base64 -d -A -in signature.b64 -out signature";
    env.program("sh").args(["-c", decode]).run().ok();
    let verify = [
        "dgst",
        "-sha256",
        "-verify",
        "team.pub",
        "-signature",
        "signature",
        "payload",
    ];
    let said = env.program("openssl").args(verify).run().ok();
    assert!(said.out().contains("Verified OK"), "{said}");
}
