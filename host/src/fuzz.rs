//! What reads bytes of strangers, as a fuzzer calls it: one function per kind of input, which may do anything but panic, and which
//! checks what must hold of whatever was accepted.
//!
//! `fuzz/tests.rs` plays the corpus and a bounded number of mutations with every run of the tests; `tests/fuzz.sh` searches, guided
//! by coverage, for as long as it is told. Nothing else calls this.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::config::{self, SourceArgument, SourceText};
use crate::plugin::{self, Capabilities, HttpRight, Manifest};
use crate::provider::SshTarget;
use crate::registry::{Archive, Reference, Repository};
use crate::transfer::{Destination, Preserve, Quiet, Top, unpack};
use crate::transport;

/// Reads an input of one kind.
pub type Target = fn(&[u8]);

/// Every kind, by the name of its corpus.
pub const TARGETS: [(&str, Target); 10] = [
    ("archive", archive),
    ("component", component),
    ("http", http),
    ("ini", |data| settings(SourceText::Ini, data)),
    ("layout", layout),
    ("manifest", manifest),
    ("ssh", ssh),
    ("toml", |data| settings(SourceText::Toml, data)),
    ("url", url),
    ("yaml", |data| settings(SourceText::Yaml, data)),
];

/// A component, before anything of it is compiled.
fn component(data: &[u8]) {
    match plugin::inspect_fetched("fuzz", data.to_vec()) {
        Ok(component) => use_manifest(&component.manifest),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What a component says of itself.
fn manifest(data: &[u8]) {
    match Manifest::read(data) {
        Ok(manifest) => use_manifest(&manifest),
        Err(problem) => assert!(!problem.is_empty()),
    }
}

fn use_manifest(manifest: &Manifest) {
    assert!(Manifest::is_name(&manifest.name));
    let nothing = serde_json::Map::new();
    if let Ok(config) = manifest.configure(&nothing, &[]) {
        manifest.default_maximum(&config);
        if let Ok(rights) = manifest.requested(&config, OsStr::new("")) {
            // What is granted as it was asked for lacks nothing, also after it was stored.
            let stored = serde_json::to_string(&rights).unwrap_or_default();
            let read: Result<Capabilities, _> = serde_json::from_str(&stored);
            assert!(
                read.is_ok_and(|read| rights.missing_from(&read).is_empty()),
                "{stored}"
            );
        }
    }
}

/// A source's file.
fn settings(format: SourceText, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match config::source_from_text(&text, format) {
        Ok(source) => assert!(serde_json::to_value(&source).is_ok()),
        Err(error) => assert!(!error.problems.is_empty(), "refused without a reason"),
    }
}

/// An archive of a copy: whatever is in it, it stays where it was told to go.
fn archive(data: &[u8]) {
    let Ok(world) = tempfile::tempdir() else {
        return;
    };
    let (inside, outside) = (world.path().join("inside"), world.path().join("outside"));
    if std::fs::create_dir(&inside).is_err() || std::fs::write(&outside, "as it was").is_err() {
        return;
    }
    for top in [Top::Here, Top::Named(b"data".to_vec())] {
        let Ok(destination) = Destination::resolve(&inside, Some(b"data")) else {
            continue;
        };
        if let Ok(unpacked) = unpack(data, &top, destination, Preserve::default(), &Quiet) {
            // Whether it can be moved into place is the file system's to say.
            let _moved = unpacked.commit();
        }
    }
    let around = names(world.path());
    assert_eq!(around, BTreeSet::from(["inside".into(), "outside".into()]));
    let text = std::fs::read(&outside).unwrap_or_default();
    assert_eq!(text, b"as it was");
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Plugins in a file.
fn layout(data: &[u8]) {
    let Ok(file) = tempfile::NamedTempFile::new() else {
        return;
    };
    if std::fs::write(file.path(), data).is_err() {
        return;
    }
    let Ok(archive) = Archive::open(file.path()) else {
        return;
    };
    for entry in archive.plugins() {
        if let Ok(content) = archive.content(&entry.manifest) {
            assert_eq!(content.len() as u64, entry.manifest.size);
            assert!(entry.manifest.digest.is_of(&content));
        }
        // A bad one is refused with a reason.
        let _signatures = archive.signatures(&entry.repository, &entry.manifest.digest);
    }
}

/// A rule of a grant (host, method, port) and a request (address, method), a line each: the rule lets through what a simple
/// reading of it lets through, and nothing else.
fn http(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default();
    let (host, method, port) = (next(), next(), next().parse().unwrap_or(443));
    let (address, asked) = (next(), next());
    if !plugin::is_host_pattern(host) {
        return;
    }
    let rule = HttpRight {
        host: host.to_owned(),
        port,
        method: method.to_owned(),
    };
    let grant = Capabilities {
        http: BTreeSet::from([rule]),
        ..Capabilities::default()
    };
    let Some((to, at)) = plugin::read_address(address) else {
        return;
    };
    let plain = to.trim_start_matches('[').trim_end_matches(']');
    let plain = plain
        .strip_suffix('.')
        .unwrap_or(plain)
        .to_ascii_lowercase();
    let pattern = host.to_ascii_lowercase();
    let hosts = match pattern.strip_prefix('*') {
        Some("") => true,
        Some(end) => plain
            .strip_suffix(end)
            .is_some_and(|label| !label.is_empty()),
        None => plain == pattern,
    };
    let methods = asked != "*" && (method == "*" || method == asked);
    let expected = hosts && methods && at == port;
    assert_eq!(
        grant.allows_http(asked, &to, at),
        expected,
        "`{host}` {method} {port}, asked for {asked} `{to}`:{at}"
    );
}

/// Host, user and port of an ssh target, a line each: what is accepted is no option, and nothing for a shell.
fn ssh(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let target = SshTarget {
        host: lines.next().unwrap_or_default().to_owned(),
        user: lines.next().map(str::to_owned),
        port: lines.next().and_then(|port| port.parse().ok()),
    };
    let of_plugin = plugin::check_ssh_target(&target).is_ok();
    let Some(arguments) = transport::target_arguments(&target) else {
        return;
    };
    let words: Vec<&[u8]> = arguments.iter().map(|word| word.as_bytes()).collect();
    let [.., end, host] = &words[..] else {
        panic!("no host in {arguments:?}");
    };
    assert_eq!((*end, *host), (&b"--"[..], target.host.as_bytes()));
    let user = target.user.as_deref().unwrap_or("u");
    for word in [target.host.as_str(), user] {
        assert!(!word.is_empty() && !word.starts_with('-'), "{word:?}");
        let bad = |c: char| c.is_control() || c.is_whitespace() || "'\"`$\\;&|<>".contains(c);
        assert!(!word.contains(bad), "{word:?}");
        // What ssh is given can also come from a plugin, unless it is only too long.
        assert!(
            of_plugin || target.host.len() > 255 || user.len() > 255,
            "{word:?}"
        );
    }
}

/// Addresses: of plugins' requests, of registries, of sources on the command line.
fn url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some((host, port)) = plugin::read_address(&text) {
        assert!(!host.is_empty() && port != 0);
        assert!(!host.contains(['@', '/', '?', '#', '\\']), "{host:?}");
    }
    if let Ok(reference) = Reference::parse(&text) {
        // One range can be written in several ways; what is shown is one of them.
        let shown = reference.to_string();
        let again = Reference::parse(&shown).ok();
        assert!(
            again.is_some_and(|again| {
                again.repository == reference.repository && again.to_string() == shown
            }),
            "{shown}"
        );
    }
    if let Ok(repository) = Repository::parse(&text) {
        let shown = repository.to_string();
        assert!(!repository.host().is_empty() && !repository.path().contains(".."));
        assert_eq!(Repository::parse(&shown).ok(), Some(repository), "{shown}");
    }
    if let Some(right) = HttpRight::parse(&text) {
        assert_eq!(HttpRight::parse(&right.to_string()), Some(right));
    }
    // Any bytes are a path.
    let _argument = SourceArgument::parse(OsStr::from_bytes(data));
}

#[cfg(test)]
mod tests;
