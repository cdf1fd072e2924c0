//! JSON schemas of `spread.yaml` and `task.yaml`, for editors. A test keeps them together with the keys that are read.

use serde_json::{Map, Value, json};

/// What a key takes.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Script,
    Boolean,
    Integer,
    Timeout,
    Size,
    Texts,
    Names,
    Environment,
    Skip,
    Backends,
    Suites,
    Systems,
    Anything,
}

use Kind::{
    Anything, Backends, Boolean, Environment, Integer, Names, Script, Size, Skip, Suites, Systems,
    Text, Texts, Timeout,
};

type Key = (&'static str, Kind, &'static str);

const SCRIPTS: &[Key] = &[
    ("prepare", Script, "Run before anything of this level."),
    ("restore", Script, "Run after everything of this level."),
    ("debug", Script, "Run after a failure at this level."),
    (
        "prepare-each",
        Script,
        "Run before each task below this level.",
    ),
    (
        "restore-each",
        Script,
        "Run after each task below this level.",
    ),
    (
        "debug-each",
        Script,
        "Run after a failure of a task below this level.",
    ),
];

const TIMEOUTS: &[Key] = &[
    (
        "warn-timeout",
        Timeout,
        "How often to warn about a script that runs; by default 5m.",
    ),
    (
        "kill-timeout",
        Timeout,
        "When to kill a script; by default 15m.",
    ),
];

const CHOICE: &[Key] = &[
    (
        "priority",
        Integer,
        "Larger goes first: that of the task, else of suite, system, backend.",
    ),
    ("manual", Boolean, "Only run when a filter asks for it."),
];

const LISTS: &[Key] = &[
    (
        "backends",
        Names,
        "Names or patterns of backends: a list, or `+x` and `-x` on top of the level above.",
    ),
    (
        "systems",
        Names,
        "Names or patterns of systems: a list, or `+x` and `-x` on top of the level above.",
    ),
];

const VARIANTS: Key = (
    "variants",
    Names,
    "Names or patterns of variants: a list, or `+x` and `-x` on top of the level above.",
);

const ENVIRONMENT: Key = (
    "environment",
    Environment,
    "Variables in order. `NAME/x,y` holds for the variants x and y only; `$(HOST: command)` is run on this machine.",
);

const PROJECT: &[Key] = &[
    ("project", Text, "The name of the project."),
    (
        "path",
        Text,
        "The directory on the systems that the project is copied to; absolute.",
    ),
    ("backends", Backends, "Where systems come from."),
    (
        "suites",
        Suites,
        "Directories of tasks; their names end with a slash.",
    ),
    ("include", Texts, "What is copied; by default everything."),
    ("exclude", Texts, "Patterns of what is not copied."),
    (
        "rename",
        Texts,
        "Expressions that change names on the way (tar's --transform).",
    ),
    (
        "repack",
        Script,
        "Run here: reads the packed project from descriptor 3 and writes it to 4.",
    ),
    (
        "reroot",
        Text,
        "The project's top, from this file's directory (spread only).",
    ),
    (
        "artifacts",
        Texts,
        "What is fetched at the end of each worker, relative to `path` (plus only).",
    ),
    (
        "tasks-limit",
        Integer,
        "More jobs than this are not started (plus only).",
    ),
];

