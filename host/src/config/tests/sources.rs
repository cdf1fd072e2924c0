//! `source.toml`: what each key becomes, and what is said of each mistake.

use runner_core::policy::Limit;
use serde_json::json;

use super::*;

#[test]
fn every_key() {
    let place = toml(
        "type = \"./x/foo.wasm\"\nmaximum = 4\nreserve = 2\nconcurrency = 3\nimage = \"debian\"\nhooks = [\"tag\", \"h.wasm\", { plugin = \"/abs/n.wasm\", options = { url = \"u\", deep = { a = 1 } } }]\n[limits]\nrun = 60\nmemory = 1048576\n[mounts]\nsrc = [\"/a\", \"/b\"]\n",
    );
    let folder = place.path("user/runner/sources/web");
    let source = place.source("web");
    let file = |path: &str| PluginPath::File(folder.join(path));
    assert_eq!(
        source.kind,
        SourceKind::Provider {
            plugin: file("./x/foo.wasm")
        }
    );
    assert_eq!(source.maximum, Some(Limit::At(4)));
    assert_eq!((source.reserve, source.concurrency), (2, 3));
    let options = json!({"image": "debian", "mounts": {"src": ["/a", "/b"]}});
    assert_eq!(serde_json::Value::from(source.options.clone()), options);
    assert!(!source.options_untyped);
    assert_eq!(source.limits["run"], 60);
    let plugins: Vec<_> = source
        .hooks
        .iter()
        .map(|hook| hook.plugin.clone())
        .collect();
    assert_eq!(
        plugins,
        [
            PluginPath::Name("tag".into()),
            file("h.wasm"),
            PluginPath::File("/abs/n.wasm".into())
        ]
    );
    assert_eq!(source.hooks[2].options["deep"], json!({"a": 1}));
    assert_eq!(source.origin, Origin::User);
    assert_eq!(source.file, Some(folder.join("source.toml")));
    let place_of = |key: &str| source.position_of(key).map(|at| (at.line, at.column));
    assert_eq!(place_of("image"), Some((5, 1)));
    assert_eq!(place_of("limits.run"), Some((8, 1)));
    assert_eq!(place_of("mounts.src.1"), Some((11, 14)));
    assert_eq!(place_of("hooks.2.options.url"), Some((6, 65)));
    assert_eq!(place_of("nothing"), None);
}

#[test]
fn the_smallest_source_leaves_the_rest_to_the_plugin() {
    let source = toml("type = \"chroot\"\n").source("web");
    assert_eq!(
        source.kind,
        SourceKind::Provider {
            plugin: PluginPath::Name("chroot".into())
        }
    );
    assert_eq!(source.maximum, None);
    assert_eq!(source.policy(Limit::At(1)).maximum, Limit::At(1));
    assert_eq!((source.reserve, source.concurrency), (0, 0));
    assert!(source.scripts.is_empty());
}

#[test]
fn maximum_zero_is_no_limit_and_not_none_at_all() {
    let source = toml("type = \"local\"\nmaximum = 0\nreserve = 5\n").source("web");
    assert_eq!(source.maximum, Some(Limit::Unlimited));
    assert_eq!(source.policy(Limit::At(1)).maximum, Limit::Unlimited);
    let source = toml("type = \"local\"\nmaximum = \"none\"\n").source("web");
    assert_eq!(source.maximum, Some(Limit::At(0)));
    assert_eq!(source.policy(Limit::At(1)).maximum, Limit::At(0));
}

