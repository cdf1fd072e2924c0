//! Plugins on a stick: an OCI image layout in a tar file, for sites that reach no registry.
//!
//! The form is the specification's (`oci-layout`, `index.json`, `blobs/sha256/…`), so that `skopeo` and others read it. Signatures
//! travel along under their tags, and whoever imports looks at them as if the registry had been asked. What is read is as
//! hostile as a registry: names that are not of the layout are passed over, nothing is unpacked, and content is read where it
//! lies, when it is wanted, and checked against its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::error::{RegistryError, RegistryErrorKind, Result, short};
use super::layout::{Descriptor, MANIFEST_TYPE, Manifest};
use super::reference::{Reference, Repository, Which};
use super::signature::Signature;

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
/// A list of references.
const LARGEST_INDEX: u64 = 4 << 20;
/// Files in one archive.
const MOST_FILES: usize = 10_000;

/// An archive that is read.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    file: Mutex<File>,
    /// Where each blob lies, and how long it is.
    blobs: BTreeMap<Digest, (u64, u64)>,
    entries: Vec<Entry>,
}

/// A tag in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub repository: Repository,
    pub tag: String,
    pub manifest: Descriptor,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    manifests: Vec<Descriptor>,
}

/// Writes an archive: manifests under their repositories and tags, and all that they refer to.
pub fn write(
    out: impl Write,
    manifests: &[(Repository, String, Vec<u8>)],
    contents: &[Vec<u8>],
) -> std::io::Result<()> {
    let described = manifests.iter().map(|(repository, tag, bytes)| {
        let mut descriptor = Descriptor::of(MANIFEST_TYPE, bytes);
        let name = format!("{repository}:{tag}");
        descriptor.annotations.insert(REF_NAME.to_owned(), name);
        descriptor
    });
    let index = Index {
        schema_version: 2,
        media_type: Some(INDEX_TYPE.to_owned()),
        manifests: described.collect(),
    };
    let index = serde_json::to_vec(&index)?;
    let mut tar = tar::Builder::new(out);
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // The same plugins give the same file.
        header.set_mtime(0);
        header.set_cksum();
        tar.append_data(&mut header, name, bytes)
    };
    add("oci-layout", LAYOUT.as_bytes())?;
    add("index.json", &index)?;
    let mut written = BTreeSet::new();
    let bytes = manifests.iter().map(|(_, _, bytes)| bytes).chain(contents);
    for content in bytes {
        let digest = Digest::of(content);
        if written.insert(digest.clone()) {
            add(&format!("blobs/sha256/{}", digest.hex()), content)?;
        }
    }
    tar.into_inner()?.flush()
}

impl Archive {
    /// Looks into a file; reads its index and no more.
    pub fn open(path: &Path) -> Result<Self> {
        let wrong =
            |message: &str| RegistryError::new(RegistryErrorKind::Layout, path.display(), message);
        let broken =
            |error: std::io::Error| wrong("this is no tar file, or a broken one").because(error);
        let metadata = std::fs::metadata(path);
        if metadata.as_ref().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(wrong("this is not a regular file"));
        }
        let file = metadata.and_then(|_| File::open(path)).map_err(|error| {
            RegistryError::new(RegistryErrorKind::Io, path.display(), "cannot be read")
                .because(error)
        })?;
        let mut blobs = BTreeMap::new();
        let mut index = None;
        let mut tar = tar::Archive::new(&file);
        let mut seen = 0;
        for entry in tar.entries_with_seek().map_err(broken)? {
            let entry = entry.map_err(broken)?;
            seen += 1;
            if seen > MOST_FILES {
                return Err(wrong("it has more files than any export"));
            }
            if entry.header().entry_type() != tar::EntryType::Regular {
                continue;
            }
            let place = (entry.raw_file_position(), entry.size());
            let name = entry.path_bytes();
            let name = name.strip_prefix(b"./").unwrap_or(&name);
            if name == b"index.json" {
                index = Some(place);
            } else if let Some(digest) = name.strip_prefix(b"blobs/sha256/") {
                let text = format!("sha256:{}", String::from_utf8_lossy(digest));
                if let Ok(digest) = Digest::parse(&text) {
                    blobs.insert(digest, place);
                }
            }
        }
        let mut archive = Self {
            path: path.to_owned(),
            file: Mutex::new(file),
            blobs,
            entries: Vec::new(),
        };
        let place = index.ok_or_else(|| wrong("it has no `index.json`: this is no OCI layout"))?;
        let bytes = archive.piece(place, LARGEST_INDEX)?;
        let index: Index = serde_json::from_slice(&bytes).map_err(|error| {
            wrong(&format!(
                "its index is wrong: {}",
                short(&error.to_string())
            ))
        })?;
        archive.entries = index.manifests.into_iter().filter_map(Entry::of).collect();
        Ok(archive)
    }

    /// The plugins in it: what is tagged and is not a signature.
    pub fn plugins(&self) -> impl Iterator<Item = &Entry> {
        let signature = |tag: &str| tag.starts_with("sha256-") && tag.ends_with(".sig");
        self.entries
            .iter()
            .filter(move |entry| !signature(&entry.tag))
    }

    /// The content of a descriptor.
    pub fn content(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        let subject = format!("{}: {}", self.path.display(), wanted.digest);
        let error = |kind, message: &str| RegistryError::new(kind, &subject, message);
        let place = self.blobs.get(&wanted.digest).copied().ok_or_else(|| {
            error(
                RegistryErrorKind::NotFound,
                "the archive does not have this content",
            )
            .hint("it is incomplete: export it again")
        })?;
        if place.1 != wanted.size {
            return Err(error(
                RegistryErrorKind::Digest,
                "the archive has content of another size than was promised",
            ));
        }
        let bytes = self.piece(place, wanted.size)?;
        match wanted.digest.is_of(&bytes) {
            true => Ok(bytes),
            false => Err(error(
                RegistryErrorKind::Digest,
                "the content is not what was promised: its digest is another",
            )
            .hint("the archive was changed: nothing was taken")),
        }
    }

    /// The signatures of a manifest.
    pub fn signatures(&self, repository: &Repository, manifest: &Digest) -> Result<Vec<Signature>> {
        let tag = Signature::tag(manifest);
        let mut entries = self.entries.iter();
        let Some(entry) = entries.find(|entry| entry.tag == tag && entry.repository == *repository)
        else {
            return Ok(Vec::new());
        };
        let subject = format!("{}: {repository}:{tag}", self.path.display());
        let list = Manifest::parse(&subject, &self.content(&entry.manifest)?)?;
        Signature::collect(&subject, &list, |layer| self.content(layer))
    }

    fn piece(&self, (offset, size): (u64, u64), most: u64) -> Result<Vec<u8>> {
        let subject = self.path.display();
        if size > most {
            return Err(RegistryError::new(
                RegistryErrorKind::TooLarge,
                subject,
                format!("a piece of it has {size} bytes, and {most} were expected at most"),
            ));
        }
        let mut bytes = Vec::new();
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| (&mut *file).take(size).read_to_end(&mut bytes))
            .map_err(|error| {
                RegistryError::new(RegistryErrorKind::Io, subject, "cannot be read").because(error)
            })?;
        Ok(bytes)
    }
}

