//! The same plugins for everybody: `runner.lock`, and files for sites that reach no registry.

use runner_tests::{TestEnv, variant};

use super::{World, installed};

#[test]
fn a_lock_gives_everybody_the_same() {
    let Some(world) = World::new() else { return };
    let env = &world.env;
    world.publish("1.0.0", "team");
    std::fs::create_dir_all(env.work().join(".runner")).unwrap();
    let none = env.runner(["plugin", "install"]).run().code(3);
    assert!(none.err().contains("no `runner.lock`"), "{none}");
    world.install("fake@^1", &["--lock"]).ok();
    let lock = std::fs::read_to_string(env.work().join("runner.lock")).unwrap();
    for part in [
        "name = \"fake\"",
        "version = \"1.0.0\"",
        "range = \"^1\"",
        "manifest = \"sha256:",
    ] {
        assert!(lock.contains(part), "{lock}");
    }
    world.publish("1.1.0", "team");

    // Somebody else, with the project's files and settings of their own.
    let other = TestEnv::new();
    std::fs::copy(
        env.work().join("runner.lock"),
        other.work().join("runner.lock"),
    )
    .unwrap();
    let refused = other.runner(["plugin", "install"]).run().code(3);
    assert!(
        refused.err().contains("nobody's signature counts"),
        "{refused}"
    );
    assert_eq!(installed(&other), None);
    let key = env.work().join("team.pub");
    let install = || {
        other
            .runner(["plugin", "install", "--key"])
            .arg(&key)
            .run()
            .ok()
    };
    let said = install();
    assert!(
        said.out().contains("installed plugin `fake` 1.0.0"),
        "{said}"
    );
    assert!(install().out().contains("is installed already"));
    // By its name it is the same, whatever is newer.
    other.runner(["plugin", "remove", "fake"]).run().ok();
    std::fs::copy(
        env.work().join("runner.lock"),
        other.work().join("runner.lock"),
    )
    .unwrap();
    other
        .runner(["plugin", "install", "fake", "--key"])
        .arg(&key)
        .run()
        .ok();
    assert_eq!(installed(&other).as_deref(), Some("1.0.0"));

    // An update follows through into the lock.
    env.runner(["plugin", "update", "--yes"]).run().ok();
    let lock = std::fs::read_to_string(env.work().join("runner.lock")).unwrap();
    assert!(lock.contains("version = \"1.1.0\""), "{lock}");
    env.runner(["plugin", "remove", "fake"]).run().ok();
    let lock = std::fs::read_to_string(env.work().join("runner.lock")).unwrap();
    assert!(!lock.contains("fake"), "{lock}");
}

#[test]
fn a_lock_that_lies_installs_nothing() {
    let Some(world) = World::new() else { return };
    let env = &world.env;
    let first = world.publish("1.0.0", "team");
    let second = world.publish("1.1.0", "team");
    world.install("fake@1.0.0", &["--lock"]).ok();
    env.runner(["plugin", "install", "fake@1.0.0", "--lock"])
        .run()
        .ok();
    let path = env.work().join("runner.lock");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(env.path("data/runner/plugins/fake.wasm")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    for (from, to, said) in [
        (
            text(&first["manifest"]),
            text(&second["manifest"]),
            "is version 1.1.0, and it is published as 1.0.0",
        ),
        (
            text(&first["component"]),
            text(&second["component"]),
            "the lock contradicts itself",
        ),
        (
            "version = \"1.0.0\"".into(),
            "version = \"1.1.0\"".into(),
            "is version 1.0.0, and it is published as 1.1.0",
        ),
        (
            "name = \"fake\"".into(),
            "name = \"local\"".into(),
            "that of another",
        ),
        ("range".into(), "grant".into(), "unknown field `grant`"),
    ] {
        let bad = good.replace(&from, &to);
        assert_ne!(bad, good);
        std::fs::write(&path, bad).unwrap();
        let refused = env.runner(["plugin", "install"]).run().code(3);
        assert!(refused.err().contains(said), "{refused}");
        assert_eq!(world.installed(), None);
    }
}

#[test]
fn into_a_file_and_out_of_it() {
    let Some(mut world) = World::new() else {
        return;
    };
    world.publish("1.0.0", "team");
    world.publish("1.1.0", "team");
    let env = &world.env;
    let call = env.runner(["plugin", "export", "fake@^1", "-o", "plugins.tar"]);
    let said = call.run().ok();
    assert!(said.out().contains("exported `fake` 1.1.0"), "{said}");
    let archive = env.work().join("plugins.tar");
    let listed = env.program("tar").arg("-tf").arg(&archive).run().ok();
    assert!(
        listed
            .out()
            .starts_with("oci-layout\nindex.json\nblobs/sha256/"),
        "{listed}"
    );
    world.registry.stop();

    let island = TestEnv::new();
    let import = |more: &[&str]| {
        let call = island.runner(["plugin", "import"]).arg(&archive);
        call.args(more).run()
    };
    let refused = import(&[]).code(3);
    assert!(
        refused.err().contains("nobody's signature counts"),
        "{refused}"
    );
    let key = env.work().join("team.pub");
    world.keygen("other");
    let other = env.work().join("other.pub");
    let refused = import(&["--key", other.to_str().unwrap()]).code(3);
    assert!(refused.err().contains("by another key"), "{refused}");
    import(&["--key", key.to_str().unwrap()]).ok();
    assert_eq!(installed(&island).as_deref(), Some("1.1.0"));

    // One byte of the component is another.
    let mut bytes = std::fs::read(&archive).unwrap();
    let component = variant::version(&world.component, "1.1.0");
    let at = bytes
        .windows(64)
        .position(|window| window == &component[..64])
        .unwrap();
    bytes[at + component.len() / 2] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    island.runner(["plugin", "remove", "fake"]).run().ok();
    let refused = import(&["--key", key.to_str().unwrap()]).code(3);
    assert!(refused.err().contains("its digest is another"), "{refused}");
    assert_eq!(installed(&island), None);
}
