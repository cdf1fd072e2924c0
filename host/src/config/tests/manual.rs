//! `CONFIGURATION.md` and `defaults.toml` say what the code does: every key of the tables is accepted and described,
//! and nothing else is.

use serde_json::Value;

use super::*;

const MANUAL: &str = include_str!("../../../CONFIGURATION.md");

const ALL: [&[Key]; 10] = [
    SOURCE_KEYS,
    FLEET_KEYS,
    TAG_KEYS,
    SCHEDULE_KEYS,
    PLUGIN_KEYS,
    POOL_KEYS,
    HOOK_KEYS,
    WRAP_KEYS,
    SETTINGS_KEYS,
    TRUST_KEYS,
];

/// The table of a kind of key, as it stands in the manual.
fn table(keys: &[Key]) -> String {
    let rows = keys.iter().map(|key| {
        format!(
            "| `{}` | {} | {} | {} |\n",
            key.name, key.kind, key.default, key.meaning
        )
    });
    format!(
        "| Key | Type | Default | Meaning |\n| --- | --- | --- | --- |\n{}",
        rows.collect::<String>()
    )
}

#[test]
fn the_manual_has_every_key_as_the_code_knows_it() {
    for keys in ALL {
        let table = table(keys);
        assert!(
            MANUAL.contains(&table),
            "CONFIGURATION.md lacks this table:\n{table}"
        );
    }
}

#[test]
fn the_manual_has_every_limit_with_its_default() {
    let defaults: toml::Table = toml::from_str(DEFAULTS).unwrap();
    for name in limit_names() {
        let default = &defaults["limits"][name];
        let row = format!("| `{name}` | `{default}` |");
        assert!(
            MANUAL.contains(&row),
            "CONFIGURATION.md lacks this limit: {row}"
        );
    }
    let rows = MANUAL.lines().filter(|line| line.starts_with("| `"));
    let known = ALL.concat();
    for row in rows {
        let name = row.split('`').nth(1).unwrap();
        assert!(
            limit_names().any(|limit| limit == name) || known.iter().any(|key| key.name == name),
            "the code has no `{name}`"
        );
    }
}

#[test]
fn the_defaults_file_is_a_config_file_that_changes_nothing() {
    let place = Place::with(&[("user/runner/config.toml", DEFAULTS)]);
    let with = place.config().explain();
    let without = Place::new().config().explain();
    assert_eq!(with.problems, []);
    let calls = |place: &Place| place.config().limits(&place.source("local")).unwrap();
    assert_eq!(calls(&place), calls(&Place::new()));
    for value in &without.values {
        let written = with
            .values
            .iter()
            .find(|other| other.key == value.key)
            .unwrap();
        let built_in = written.position.is_none();
        assert_eq!(
            built_in,
            value.key == "ssh.config"
                || value.key.starts_with("http.")
                || value.key.starts_with("sources."),
            "{}",
            value.key
        );
        if !value.key.starts_with("limits.") {
            assert_eq!(written.value, value.value, "{}", value.key);
        }
    }
    for key in SETTINGS_KEYS {
        let (table, name) = key.name.split_once('.').unwrap_or((key.name, ""));
        assert!(DEFAULTS.contains(&format!("[{table}]")), "{}", key.name);
        assert!(
            DEFAULTS.contains(&format!("{name} = ")) || name.is_empty(),
            "{}",
            key.name
        );
    }
}

/// A value for each key that the code says it takes.
fn sample(key: &str) -> &'static str {
    match key {
        "type" => "type = \"ssh\"",
        "maximum" | "reserve" | "concurrency" => "1",
        "prealloc" | "max_starting" | "cost" | "priority" | "reuse_max_count" => "1",
        "check_attempts" | "fleet.checks_at_once" => "1",
        "on_demand" => "true",
        "start_delay"
        | "reuse_max_time"
        | "reuse_opportunity_time"
        | "idle_timeout"
        | "max_age"
        | "lease_ttl"
        | "check_period"
        | "backoff"
        | "backoff_max"
        | "fleet.orphan_grace"
        | "fleet.history" => "\"1m\"",
        "tags" => "[\"a\"]",
        "check_command" => "\"true\"",
        "schedule" => "[{ cron = \"0 8 * * *\", duration = \"1h\", prealloc = 1 }]",
        "hooks" | "wrap" => "[\"h\"]",
        "limits" => "{ run = 1 }",
        "sources" => "[\"local\"]",
        "plugin" | "ssh_host" | "defaults.source" | "ssh.config" | "http.ca_file"
        | "http.proxy" | "http.no_proxy" => "\"local\"",
        "plugins.registries" => "[\"registry.example.com/x\"]",
        "plugins.trust" => "[{ registry = \"registry.example.com\", key = \"k.pub\" }]",
        "options" => "{}",
        "sets" => "[\"spot\"]",
        other => panic!("a sample for the new key `{other}`"),
    }
}

