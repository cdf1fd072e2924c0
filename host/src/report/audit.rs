//! `runner plugin audit`: the grant, what was used of it, and what would have been enough.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::plugins::sentences;
use super::table::Table;
use super::{escape, time};
use crate::app::Audit;
use crate::plugin::Capabilities;

/// One paragraph per component.
pub fn text(audits: &[Audit], zone: &TimeZone) -> String {
    let mut out = String::new();
    for audit in audits {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&format!(
            "plugin `{}` {} for source `{}`, component {}\n\ngranted:\n",
            escape::line(&audit.plugin),
            escape::line(&audit.version),
            escape::line(audit.source.as_str()),
            escape::line(&audit.digest.chars().take(12).collect::<String>()),
        ));
        out.push_str(&sentences(&audit.granted.explain(), "nothing"));
        out.push_str("\nused:\n");
        if audit.used.is_empty() {
            out.push_str("  nothing so far\n");
        } else {
            let mut table = Table::new(["right", "what", "uses", "last"]);
            for used in &audit.used {
                table.row([
                    used.kind.clone(),
                    used.what.clone(),
                    used.uses.to_string(),
                    time::local(used.last_at, zone),
                ]);
            }
            out.push_str(&table.render());
        }
        out.push('\n');
        out.push_str(&proposal(audit));
    }
    out
}

/// What would have been enough.
fn proposal(audit: &Audit) -> String {
    if audit.used.is_empty() {
        return "use it for a while before you tighten anything\n".to_owned();
    }
    let unused = audit.granted.missing_from(&audit.tighter);
    if unused.is_empty() {
        return "the grant is as tight as what it used\n".to_owned();
    }
    let mut out = "not used, so far:\n".to_owned();
    out.push_str(&sentences(&unused.explain(), "nothing"));
    out.push_str("\nthis grant would have been enough (`requests` of the manifest):\n");
    out.push_str(&format!("  {}\n", requests(&audit.tighter)));
    if !audit.granted.directories.is_empty() {
        out.push_str(
            "which of its directories a plugin opens is not seen: they are left as they are\n",
        );
    }
    out
}

/// Rights as a manifest asks for them.
fn requests(rights: &Capabilities) -> Value {
    let mut requests = serde_json::Map::new();
    let mut put = |key: &str, values: Vec<Value>| {
        if !values.is_empty() {
            requests.insert(key.to_owned(), values.into());
        }
    };
    put(
        "programs",
        rights
            .programs
            .named
            .keys()
            .map(|name| json!(name))
            .collect(),
    );
    put(
        "read-only",
        rights
            .programs
            .reads
            .iter()
            .map(|words| json!(words))
            .collect(),
    );
    let http = rights.http.iter();
    put(
        "http",
        http.map(
            |right| json!({"host": right.host, "ports": [right.port], "methods": [right.method]}),
        )
        .collect(),
    );
    let directories = rights.directories.iter();
    put(
        "directories",
        directories
            .map(|(path, access)| {
                json!({"path": path, "write": *access == crate::plugin::DirectoryAccess::Write})
            })
            .collect(),
    );
    put(
        "secrets",
        rights.secrets.iter().map(|name| json!(name)).collect(),
    );
    put("ssh", rights.ssh.iter().map(|host| json!(host)).collect());
    put(
        "commands",
        rights.commands.iter().map(|text| json!(text)).collect(),
    );
    if rights.workdir {
        requests.insert("workdir".to_owned(), true.into());
    }
    Value::Object(requests)
}

/// The same for programs.
pub fn as_json(audits: &[Audit]) -> Value {
    let audits: Vec<Value> = audits
        .iter()
        .map(|audit| {
            let used: Vec<Value> = audit
                .used
                .iter()
                .map(|used| {
                    json!({
                        "right": used.kind, "what": used.what, "uses": used.uses,
                        "first": time::rfc3339(used.first_at), "last": time::rfc3339(used.last_at),
                    })
                })
                .collect();
            json!({
                "source": audit.source.as_str(), "plugin": audit.plugin, "version": audit.version,
                "digest": audit.digest, "granted": audit.granted, "used": used,
                "unused": audit.granted.missing_from(&audit.tighter), "tighter": audit.tighter,
                "requests": requests(&audit.tighter),
            })
        })
        .collect();
    json!({ "audits": audits })
}
