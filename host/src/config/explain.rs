//! Where each value comes from, for `config show` and `source show`: built in, or a place in a file, and what stands
//! in later files in vain.

use runner_core::policy::{Limit, Millis};
use serde::Serialize;
use serde_json::Value;

use super::discover::Config;
use super::error::{ConfigError, Position, Problem};
use super::limits;
use super::roots::Origin;
use super::source::{PluginPath, SourceConfig, SourceKind};

/// A value, whose word it is and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ExplainedValue {
    /// The key with its tables, such as `sources.web.maximum`.
    pub key: String,
    /// Null where the value is somebody else's to say: the plugin's, or ssh's.
    pub value: Value,
    /// Whose word it is.
    pub origin: Origin,
    /// Where it stands; none for a built-in value.
    pub position: Option<Position>,
    /// Where it is set too, in vain.
    pub shadowed: Vec<Position>,
}

/// Every value of every source that can be read, and what is wrong with the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Settings first, then the sources by name.
    pub values: Vec<ExplainedValue>,
    /// Of folders and files.
    pub problems: Vec<Problem>,
}

impl Config {
    /// Everything that is configured, with its origin.
    pub fn explain(&self) -> Explanation {
        let mut values = Vec::new();
        let mut problems = self.problems();
        match self.explain_settings() {
            Ok(settings) => values.extend(settings),
            Err(error) => problems.extend(error.problems),
        }
        for name in self.source_names() {
            match self.source(&name) {
                Ok(Some(source)) => values.extend(explain_source(&source).into_iter().map(
                    |value| ExplainedValue {
                        key: format!("sources.{name}.{}", value.key),
                        ..value
                    },
                )),
                Ok(None) => {}
                Err(error) => problems.extend(error.problems),
            }
        }
        Explanation { values, problems }
    }

    /// What holds for every source: the keys of `config.toml`, set or not.
    pub fn explain_settings(&self) -> Result<Vec<ExplainedValue>, ConfigError> {
        let settings = self.settings()?;
        let explained = |key: String, value: Value, position: Option<&Position>| {
            let shadowed = settings.shadowed.iter().filter(|(known, _)| *known == key);
            ExplainedValue {
                shadowed: shadowed.map(|(_, at)| at.clone()).collect(),
                origin: position.map_or(Origin::Default, |at| self.origin_of(at)),
                position: position.cloned(),
                key,
                value,
            }
        };
        let mut values = Vec::new();
        let source = settings.default_source.as_ref();
        values.push(explained(
            "defaults.source".into(),
            source.map_or("local", |set| set.value.as_str()).into(),
            source.map(|set| &set.position),
        ));
        let ssh = settings.ssh_config.as_ref();
        values.push(explained(
            "ssh.config".into(),
            ssh.map(|set| set.value.to_string_lossy()).into(),
            ssh.map(|set| &set.position),
        ));
        let http = &settings.http;
        let file = http.ca_file.as_ref();
        values.push(explained(
            "http.ca_file".into(),
            file.map(|set| set.value.to_string_lossy()).into(),
            file.map(|set| &set.position),
        ));
        // A proxy's address may hold a password.
        let proxy = http.proxy.as_ref();
        values.push(explained(
            "http.proxy".into(),
            proxy.map(|set| without_password(&set.value)).into(),
            proxy.map(|set| &set.position),
        ));
        let direct = http.no_proxy.as_ref();
        values.push(explained(
            "http.no_proxy".into(),
            direct.map(|set| set.value.as_str()).into(),
            direct.map(|set| &set.position),
        ));
        let registries = settings.registries.as_ref();
        values.push(explained(
            "plugins.registries".into(),
            registries
                .map_or_else(Vec::new, |set| set.value.clone())
                .into(),
            registries.map(|set| &set.position),
        ));
        let trust = settings.trust.as_ref();
        let rules = trust.map_or(&[][..], |set| set.value.as_slice());
        values.push(explained(
            "plugins.trust".into(),
            serde_json::to_value(rules).unwrap_or_default(),
            trust.map(|set| &set.position),
        ));
        for (name, value) in settings.fleet.written() {
            let key = format!("fleet.{name}");
            let position = settings.position_of_fleet(name);
            values.push(explained(key, value, position));
        }
        let mut limits = limits::built_in();
        limits.extend(settings.limits.clone());
        for (name, value) in limits {
            values.push(explained(
                format!("limits.{name}"),
                value,
                settings.position_of_limit(&name),
            ));
        }
        Ok(values)
    }

    fn origin_of(&self, at: &Position) -> Origin {
        let mut roots = self.roots().in_order();
        let root = roots.find(|(root, _)| at.file.starts_with(root));
        root.map_or(Origin::Default, |(_, origin)| origin)
    }
}

/// An address without what stands between scheme and host.
fn without_password(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        (None, Some((_, host))) => format!("…@{host}"),
        _ => address.to_owned(),
    }
}

