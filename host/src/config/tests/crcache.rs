//! crcache's `source.conf` in both of its formats, and the bugs of its configuration that are not ours
//! (`maximum` and `concurrency` never read, `-` in names, one bad folder breaking everything).

use runner_core::policy::Limit;
use serde_json::json;

use super::*;

const INI: &str = "[DEFAULT]\n; What sort of source is this?\ntype=ssh\n; Do not discard instances if less than this many are running.\nreserve=1\nmaximum=3\nconcurrency=2\n; For ssh only\nssh_host=build.example.com\n";
const YAML: &str = "# What sort of source is this?\ntype: ssh\nreserve: 1\nmaximum: 3\nconcurrency: 2\nssh_host: build.example.com\n";

#[test]
fn both_formats_say_the_same() {
    for (text, untyped, line) in [(INI, true, 9), (YAML, false, 6)] {
        let source = conf(text).source("web");
        assert_eq!(
            source.kind,
            SourceKind::Provider {
                plugin: PluginPath::Name("ssh".into())
            }
        );
        assert_eq!(source.maximum, Some(Limit::At(3)));
        assert_eq!((source.reserve, source.concurrency), (1, 2));
        assert_eq!(source.options["hosts"], json!(["build.example.com"]));
        assert_eq!(source.options_untyped, untyped);
        assert_eq!(source.position_of("hosts").map(|at| at.line), Some(line));
        assert_eq!(source.position_of("ssh_host").map(|at| at.line), Some(line));
    }
}

#[test]
fn pools_in_both_formats() {
    let ini = "[DEFAULT]\ntype=pool\nsources=local, w-1,\n";
    let yaml = "type: pool\nsources: [local, w-1]\n";
    for text in [ini, yaml] {
        let place = conf(text);
        place.write("project/.crcache/sources/w-1/source.conf", "type: local\n");
        let source = place.source("web");
        assert_eq!(
            source.kind,
            SourceKind::Pool {
                sources: vec![named("local"), named("w-1")]
            }
        );
    }
}

#[test]
fn zero_is_the_default_of_the_manual() {
    for text in [
        "[DEFAULT]\ntype=local\nmaximum=0\nreserve=0\nconcurrency=0\n",
        "type: local\nmaximum: 0\nreserve: 0\nconcurrency: 0\n",
    ] {
        let source = conf(text).source("web");
        assert_eq!(source.maximum, Some(Limit::Unlimited));
        assert_eq!((source.reserve, source.concurrency), (0, 0));
    }
}

#[test]
fn options_of_plugins_in_both_formats() {
    let source = conf(
        "[DEFAULT]\ntype=container\nimage=debian:12\ncpus=2\nhooks=a,./b.wasm\n[limits]\nrun=5\n",
    )
    .source("web");
    assert_eq!(
        serde_json::Value::from(source.options),
        json!({"image": "debian:12", "cpus": "2"})
    );
    assert!(source.options_untyped);
    assert_eq!(source.hooks.len(), 2);
    assert_eq!(source.limits["run"], 5);
    let source =
        conf("type: container\nimage: debian:12\ncpus: 2\nnetwork: {ports: [80]}\n").source("web");
    let expected = json!({"image": "debian:12", "cpus": 2, "network": {"ports": [80]}});
    assert_eq!(serde_json::Value::from(source.options), expected);
}

#[test]
fn mistakes_in_both_formats() {
    let table = [
        (
            "[DEFAULT]\ntype=local\nmaximum=many\n",
            ":3:9: `maximum` must be a whole number, not `many`",
        ),
        (
            "[DEFAULT]\ntype=local\nmaximum=\n",
            ":3:9: `maximum` must be a whole number, not ``",
        ),
        (
            "[DEFAULT]\ntype=local\nmaximum=-2\n",
            ":3:9: `maximum` is -2",
        ),
        (
            "[DEFAULT]\ntype=local\nmaximum=99999999999999999999999999\n",
            ":3:9: `maximum` is 99999999999999999999999999, more",
        ),
        (
            "[DEFAULT]\ntype=local\nmaximum=1\nreserve=2\n",
            ":4:1: `reserve` is 2, more than",
        ),
        ("[DEFAULT]\nreserve=2\n", ": `type` is missing"),
        ("[DEFAULT]\ntype=\n", ":2:6: `type` is empty"),
        (
            "[DEFAULT]\ntype=[local|pool|ssh]\n",
            ":2:6: `[local|pool|ssh]` is not the name",
        ),
        (
            "[DEFAULT]\ntype=local\n[extra]\na=1\n",
            ":3:1: unknown section `[extra]`",
        ),
        (
            "[DEFAULT]\ntype=pool\nsources=\n",
            ":3:1: a pool without sources",
        ),
        (
            "[DEFAULT]\ntype=pool\nsources=local\nmaxmum=1\n",
            ":4:1: unknown key `maxmum` of a pool\n  hint: did you mean `maximum`?",
        ),
        (
            "[DEFAULT]\ntype=ssh\nssh_host=\n",
            ":3:10: `ssh_host` is empty",
        ),
        (
            "[DEFAULT]\ntype=ssh\nssh_host=a\nhosts=b\n",
            ":3:1: `ssh_host` and `hosts` say the same",
        ),
        ("type=local\n", ":1:1: there is no section header"),
        (
            "type: local\nmaximum: many\n",
            ":2:10: `maximum` must be a whole number, not the text `many`",
        ),
        ("type: local\nmaximum:\n", ": `maximum` has no value"),
        (
            "type: local\nmaximum: \"3\"\n",
            ":2:10: `maximum` must be a whole number, not the text `3`\n  hint: write 3 without quotes",
        ),
        ("type: local\nmaximum: -3\n", ":2:10: `maximum` is -3"),
        (
            "type: local\nmaximum: 1e3\n",
            ":2:10: `maximum` must be a whole number, not `1000.0`",
        ),
        (
            "type: pool\nsources: local,web\n",
            ":2:10: `sources` must be a list, not the text",
        ),
        (
            "type: pool\nsources: [1]\n",
            ":2:11: `sources` must be a list of texts, not `1`",
        ),
        (
            "type: local\ntype: ssh\n",
            ":2:1: the key `type` is given twice",
        ),
        ("- type: local\n", ":1:1: expected `key: value` lines"),
        ("type: local\n\treserve: 1\n", ": not YAML"),
        ("", ": `type` is missing"),
    ];
    for (text, wanted) in table {
        let error = conf(text).error("web");
        assert!(
            error.starts_with("user/crcache/sources/web/source.conf:"),
            "{error}"
        );
        assert!(error.contains(wanted), "{text:?}\n{error}");
    }
}

#[test]
fn names_with_a_dash_work() {
    let place = Place::with(&[("user/crcache/sources/my-web-1/source.conf", YAML)]);
    assert_eq!(place.source("my-web-1").reserve, 1);
}

#[test]
fn a_broken_source_disturbs_nobody_else() {
    let place = conf("type: local\n");
    fs::create_dir(place.path("user/crcache/sources/empty")).unwrap();
    place.write("user/crcache/sources/broken/source.conf", "\0");
    let config = place.config();
    assert_eq!(names(&config), ["broken", "empty", "local", "web"]);
    assert!(
        place
            .error("empty")
            .starts_with("user/crcache/sources/empty: the source has neither")
    );
    assert!(place.error("broken").contains("NUL"));
    assert!(config.source(&named("web")).is_ok());
    assert!(config.source(&named("local")).is_ok());
    assert!(config.problems().is_empty());
}
