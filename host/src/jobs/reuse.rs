//! The reuse file: which machines an earlier run left, in the ancestor's place and format, locked for as long as a run lasts.
//!
//! `.spread-reuse.yaml` in the project's directory belongs to `-reuse`, `.spread-reuse.PID.yaml` to one run. Both hold what
//! is needed to find the machines again; ours also have a lease, so that they can be found and given back without this file.
//! A machine's `data` is ours (`instance`: the lease's name) or what another implementation wrote, which is kept as it is.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::Value;

/// One machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub username: String,
    pub password: String,
    pub address: String,
    /// Whatever the backend needs.
    pub data: Option<Value>,
}

impl Entry {
    /// The instance that holds it, when it is one of ours.
    pub fn instance(&self) -> Option<&str> {
        self.data.as_ref()?.get("instance")?.as_str()
    }
}

/// Machines by backend and system, in the order in which they came.
pub type Entries = BTreeMap<String, Vec<(String, Entry)>>;

/// The file could not be read, written or locked.
#[derive(Debug, thiserror::Error)]
pub enum ReuseError {
    #[error("cannot open `{}`", .0.display())]
    Open(PathBuf, #[source] io::Error),
    #[error("cannot lock `{}`", .0.display())]
    Lock(PathBuf, #[source] io::Error),
    #[error("cannot read `{}`", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("cannot write `{}`", .0.display())]
    Write(PathBuf, #[source] io::Error),
    #[error("`{}` is not a reuse file: {reason}", .path.display())]
    Format { path: PathBuf, reason: String },
}

/// What `-reuse` shares.
const SHARED: &str = ".spread-reuse.yaml";

/// A locked reuse file.
#[derive(Debug)]
pub struct ReuseFile {
    path: PathBuf,
    file: File,
    entries: Entries,
}

/// Where the machines of a run are noted. `pid` none: what `-reuse` shares.
pub fn path(directory: &Path, pid: Option<u32>) -> PathBuf {
    directory.join(match pid {
        None => SHARED.to_owned(),
        Some(pid) => format!(".spread-reuse.{pid}.yaml"),
    })
}

impl ReuseFile {
    /// Opens and locks it. None: somebody else has it locked.
    pub fn try_open(path: &Path) -> Result<Option<Self>, ReuseError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|error| ReuseError::Open(path.to_owned(), error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => {
                return Err(ReuseError::Lock(path.to_owned(), error));
            }
        }
        // Left behind by somebody who died while writing: it is complete, or it would not have this name.
        let newer = newer(path);
        let mut text = String::new();
        let read = match File::open(&newer) {
            Ok(mut newer) => newer.read_to_string(&mut text),
            Err(_none) => (&file).read_to_string(&mut text),
        };
        read.map_err(|error| ReuseError::Read(path.to_owned(), error))?;
        let entries = parse(&text).map_err(|reason| ReuseError::Format {
            path: path.to_owned(),
            reason,
        })?;
        Ok(Some(Self {
            path: path.to_owned(),
            file,
            entries,
        }))
    }

    /// What it names.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Takes the machines of a system as candidates: each at most once.
    pub fn of_system(&self, backend: &str, system: &str) -> Vec<Entry> {
        let all = self.entries.get(backend).into_iter().flatten();
        all.filter(|(name, _)| name == system)
            .map(|(_, entry)| entry.clone())
            .collect()
    }

    /// Notes a machine.
    pub fn add(&mut self, backend: &str, system: &str, entry: Entry) -> Result<(), ReuseError> {
        let all = self.entries.entry(backend.to_owned()).or_default();
        all.push((system.to_owned(), entry));
        self.save()
    }

    /// Forgets one.
    pub fn remove(&mut self, backend: &str, system: &str, entry: &Entry) -> Result<(), ReuseError> {
        if let Some(all) = self.entries.get_mut(backend) {
            if let Some(at) = all
                .iter()
                .position(|(name, other)| name == system && other == entry)
            {
                all.remove(at);
            }
            if all.is_empty() {
                self.entries.remove(backend);
            }
        }
        self.save()
    }

    /// Removes the file of one run, if it names nothing. What `-reuse` shares stays, empty.
    pub fn remove_if_empty(self) -> Result<(), ReuseError> {
        if self.entries.is_empty() && self.path.file_name() != Some(SHARED.as_ref()) {
            fs::remove_file(&self.path)
                .map_err(|error| ReuseError::Write(self.path.clone(), error))?;
        }
        Ok(())
    }

    /// Whatever happens meanwhile, there is one complete file: the new text first gets a name of its own, then the locked file
    /// (which others may wait for, so it cannot be replaced) is written anew.
    fn save(&mut self) -> Result<(), ReuseError> {
        let failed = |error| ReuseError::Write(self.path.clone(), error);
        let text = text(&self.entries);
        let newer = newer(&self.path);
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let mut temporary = tempfile::Builder::new()
            .prefix(".spread-reuse.")
            .tempfile_in(directory)
            .map_err(failed)?;
        temporary.write_all(text.as_bytes()).map_err(failed)?;
        temporary.as_file().sync_all().map_err(failed)?;
        temporary
            .persist(&newer)
            .map_err(|error| failed(error.error))?;
        self.file.set_len(0).map_err(failed)?;
        io::Seek::rewind(&mut self.file).map_err(failed)?;
        self.file.write_all(text.as_bytes()).map_err(failed)?;
        self.file.sync_all().map_err(failed)?;
        fs::remove_file(&newer).map_err(failed)
    }
}

fn newer(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn text(entries: &Entries) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut text = String::from("backends:\n");
    for (backend, systems) in entries {
        text.push_str(&format!("  {}:\n    systems:\n", scalar(backend)));
        for (system, entry) in systems {
            text.push_str(&format!("    - {}:\n", scalar(system)));
            for (key, value) in [("username", &entry.username), ("password", &entry.password)] {
                if !value.is_empty() {
                    text.push_str(&format!("        {key}: {}\n", scalar(value)));
                }
            }
            text.push_str(&format!("        address: {}\n", scalar(&entry.address)));
            if let Some(data) = &entry.data {
                // JSON is YAML.
                text.push_str(&format!("        data: {data}\n"));
            }
        }
    }
    text
}

/// Plain where nobody could take it for something else.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/' | '@');
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let safe = text.chars().all(plain)
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if safe {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

fn parse(text: &str) -> Result<Entries, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let mut entries = Entries::new();
    let Some(document) = documents.first() else {
        return Ok(entries);
    };
    let Some(backends) = child(document, "backends").and_then(Yaml::as_mapping) else {
        return Ok(entries);
    };
    for (backend, body) in backends {
        let name = word(backend).ok_or("the name of a backend is no text")?;
        let systems = child(body, "systems").and_then(Yaml::as_sequence);
        for item in systems.into_iter().flatten() {
            let Some(item) = item.as_mapping() else {
                return Err(format!("a system of `{name}` is no map"));
            };
            for (system, body) in item {
                let system = word(system).ok_or("the name of a system is no text")?;
                let text = |key| child(body, key).and_then(word).unwrap_or_default();
                let entry = Entry {
                    username: text("username"),
                    password: text("password"),
                    address: text("address"),
                    data: child(body, "data").map(json).filter(|it| !it.is_null()),
                };
                entries
                    .entry(name.clone())
                    .or_default()
                    .push((system, entry));
            }
        }
    }
    Ok(entries)
}

fn child<'a, 'y>(node: &'a Yaml<'y>, key: &str) -> Option<&'a Yaml<'y>> {
    node.as_mapping()?
        .iter()
        .find(|(name, _)| name.as_str() == Some(key))
        .map(|(_, value)| value)
}

/// A scalar as text: a password may look like a number.
fn word(node: &Yaml<'_>) -> Option<String> {
    match json(node) {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn json(node: &Yaml<'_>) -> Value {
    if let Some(map) = node.as_mapping() {
        let pairs = map
            .iter()
            .filter_map(|(key, value)| Some((word(key)?, json(value))));
        return Value::Object(pairs.collect());
    }
    if let Some(list) = node.as_sequence() {
        return list.iter().map(json).collect();
    }
    if let Some(text) = node.as_str() {
        return text.into();
    }
    if let Some(number) = node.as_integer() {
        return number.into();
    }
    if let Some(value) = node.as_bool() {
        return value.into();
    }
    node.as_floating_point().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(address: &str) -> Entry {
        Entry {
            username: String::new(),
            password: "12: \"x\" #".into(),
            address: address.into(),
            data: Some(serde_json::json!({ "instance": "box-1" })),
        }
    }

    #[test]
    fn written_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path(), Some(7));
        assert!(path.ends_with(".spread-reuse.7.yaml"));
        let mut file = ReuseFile::try_open(&path).unwrap().unwrap();
        assert!(file.entries().is_empty());
        assert!(
            ReuseFile::try_open(&path).unwrap().is_none(),
            "it is locked"
        );
        file.add("adhoc", "one-1", entry("h:22")).unwrap();
        file.add("adhoc", "one-1", entry("h:23")).unwrap();
        file.add("box", "no", entry("[::1]:22")).unwrap();
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o777, 0o600);
        let entries = file.entries().clone();
        drop(file);
        let mut file = ReuseFile::try_open(&path).unwrap().unwrap();
        assert_eq!(*file.entries(), entries);
        assert_eq!(file.of_system("adhoc", "one-1").len(), 2);
        assert_eq!(
            file.of_system("adhoc", "one-1")[0].instance(),
            Some("box-1")
        );
        for address in ["h:22", "h:23"] {
            file.remove("adhoc", "one-1", &entry(address)).unwrap();
        }
        assert_eq!(file.entries().len(), 1);
        file.remove("box", "no", &entry("[::1]:22")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        file.remove_if_empty().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_the_ancestor_writes() {
        let text = "backends:\n  lxd:\n    systems:\n    - ubuntu-16.04:\n        password: \"0123\"\n        address: 10.0.0.1:22\n        data:\n          name: spread-1\n  qemu:\n    systems:\n    - x-1:\n        username: joe\n        address: localhost:59301\n        data:\n          pid: 42\n";
        let entries = parse(text).unwrap();
        let (system, lxd) = &entries["lxd"][0];
        assert_eq!(
            (system.as_str(), lxd.address.as_str()),
            ("ubuntu-16.04", "10.0.0.1:22")
        );
        assert_eq!(lxd.data, Some(serde_json::json!({ "name": "spread-1" })));
        assert_eq!(lxd.instance(), None);
        assert_eq!(entries["qemu"][0].1.username, "joe");
        // Nothing of it is lost when it is written again.
        assert_eq!(parse(&super::text(&entries)).unwrap(), entries);
        assert!(parse("").unwrap().is_empty());
        assert!(parse("backends: {}\n").unwrap().is_empty());
        assert!(parse("backends: [").is_err());
    }

    #[test]
    fn a_complete_newer_file_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path(), None);
        fs::write(&path, "backends:\n  a:").unwrap();
        let newer = text(&BTreeMap::from([(
            "b".to_owned(),
            vec![("s-1".to_owned(), entry("h"))],
        )]));
        fs::write(super::newer(&path), newer).unwrap();
        let file = ReuseFile::try_open(&path).unwrap().unwrap();
        assert!(file.entries().contains_key("b"));
    }
}