#[test]
fn mistakes_of_one_line() {
    let file = "user/runner/sources/web/source.toml";
    let table = [
        (
            "maximum = -1",
            ":2:11: `maximum` is -1: it cannot be negative\n  hint: for no limit write 0",
        ),
        ("reserve = -1", ":2:11: `reserve` is -1"),
        (
            "maximum = 1_000_001",
            ":2:11: `maximum` is 1000001, more than the 1000000",
        ),
        (
            "maximum = 9999999999",
            ":2:11: `maximum` is 9999999999, more than",
        ),
        (
            "maximum = 99999999999999999999",
            ":2:11: the number `99999999999999999999` is too large",
        ),
        (
            "maximum = 1.5",
            ":2:11: `maximum` must be a whole number, not `1.5`",
        ),
        (
            "maximum = true",
            ":2:11: `maximum` must be a whole number, not `true`",
        ),
        (
            "maximum = \"3\"",
            ":2:11: `maximum` must be a whole number, not the text `3`\n  hint: write 3 without quotes",
        ),
        (
            "maximum = [3]",
            ":2:11: `maximum` must be a whole number, not a list",
        ),
        (
            "maximum = 2\nreserve = 3",
            ":3:1: `reserve` is 3, more than the `maximum` of 2",
        ),
        (
            "concurrency = {}",
            ":2:15: `concurrency` must be a whole number, not a table",
        ),
        (
            "hooks = \"a\"",
            ":2:9: `hooks` must be a list, not the text `a`",
        ),
        (
            "hooks = [1]",
            ":2:10: `hooks.0` must be a text or a table, not `1`",
        ),
        ("hooks = [\"pool\"]", ":2:10: a pool cannot be a hook"),
        ("hooks = [{}]", ":2:10: a hook or wrapper needs `plugin`"),
        ("hooks = [{ plugin = 1 }]", ":2:21: `plugin` must be a text"),
        (
            "hooks = [{ plugin = \"a\", option = {} }]",
            ":2:26: unknown key `option` of a hook or wrapper\n  hint: did you mean `options`?",
        ),
        (
            "hooks = [{ plugin = \"a\", sets = [\"b\"] }]",
            ":2:26: a hook has no `sets`",
        ),
        (
            "wrap = [{ plugin = \"a\", set = [\"b\"] }]",
            ":2:25: unknown key `set` of a hook or wrapper\n  hint: did you mean `sets`?",
        ),
        (
            "wrap = [{ plugin = \"a\", sets = \"b\" }]",
            ":2:32: `sets` must be a list, not the text `b`",
        ),
        (
            "wrap = [{ plugin = \"a\", sets = [\"b\", \"b\"] }]",
            ":2:38: `b` is named twice",
        ),
        (
            "hooks = [{ plugin = \"a\", options = 1 }]",
            ":2:36: `options` must be a table",
        ),
        (
            "hooks = [\"a b\"]",
            ":2:10: `a b` is not the name of a plugin",
        ),
        (
            "hooks = [\"~/h.wasm\"]",
            ":2:10: `~/h.wasm`: `~` is not replaced",
        ),
        ("limits = 3", ":2:10: `limits` must be a table"),
        (
            "[limits]\nrun = -3",
            ":3:1: limit `run`: expected a number of seconds, not -3",
        ),
        (
            "[limits]\nrun = \"3s\"",
            ":3:1: limit `run`: expected a number of seconds",
        ),
        ("type = \"ssh\"", ":2:1: duplicate key"),
        ("x = nan", ":2:5: `nan` is not a number"),
        ("no sense", ":2:"),
    ];
    for (line, wanted) in table {
        let error = toml(&format!("type = \"local\"\n{line}\n")).error("web");
        assert!(
            error.starts_with(&format!("{file}{wanted}")),
            "{line}\n{error}"
        );
    }
}

#[test]
fn mistakes_in_type() {
    let table = [
        ("", ": `type` is missing\n  hint: say what gives"),
        (
            "tpye = \"local\"",
            ": `type` is missing\n  hint: did you mean `type` by `tpye`?",
        ),
        (
            "sources = [\"local\"]",
            ": `type` is missing\n  hint: a source that draws on others has the type `pool`",
        ),
        ("type = 3", ":1:8: `type` must be a text, not `3`"),
        ("type = \"\"", ":1:8: `type` is empty"),
        ("type = \"a b\"", ":1:8: `a b` is not the name of a plugin"),
        (
            "type = \"[local|pool|ssh]\"",
            ":1:8: `[local|pool|ssh]` is not the name",
        ),
        ("type = \"..\"", ":1:8: `..` is not the name"),
        (
            "type = \"~/foo.wasm\"",
            ":1:8: `~/foo.wasm`: `~` is not replaced",
        ),
        ("[type]\nx = 1", ":1:1: `type` must be a text, not a table"),
    ];
    for (text, wanted) in table {
        let error = toml(text).error("web");
        assert!(error.contains(wanted), "{text}\n{error}");
    }
}

