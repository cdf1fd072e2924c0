//! Plugins in registries: what was installed, what would change, what there is.

use serde_json::{Value, json};

use super::escape;
use super::table::Table;
use crate::app::{Found, Installed, Outdated, Published, Update};

/// What was installed, one line each, with what is known about it.
pub fn installed(all: &[Installed]) -> String {
    let mut out = String::new();
    for one in all {
        let name = escape::line(&one.reference.name);
        let version = escape::line(&one.reference.version);
        let path = one.path.display().to_string();
        let path = escape::line(&path);
        out.push_str(&match one.unchanged {
            true => format!("plugin `{name}` {version} is installed already, as {path}\n"),
            false => format!("installed plugin `{name}` {version} as {path}\n"),
        });
        if let Some(receipt) = &one.receipt {
            out.push_str(&format!("  from       oci://{}\n", receipt.from));
            out.push_str(&format!("  component  sha256:{}\n", one.reference.digest));
            let signed = receipt.signed.to_string();
            out.push_str(&format!("  signed by  {}\n", escape::line(&signed)));
            let level = receipt.standing();
            out.push_str(&format!("  conforms   {}\n", escape::line(&level)));
        }
    }
    out
}

/// The same as JSON.
pub fn installed_json(one: &Installed) -> Value {
    let receipt = one.receipt.as_ref();
    json!({
        "name": one.reference.name,
        "version": one.reference.version,
        "digest": one.reference.digest,
        "path": one.path.display().to_string(),
        "unchanged": one.unchanged,
        "from": receipt.map(|receipt| format!("oci://{}", receipt.from)),
        "manifest": receipt.map(|receipt| receipt.manifest.to_string()),
        "signed": receipt.map(|receipt| &receipt.signed),
        "conformance": receipt.and_then(|receipt| receipt.conformance.as_deref()),
        "tested": receipt.and_then(|receipt| receipt.tested.as_ref()),
        "notes": one.notes,
    })
}

/// What an update would change.
pub fn update(update: &Update) -> String {
    let mut out = format!("plugin `{}`\n", escape::line(&update.name));
    for change in &update.changes {
        let label = change.what;
        match (change.before.as_slice(), change.after.as_slice()) {
            ([before], [after]) => out.push_str(&format!(
                "  {label:<12} {} -> {}\n",
                escape::line(before),
                escape::line(after)
            )),
            (before, after) => {
                let gone = before.iter().map(|text| ('-', text));
                let new = after.iter().map(|text| ('+', text));
                for (sign, text) in gone.chain(new) {
                    out.push_str(&format!("  {label:<12} {sign} {}\n", escape::line(text)));
                }
            }
        }
    }
    out
}

/// The same as JSON.
pub fn update_json(update: &Update) -> Value {
    json!({ "name": update.name, "changes": update.changes })
}

/// Installed plugins beside what their registries have.
pub fn outdated(all: &[Outdated]) -> String {
    let mut table = Table::new([
        "plugin",
        "installed",
        "in range",
        "newest",
        "range",
        "from",
        "note",
    ]);
    for one in all {
        table.row([
            one.name.as_str(),
            &one.installed,
            one.wanted.as_deref().unwrap_or("-"),
            one.newest.as_deref().unwrap_or("-"),
            &one.range,
            &format!("oci://{}", one.from),
            one.note.as_deref().unwrap_or_default(),
        ]);
    }
    table.render()
}

/// The same as JSON.
pub fn outdated_json(all: &[Outdated]) -> Value {
    let all: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({
                "name": one.name, "installed": one.installed, "wanted": one.wanted, "newest": one.newest,
                "range": one.range, "from": format!("oci://{}", one.from), "note": one.note,
                "outdated": one.is_outdated(),
            })
        })
        .collect();
    json!({ "plugins": all })
}

/// What a search found.
pub fn found(all: &[Found]) -> String {
    let mut table = Table::new(["plugin", "version", "conforms", "from", "description"]);
    for one in all {
        table.row([
            one.repository.name(),
            &one.version,
            &match (&one.conformance, &one.tested) {
                (None, _) => "-".to_owned(),
                (Some(level), None) => format!("{level} (claimed)"),
                (Some(level), Some(_)) => format!("{level} (tested)"),
            },
            &format!("oci://{}", one.repository),
            &one.description,
        ]);
    }
    table.render()
}

/// The same as JSON.
pub fn found_json(all: &[Found]) -> Value {
    let all: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({
                "name": one.repository.name(), "version": one.version,
                "from": format!("oci://{}", one.repository),
                "description": one.description, "conformance": one.conformance,
                "tested": one.tested,
            })
        })
        .collect();
    json!({ "plugins": all })
}

/// What was published.
pub fn published(one: &Published) -> String {
    let what = match one.unchanged {
        true => "was published already",
        false => "published",
    };
    let mut out = format!("{what}: {}\n", one.reference);
    out.push_str(&format!("  manifest   {}\n", one.digest));
    out.push_str(&format!(
        "  component  sha256:{}, {} bytes\n",
        one.component, one.size
    ));
    let before = match one.signed_before {
        1 => "the signature that it has still counts".to_owned(),
        count => format!("the {count} signatures that it has still count"),
    };
    match &one.signed {
        None if one.signed_before > 0 => out.push_str(&format!(
            "  signed by  nobody anew: {before}\n"
        )),
        Some(key) => out.push_str(&format!("  signed by  key {}\n", key.get(..16).unwrap_or(key))),
        None => out.push_str("  signed by  nobody: `--key FILE` signs it, and without that nobody installs it unasked\n"),
    }
    out
}

/// The same as JSON.
pub fn published_json(one: &Published) -> Value {
    json!({
        "reference": one.reference, "manifest": one.digest.to_string(), "component": one.component,
        "size": one.size, "signed": one.signed, "signed-before": one.signed_before,
        "unchanged": one.unchanged,
    })
}
