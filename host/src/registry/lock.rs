//! `runner.lock`: which plugins a project uses, by digest, so that everybody in it uses the same.
//!
//! It selects and pins. Whose signature counts, and what a plugin may do, is each user's own to say: a lock that comes with
//! somebody's repository cannot say it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::error::{RegistryError, RegistryErrorKind, Result, short};
use super::reference::Repository;
use super::version::Range;

/// More than the plugins of any project.
const LARGEST: u64 = 1 << 20;
const HEAD: &str = "\
# Written by `runner plugin install --lock` and `runner plugin update`; `runner plugin install` installs what stands here.
# It selects plugins and pins them by digest. It grants nothing: whom you trust, and what a plugin may do, is yours to say.
";

/// The file's name in the project's directory.
const FILE: &str = "runner.lock";

/// The plugins of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    path: PathBuf,
    plugins: Vec<Locked>,
}

/// One plugin of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    pub name: String,
    pub version: String,
    pub from: Repository,
    /// What was asked for, and what an update stays in.
    pub range: Range,
    pub manifest: Digest,
    pub component: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    #[serde(default, rename = "plugin")]
    plugins: Vec<Locked>,
}

impl Lock {
    /// The lock of the project that `here` is in: the nearest one upwards.
    pub fn find(here: &Path) -> Result<Option<Self>> {
        let mut folders = here.ancestors();
        match folders.find(|folder| folder.join(FILE).symlink_metadata().is_ok()) {
            Some(folder) => Self::read(folder.join(FILE), here).map(Some),
            None => Ok(None),
        }
    }

    /// An empty one for a directory that has none.
    pub fn new_in(folder: &Path) -> Self {
        Self {
            path: folder.join(FILE),
            plugins: Vec::new(),
        }
    }

    fn read(path: PathBuf, here: &Path) -> Result<Self> {
        let failed = |message: String| {
            RegistryError::new(RegistryErrorKind::Invalid, path.display(), message)
        };
        let metadata = fs::metadata(&path).map_err(|error| {
            RegistryError::new(RegistryErrorKind::Io, path.display(), "cannot be read")
                .because(error)
        })?;
        // As for a project's configuration: whoever may write to `/tmp` does not choose what is installed below it.
        let mut trusted = vec![0, rustix::process::geteuid().as_raw()];
        trusted.extend(here.metadata().map(|metadata| metadata.uid()));
        if !trusted.contains(&metadata.uid()) {
            return Err(failed(format!(
                "it belongs to user {}, who owns neither this process nor the current directory",
                metadata.uid()
            )));
        }
        if !metadata.is_file() || metadata.len() > LARGEST {
            return Err(failed("this is no lock file".into()));
        }
        let text = fs::read_to_string(&path).map_err(|error| {
            RegistryError::new(RegistryErrorKind::Io, path.display(), "cannot be read")
                .because(error)
        })?;
        let content: Content = toml::from_str(&text).map_err(|error| {
            failed(format!(
                "this is no lock file: {}",
                short(&error.to_string())
            ))
            .hint("`runner plugin install NAME --lock` writes one")
        })?;
        if content.version != 1 {
            return Err(failed(format!(
                "it is in version {} of its format, and this program knows version 1",
                content.version
            )));
        }
        let mut names: Vec<&str> = content
            .plugins
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(failed(format!(
                "the plugin `{}` stands there twice",
                short(twice[0])
            )));
        }
        if let Some(other) = content
            .plugins
            .iter()
            .find(|one| one.from.name() != one.name)
        {
            return Err(failed(format!(
                "the plugin `{}` is said to come from `{}`, which is that of another",
                short(&other.name),
                other.from
            )));
        }
        Ok(Self {
            plugins: content.plugins,
            path,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of them, by name.
    pub fn plugins(&self) -> &[Locked] {
        &self.plugins
    }

    /// The one with this name.
    pub fn get(&self, name: &str) -> Option<&Locked> {
        self.plugins.iter().find(|one| one.name == name)
    }

    /// Puts one in, in place of the one with its name.
    pub fn put(&mut self, locked: Locked) {
        self.take(&locked.name);
        self.plugins.push(locked);
        self.plugins.sort_by(|one, other| one.name.cmp(&other.name));
    }

    /// Takes one out; answers whether it was there.
    pub fn take(&mut self, name: &str) -> bool {
        let before = self.plugins.len();
        self.plugins.retain(|one| one.name != name);
        self.plugins.len() < before
    }

    /// Writes the file.
    pub fn write(&self) -> Result<()> {
        let failed = |error: std::io::Error| {
            RegistryError::new(
                RegistryErrorKind::Io,
                self.path.display(),
                "cannot be written",
            )
            .because(error)
        };
        let content = Content {
            version: 1,
            plugins: self.plugins.clone(),
        };
        let text = toml::to_string(&content).map_err(|error| {
            RegistryError::new(
                RegistryErrorKind::Io,
                self.path.display(),
                error.to_string(),
            )
        })?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut draft = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(folder)
            .map_err(failed)?;
        draft
            .write_all(format!("{HEAD}{text}").as_bytes())
            .map_err(failed)?;
        draft.as_file().sync_all().map_err(failed)?;
        draft
            .persist(&self.path)
            .map_err(|error| failed(error.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(name: &str, version: &str) -> Locked {
        Locked {
            name: name.into(),
            version: version.into(),
            from: Repository::parse(&format!("r.example/{name}")).unwrap(),
            range: Range::parse("^1").unwrap(),
            manifest: Digest::of(b"m"),
            component: Digest::of(b"c"),
        }
    }

    #[test]
    fn what_is_written_is_read_from_anywhere_below() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        assert_eq!(Lock::find(&deep).unwrap(), None);
        let mut lock = Lock::new_in(folder.path());
        lock.put(locked("b", "1.0.0"));
        lock.put(locked("a", "1.0.0"));
        lock.put(locked("b", "1.1.0"));
        lock.write().unwrap();
        let found = Lock::find(&deep).unwrap().unwrap();
        assert_eq!(found, lock);
        assert_eq!(
            found.plugins(),
            [locked("a", "1.0.0"), locked("b", "1.1.0")]
        );
        assert_eq!(found.get("b").unwrap().version, "1.1.0");
        let text = fs::read_to_string(found.path()).unwrap();
        assert!(
            text.starts_with("# Written by") && text.contains("from = \"oci://r.example/a\""),
            "{text}"
        );
        assert!(lock.take("a") && !lock.take("a"));
    }

    #[test]
    fn what_is_no_lock_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut lock = Lock::new_in(folder.path());
        lock.put(locked("a", "1.0.0"));
        lock.write().unwrap();
        let good = fs::read_to_string(lock.path()).unwrap();
        let twice = format!("{good}\n{}", &good[good.find("[[").unwrap()..]);
        for (text, said) in [
            ("", "no lock file"),
            ("version = 2\n", "in version 2"),
            ("version = 1\ntrust = []\n", "unknown field `trust`"),
            (&good.replace("range =", "grant ="), "unknown field `grant`"),
            (&good.replace("sha256:", "md5:"), "no lock file"),
            (
                &good.replace("oci://r.example/a", "../../a"),
                "no lock file",
            ),
            (
                &good.replace("name = \"a\"", "name = \"b\""),
                "that of another",
            ),
            (&twice, "stands there twice"),
        ] {
            fs::write(lock.path(), text).unwrap();
            let error = Lock::find(folder.path()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
