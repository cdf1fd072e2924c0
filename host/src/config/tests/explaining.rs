//! `config show`: each value, whose word it is, where it stands and what stands elsewhere in vain.

use serde_json::json;

use super::*;

fn find(values: &[ExplainedValue], key: &str) -> ExplainedValue {
    let found = values.iter().find(|value| value.key == key);
    found
        .unwrap_or_else(|| panic!("no {key} in {values:#?}"))
        .clone()
}

#[test]
fn without_configuration_everything_is_built_in() {
    let explanation = Place::new().config().explain();
    assert_eq!(explanation.problems, []);
    assert!(
        explanation
            .values
            .iter()
            .all(|value| value.origin == Origin::Default && value.position.is_none())
    );
    assert_eq!(find(&explanation.values, "defaults.source").value, "local");
    assert_eq!(
        find(&explanation.values, "sources.local.type").value,
        "local"
    );
    for name in limit_names() {
        assert!(
            !find(&explanation.values, &format!("limits.{name}"))
                .value
                .is_null()
        );
    }
}

#[test]
fn every_value_has_its_place() {
    let place = Place::with(&[
        ("user/runner/config.toml", "[limits]\nrun = 10\n"),
        ("user/crcache/config.toml", "[limits]\nrun = 20\n"),
        (
            "project/.runner/config.toml",
            "[defaults]\nsource = \"web\"\n",
        ),
        (
            "project/.runner/sources/web/source.toml",
            "type = \"./x.wasm\"\nreserve = 1\nimage = \"a\"\nhooks = [\"h\"]\n[limits]\nrun = 5\n",
        ),
        ("project/.crcache/sources/web/source.conf", "type: local\n"),
        (
            "project/.runner/sources/all/source.toml",
            "type = \"pool\"\nsources = [\"web\"]\nmaximum = 0\n",
        ),
        ("project/.runner/sources/broken/source.toml", "x"),
    ]);
    fs::create_dir(place.path("project/.runner/sources/web/provision.d")).unwrap();
    let explanation = place.config().explain();
    let values = &explanation.values;
    let shown = |key: &str| {
        let value = find(values, key);
        let at = value.position.map(|at| {
            at.to_string().replace(
                &format!("{}/", place.path("").display()).replace("//", "/"),
                "",
            )
        });
        (value.value, value.origin, at.unwrap_or_default())
    };
    let web = "project/.runner/sources/web";
    let file = format!("{web}/source.toml");
    let table = [
        (
            "defaults.source",
            json!("web"),
            Origin::Project,
            "project/.runner/config.toml:2:1".to_owned(),
        ),
        ("ssh.config", json!(null), Origin::Default, String::new()),
        (
            "limits.run",
            json!(10),
            Origin::User,
            "user/runner/config.toml:2:1".to_owned(),
        ),
        ("limits.copy", json!(0), Origin::Default, String::new()),
        (
            "sources.web.reserve",
            json!(1),
            Origin::Project,
            format!("{file}:2:1"),
        ),
        (
            "sources.web.concurrency",
            json!(0),
            Origin::Default,
            String::new(),
        ),
        (
            "sources.web.maximum",
            json!(null),
            Origin::Default,
            String::new(),
        ),
        (
            "sources.web.image",
            json!("a"),
            Origin::Project,
            format!("{file}:3:1"),
        ),
        (
            "sources.web.hooks.0",
            json!({"plugin": "h", "options": {}}),
            Origin::Project,
            format!("{file}:4:10"),
        ),
        (
            "sources.web.limits.run",
            json!(5),
            Origin::Project,
            format!("{file}:6:1"),
        ),
        (
            "sources.all.sources",
            json!(["web"]),
            Origin::Project,
            "project/.runner/sources/all/source.toml:2:1".to_owned(),
        ),
        (
            "sources.all.maximum",
            json!(0),
            Origin::Project,
            "project/.runner/sources/all/source.toml:3:1".to_owned(),
        ),
    ];
    for (key, value, origin, at) in table {
        assert_eq!(shown(key), (value, origin, at), "{key}");
    }
    assert_eq!(
        shown("sources.web.provision.d").2,
        format!("{web}/provision.d")
    );
    let shadowed = find(values, "limits.run").shadowed;
    assert_eq!(
        (shadowed[0].line, &shadowed[0].file),
        (2, &place.path("user/crcache/config.toml"))
    );
    let shadowed = find(values, "sources.web.type").shadowed;
    assert_eq!(shadowed[0].file, place.path("project/.crcache/sources/web"));
    assert_eq!(explanation.problems.len(), 1);
    // It can be shown as JSON.
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["values"][0]["origin"], "project");
}
