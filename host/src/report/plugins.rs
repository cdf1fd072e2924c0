//! Plugins: what there is, what one says about itself, what was granted.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::table::Table;
use super::{escape, time};
use crate::app::{GrantListing, PluginListing};
use crate::plugin::{Component, Limits, Maximum, Origin};

/// The plugins that can be named, one per row. A broken one has its reason in place of its description.
pub fn table(plugins: &[PluginListing]) -> String {
    let mut table = Table::new(["plugin", "version", "kind", "from", "description"]);
    for one in plugins {
        table.row([
            one.name.as_str(),
            &one.version,
            one.kind,
            &one.origin,
            one.trouble.as_deref().unwrap_or(&one.description),
        ]);
    }
    table.render()
}

/// The same as JSON.
pub fn list_json(plugins: &[PluginListing]) -> Value {
    let plugins: Vec<Value> = plugins
        .iter()
        .map(|one| {
            json!({
                "name": one.name, "version": one.version, "kind": one.kind,
                "description": one.description, "from": one.origin, "digest": one.digest,
                "trouble": one.trouble,
            })
        })
        .collect();
    json!({ "plugins": plugins })
}

/// What a component says about itself, in paragraphs.
pub fn description(component: &Component) -> String {
    let manifest = &component.manifest;
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        out.push_str(&format!("{name:<13}{}\n", escape::line(value)));
    };
    line("plugin", &format!("{} {}", manifest.name, manifest.version));
    line("kind", manifest.kind.word());
    line("description", &manifest.description);
    line("from", &origin(&component.origin));
    line("digest", &component.reference.digest);
    line("size", &format!("{} bytes", component.size));
    line("maximum", &maximum(manifest.maximum.as_ref()));
    line("optional", &optional(component).join(", "));
    out.push_str("\nsettings\n");
    out.push_str(&settings(&manifest.config));
    out.push_str("\nasks for\n");
    out.push_str(&requests(component));
    out.push_str("\nmay call\n");
    for import in &component.imports {
        out.push_str(&format!("  {}\n", escape::line(import)));
    }
    out
}

/// The same as JSON, with the manifest as it is.
pub fn description_json(component: &Component) -> Value {
    json!({
        "manifest": component.manifest,
        "from": origin(&component.origin),
        "digest": component.reference.digest,
        "size": component.size,
        "optional": optional(component),
        "imports": component.imports,
        "exports": component.exports,
        "limits": Limits::keys().collect::<Vec<_>>(),
    })
}

/// What was granted, in sentences.
pub fn granted(grants: &[GrantListing]) -> String {
    let mut out = String::new();
    for one in grants {
        out.push_str(&format!(
            "granted to plugin `{}` {} for source `{}`, component {}\n",
            escape::line(&one.plugin),
            escape::line(&one.version),
            escape::line(&one.source),
            escape::line(&one.digest),
        ));
        out.push_str(&sentences(
            &one.capabilities.explain(),
            "nothing: it needs no rights",
        ));
    }
    out
}

/// Recorded grants, one per row.
pub fn grants(grants: &[GrantListing], zone: &TimeZone) -> String {
    let mut table = Table::new([
        "source",
        "plugin",
        "version",
        "component",
        "granted",
        "by",
        "taken back",
    ]);
    for one in grants {
        table.row([
            one.source.clone(),
            one.plugin.clone(),
            one.version.clone(),
            one.digest.chars().take(12).collect(),
            time::local(one.granted_at, zone),
            one.granted_by.clone(),
            one.revoked_at
                .map(|at| time::local(at, zone))
                .unwrap_or_default(),
        ]);
    }
    table.render()
}

/// Grants as JSON.
pub fn grants_json(grants: &[GrantListing]) -> Value {
    let grants: Vec<Value> = grants
        .iter()
        .map(|one| {
            json!({
                "source": one.source, "plugin": one.plugin, "version": one.version,
                "digest": one.digest, "capabilities": one.capabilities,
                "granted": time::rfc3339(one.granted_at), "by": one.granted_by,
                "revoked": one.revoked_at.map(time::rfc3339),
            })
        })
        .collect();
    json!({ "grants": grants })
}

/// One sentence per line, or `none`.
pub fn sentences(sentences: &[String], none: &str) -> String {
    if sentences.is_empty() {
        return format!("  {none}\n");
    }
    sentences
        .iter()
        .map(|sentence| format!("  - {}\n", escape::line(sentence)))
        .collect()
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Embedded => "embedded".to_owned(),
        Origin::File(path) => path.display().to_string(),
        Origin::Fetched(from) => from.clone(),
    }
}

fn maximum(maximum: Option<&Maximum>) -> String {
    match maximum {
        None | Some(Maximum::Default(0)) => "unlimited, unless configured".to_owned(),
        Some(Maximum::Default(bound)) => format!("{bound}, unless configured"),
        Some(Maximum::CountOf(key)) => format!("one per entry of `{key}`"),
    }
}

fn optional(component: &Component) -> Vec<&'static str> {
    let has = component.reference.optional;
    [
        (has.liveness, "liveness"),
        (has.inventory, "inventory"),
        (has.facts, "facts"),
        (has.power, "power"),
        (has.signals, "signals"),
        (has.reuse, "reuse"),
        (has.hook, "hook"),
        (has.routing, "routing"),
    ]
    .into_iter()
    .filter_map(|(there, word)| there.then_some(word))
    .collect()
}

/// The keys of the schema with their types, defaults and descriptions.
fn settings(schema: &Map<String, Value>) -> String {
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return "  none\n".to_owned();
    };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|keys| keys.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut out = String::new();
    for (key, property) in properties {
        let kind = match property.get("type") {
            Some(Value::String(kind)) => kind.clone(),
            Some(other) => other.to_string(),
            None => "any".to_owned(),
        };
        let mut notes = vec![kind];
        if required.contains(&key.as_str()) {
            notes.push("required".to_owned());
        }
        if let Some(default) = property.get("default") {
            notes.push(format!("default {default}"));
        }
        let about = property.get("description").and_then(Value::as_str);
        out.push_str(&format!(
            "  {} ({}){}\n",
            escape::line(key),
            escape::line(&notes.join(", ")),
            about.map_or_else(String::new, |about| format!("  {}", escape::line(about)))
        ));
    }
    if out.is_empty() {
        out.push_str("  none\n");
    }
    out
}

/// The request as the manifest writes it: what it stands for depends on a source's settings.
fn requests(component: &Component) -> String {
    let Ok(Value::Object(requests)) = serde_json::to_value(&component.manifest.requests) else {
        return String::new();
    };
    let mut out = String::new();
    for (key, value) in requests {
        let nothing = match &value {
            Value::Array(list) => list.is_empty(),
            Value::Bool(on) => !on,
            _ => false,
        };
        if !nothing {
            out.push_str(&format!(
                "  {key:<12}{}\n",
                escape::line(&value.to_string())
            ));
        }
    }
    if out.is_empty() {
        out.push_str("  nothing\n");
    }
    out
}
