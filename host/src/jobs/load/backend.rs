//! Backends and their systems.

use runner_core::matrix::{Backend, Dialect, Settings, Spot, System, lists, names};

use super::Kinds;
use super::decode::{Decoder, Fields};
use super::yaml::{Node, Value};
use super::{keys, levels};

/// More than any project has, and what fits into the numbers that jobs have for them.
const MOST: usize = u16::MAX as usize;

/// Every backend, in byte order of names. An entry without anything is none.
pub(super) fn backends(
    decoder: &mut Decoder,
    node: &Node,
    dialect: Dialect,
    kinds: &Kinds<'_>,
) -> Vec<Backend> {
    let mut backends = Vec::new();
    for entry in decoder.fields(node, "map of backends", &[]).iter() {
        if entry.node.is_null() {
            continue;
        }
        // Types that are plugins have options of their own, which their plugin knows.
        let fields = decoder.fields(entry.node, "backend", &[]);
        let kind = match decoder.text(&fields, "type") {
            text if text.is_empty() => entry.key.to_owned(),
            text => text,
        };
        if kinds.is_ancestral(&kind) {
            decoder.note_unknown_fields(&fields, "backend", keys::BACKEND);
        }
        backends.push(backend(
            decoder, entry.key, &kind, entry.at, &fields, dialect, kinds,
        ));
    }
    backends.sort_by(|a, b| a.name.cmp(&b.name));
    if backends.len() > MOST {
        decoder.problem(node.at, format!("more than {MOST} backends"));
        backends.truncate(MOST);
    }
    backends
}

fn backend(
    decoder: &mut Decoder,
    name: &str,
    kind: &str,
    spot: Spot,
    fields: &Fields<'_>,
    dialect: Dialect,
    kinds: &Kinds<'_>,
) -> Backend {
    let context = format!("backend {name:?}");
    if !names::is_plain(name) {
        decoder.problem(spot, format!("invalid backend name: {name:?}"));
    }
    let mut backend = Backend {
        name: name.to_owned(),
        kind: kind.to_owned(),
        spot,
        key: decoder.text(fields, "key"),
        allocate: decoder.script(fields, "allocate"),
        discard: decoder.script(fields, "discard"),
        memory: decoder.size(fields, "memory"),
        storage: decoder.size(fields, "storage"),
        plan: decoder.text(fields, "plan"),
        location: decoder.text(fields, "location"),
        account: decoder.text(fields, "account"),
        endpoint: decoder.text(fields, "endpoint"),
        networks: decoder.texts(fields, "networks"),
        groups: decoder.texts(fields, "groups"),
        halt_timeout: decoder.timeout(fields, "halt-timeout"),
        wait_timeout: decoder.timeout(fields, "wait-timeout"),
        environment: decoder.environment(fields, &context),
        variants: levels::list(decoder, fields, lists::Kind::Variants, dialect, &context),
        scripts: levels::scripts(decoder, fields),
        timeouts: levels::timeouts(decoder, fields),
        priority: decoder.integer(fields, "priority"),
        manual: decoder.boolean(fields, "manual"),
        systems: Vec::new(),
        settings: settings(decoder, fields, &["systems"]),
    };
    check_kind(decoder, &backend, fields, kinds);
    backend.systems = systems(decoder, &backend, fields, dialect, kinds.is_ancestral(kind));
    backend
}

fn check_kind(decoder: &mut Decoder, backend: &Backend, fields: &Fields<'_>, kinds: &Kinds<'_>) {
    let (name, kind) = (&backend.name, &backend.kind);
    let spot = fields.key_spot("type").unwrap_or(backend.spot);
    if !kinds.is_known(name, kind) {
        let message = format!("backend {name:?} has unsupported type {kind:?}");
        let hint = kinds.advice(kind);
        decoder.problem_with_hint(spot, message, hint);
        return;
    }
    let scripted = !(backend.allocate.is_empty() && backend.discard.is_empty());
    if kind == "adhoc" {
        if backend.allocate.is_empty() && !kinds.is_replaced(name) {
            let message = format!("backend {name:?} requires allocate and dispose fields");
            let hint = "`allocate` is the script that prints an address through ADDRESS; `discard` may be missing";
            decoder.problem_with_hint(backend.spot, message, hint);
        }
    } else if scripted {
        let key = if backend.allocate.is_empty() {
            "discard"
        } else {
            "allocate"
        };
        let at = fields.key_spot(key).unwrap_or(backend.spot);
        let message = format!("backend {name:?} cannot use allocate and dispose fields");
        decoder.problem_with_hint(at, message, "they are for backends of the type `adhoc`");
    }
}

/// Every key and value, for providers that know what to make of them.
fn settings(decoder: &mut Decoder, fields: &Fields<'_>, without: &[&str]) -> Settings {
    let mut settings = Settings::new();
    for field in fields.iter().filter(|field| !without.contains(&field.key)) {
        let value = decoder.json(field.node);
        settings.insert(field.key.to_owned(), value);
    }
    settings
}

