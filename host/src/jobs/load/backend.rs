//! Backends and their systems.

use std::path::{Path, PathBuf};

use runner_core::matrix::{Backend, Dialect, Settings, Spot, System, lists, names};

use super::decode::{Decoder, Fields};
use super::scan::words;
use super::yaml::{Node, Value};
use super::{Kinds, PluginKeys, is_component_file};
use super::{keys, levels};

/// More than any project has, and what fits into the numbers that jobs have for them.
const MOST: usize = u16::MAX as usize;

/// What backends are read with.
pub(super) struct Types<'a> {
    pub(super) dialect: Dialect,
    pub(super) kinds: &'a Kinds<'a>,
    /// The project's.
    pub(super) directory: &'a Path,
}

/// Which keys mean something in the backends of a type and in their systems, for who wants to hear of others.
enum Words {
    /// Nobody here knows: a plugin's own.
    Any,
    Spread,
    /// Spread's, and its plugin's.
    Both(PluginKeys),
    /// Its plugin's, and of spread's those that are not about its machines.
    Plugin(PluginKeys),
}

impl Words {
    fn note_unknown(&self, decoder: &mut Decoder, fields: &Fields<'_>, what: &str, own: &[&str]) {
        match self {
            Self::Any => {}
            Self::Spread => decoder.note_unknown_fields(fields, what, own),
            Self::Both(plugin) | Self::Plugin(plugin) => {
                let all = matches!(self, Self::Both(_));
                let own = own.iter().copied();
                let own = own.filter(|key| all || !keys::OF_PROVIDERS.contains(key));
                let known: Vec<&str> = own.chain(plugin.keys.iter().map(String::as_str)).collect();
                let what = format!("{what} of the plugin `{}`", plugin.plugin);
                decoder.note_unknown_fields(fields, &what, &known);
            }
        }
    }
}

impl Types<'_> {
    /// Every backend, in byte order of names. An entry without anything is none.
    pub(super) fn backends(&self, decoder: &mut Decoder, node: &Node) -> Vec<Backend> {
        let mut backends = Vec::new();
        for entry in decoder.fields(node, "map of backends", &[]).iter() {
            if entry.node.is_null() {
                continue;
            }
            let fields = decoder.fields(entry.node, "backend", &[]);
            let kind = match decoder.text(&fields, "type") {
                text if text.is_empty() => entry.key.to_owned(),
                text => text,
            };
            let words = self.words(&kind);
            words.note_unknown(decoder, &fields, "backend", keys::BACKEND);
            backends.push(self.backend(decoder, entry.key, kind, entry.at, &fields, &words));
        }
        backends.sort_by(|a, b| a.name.cmp(&b.name));
        if backends.len() > MOST {
            decoder.problem(node.at, format!("more than {MOST} backends"));
            backends.truncate(MOST);
        }
        backends
    }

    fn words(&self, kind: &str) -> Words {
        let ancestral = self.kinds.is_ancestral(kind);
        match self.kinds.keys(kind, self.directory) {
            Some(keys) if ancestral => Words::Both(keys),
            Some(keys) => Words::Plugin(keys),
            None if ancestral => Words::Spread,
            None => Words::Any,
        }
    }

    fn backend(
        &self,
        decoder: &mut Decoder,
        name: &str,
        kind: String,
        spot: Spot,
        fields: &Fields<'_>,
        words: &Words,
    ) -> Backend {
        let (dialect, context) = (self.dialect, format!("backend {name:?}"));
        if !names::is_plain(name) {
            decoder.problem(spot, format!("invalid backend name: {name:?}"));
        }
        let mut backend = Backend {
            name: name.to_owned(),
            kind,
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
        self.check_kind(decoder, &backend, fields);
        backend.systems = systems(decoder, &backend, fields, dialect, words);
        backend
    }

    fn check_kind(&self, decoder: &mut Decoder, backend: &Backend, fields: &Fields<'_>) {
        let (name, kind, kinds) = (&backend.name, &backend.kind, self.kinds);
        let spot = fields.key_spot("type").unwrap_or(backend.spot);
        let known = kinds.is_known(name, kind, self.directory);
        if !known && is_component_file(kind) {
            let path: PathBuf = self.directory.join(kind).components().collect();
            let why = std::fs::metadata(&path)
                .map_or_else(|error| words(&error), |_| "it is no file".to_owned());
            let path = path.display();
            let message = format!("the plugin of backend {name:?} cannot be read: {path}: {why}");
            let hint = "a component file is named from the project's directory; \
                        `--source BACKEND=SOURCE` takes the systems from a source whatever the type";
            decoder.problem_with_hint(spot, message, hint);
            return;
        }
        if !known {
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
    words: &Words,
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
        let Some(system) = system(decoder, backend, entry, dialect, words) else {
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
    words: &Words,
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
    let fields = decoder.fields(first.node, "system", &[]);
    words.note_unknown(decoder, &fields, "system", keys::SYSTEM);
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
