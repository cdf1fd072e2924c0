//! Where components are: embedded in this program, installed under a name, in a file, or kept with the state.
//!
//! Reads files and nothing else; what is in them is the business of `manifest` and `exports`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::component::ComponentRef;
use super::embedded;
use super::error::{LoadError, LoadErrorKind};
use super::manifest::is_name;
use super::text::printable;

/// The largest file that is read as a component. The largest real one (Python with its standard library) has 20 MB.
const LARGEST: u64 = 256 * 1024 * 1024;

/// The directories of this room.
#[derive(Clone, Debug)]
pub struct PluginDirs {
    /// Plugins that the user installed: `NAME.wasm`.
    pub installed: PathBuf,
    /// Copies of components that instances were made with: `DIGEST.wasm`.
    pub components: PathBuf,
    /// Compiled code; may be deleted at any time.
    pub compiled: PathBuf,
    /// Control sockets of ssh sessions.
    pub ssh: PathBuf,
    /// This program, to compile in a process of its own; none: components are compiled here.
    pub compiler: Option<PathBuf>,
}

/// Which component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locator {
    /// An installed or embedded one. An installed one hides an embedded one of the same name.
    Name(String),
    /// A file.
    File(PathBuf),
    /// The one with this digest: a kept copy, or an embedded one.
    Kept(String),
}

/// Where a component's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In this program.
    Embedded,
    /// In this file.
    File(PathBuf),
    /// In memory, from there.
    Fetched(String),
}

/// A component's bytes before anything in them is looked at.
pub(super) struct Found {
    /// As the user knows it, for errors.
    pub(super) subject: String,
    pub(super) origin: Origin,
    pub(super) digest: String,
    pub(super) bytes: Cow<'static, [u8]>,
}

impl PluginDirs {
    /// Finds and reads a component.
    pub(super) fn find(&self, locator: &Locator) -> Result<Found, LoadError> {
        match locator {
            Locator::Name(name) => self.named(name),
            Locator::File(path) => from_file(path),
            Locator::Kept(digest) => self.kept(digest),
        }
    }

    /// The bytes of a component that was inspected before. Its digest is verified.
    pub fn bytes(&self, reference: &ComponentRef) -> Result<Cow<'static, [u8]>, LoadError> {
        self.kept(&reference.digest).map(|found| found.bytes)
    }

    /// The names of all plugins that [`Locator::Name`] finds, sorted.
    pub fn names(&self) -> Vec<String> {
        let installed = std::fs::read_dir(&self.installed).into_iter().flatten();
        let mut names: Vec<String> = installed
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                let name = name.strip_suffix(".wasm")?;
                is_name(name).then(|| name.to_owned())
            })
            .chain(embedded::EMBEDDED.iter().map(|one| one.name.to_owned()))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Where the kept copy of a component is.
    pub(super) fn kept_path(&self, digest: &str) -> PathBuf {
        self.components.join(format!("{digest}.wasm"))
    }

    fn named(&self, name: &str) -> Result<Found, LoadError> {
        let subject = format!("plugin {}", printable(name));
        // Checked before it becomes part of a path.
        if !is_name(name) {
            return Err(LoadError::new(
                LoadErrorKind::NotFound,
                subject,
                "this is not a plugin name",
            )
            .hint(
                "names have lower-case letters, digits and hyphens; give a file as `./NAME.wasm`",
            ));
        }
        let path = self.installed.join(format!("{name}.wasm"));
        if let Some(found) = from_file_if_there(&path)? {
            return Ok(found);
        }
        if let Some(embedded) = embedded::by_name(name) {
            return Ok(from_embedded(embedded));
        }
        let names = self.names();
        let hint = match super::schema::nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        Err(LoadError::new(
            LoadErrorKind::NotFound,
            subject,
            format!(
                "there is no such plugin, neither in this program nor as `{}`",
                path.display()
            ),
        )
        .hint(hint))
    }

    fn kept(&self, digest: &str) -> Result<Found, LoadError> {
        if let Some(embedded) = embedded::by_digest(digest) {
            return Ok(from_embedded(embedded));
        }
        if !is_digest(digest) {
            return Err(LoadError::new(
                LoadErrorKind::NotFound,
                format!("component {}", printable(digest)),
                "this is not a digest (64 hexadecimal digits)",
            ));
        }
        let path = self.kept_path(digest);
        let found = from_file_if_there(&path)?.ok_or_else(|| {
            LoadError::new(
                LoadErrorKind::NotFound,
                path.display().to_string(),
                "the kept copy of a component that instances were made with is not there",
            )
            .hint(format!(
                "copy the plugin's file with the SHA-256 `{digest}` there, or give the instances up with `runner discard --forget`"
            ))
        })?;
        if found.digest != digest {
            return Err(LoadError::new(
                LoadErrorKind::Tampered,
                path.display().to_string(),
                format!(
                    "the kept copy was changed: its SHA-256 is now `{}`",
                    found.digest
                ),
            )
            .hint("replace it by the plugin's file that has the SHA-256 of its name"));
        }
        Ok(found)
    }
}

fn from_embedded(embedded: &'static embedded::Embedded) -> Found {
    Found {
        subject: format!("plugin {}", embedded.name),
        origin: Origin::Embedded,
        digest: embedded.digest.to_owned(),
        bytes: Cow::Borrowed(embedded.bytes),
    }
}

fn from_file(path: &Path) -> Result<Found, LoadError> {
    from_file_if_there(path)?.ok_or_else(|| {
        LoadError::new(
            LoadErrorKind::NotFound,
            printable(&path.display().to_string()),
            "there is no such file",
        )
    })
}

fn from_file_if_there(path: &Path) -> Result<Option<Found>, LoadError> {
    let subject = printable(&path.display().to_string()).into_owned();
    let unreadable = |error: std::io::Error| {
        LoadError::new(LoadErrorKind::Unreadable, &subject, "cannot be read").because(error)
    };
    let wrong = |message: String| LoadError::new(LoadErrorKind::NotAComponent, &subject, message);
    // Looked at before it is opened: opening a fifo would wait for its other end.
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => (),
        Ok(_) => return Err(wrong("this is not a regular file".to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let size = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(LARGEST)).unwrap_or(0));
    // One more than allowed, so that a file that grows meanwhile is noticed.
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(wrong(format!(
            "the file is larger than {} MiB, which no component is",
            LARGEST >> 20
        )));
    }
    Ok(Some(Found {
        origin: Origin::File(path.to_owned()),
        digest: digest_of(&bytes),
        bytes: Cow::Owned(bytes),
        subject,
    }))
}

/// SHA-256 in lower-case hexadecimal.
pub fn digest_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a `String` cannot fail.
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

/// 64 lower-case hexadecimal digits.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
