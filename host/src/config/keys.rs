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
        meaning: "at most this many instances exist at once, whatever their state; 0 is no limit, `\"none\"` that none are made any more",
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
    Key {
        name: "tags",
        kind: "list of texts or tables",
        default: "none",
        meaning: "what tickets can ask for: names, or `{ name = \"…\", priority = … }`, or `name:priority`; in INI a comma list; a pool's count for all the sources it draws on",
    },
    Key {
        name: "priority",
        kind: "whole number",
        default: "0",
        meaning: "of several sources that could serve, that with the larger number comes first; it may be negative",
    },
    Key {
        name: "hooks",
        kind: "list of texts or tables",
        default: "none",
        meaning: "hook plugins in the order they are called: names, paths as in `type`, or `{ plugin = \"…\", options = { … } }`; in INI a comma list; those of a pool are asked for the `route` of its tickets and nothing else",
    },
];

/// The keys of a source with a plugin that say how many instances there are, and for how long.
pub const FLEET_KEYS: &[Key] = &[
    Key {
        name: "prealloc",
        kind: "whole number",
        default: "0",
        meaning: "idle instances that were never used, kept ahead of demand; those that are being made count, leased ones do not",
    },
    Key {
        name: "max_starting",
        kind: "whole number",
        default: "0",
        meaning: "at most this many are being made at once; 0 is no limit",
    },
    Key {
        name: "start_delay",
        kind: "duration",
        default: "`0`",
        meaning: "between the starts of two instances",
    },
    Key {
        name: "on_demand",
        kind: "boolean",
        default: "`false`",
        meaning: "instances are made for tickets only, and those that nobody waits for any more are destroyed; there can be no `prealloc` beside it",
    },
    Key {
        name: "cost",
        kind: "whole number",
        default: "0",
        meaning: "of several sources of one `priority` the cheaper comes first; any unit, the same for all sources",
    },
    Key {
        name: "reuse_max_count",
        kind: "whole number",
        default: "0",
        meaning: "how often an instance is used again after its first lease; 0 is no limit",
    },
    Key {
        name: "reuse_max_time",
        kind: "duration",
        default: "`0`",
        meaning: "for how long after its first lease an instance is used again; 0 is no limit",
    },
    Key {
        name: "reuse_opportunity_time",
        kind: "duration",
        default: "no limit",
        meaning: "how long a released instance waits for its next holder; 0: it is never used again",
    },
    Key {
        name: "idle_timeout",
        kind: "duration",
        default: "`0`",
        meaning: "an instance that was used and is idle for longer is destroyed, down to `reserve`; 0 is no limit",
    },
    Key {
        name: "max_age",
        kind: "duration",
        default: "`0`",
        meaning: "an instance that is older is not handed out any more, and destroyed when it is idle; 0 is no limit",
    },
    Key {
        name: "lease_ttl",
        kind: "duration",
        default: "`0`",
        meaning: "a lease that is not renewed ends after this; 0: it ends when it is released",
    },
    Key {
        name: "check_period",
        kind: "duration",
        default: "`10m`",
        meaning: "how often an instance is asked whether it lives; 0: never",
    },
    Key {
        name: "check_attempts",
        kind: "whole number",
        default: "3",
        meaning: "so many failed checks in a row destroy an instance; at least 1",
    },
    Key {
        name: "check_command",
        kind: "text",
        default: "none",
        meaning: "a command for `sh` on the instance that is part of each check: it has failed when that fails",
    },
    Key {
        name: "backoff",
        kind: "duration",
        default: "`5s`",
        meaning: "for how long a source that failed is left alone; doubled with each further failure in a row",
    },
    Key {
        name: "backoff_max",
        kind: "duration",
        default: "`10m`",
        meaning: "the longest such pause",
    },
    Key {
        name: "schedule",
        kind: "list of tables",
        default: "none",
        meaning: "windows of time with another `prealloc`, see below; the first with an open window counts",
    },
];

/// The keys of a tag that is written as a table.
pub const TAG_KEYS: &[Key] = &[
    Key {
        name: "name",
        kind: "text",
        default: "(required)",
        meaning: "1 to 64 characters other than blanks and `,:'\"=!<>`, not starting with `-`",
    },
    Key {
        name: "priority",
        kind: "whole number",
        default: "0",
        meaning: "among the sources that have all the tags a ticket asks for, that with the largest sum of these comes first",
    },
];

