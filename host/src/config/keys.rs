//! Every key that settings files may hold, with its type, its default and its meaning.
//!
//! The readers take their words from here, `host/CONFIGURATION.md` is checked against it, and a test tries each key,
//! so that none of the three can know more than the others.

/// A key of a settings file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written; `table.key` in a table.
    pub name: &'static str,
    /// What may be written behind it.
    pub kind: &'static str,
    /// What holds when it is not written.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// The keys of every source. A source that is no pool takes its plugin's own keys beside these.
pub const SOURCE_KEYS: &[Key] = &[
    Key {
        name: "type",
        kind: "text",
        default: "(required)",
        meaning: "what gives the instances: the name of an embedded or installed plugin, the path of a component file (anything with a `/`, or ending in `.wasm`; a relative path starts at the file's folder), or `pool`",
    },
    Key {
        name: "maximum",
        kind: "whole number",
        default: "the plugin's; for a pool none",
        meaning: "at most this many instances exist at once, whatever their state; 0 is no limit",
    },
    Key {
        name: "reserve",
        kind: "whole number",
        default: "0",
        meaning: "a released instance is kept for the next holder as long as no more than this many exist",
    },
    Key {
        name: "concurrency",
        kind: "whole number",
        default: "0",
        meaning: "commands that one instance takes at once; 0 is as many as it has processors; a pool's instances have that of the source they come from",
    },
];

/// The keys that only sources with a plugin take.
pub const PLUGIN_KEYS: &[Key] = &[
    Key {
        name: "hooks",
        kind: "list of texts or tables",
        default: "none",
        meaning: "hook plugins in the order they are called: names, paths as in `type`, or `{ plugin = \"…\", options = { … } }`; in INI a comma list",
    },
    Key {
        name: "limits",
        kind: "table",
        default: "`config.toml`'s",
        meaning: "bounds of one plugin call, see below",
    },
    Key {
        name: "ssh_host",
        kind: "text",
        default: "none",
        meaning: "crcache's key for `type = \"ssh\"`: the same as `hosts` with one host",
    },
];

/// The keys that only pools take.
pub const POOL_KEYS: &[Key] = &[Key {
    name: "sources",
    kind: "list of source names",
    default: "(required for a pool)",
    meaning: "the sources that the pool draws on, in order of preference; pools among them are allowed (what they draw on counts, not their own `maximum` and `reserve`), circles are not; in INI a comma list",
}];

/// The keys of a hook that is written as a table.
pub const HOOK_KEYS: &[Key] = &[
    Key {
        name: "plugin",
        kind: "text",
        default: "(required)",
        meaning: "the hook's name or path, as in `type`",
    },
    Key {
        name: "options",
        kind: "table",
        default: "empty",
        meaning: "the hook's own keys",
    },
];

/// The keys of `config.toml`.
pub const SETTINGS_KEYS: &[Key] = &[
    Key {
        name: "defaults.source",
        kind: "source name",
        default: "`local`",
        meaning: "the source of verbs that are given none; the only key that a project's `config.toml` may set",
    },
    Key {
        name: "limits",
        kind: "table",
        default: "see below",
        meaning: "bounds of one plugin call, for every source that does not set them itself",
    },
    Key {
        name: "ssh.config",
        kind: "path",
        default: "ssh's own files",
        meaning: "the configuration file that ssh is started with (`ssh -F`); a relative path starts at the file's folder",
    },
];

/// The keys of crcache's manual, whose values cannot hold a comment.
pub(super) fn is_own(key: &str) -> bool {
    let tables = [SOURCE_KEYS, PLUGIN_KEYS, POOL_KEYS];
    tables.into_iter().flatten().any(|own| own.name == key)
}

/// The names of some keys, for suggestions.
pub(super) fn names(tables: &[&'static [Key]]) -> impl Iterator<Item = &'static str> {
    tables
        .iter()
        .flat_map(|keys| keys.iter())
        .map(|key| key.name)
        .collect::<Vec<_>>()
        .into_iter()
}
