//! A failure in one file: the component, the cassette (which has the configuration, without secrets), the log and what
//! failed, as a tar archive that anybody can unpack and `runner plugin replay` can play.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Cassette, CassetteError};

const CASSETTE: &str = "cassette.jsonl";
const COMPONENT: &str = "component.wasm";
const LOG: &str = "log.txt";
const REPORT: &str = "report.json";
/// More was not packed by us.
const LARGEST: u64 = 512 << 20;

/// What is packed.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub cassette: Cassette,
    pub component: Vec<u8>,
    /// What the plugin wrote.
    pub log: String,
    /// What failed.
    pub report: Value,
}

/// A file that is no bundle, or that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the bundle `{}` has no `{missing}`", path.display())]
    Incomplete {
        path: PathBuf,
        missing: &'static str,
    },
    #[error(transparent)]
    Cassette(#[from] CassetteError),
}

impl Bundle {
    /// Whether a file is an archive rather than a cassette: by its first bytes, whatever its name.
    pub fn is_bundle(path: &Path) -> bool {
        let mut start = [0; 262];
        let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
        read.is_ok() && &start[257..262] == b"ustar"
    }

    /// Packs it.
    pub fn save(&self, path: &Path) -> Result<(), BundleError> {
        let failed = |source| BundleError::Io {
            doing: "write",
            path: path.to_owned(),
            source,
        };
        let draft = super::draft_beside(path).map_err(failed)?;
        let mut archive = tar::Builder::new(draft);
        let report = format!("{:#}\n", self.report);
        for (name, bytes) in [
            (CASSETTE, self.cassette.to_text().as_bytes()),
            (REPORT, report.as_bytes()),
            (LOG, self.log.as_bytes()),
            (COMPONENT, &self.component[..]),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive
                .append_data(&mut header, name, bytes)
                .map_err(failed)?;
        }
        let draft = archive.into_inner().map_err(failed)?;
        draft.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Unpacks it. Names that we do not know are left alone.
    pub fn load(path: &Path) -> Result<Self, BundleError> {
        let failed = |source| BundleError::Io {
            doing: "read",
            path: path.to_owned(),
            source,
        };
        let incomplete = |missing| BundleError::Incomplete {
            path: path.to_owned(),
            missing,
        };
        let file = std::fs::File::open(path).map_err(failed)?;
        let mut archive = tar::Archive::new(file.take(LARGEST));
        let (mut cassette, mut component, mut log, mut report) = (None, None, None, None);
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let name = entry.path().map_err(failed)?.to_string_lossy().into_owned();
            let slot = match name.as_str() {
                CASSETTE => &mut cassette,
                COMPONENT => &mut component,
                LOG => &mut log,
                REPORT => &mut report,
                _ => continue,
            };
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(failed)?;
            *slot = Some(bytes);
        }
        let text = |bytes: Option<Vec<u8>>| {
            String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
        };
        let cassette = cassette.ok_or_else(|| incomplete(CASSETTE))?;
        Ok(Self {
            cassette: Cassette::parse(&path.join(CASSETTE), &text(Some(cassette)))?,
            component: component.ok_or_else(|| incomplete(COMPONENT))?,
            log: text(log),
            report: serde_json::from_str(&text(report)).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::cassette::tests::cassette;
    use super::*;

    #[test]
    fn it_unpacks_as_it_was_packed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("failure.tar");
        let bundle = Bundle {
            cassette: cassette(Vec::new()),
            component: vec![0, b'a', b's', b'm'],
            log: "it said\n".into(),
            report: serde_json::json!({"failed": 1}),
        };
        bundle.save(&path).unwrap();
        assert!(Bundle::is_bundle(&path));
        let back = Bundle::load(&path).unwrap();
        assert_eq!(back.cassette, bundle.cassette);
        assert_eq!((back.component, back.log), (bundle.component, bundle.log));
        assert_eq!(back.report, bundle.report);

        let plain = dir.path().join("plain");
        bundle.cassette.save(&plain).unwrap();
        assert!(!Bundle::is_bundle(&plain));
        assert!(Bundle::load(&plain).is_err());
    }
}