impl Entry {
    fn of(manifest: Descriptor) -> Option<Self> {
        let name = manifest.annotations.get(REF_NAME)?;
        let reference = Reference::parse(name).ok()?;
        let Which::Tag(tag) = reference.which else {
            return None;
        };
        (manifest.media_type == MANIFEST_TYPE && manifest.size <= LARGEST_INDEX).then_some(Self {
            repository: reference.repository,
            tag,
            manifest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> Repository {
        Repository::parse("r.example/a").unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar");
        let content = b"content".to_vec();
        let manifests = [(repository(), "1.0.0".to_owned(), b"{}".to_vec())];
        write(
            File::create(&path).unwrap(),
            &manifests,
            &[content.clone(), content.clone()],
        )
        .unwrap();
        let archive = Archive::open(&path).unwrap();
        let entries: Vec<_> = archive.plugins().collect();
        assert_eq!(entries.len(), 1);
        assert_eq!(
            (entries[0].tag.as_str(), &entries[0].repository),
            ("1.0.0", &repository())
        );
        assert_eq!(archive.content(&entries[0].manifest).unwrap(), b"{}");
        assert_eq!(
            archive.content(&Descriptor::of("x", &content)).unwrap(),
            content
        );
        assert!(
            archive
                .signatures(&repository(), &Digest::of(b"{}"))
                .unwrap()
                .is_empty()
        );
        let missing = archive.content(&Descriptor::of("x", b"other")).unwrap_err();
        assert_eq!(missing.kind, RegistryErrorKind::NotFound);
        let mut longer = Descriptor::of("x", &content);
        longer.size += 1;
        assert_eq!(
            archive.content(&longer).unwrap_err().kind,
            RegistryErrorKind::Digest
        );
    }

    #[test]
    fn a_changed_archive_is_noticed_and_names_reach_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar");
        let manifests = [(repository(), "1.0.0".to_owned(), b"manifest".to_vec())];
        write(File::create(&path).unwrap(), &manifests, &[]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes
            .windows(8)
            .position(|window| window == b"manifest")
            .unwrap();
        // The index says `manifests` too: the content is the last one.
        let last = bytes
            .windows(8)
            .rposition(|window| window == b"manifest")
            .unwrap();
        assert!(last > at);
        bytes[last] = b'M';
        std::fs::write(&path, &bytes).unwrap();
        let archive = Archive::open(&path).unwrap();
        let entry = archive.plugins().next().unwrap();
        let error = archive.content(&entry.manifest).unwrap_err();
        assert_eq!(error.kind, RegistryErrorKind::Digest);

        for content in [&b""[..], b"no tar", &[0; 2048], &bytes[..700]] {
            std::fs::write(&path, content).unwrap();
            let error = Archive::open(&path).unwrap_err();
            assert_eq!(error.kind, RegistryErrorKind::Layout);
        }
        assert!(Archive::open(folder.path()).is_err());
        assert!(Archive::open(&folder.path().join("nosuch")).is_err());
    }
}
