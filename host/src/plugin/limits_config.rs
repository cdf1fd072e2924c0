//! The limits of one plugin call: what they are, why they are that large, and what may be set.
//!
//! A source sets them in its `[limits]` table under the names of the fields (`http-requests` for `http_requests`).
//! Enforcing them is the business of the calling half of this room.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::schema::{ConfigProblem, nearest};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Bounds of one plugin call. Times are seconds in configuration files (fractions allowed), sizes are bytes or text such
/// as `"256 MiB"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limits {
    /// Making an instance. Pulling an image or booting a machine takes minutes; a hang must end some time.
    #[serde(with = "seconds")]
    pub allocate: Duration,
    /// Running a command. 0: none, because the command decides how long it takes.
    #[serde(with = "seconds")]
    pub run: Duration,
    /// Copying. 0: none, because the amount of data decides.
    #[serde(with = "seconds")]
    pub copy: Duration,
    /// Destroying. It is repeated when it fails, so that giving up late is worse than trying again.
    #[serde(with = "seconds")]
    pub discard: Duration,
    /// Asking whether an instance is alive. Slower than this is not alive for practical purposes.
    #[serde(with = "seconds")]
    pub check: Duration,
    /// Listing what exists. One request at most backends, paged at some.
    #[serde(with = "seconds")]
    pub list: Duration,
    /// Measuring facts. A handful of commands.
    #[serde(with = "seconds")]
    pub probe: Duration,
    /// Rebooting. As long as a slow machine boots.
    #[serde(with = "seconds")]
    pub reboot: Duration,
    /// Cleaning an instance between two holders. As long as an event of a hook, which does the same.
    #[serde(with = "seconds")]
    pub clean: Duration,
    /// Passing a signal on. A person is waiting with Ctrl-C pressed.
    #[serde(with = "seconds")]
    pub signal: Duration,
    /// One event of a hook. Provisioning installs packages.
    #[serde(with = "seconds")]
    pub hook: Duration,
    /// One question to a hook that routes. A ticket waits for the answer, and every ticket asks.
    #[serde(with = "seconds")]
    pub route: Duration,
    /// How long the host waits for the ssh server of a new instance. A machine boots, and its first boot makes keys and users.
    #[serde(with = "seconds")]
    pub ready: Duration,
    /// Time that the plugin itself computes in one call; waiting for programs and hosts is not counted. Plugins translate
    /// requests, which takes microseconds: ten seconds is a loop.
    #[serde(with = "seconds")]
    pub compute: Duration,
    /// Processor time for compiling the component, once for each version of it. The largest (Python's interpreter) takes some 15 s on a slow
    /// machine; a component can be made to take days.
    #[serde(with = "seconds")]
    pub compile: Duration,
    /// Linear memory of one call. A Python or JavaScript plugin works in 16 MiB; the rest is room for large answers.
    #[serde(with = "bytes")]
    pub memory: u64,
    /// Wasm stack. Deep recursion in a JSON parser needs some 100 KiB.
    #[serde(with = "bytes")]
    pub stack: u64,
    /// Elements in all tables. A Python plugin has about 10,000 functions in its tables.
    pub tables: u32,
    /// Handles of host resources (streams, directories) open at once.
    pub handles: u32,
    /// Log messages and standard error of one call; the rest is dropped and counted.
    #[serde(with = "bytes")]
    pub log: u64,
    /// One answer of the plugin, all its strings together. `list` over thousands of instances fits.
    #[serde(with = "bytes")]
    pub answer: u64,
    /// Programs started in one call, through `process` and `ssh` together.
    pub processes: u32,
    /// HTTP requests sent in one call. Polling a slow backend every second for ten minutes fits.
    pub http_requests: u32,
    /// Bytes of HTTP bodies of one call, both directions together.
    #[serde(with = "bytes")]
    pub http_bytes: u64,
    /// Bytes of all keys and values that a source's plugin remembers. Cursors and names, not documents.
    #[serde(with = "bytes")]
    pub state_bytes: u64,
    /// How many values a source's plugin remembers.
    pub state_entries: u32,
    /// Secrets kept for one instance: a key, a password, a console's.
    pub kept_secrets: u32,
    /// Bytes of all secrets kept for one instance. The largest are RSA keys of 3 KiB.
    #[serde(with = "bytes")]
    pub kept_bytes: u64,
    /// Memory for compiling the component. Python's interpreter takes some 400 MiB.
    #[serde(with = "bytes")]
    pub compile_memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allocate: Duration::from_secs(600),
            run: Duration::ZERO,
            copy: Duration::ZERO,
            discard: Duration::from_secs(120),
            check: Duration::from_secs(30),
            list: Duration::from_secs(60),
            probe: Duration::from_secs(60),
            reboot: Duration::from_secs(600),
            clean: Duration::from_secs(600),
            signal: Duration::from_secs(10),
            hook: Duration::from_secs(600),
            route: Duration::from_secs(10),
            ready: Duration::from_secs(300),
            compute: Duration::from_secs(10),
            compile: Duration::from_secs(120),
            memory: 256 * MIB,
            stack: 512 * KIB,
            tables: 100_000,
            handles: 1_000,
            log: 64 * KIB,
            answer: MIB,
            processes: 64,
            http_requests: 1_000,
            http_bytes: 64 * MIB,
            state_bytes: MIB,
            state_entries: 1_000,
            kept_secrets: 16,
            kept_bytes: 64 * KIB,
            compile_memory: 2048 * MIB,
        }
    }
}

