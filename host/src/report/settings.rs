//! Settings, each with its value and the place that it comes from.

use serde_json::{Value, json};

use super::escape;
use super::table::Table;
use crate::config::{
    Config, ConfigError, HookConfig, Origin, PluginPath, SourceConfig, SourceKind, SourceListing,
};

/// One setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    pub key: String,
    pub value: Value,
    /// A file with line and column, or where else the value comes from.
    pub from: String,
}

/// The settings that hold for every source.
pub fn general(config: &Config) -> Result<Vec<Explained>, ConfigError> {
    let settings = config.settings()?;
    let mut all = Vec::new();
    let default_source = settings.default_source.as_ref();
    all.push(Explained {
        key: "defaults.source".to_owned(),
        value: json!(default_source.map_or("local", |set| set.value.as_str())),
        from: default_source.map_or_else(built_in, |set| set.position.to_string()),
    });
    let ssh = settings.ssh_config.as_ref();
    all.push(Explained {
        key: "ssh.config".to_owned(),
        value: json!(ssh.map(|set| set.value.display().to_string())),
        from: ssh.map_or_else(
            || "ssh's own files".to_owned(),
            |set| set.position.to_string(),
        ),
    });
    for (key, value) in &settings.limits {
        all.push(Explained {
            key: format!("limits.{key}"),
            value: value.clone(),
            from: settings
                .position_of_limit(key)
                .map_or_else(built_in, ToString::to_string),
        });
    }
    Ok(all)
}

/// The settings of one source, what it does not set included.
pub fn source(source: &SourceConfig) -> Vec<Explained> {
    let mut all = Vec::new();
    let mut push = |key: &str, value: Value, otherwise: &str| {
        all.push(Explained {
            key: key.to_owned(),
            value,
            from: source
                .position_of(key)
                .map_or_else(|| otherwise.to_owned(), |at| at.to_string()),
        });
    };
    match &source.kind {
        SourceKind::Provider { plugin } => push("type", json!(path(plugin)), "built in"),
        SourceKind::Pool { sources } => {
            let sources: Vec<&str> = sources.iter().map(|name| name.as_str()).collect();
            push("type", json!("pool"), "built in");
            push("sources", json!(sources), "built in");
        }
    }
    match source.maximum {
        Some(maximum) => push("maximum", super::status::limit_json(maximum), "built in"),
        None => push("maximum", Value::Null, "the plugin's own"),
    }
    push("reserve", json!(source.reserve), "built in");
    push("concurrency", json!(source.concurrency), "built in");
    for (key, value) in &source.options {
        push(key, value.clone(), "command line");
    }
    for (number, hook) in source.hooks.iter().enumerate() {
        push(&format!("hooks.{number}"), hook_json(hook), "built in");
    }
    for (key, value) in &source.limits {
        push(&format!("limits.{key}"), value.clone(), "built in");
    }
    for (key, scripts) in [
        ("provision.d", &source.provision_scripts),
        ("discard.d", &source.discard_scripts),
    ] {
        if let Some(folder) = scripts {
            let folder = folder.display().to_string();
            push(key, json!(folder), &folder);
        }
    }
    all
}

/// Settings as a table.
pub fn table(settings: &[Explained]) -> String {
    let mut table = Table::new(["key", "value", "from"]);
    for one in settings {
        table.row([one.key.as_str(), &plain(&one.value), &one.from]);
    }
    table.render()
}

/// Settings as JSON: by key, value and place.
pub fn as_json(settings: &[Explained]) -> Value {
    settings
        .iter()
        .map(|one| {
            (
                one.key.clone(),
                json!({ "value": one.value, "from": one.from }),
            )
        })
        .collect::<serde_json::Map<String, Value>>()
        .into()
}

/// One row of `source list`.
#[derive(Debug)]
pub struct SourceRow {
    pub listing: SourceListing,
    /// What its file says, or what is wrong with it.
    pub config: Result<SourceConfig, ConfigError>,
}