/// The systems of a backend, in byte order; of two with one name, the last one counts.
fn systems(
    decoder: &mut Decoder,
    backend: &Backend,
    fields: &Fields<'_>,
    dialect: Dialect,
    strict: bool,
) -> Vec<System> {
    let mut systems: Vec<System> = Vec::new();
    let list = fields.get("systems").filter(|node| !node.is_null());
    let entries = match list.map(|node| &node.value) {
        Some(Value::List(nodes)) => &**nodes,
        // Tells that it is no list.
        Some(Value::Scalar(_) | Value::Map(_)) => {
            decoder.texts(fields, "systems");
            return systems;
        }
        None => &[],
    };
    for entry in entries {
        let Some(system) = system(decoder, backend, entry, dialect, strict) else {
            continue;
        };
        match systems.iter_mut().find(|old| old.name == system.name) {
            Some(old) => {
                let message = format!(
                    "system `{}` is given twice: the last one counts",
                    system.name
                );
                decoder.note(system.spot, message);
                *old = system;
            }
            None => systems.push(system),
        }
    }
    if entries.is_empty() {
        let spot = fields.key_spot("systems").unwrap_or(backend.spot);
        decoder.problem(
            spot,
            format!("no systems specified for backend {:?}", backend.name),
        );
    }
    systems.sort_by(|a, b| a.name.cmp(&b.name));
    if systems.len() > MOST {
        decoder.problem(backend.spot, format!("more than {MOST} systems"));
        systems.truncate(MOST);
    }
    systems
}

/// A bare name, or a map of one name to its settings.
fn system(
    decoder: &mut Decoder,
    backend: &Backend,
    entry: &Node,
    dialect: Dialect,
    strict: bool,
) -> Option<System> {
    if let Some(name) = entry.text() {
        return Some(settled(
            decoder,
            backend,
            name,
            entry.at,
            &Fields::default(),
            dialect,
        ));
    }
    let named = decoder.fields(entry, "system", &[]);
    let mut all = named.iter();
    let first = all.next()?;
    if let Some(second) = all.next() {
        // The ancestor took one of them by chance.
        let message = format!(
            "backend {:?} has two systems in one item of the list: {:?} and {:?}",
            backend.name, first.key, second.key
        );
        decoder.problem_with_hint(second.at, message, "put a `-` in front of each of them");
    }
    // As with backends: a plugin may have options for its systems.
    let fields = decoder.fields(first.node, "system", &[]);
    if strict {
        decoder.note_unknown_fields(&fields, "system", keys::SYSTEM);
    }
    Some(settled(
        decoder, backend, first.key, first.at, &fields, dialect,
    ))
}

fn settled(
    decoder: &mut Decoder,
    backend: &Backend,
    name: &str,
    spot: Spot,
    fields: &Fields<'_>,
    dialect: Dialect,
) -> System {
    let context = format!("system {name:?}");
    if !names::is_system(name, dialect) {
        let message = format!(
            "backend {:?} refers to invalid system name: {name:?}",
            backend.name
        );
        let hint = match dialect {
            Dialect::Spread if names::is_system(name, Dialect::Plus) => {
                "the plus dialect allows digits before the first `-`: `--dialect plus`"
            }
            _ => {
                "letters, then parts of letters and digits joined by `-` and `.`, as in `ubuntu-24.04-64`"
            }
        };
        decoder.problem_with_hint(spot, message, hint);
    }
    let workers = decoder.integer(fields, "workers").unwrap_or(0);
    if workers < 0 {
        let at = fields.key_spot("workers").unwrap_or(spot);
        let message = format!(
            "backend {:?} has system {name:?} with {workers} workers",
            backend.name
        );
        decoder.problem(at, message);
    }
    let or = |own: String, inherited: &str| {
        if own.is_empty() {
            inherited.to_owned()
        } else {
            own
        }
    };
    let or_list = |own: Vec<String>, inherited: &[String]| {
        if own.is_empty() {
            inherited.to_vec()
        } else {
            own
        }
    };
    System {
        name: name.to_owned(),
        spot,
        image: or(decoder.text(fields, "image"), name),
        kernel: decoder.text(fields, "kernel"),
        username: decoder.text(fields, "username"),
        password: decoder.text(fields, "password"),
        workers: u32::try_from(workers.max(1)).unwrap_or(u32::MAX),
        storage: decoder.size(fields, "storage").or(backend.storage),
        plan: or(decoder.text(fields, "plan"), &backend.plan),
        networks: or_list(decoder.texts(fields, "networks"), &backend.networks),
        groups: or_list(decoder.texts(fields, "groups"), &backend.groups),
        secure_boot: decoder.boolean(fields, "secure-boot"),
        bios: decoder.text(fields, "bios"),
        cpu_family: decoder.text(fields, "cpu-family"),
        ssh_rsa_key: decoder.text(fields, "ssh-rsa-key"),
        ssh_key_pass: decoder.text(fields, "ssh-key-pass"),
        queue: decoder.text(fields, "queue"),
        reserve_key: decoder.text(fields, "reserve-key"),
        wait_timeout: decoder.timeout(fields, "wait-timeout"),
        environment: decoder.environment(fields, &context),
        variants: levels::list(decoder, fields, lists::Kind::Variants, dialect, &context),
        priority: decoder.integer(fields, "priority"),
        manual: decoder.boolean(fields, "manual"),
        settings: settings(decoder, fields, &[]),
    }
}