const BACKEND: &[Key] = &[
    (
        "type",
        Text,
        "What makes the systems; by default the backend's name. A plugin's name or file will do.",
    ),
    ("key", Text, "A credential."),
    (
        "allocate",
        Script,
        "adhoc: run here; says an address with ADDRESS, or ERROR or FATAL.",
    ),
    (
        "discard",
        Script,
        "adhoc: run here when the system is not needed any more.",
    ),
    ("memory", Size, "Memory of a system."),
    ("plan", Text, "Size or flavour of a system."),
    ("location", Text, "Where the systems are."),
    ("storage", Size, "Size of the disk."),
    ("account", Text, "The account at the provider."),
    ("endpoint", Text, "The address of the provider."),
    ("networks", Texts, "Networks of the systems."),
    ("groups", Texts, "Security groups of the systems."),
    (
        "systems",
        Systems,
        "Names of systems, or names with settings.",
    ),
    (
        "halt-timeout",
        Timeout,
        "Systems that are older were forgotten.",
    ),
    (
        "proxy",
        Text,
        "A host that systems are reached through (plus only).",
    ),
    (
        "cidr-port-rel",
        Anything,
        "Ports of that host by network (plus only).",
    ),
    (
        "volume-auto-delete",
        Boolean,
        "Volumes go with their system (plus only).",
    ),
    (
        "wait-timeout",
        Timeout,
        "How long a system may take to be there (plus only).",
    ),
];

const SYSTEM: &[Key] = &[
    ("image", Text, "The image; by default the system's name."),
    ("kernel", Text, "The kernel."),
    ("username", Text, "Who to log in as; by default root."),
    (
        "password",
        Text,
        "With which password; by default the session's.",
    ),
    ("workers", Integer, "How many of it at once; by default 1."),
    (
        "storage",
        Size,
        "Size of the disk; by default the backend's.",
    ),
    ("networks", Texts, "Networks; by default the backend's."),
    (
        "groups",
        Texts,
        "Security groups; by default the backend's.",
    ),
    ("secure-boot", Boolean, "Boot securely."),
    ("bios", Text, "`uefi`, or the default."),
    ("cpu-family", Text, "The least processor that will do."),
    ("plan", Text, "Size or flavour; by default the backend's."),
    (
        "ssh-rsa-key",
        Text,
        "A private key to log in with (plus only).",
    ),
    ("ssh-key-pass", Text, "Its passphrase (plus only)."),
    ("queue", Text, "testflinger: the queue (plus only)."),
    (
        "reserve-key",
        Text,
        "testflinger: a key that is let in (plus only).",
    ),
    (
        "provision-data",
        Anything,
        "testflinger: how to provision (plus only).",
    ),
    (
        "wait-timeout",
        Timeout,
        "How long the system may take to be there (plus only).",
    ),
    (
        "attach-service-account",
        Anything,
        "google: give the system an account (plus only).",
    ),
];

const SUITE: &[Key] = &[
    ("summary", Text, "What the tasks are about, in a line."),
    (
        "artifacts",
        Texts,
        "What is fetched, relative to the suite (plus only).",
    ),
    (
        "skip",
        Skip,
        "Reasons not to run what is left of the suite (plus only).",
    ),
    (
        "tags",
        Texts,
        "Words that `--tag` and `--not-tag` look for.",
    ),
];

const TASK: &[Key] = &[
    ("summary", Text, "What the task is about, in a line."),
    ("details", Text, "The same, at length."),
    ("samples", Integer, "How many times to run it."),
    ("prepare", Script, "Run before `execute`."),
    ("execute", Script, "The task."),
    (
        "restore",
        Script,
        "Run after `execute`, also when it failed.",
    ),
    ("debug", Script, "Run after a failure."),
    (
        "artifacts",
        Texts,
        "What is fetched, relative to the task's directory.",
    ),
    ("skip", Skip, "Reasons not to run it (plus only)."),
    (
        "tags",
        Texts,
        "Words that `--tag` and `--not-tag` look for.",
    ),
];

/// The schema of `spread.yaml`.
pub fn project() -> Value {
    let level: &[Key] = &[ENVIRONMENT];
    let mut schema = object(&[PROJECT, level, SCRIPTS, TIMEOUTS], true);
    schema["required"] = json!(["project", "path", "backends", "suites"]);
    let varied: &[Key] = &[ENVIRONMENT, VARIANTS];
    let mut suite = object(&[SUITE, LISTS, varied, SCRIPTS, TIMEOUTS, CHOICE], true);
    suite["required"] = json!(["summary"]);
    let mut definitions = definitions();
    // A plugin may have options that nobody here knows.
    definitions.insert(
        "backend".into(),
        object(&[BACKEND, varied, SCRIPTS, TIMEOUTS, CHOICE], false),
    );
    definitions.insert("system".into(), object(&[SYSTEM, varied, CHOICE], false));
    definitions.insert("suite".into(), suite);
    whole(schema, "A spread project", definitions)
}