/// A limit's key, the smallest and the largest value that make sense, and where to read it.
type Bound = (&'static str, u64, u64, fn(&Limits) -> u64);

/// A week: longer than any call, short enough for every clock computation.
const LONGEST: u64 = 7 * 24 * 3600 * 1000;

const MILLISECONDS: fn(Duration) -> u64 =
    |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);

/// Everything that has bounds. Deadlines in milliseconds.
const BOUNDS: [Bound; 29] = [
    ("allocate", 1, LONGEST, |l| MILLISECONDS(l.allocate)),
    ("run", 0, LONGEST, |l| MILLISECONDS(l.run)),
    ("copy", 0, LONGEST, |l| MILLISECONDS(l.copy)),
    ("discard", 1, LONGEST, |l| MILLISECONDS(l.discard)),
    ("check", 1, LONGEST, |l| MILLISECONDS(l.check)),
    ("list", 1, LONGEST, |l| MILLISECONDS(l.list)),
    ("probe", 1, LONGEST, |l| MILLISECONDS(l.probe)),
    ("reboot", 1, LONGEST, |l| MILLISECONDS(l.reboot)),
    ("clean", 1, LONGEST, |l| MILLISECONDS(l.clean)),
    ("signal", 1, LONGEST, |l| MILLISECONDS(l.signal)),
    ("hook", 1, LONGEST, |l| MILLISECONDS(l.hook)),
    ("route", 1, LONGEST, |l| MILLISECONDS(l.route)),
    ("ready", 1, LONGEST, |l| MILLISECONDS(l.ready)),
    // Below the 10 ms of the ticker the bound would mean nothing.
    ("compute", 10, LONGEST, |l| MILLISECONDS(l.compute)),
    ("compile", 1000, LONGEST, |l| MILLISECONDS(l.compile)),
    // A Rust component needs 2 MiB; a 32-bit memory has 4 GiB.
    ("memory", MIB, 4096 * MIB, |l| l.memory),
    ("stack", 32 * KIB, 64 * MIB, |l| l.stack),
    ("tables", 1, 100_000_000, |l| l.tables.into()),
    ("handles", 1, 1_000_000, |l| l.handles.into()),
    ("log", 0, 64 * MIB, |l| l.log),
    ("answer", KIB, 256 * MIB, |l| l.answer),
    ("processes", 0, 1_000_000, |l| l.processes.into()),
    ("http-requests", 0, 10_000_000, |l| l.http_requests.into()),
    ("http-bytes", 0, 1024 * 1024 * MIB, |l| l.http_bytes),
    ("state-bytes", 0, 64 * MIB, |l| l.state_bytes),
    ("state-entries", 0, 100_000, |l| l.state_entries.into()),
    ("kept-secrets", 0, 1_000, |l| l.kept_secrets.into()),
    ("kept-bytes", 0, MIB, |l| l.kept_bytes),
    ("compile-memory", 64 * MIB, 1024 * 1024 * MIB, |l| {
        l.compile_memory
    }),
];

/// How many of [`BOUNDS`] are times.
const TIMES: usize = 15;