/// The sources, what gives their instances, and where they are defined.
pub fn sources(rows: &[SourceRow]) -> String {
    let mut table = Table::new(["source", "type", "defined in"]);
    for row in rows {
        let kind = match &row.config {
            Ok(config) => kind(config),
            Err(_) => "(broken)".to_owned(),
        };
        table.row([row.listing.name.as_str(), &kind, &place(&row.listing)]);
    }
    table.render()
}

/// The same as JSON.
pub fn sources_json(rows: &[SourceRow]) -> Value {
    let sources: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "source": row.listing.name.as_str(),
                "type": row.config.as_ref().ok().map(kind),
                "origin": origin(row.listing.origin),
                "folder": row.listing.folder.as_ref().map(|path| path.display().to_string()),
                "shadowed": row.listing.shadowed.iter()
                    .map(|path| path.display().to_string()).collect::<Vec<_>>(),
                "problems": row.config.as_ref().err().map(|error| error.problems.clone()),
            })
        })
        .collect();
    json!({ "sources": sources })
}

/// Definitions of the same name that do not count, one sentence each.
pub fn shadowed(listing: &SourceListing) -> Vec<String> {
    let folders = listing.shadowed.iter();
    folders
        .map(|folder| {
            format!(
                "not used, because `{}` comes first: {}",
                escape::line(&place(listing)),
                escape::line(&folder.display().to_string())
            )
        })
        .collect()
}

fn kind(config: &SourceConfig) -> String {
    match &config.kind {
        SourceKind::Provider { plugin } => path(plugin),
        SourceKind::Pool { sources } => {
            let names: Vec<&str> = sources.iter().map(|name| name.as_str()).collect();
            format!("pool of {}", names.join(", "))
        }
    }
}

fn place(listing: &SourceListing) -> String {
    listing
        .folder
        .as_ref()
        .map_or_else(built_in, |folder| folder.display().to_string())
}

fn built_in() -> String {
    "built in".to_owned()
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Default => "built-in",
        Origin::User => "user",
        Origin::Project => "project",
    }
}

fn path(plugin: &PluginPath) -> String {
    match plugin {
        PluginPath::Name(name) => name.clone(),
        PluginPath::File(file) => file.display().to_string(),
    }
}

fn hook_json(hook: &HookConfig) -> Value {
    json!({ "plugin": path(&hook.plugin), "options": hook.options })
}

/// A value as it would be written: texts without quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Roots;

    #[test]
    fn every_value_has_a_place() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("sources/web");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("source.toml");
        std::fs::write(&file, "type = \"container\"\nmaximum = 3\nimage = \"x\"\n").unwrap();
        let config = Config::discover(Roots {
            user: vec![temp.path().to_owned()],
            ..Roots::default()
        });
        let names = config.source_names();
        let web = config.source(&names[1]).unwrap().unwrap();
        let explained = source(&web);
        let of = |key: &str| explained.iter().find(|one| one.key == key).unwrap();
        assert_eq!(of("maximum").value, 3);
        assert_eq!(of("maximum").from, format!("{}:2:1", file.display()));
        assert_eq!(of("image").from, format!("{}:3:1", file.display()));
        assert_eq!(of("reserve").from, "built in");
        assert_eq!(as_json(&explained)["type"]["value"], "container");
        let general = general(&config).unwrap();
        assert!(table(&general).starts_with("key              value  from\n"));
        let rows: Vec<SourceRow> = config
            .listing()
            .into_iter()
            .map(|listing| SourceRow {
                config: config.source(&listing.name).map(Option::unwrap),
                listing,
            })
            .collect();
        assert_eq!(
            sources(&rows),
            format!(
                "source  type       defined in\n------  ---------  {}\nlocal   local      built in\nweb     container  {}\n",
                "-".repeat(folder.to_str().unwrap().len()),
                folder.display()
            )
        );
    }
}