/// The schema of `task.yaml`.
pub fn task() -> Value {
    let varied: &[Key] = &[ENVIRONMENT, VARIANTS];
    let mut schema = object(&[TASK, LISTS, varied, TIMEOUTS, CHOICE], true);
    schema["required"] = json!(["summary"]);
    whole(schema, "A spread task", definitions())
}

fn whole(mut schema: Value, title: &str, definitions: Map<String, Value>) -> Value {
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = title.into();
    schema["$defs"] = definitions.into();
    schema
}

/// A map with these keys. Keys that begin with `x-` are free for anchors; others are noted in a closed one.
fn object(keys: &[&[Key]], closed: bool) -> Value {
    let mut properties = Map::new();
    for (name, kind, description) in keys.iter().copied().flatten() {
        let mut value = kind.schema();
        value["description"] = (*description).into();
        properties.insert((*name).to_owned(), value);
    }
    let mut object =
        json!({ "type": "object", "properties": properties, "patternProperties": { "^x-": {} } });
    if closed {
        object["additionalProperties"] = false.into();
    }
    object
}

fn definitions() -> Map<String, Value> {
    let scalar = json!({ "type": ["string", "number", "boolean", "null"] });
    let boolean = json!({ "anyOf": [
        { "type": ["boolean", "null"] },
        { "enum": ["yes", "no", "on", "off", "y", "n", "Yes", "No", "On", "Off", "YES", "NO", "ON", "OFF", "Y", "N"] },
    ]});
    let mut all = Map::new();
    all.insert("scalar".into(), scalar);
    all.insert("boolean".into(), boolean);
    all
}

impl Kind {
    fn schema(self) -> Value {
        let of_scalars =
            json!({ "type": ["array", "null"], "items": { "$ref": "#/$defs/scalar" } });
        match self {
            Text => json!({ "$ref": "#/$defs/scalar" }),
            Script => json!({ "type": ["string", "null"] }),
            Boolean => json!({ "$ref": "#/$defs/boolean" }),
            Integer => json!({ "type": ["number", "null"] }),
            Timeout => json!({ "anyOf": [
                { "type": "string", "pattern": "^(-1|-1ns|0|([0-9]*\\.?[0-9]+(ns|us|µs|ms|s|m|h))+)$" },
                { "enum": [0, -1, null] },
            ]}),
            Size => {
                json!({ "type": ["string", "null"], "pattern": "^([0-9]+[BKMG]|preserve-size)?$" })
            }
            Texts => of_scalars,
            Names => of_scalars,
            Environment => json!({
                "type": ["object", "null"],
                "propertyNames": { "pattern": "^(<<|[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z0-9_]+(,[A-Za-z0-9_]+)*)?)$" },
                "additionalProperties": { "$ref": "#/$defs/scalar" },
            }),
            Skip => json!({ "type": ["array", "null"], "items": {
                "type": "object",
                "properties": { "if": { "type": "string" }, "reason": { "type": "string" } },
                "required": ["if", "reason"],
                "additionalProperties": false,
            }}),
            Backends => json!({ "type": "object", "minProperties": 1, "additionalProperties": {
                "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/backend" }],
            }}),
            Suites => json!({ "type": "object", "minProperties": 1,
                "propertyNames": { "pattern": "^([a-z0-9]+([-._][a-z0-9]+)*/)+$" },
                "additionalProperties": { "$ref": "#/$defs/suite" },
            }),
            Systems => json!({ "type": "array", "minItems": 1, "items": { "anyOf": [
                { "type": "string" },
                { "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {
                    "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/system" }],
                }},
            ]}}),
            Anything => json!({}),
        }
    }
}