/// The values of one source, those that it does not set included; its limits only where it sets them.
pub fn explain_source(source: &SourceConfig) -> Vec<ExplainedValue> {
    let shadowed: Vec<_> = source.shadowed.iter().map(Position::whole).collect();
    let mut values = Vec::new();
    let mut add = |key: &str, value: Value| {
        let position = source.position_of(key);
        values.push(ExplainedValue {
            key: key.to_owned(),
            value,
            origin: match (&position, &source.file) {
                // Without a file it is the implicit source's, or the command line's.
                (None, Some(_)) => Origin::Default,
                (Some(_), _) | (None, None) => source.origin,
            },
            position,
            shadowed: if key == "type" {
                shadowed.clone()
            } else {
                Vec::new()
            },
        });
    };
    match &source.kind {
        SourceKind::Provider { plugin } => add("type", plugin_text(plugin)),
        SourceKind::Pool { sources } => {
            add("type", "pool".into());
            add(
                "sources",
                sources
                    .iter()
                    .map(|name| Value::from(name.as_str()))
                    .collect(),
            );
        }
    }
    add(
        "maximum",
        match source.maximum {
            // A pool has no plugin to say it.
            None if matches!(source.kind, SourceKind::Pool { .. }) => 0.into(),
            None => Value::Null,
            Some(Limit::Unlimited) => 0.into(),
            Some(Limit::At(0)) => "none".into(),
            Some(Limit::At(bound)) => bound.into(),
        },
    );
    add("reserve", source.reserve.into());
    add("concurrency", source.concurrency.into());
    for (key, value) in numbers(source) {
        add(key, value);
    }
    let tags = source.tags.iter().map(|tag| match tag.priority {
        0 => tag.name.clone(),
        priority => format!("{}:{priority}", tag.name),
    });
    add("tags", tags.map(Value::from).collect());
    for (number, schedule) in source.schedule.iter().enumerate() {
        let value = serde_json::json!({
            "cron": schedule.cron,
            "duration": schedule.duration.to_string(),
            "timezone": schedule.timezone,
            "prealloc": schedule.prealloc,
        });
        add(&format!("schedule.{number}"), value);
    }
    for (key, value) in &source.options {
        add(key, value.clone());
    }
    for (key, plugins) in [("wrap", &source.wrap), ("hooks", &source.hooks)] {
        for (number, hook) in plugins.iter().enumerate() {
            let options = Value::Object(hook.options.clone());
            let mut value =
                serde_json::json!({ "plugin": plugin_text(&hook.plugin), "options": options });
            if !hook.sets.is_empty() {
                value["sets"] = hook.sets.iter().map(String::as_str).collect();
            }
            add(&format!("{key}.{number}"), value);
        }
    }
    for (key, value) in &source.limits {
        add(&format!("limits.{key}"), value.clone());
    }
    for (point, folder) in &source.scripts {
        values.push(ExplainedValue {
            key: format!("{point}.d"),
            value: folder.to_string_lossy().into(),
            origin: source.origin,
            position: Some(Position::whole(folder)),
            shadowed: Vec::new(),
        });
    }
    values
}

/// The numbers of the policy as they would be written; of a pool only what it has.
fn numbers(source: &SourceConfig) -> Vec<(&'static str, Value)> {
    let numbers = &source.numbers;
    if matches!(source.kind, SourceKind::Pool { .. }) {
        return vec![("priority", numbers.priority.into())];
    }
    let span = |span: Millis| Value::from(span.to_string());
    let none_is_zero = |bound: Option<Millis>| span(bound.unwrap_or_default());
    let starting = match numbers.max_starting {
        Limit::Unlimited => 0,
        Limit::At(bound) => bound,
    };
    vec![
        ("prealloc", numbers.prealloc.into()),
        ("max_starting", starting.into()),
        ("start_delay", span(numbers.start_delay)),
        ("on_demand", numbers.on_demand.into()),
        ("priority", numbers.priority.into()),
        ("cost", numbers.cost.into()),
        ("reuse_max_count", numbers.reuse.max_count.into()),
        ("reuse_max_time", none_is_zero(numbers.reuse.max_time)),
        (
            "reuse_opportunity_time",
            numbers.reuse.opportunity.map_or(Value::Null, span),
        ),
        ("idle_timeout", none_is_zero(numbers.idle_timeout)),
        ("max_age", none_is_zero(numbers.max_age)),
        ("lease_ttl", none_is_zero(numbers.lease_ttl)),
        ("check_period", none_is_zero(numbers.checks.period)),
        ("check_attempts", numbers.checks.attempts.into()),
        ("check_command", source.check_command.as_deref().into()),
        ("backoff", span(numbers.backoff.first)),
        ("backoff_max", span(numbers.backoff.longest)),
    ]
}

fn plugin_text(plugin: &PluginPath) -> Value {
    match plugin {
        PluginPath::Name(name) => name.as_str().into(),
        PluginPath::File(path) => path.to_string_lossy().into(),
    }
}
