//! `config.toml`.

use runner_core::policy::Millis;

use super::*;

#[test]
fn each_key_comes_from_the_first_root_that_sets_it() {
    let place = Place::with(&[
        ("user/runner/config.toml", "[limits]\nrun = 10\n"),
        (
            "user/crcache/config.toml",
            "[limits]\nrun = 20\nmemory = \"2 MiB\"\n[ssh]\nconfig = \"ssh.conf\"\n",
        ),
        (
            "project/.runner/config.toml",
            "[defaults]\nsource = \"web\"\n",
        ),
        (
            "project/.crcache/config.toml",
            "[defaults]\nsource = \"other\"\n",
        ),
        (
            "project/.runner/sources/web/source.toml",
            "type = \"local\"\n",
        ),
    ]);
    let config = place.config();
    assert_eq!(config.default_source().unwrap(), named("web"));
    let settings = config.settings().unwrap();
    assert_eq!(settings.limits["run"], 10);
    assert_eq!(settings.limits["memory"], "2 MiB");
    assert_eq!(settings.position_of_limit("memory").unwrap().line, 3);
    let ssh = settings.ssh_config.as_ref().unwrap();
    assert_eq!(ssh.value, place.path("user/crcache/ssh.conf"));
    assert_eq!((ssh.position.line, ssh.position.column), (5, 1));
}

#[test]
fn mistakes() {
    let table = [
        (
            "[default]\nsource = \"x\"",
            ":1:2: unknown key `default`\n  hint: did you mean `defaults`?",
        ),
        (
            "source = \"x\"",
            ":1:1: unknown key `source`\n  hint: did you mean `defaults.source`?",
        ),
        (
            "[defaults]\nsorce = \"x\"",
            ":2:1: unknown key `sorce` in `[defaults]`\n  hint: did you mean `source`?",
        ),
        (
            "[defaults]\nsource = 1",
            ":2:10: `defaults.source` must be a text",
        ),
        (
            "[defaults]\nsource = \"a b\"",
            ":2:10: `a b` is not a source name",
        ),
        (
            "defaults = 1",
            ":1:1: `defaults` must be a table, not a whole number\n  hint: write a line `[defaults]`",
        ),
        (
            "[ssh]\nconfig = \"~/x\"",
            ":2:10: `ssh.config` must be the path of a file, not `~/x`",
        ),
        (
            "[ssh]\nconfig = \"\"",
            ":2:10: `ssh.config` must be the path",
        ),
        ("[ssh]\nhost = \"x\"", ":2:1: unknown key `host` in `[ssh]`"),
        (
            "[limits]\nrun = \"x\"",
            ":2:1: limit `run`: expected a number of seconds",
        ),
        (
            "[fleet]\nchecks_at_once = 0",
            ":2:18: `checks_at_once` is 0: it must be at least 1",
        ),
        (
            "[fleet]\nhistory = \"a month\"",
            ":2:11: `history` must be a duration such as `30s`, `5m` or `1h30m`, or whole seconds, not the text `a month`",
        ),
        (
            "[fleet]\norphangrace = 1",
            ":2:1: unknown key `orphangrace` in `[fleet]`\n  hint: did you mean `orphan_grace`?",
        ),
        ("fleet = 3", ":1:1: `fleet` must be a table"),
        (
            "[plugins]\nregistries = \"r.example\"",
            ":2:14: `plugins.registries` must be a list of texts, not a text",
        ),
        (
            "[plugins]\nregistries = [\"r.example/a b\"]",
            ":2:15: `r.example/a b` in `plugins.registries` is no registry",
        ),
        (
            "[plugins]\ntrust = [1]",
            ":2:10: `plugins.trust` must be a list of tables, not a whole number",
        ),
        (
            "[[plugins.trust]]\nkey = \"k\"",
            ":1:1: a rule of `plugins.trust` needs the `registry` that it is for",
        ),
        (
            "[[plugins.trust]]\nregistry = \"r.example\"\nkey = \"k\"\nroot = \"r\"",
            ":1:1: a rule of `plugins.trust` needs a `key`, or `root`, `identity` and `issuer`, and not both",
        ),
        (
            "[[plugins.trust]]\nregistry = \"r.example\"\nidentity = \"me\"\nissuer = \"x\"",
            ":1:1: a rule of `plugins.trust` needs a `key`, or `root`, `identity` and `issuer`, and not both",
        ),
        (
            "[[plugins.trust]]\nregistry = \"r.example\"\nkeys = \"k\"",
            ":3:1: unknown key `keys` in `[[plugins.trust]]`\n  hint: did you mean `key`?",
        ),
        (
            "[[plugins.trust]]\nregistry = \"r.example\"\nkey = \"~/k.pub\"",
            ":3:7: `key` must be a text, and no path below `~`, not `~/k.pub`",
        ),
        (
            "[sources.web]\ntype = \"local\"",
            ":1:2: unknown key `sources`",
        ),
        ("= 1", ":1:1: "),
    ];
    for (text, wanted) in table {
        let place = Place::with(&[("user/runner/config.toml", text)]);
        let error = place.cut(&place.config().settings().map(|_| ()).unwrap_err());
        assert!(
            error.starts_with(&format!("user/runner/config.toml{wanted}")),
            "{text}\n{error}"
        );
    }
}