#[test]
fn all_problems_of_a_file_at_once_in_its_order() {
    let error = toml("maximum = -1\nreserve = \"x\"\ntype = 7\nhooks = 1\n[limits]\nrun = -1\n")
        .error("web");
    let lines: Vec<_> = error
        .lines()
        .filter(|line| !line.starts_with("  hint"))
        .collect();
    assert_eq!(lines.len(), 5, "{error}");
    for (line, number) in lines.iter().zip([1, 2, 3, 4, 6]) {
        assert!(
            line.starts_with(&format!("user/runner/sources/web/source.toml:{number}:")),
            "{error}"
        );
    }
}

#[test]
fn a_key_that_is_nearly_ours_is_told_with_the_rest() {
    let place = toml("type = \"local\"\nmaximum = -1\nreserv = 1\nimage = \"x\"\n");
    let error = place.error("web");
    assert!(
        error.contains("3:1: `reserv` is no key of runner's own\n  hint: did you mean `reserve`?"),
        "{error}"
    );
    assert!(!error.contains("image"), "{error}");
    // Alone it is the plugin's, which may have it.
    let place = toml("type = \"local\"\nreserv = 1\n");
    assert_eq!(place.source("web").options.len(), 1);
}

#[test]
fn keys_of_the_plugin_keep_their_places_for_its_schema() {
    let place = toml("type = \"container\"\nimagee = \"x\"\nreserv = 1\n");
    let source = place.source("web");
    assert_eq!(source.options.len(), 2);
    let shown = |problem: Problem| place.cut(&problem.into());
    let table = [
        (
            "imagee",
            Some("image"),
            "2:1: `imagee`: there is no such key\n  hint: did you mean `image`?",
        ),
        ("imagee", None, "2:1: `imagee`: there is no such key"),
        (
            "reserv",
            None,
            "3:1: `reserv`: there is no such key\n  hint: did you mean runner's own key `reserve`?",
        ),
    ];
    for (key, meant, wanted) in table {
        let problem = source.schema_problem(key, "there is no such key", meant);
        assert_eq!(
            shown(problem),
            format!("user/runner/sources/web/source.toml:{wanted}")
        );
    }
    let problem = source.problem("image", "`image` is missing", None);
    assert_eq!(
        shown(problem),
        "user/runner/sources/web/source.toml: `image` is missing"
    );
}

#[test]
fn scripts_beside_the_file() {
    let place = toml("type = \"local\"\n");
    let folder = place.path("user/runner/sources/web");
    for (number, point) in POINTS.into_iter().enumerate() {
        let made = folder.join(format!("{point}.d"));
        fs::create_dir(&made).unwrap();
        let scripts = place.source("web").scripts;
        assert_eq!(scripts.get(point), Some(&made));
        assert_eq!(scripts.len(), number + 1);
    }
    fs::remove_dir(folder.join("discard.d")).unwrap();
    // A folder of another name is none of ours.
    fs::create_dir(folder.join("other.d")).unwrap();
    assert_eq!(place.source("web").scripts.len(), POINTS.len() - 1);
    fs::write(folder.join("discard.d"), "").unwrap();
    assert!(
        place
            .error("web")
            .starts_with("user/runner/sources/web/discard.d: is not a folder")
    );
    fs::remove_file(folder.join("discard.d")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.join("discard.d")).unwrap();
    assert!(
        place
            .error("web")
            .starts_with("user/runner/sources/web/discard.d: cannot be read")
    );
}