impl Limits {
    /// The names of all limits, as configuration files write them.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        BOUNDS.iter().map(|(key, ..)| *key)
    }

    /// Reads a `[limits]` table: every problem at once, each with its key.
    pub fn from_table(
        table: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let mut known = serde_json::Map::new();
        for (key, value) in table {
            if !Self::keys().any(|name| name == key) {
                problems.push(ConfigProblem {
                    key: key.clone(),
                    message: "there is no such limit".to_owned(),
                    suggestion: nearest(key, Self::keys()),
                });
                continue;
            }
            let alone = serde_json::Map::from_iter([(key.clone(), value.clone())]);
            match serde_json::from_value::<Self>(alone.into()) {
                Ok(_) => {
                    known.insert(key.clone(), value.clone());
                }
                Err(error) => problems.push(ConfigProblem {
                    key: key.clone(),
                    message: error.to_string(),
                    suggestion: None,
                }),
            }
        }
        let limits: Self = match serde_json::from_value(known.into()) {
            Ok(limits) => limits,
            Err(error) => {
                problems.push(ConfigProblem {
                    key: "limits".to_owned(),
                    message: error.to_string(),
                    suggestion: None,
                });
                return Err(problems);
            }
        };
        problems.extend(limits.out_of_bounds());
        if problems.is_empty() {
            Ok(limits)
        } else {
            Err(problems)
        }
    }

    /// The limits whose value makes no sense.
    pub fn out_of_bounds(&self) -> Vec<ConfigProblem> {
        BOUNDS
            .iter()
            .enumerate()
            .filter_map(|(index, (key, least, most, read))| {
                let value = read(self);
                if (*least..=*most).contains(&value) {
                    return None;
                }
                let show = |value: u64| {
                    if index < TIMES {
                        format!("{} s", Duration::from_millis(value).as_secs_f64())
                    } else {
                        value.to_string()
                    }
                };
                Some(ConfigProblem {
                    key: (*key).to_owned(),
                    message: format!(
                        "must be between {} and {}, not {}",
                        show(*least),
                        show(*most),
                        show(value)
                    ),
                    suggestion: None,
                })
            })
            .collect()
    }
}

/// Durations as seconds.
mod seconds {
    use super::*;

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        if time.subsec_nanos() == 0 {
            to.serialize_u64(time.as_secs())
        } else {
            to.serialize_f64(time.as_secs_f64())
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a number of seconds")]
        enum Written {
            Whole(u64),
            Fraction(f64),
        }
        match Written::deserialize(from)? {
            Written::Whole(seconds) => Ok(Duration::from_secs(seconds)),
            Written::Fraction(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| {
                serde::de::Error::custom(format!("expected a number of seconds, not {seconds}"))
            }),
        }
    }
}

/// Sizes as bytes, or as text with a unit.
mod bytes {
    use super::*;

    pub(super) fn serialize<S: Serializer>(size: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(*size)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "expected a number of bytes, or text such as `64 MiB`"
        )]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(from)? {
            Written::Number(size) => Ok(size),
            Written::Text(text) => parse(&text).ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "expected a number of bytes, or text such as `64 MiB`, not `{}`",
                    super::super::text::printable(&text)
                ))
            }),
        }
    }

    fn parse(text: &str) -> Option<u64> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim() {
            "" | "B" => 1,
            "KiB" | "K" | "k" => KIB,
            "MiB" | "M" => MIB,
            "GiB" | "G" => 1024 * MIB,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: serde_json::Value) -> Result<Limits, Vec<ConfigProblem>> {
        Limits::from_table(value.as_object().unwrap())
    }

    #[test]
    fn defaults_are_within_bounds_and_survive_a_round_trip() {
        let limits = Limits::default();
        assert_eq!(limits.out_of_bounds(), []);
        let written = serde_json::to_value(&limits).unwrap();
        let keys: Vec<_> = written.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, Limits::keys().collect::<Vec<_>>());
        assert_eq!(read(written).unwrap(), limits);
    }

    #[test]
    fn reads_units_and_fractions() {
        let limits = read(json!({
            "memory": "64 MiB", "log": 0, "compute": 0.25, "run": 3, "http-bytes": "1GiB",
        }))
        .unwrap();
        assert_eq!(limits.memory, 64 * MIB);
        assert_eq!(limits.log, 0);
        assert_eq!(limits.compute, Duration::from_millis(250));
        assert_eq!(limits.run, Duration::from_secs(3));
        assert_eq!(limits.http_bytes, 1024 * MIB);
        let again: Limits = serde_json::from_value(serde_json::to_value(&limits).unwrap()).unwrap();
        assert_eq!(again, limits);
    }

    #[test]
    fn reports_every_problem_with_its_key() {
        let problems = read(json!({
            "memmory": 1, "memory": "much", "compute": -1, "allocate": 0, "stack": 5,
            "tables": 0, "answer": "99999999999 GiB", "run": 1e300,
        }))
        .unwrap_err();
        let keys: Vec<_> = problems.iter().map(|problem| &*problem.key).collect();
        assert_eq!(
            keys,
            [
                "memmory", "memory", "compute", "answer", "run", "allocate", "stack", "tables"
            ]
        );
        assert_eq!(problems[0].suggestion.as_deref(), Some("memory"));
        assert_eq!(
            problems[5].message,
            "must be between 0.001 s and 604800 s, not 0 s"
        );
    }
}