#[test]
fn every_key_of_the_tables_is_taken_as_ours() {
    for key in SOURCE_KEYS
        .iter()
        .chain(FLEET_KEYS)
        .chain(PLUGIN_KEYS)
        .filter(|key| key.name != "type")
    {
        let source = toml(&format!(
            "type = \"ssh\"\n{} = {}\n",
            key.name,
            sample(key.name)
        ))
        .source("web");
        let passed_on: Vec<_> = source
            .options
            .keys()
            .filter(|option| *option != "hosts")
            .collect();
        assert!(
            passed_on.is_empty(),
            "`{}` went to the plugin: {passed_on:?}",
            key.name
        );
    }
    for key in SOURCE_KEYS.iter().filter(|key| key.name != "type") {
        toml(&format!(
            "type = \"pool\"\nsources = [\"local\"]\n{} = {}\n",
            key.name,
            if key.name == "concurrency" {
                "0"
            } else {
                sample(key.name)
            }
        ))
        .source("web");
    }
    for key in POOL_KEYS {
        toml(&format!(
            "type = \"pool\"\n{} = {}\n",
            key.name,
            sample(key.name)
        ))
        .source("web");
        // To a plugin it is a key like any other.
        let source = toml(&format!(
            "type = \"x\"\n{} = {}\n",
            key.name,
            sample(key.name)
        ))
        .source("web");
        assert_eq!(source.options.keys().collect::<Vec<_>>(), [key.name]);
    }
    for key in HOOK_KEYS.iter().filter(|key| key.name != "plugin") {
        toml(&format!(
            "type = \"x\"\nhooks = [{{ plugin = \"h\", {} = {} }}]\n",
            key.name,
            sample(key.name)
        ))
        .source("web");
    }
    for key in HOOK_KEYS.iter().chain(WRAP_KEYS) {
        let (name, sample) = match key.name {
            "plugin" => continue,
            name => (name, sample(name)),
        };
        toml(&format!(
            "type = \"x\"\nwrap = [{{ plugin = \"w\", {name} = {sample} }}]\n"
        ))
        .source("web");
    }
    for key in SETTINGS_KEYS {
        let text = format!("{} = {}\n", key.name, sample(key.name));
        let place = Place::with(&[("user/runner/config.toml", &text)]);
        assert!(place.config().settings().is_ok(), "{text}");
    }
}

#[test]
fn the_examples_are_in_order() {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/config");
    let roots = ["user", "project/.runner", "project/.crcache"].map(|root| examples.join(root));
    for root in &roots {
        assert!(root.is_dir(), "{}", root.display());
    }
    let [user, ours, theirs] = roots;
    let config = Config::discover(Roots {
        user: vec![user],
        project: vec![ours, theirs],
        ignored: Vec::new(),
        plugins: None,
    });
    let explanation = config.explain();
    assert_eq!(explanation.problems, []);
    assert!(config.source_names().len() > 3);
    for name in config.source_names() {
        let source = config.source(&name).unwrap().unwrap();
        config.limits(&source).unwrap();
        for folder in source.scripts.into_values() {
            let scripts = scripts::examine(&folder).unwrap();
            assert_eq!(scripts.warnings, []);
            assert!(!scripts.paths.is_empty(), "{}", folder.display());
        }
    }
    let values: Vec<Value> = explanation
        .values
        .into_iter()
        .map(|value| value.value)
        .collect();
    assert!(!values.is_empty());
}
