//! Settings, each with its value and the place that it comes from.

use serde_json::{Value, json};

use super::escape;
use super::table::Table;
use crate::config::{
    Config, ConfigError, ExplainedValue, Origin, PluginPath, SourceConfig, SourceKind,
    SourceListing, explain_source,
};

/// One setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    pub key: String,
    pub value: Value,
    /// A file with line and column, or where else the value comes from.
    pub from: String,
    /// Where it is set too, in vain.
    pub shadowed: Vec<String>,
}

impl From<ExplainedValue> for Explained {
    fn from(one: ExplainedValue) -> Self {
        let from = match (&one.position, one.key.as_str(), one.origin) {
            (Some(position), ..) => position.to_string(),
            (None, "maximum", _) => "the plugin's own".to_owned(),
            (None, "ssh.config", _) => "ssh's own files".to_owned(),
            (None, _, Origin::Default) => built_in(),
            (None, _, Origin::User | Origin::Project) => "command line".to_owned(),
        };
        Self {
            key: one.key,
            value: one.value,
            from,
            shadowed: one.shadowed.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The settings that hold for every source, set or not.
pub fn general(config: &Config) -> Result<Vec<Explained>, ConfigError> {
    let values = config.explain_settings()?;
    Ok(values.into_iter().map(Explained::from).collect())
}

/// The settings of one source, what it does not set included.
pub fn source(source: &SourceConfig) -> Vec<Explained> {
    let values = explain_source(source);
    values.into_iter().map(Explained::from).collect()
}

/// Settings as a table.
pub fn table(settings: &[Explained]) -> String {
    let mut table = Table::new(["key", "value", "from"]);
    for one in settings {
        let mut from = one.from.clone();
        for other in &one.shadowed {
            from.push_str(&format!(" (not {other})"));
        }
        table.row([one.key.as_str(), &plain(&one.value), &from]);
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
                json!({ "value": one.value, "from": one.from, "shadowed": one.shadowed }),
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
        let shown = table(&general);
        let heading: Vec<_> = shown.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(heading, ["key", "value", "from"]);
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