/// The keys of a schedule.
pub const SCHEDULE_KEYS: &[Key] = &[
    Key {
        name: "cron",
        kind: "text",
        default: "(required)",
        meaning: "when windows begin: minute, hour, day of the month, month, day of the week",
    },
    Key {
        name: "duration",
        kind: "duration",
        default: "(required)",
        meaning: "how long each window is open",
    },
    Key {
        name: "timezone",
        kind: "text",
        default: "`UTC`",
        meaning: "whose clocks `cron` means, such as `Europe/Berlin`",
    },
    Key {
        name: "prealloc",
        kind: "whole number",
        default: "(required)",
        meaning: "what holds in the windows instead of the source's own `prealloc`",
    },
];

/// The keys that only sources with a plugin take, besides.
pub const PLUGIN_KEYS: &[Key] = &[
    Key {
        name: "wrap",
        kind: "list of texts or tables",
        default: "none",
        meaning: "wrappers in front of the provider, the outermost first: names, paths as in `type`, or `{ plugin = \"…\", options = { … }, sets = [\"KEY\"] }`, where `sets` are the source's own plugin keys that it may change for each instance; in INI a comma list",
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

/// The keys that only a wrapper takes that is written as a table, besides.
pub const WRAP_KEYS: &[Key] = &[Key {
    name: "sets",
    kind: "list of texts",
    default: "none",
    meaning: "keys of the source's own plugin that the wrapper may change for each instance that it asks for",
}];

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
        name: "fleet.orphan_grace",
        kind: "duration",
        default: "`10m`",
        meaning: "what bears our name at a backend and is in no book of ours is destroyed when it is still there after this",
    },
    Key {
        name: "fleet.history",
        kind: "duration",
        default: "`30d`",
        meaning: "how long destroyed instances, closed tickets, events and results of tests are remembered; 0: for ever",
    },
    Key {
        name: "fleet.checks_at_once",
        kind: "whole number",
        default: "8",
        meaning: "instances that are checked at the same time, of one source half as many; at least 1",
    },
    Key {
        name: "http.ca_file",
        kind: "path",
        default: "(none)",
        meaning: "certificates in PEM that are trusted beside the built-in ones (Mozilla's) for plugins' requests and for registries; a relative path starts at the file's folder",
    },
    Key {
        name: "http.proxy",
        kind: "text",
        default: "`HTTPS_PROXY`, else none",
        meaning: "the HTTP proxy for plugins' requests and for registries, `http://[USER:PASSWORD@]HOST[:PORT]`; empty: none, whatever the environment says",
    },
    Key {
        name: "http.no_proxy",
        kind: "text",
        default: "`NO_PROXY`, else none",
        meaning: "hosts that are reached without the proxy, with everything below them, separated by commas; `*`: all",
    },
    Key {
        name: "plugins.registries",
        kind: "list of texts",
        default: "none",
        meaning: "where `runner plugin install NAME` looks, one after the other: `HOST`, or `HOST/PART`",
    },
    Key {
        name: "plugins.trust",
        kind: "list of tables",
        default: "none",
        meaning: "whose signatures count, see below",
    },
    Key {
        name: "ssh.config",
        kind: "path",
        default: "ssh's own files",
        meaning: "the configuration file that ssh is started with (`ssh -F`); a relative path starts at the file's folder",
    },
];

/// The keys of a rule about signatures.
pub const TRUST_KEYS: &[Key] = &[
    Key {
        name: "registry",
        kind: "text",
        default: "(required)",
        meaning: "what the rule is for: `HOST`, or `HOST/PART`; of several, the most precise with a rule counts",
    },
    Key {
        name: "key",
        kind: "path",
        default: "none",
        meaning: "the file of a public key (PEM; ECDSA on P-256, or Ed25519); a relative path starts at the file's folder",
    },
    Key {
        name: "root",
        kind: "path",
        default: "none",
        meaning: "for keyless signatures instead of `key`: Sigstore's `trusted_root.json`, or that of another installation",
    },
    Key {
        name: "identity",
        kind: "text",
        default: "none",
        meaning: "with `root`: who signs, a mail address or a URI, word for word or up to a final `*`",
    },
    Key {
        name: "issuer",
        kind: "text",
        default: "none",
        meaning: "with `root`: who vouches for the identity, word for word",
    },
];

/// Runner's own keys whose values cannot hold ` ;`, which in INI begins a comment.
pub(super) fn takes_comments(key: &str) -> bool {
    let tables = [SOURCE_KEYS, FLEET_KEYS, PLUGIN_KEYS, POOL_KEYS];
    key != "check_command" && tables.into_iter().flatten().any(|own| own.name == key)
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
