//! Where an installed plugin came from: a file beside it, `NAME.json`.
//!
//! It is a note for the next `update`, and grants nothing. A note whose component is not the one beside it (somebody copied a file there)
//! is no note.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::error::{RegistryError, RegistryErrorKind, Result};
use super::proof::Tested;
use super::reference::Repository;
use super::trust::Verdict;
use super::version::Range;

/// A note is a few hundred bytes.
const LARGEST: u64 = 64 << 10;

/// What is known about an installed plugin beside itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Receipt {
    pub name: String,
    pub version: String,
    pub from: Repository,
    /// What was asked for, and what an update stays in.
    pub range: Range,
    pub manifest: Digest,
    pub component: Digest,
    pub signed: Verdict,
    /// What the publisher claims to have reached in the conformance suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conformance: Option<String>,
    /// What that is shown by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<Tested>,
}

impl Receipt {
    /// The note about a plugin whose component has this digest.
    pub fn read(folder: &Path, name: &str, component: &str) -> Option<Self> {
        let path = path(folder, name);
        let metadata = fs::metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > LARGEST {
            return None;
        }
        let receipt: Self = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        (receipt.component.hex() == component && receipt.name == name).then_some(receipt)
    }

    /// The level of conformance and what stands behind it, in words.
    pub fn standing(&self) -> String {
        match (&self.conformance, &self.tested) {
            (None, _) => "none claimed".to_owned(),
            (Some(level), None) => format!("{level} (claimed)"),
            (Some(level), Some(tested)) => format!("{level} ({tested})"),
        }
    }

    /// Writes it down.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = path(folder, &self.name);
        let failed = |error: std::io::Error| {
            RegistryError::new(RegistryErrorKind::Io, path.display(), "cannot be written")
                .because(error)
        };
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        draft.write_all(&text).map_err(failed)?;
        draft.as_file().sync_all().map_err(failed)?;
        draft.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Removes the note about a plugin, if there is one.
    pub fn remove(folder: &Path, name: &str) -> Result<()> {
        let path = path(folder, name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(
                    RegistryError::new(RegistryErrorKind::Io, path.display(), "cannot be removed")
                        .because(error),
                )
            }
            _ => Ok(()),
        }
    }
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_belongs_to_its_component() {
        let folder = tempfile::tempdir().unwrap();
        let receipt = Receipt {
            name: "box".into(),
            version: "1.2.0".into(),
            from: Repository::parse("r.example/box").unwrap(),
            range: Range::parse("^1").unwrap(),
            manifest: Digest::of(b"m"),
            component: Digest::of(b"c"),
            signed: Verdict::Identity {
                identity: "a@example.com".into(),
                issuer: "https://issuer.example".into(),
            },
            conformance: Some("basic".into()),
            tested: None,
        };
        receipt.write(folder.path()).unwrap();
        let read = |digest: &Digest| Receipt::read(folder.path(), "box", digest.hex());
        assert_eq!(read(&receipt.component), Some(receipt.clone()));
        assert_eq!(read(&Digest::of(b"other")), None);
        assert_eq!(receipt.standing(), "basic (claimed)");
        fs::write(folder.path().join("box.json"), "{}").unwrap();
        assert_eq!(read(&receipt.component), None);
        Receipt::remove(folder.path(), "box").unwrap();
        Receipt::remove(folder.path(), "box").unwrap();
    }
}