#[test]
fn a_project_selects_and_nothing_else() {
    let table = [
        (
            "[limits]\nrun = 0",
            ":2:1: a project cannot set `limits.run`",
        ),
        (
            "[ssh]\nconfig = \"evil\"",
            ":2:1: a project cannot set `ssh.config`",
        ),
        (
            "[fleet]\nhistory = 1",
            ":2:1: a project cannot set `fleet.history`",
        ),
    ];
    for root in &ROOTS[2..] {
        for (text, wanted) in table {
            let file = format!("{root}/config.toml");
            let place = Place::with(&[(&file, text)]);
            let error = place.cut(&place.config().settings().map(|_| ()).unwrap_err());
            assert!(
                error.starts_with(&format!("{file}{wanted}")),
                "{text}\n{error}"
            );
        }
    }
}

#[test]
fn a_default_that_does_not_exist() {
    let place = Place::with(&[(
        "project/.runner/config.toml",
        "[defaults]\nsource = \"locall\"\n",
    )]);
    let error = place.cut(&place.config().default_source().unwrap_err());
    assert_eq!(
        error,
        "project/.runner/config.toml:2:1: there is no source `locall`\n  hint: did you mean `local`?"
    );
}

#[test]
fn the_problems_of_all_files_at_once() {
    let place = Place::with(&[
        ("user/runner/config.toml", "a = 1\n"),
        ("project/.runner/config.toml", "b = 1\nc = 1\n"),
    ]);
    assert_eq!(place.config().settings().unwrap_err().problems.len(), 3);
}

#[test]
fn the_fleet_as_a_whole() {
    let place = Place::with(&[
        ("user/runner/config.toml", "[fleet]\nhistory = 0\n"),
        (
            "user/crcache/config.toml",
            "[fleet]\nhistory = \"1d\"\norphan_grace = 90\nchecks_at_once = 3\n",
        ),
    ]);
    let config = place.config();
    let fleet = config.settings().unwrap().fleet;
    let wanted = Fleet {
        orphan_grace: Millis::seconds(90),
        history: None,
        checks_at_once: 3,
    };
    assert_eq!(fleet, wanted);
    let values = config.explain_settings().unwrap();
    let history = values.iter().find(|value| value.key == "fleet.history");
    let history = history.unwrap();
    assert_eq!(
        (&history.value, history.origin),
        (&"0".into(), Origin::User)
    );
    assert_eq!(history.shadowed[0].line, 2);
    let grace = values
        .iter()
        .find(|value| value.key == "fleet.orphan_grace");
    assert_eq!(grace.unwrap().value, "1m30s");
    let built_in = Place::new().config().settings().unwrap().fleet;
    assert_eq!(built_in, Fleet::default());
}

#[test]
fn who_is_trusted_is_the_users_to_say() {
    let text = "[plugins]\nregistries = [\"oci://r.example/team/\"]\n[[plugins.trust]]\nregistry = \"r.example\"\nkey = \"k.pub\"\n\
                [[plugins.trust]]\nregistry = \"s.example\"\nroot = \"/r.json\"\nidentity = \"me@example.com\"\nissuer = \"https://i.example\"\n";
    let place = Place::with(&[("user/runner/config.toml", text)]);
    let settings = place.config().settings().unwrap();
    assert_eq!(
        settings.registries.as_ref().unwrap().value,
        ["r.example/team"]
    );
    let rules = &settings.trust.as_ref().unwrap().value;
    assert_eq!(
        rules[0].signer,
        TrustedSigner::Key {
            key: place.path("user/runner/k.pub")
        }
    );
    assert_eq!(
        rules[1].signer,
        TrustedSigner::Keyless {
            root: "/r.json".into(),
            identity: "me@example.com".into(),
            issuer: "https://i.example".into(),
        }
    );
    let place = Place::with(&[("project/.runner/config.toml", text)]);
    let problems = place.config().settings().unwrap_err().problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0]
            .message
            .contains("a project cannot set `plugins.registries`"),
        "{problems:?}"
    );
}
