//! The directories that a guest was granted, through the seam: a recording has what is in them when a call begins, and a
//! play gives the guest a copy of that in place of the real one. Names, kinds, modes and contents; not times, owners or
//! what else a file system keeps.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde_json::Value;

use super::{Tapped, Verdict};
use crate::provider::wire::{Wire, tagged, wire_record, wire_variant};

/// What a recording holds of one directory. More than this is no configuration of a plugin's.
const LARGEST: usize = 16 << 20;
const MOST: usize = 10_000;

/// One entry, by its path below the directory.
#[derive(Debug)]
struct Entry {
    path: Vec<u8>,
    is: Kind,
    mode: u32,
}
wire_record!(Entry { path, is, mode });

#[derive(Debug)]
enum Kind {
    Directory,
    /// Sockets, devices and what cannot be read.
    Other,
    File(Vec<u8>),
    Link(Vec<u8>),
}
wire_variant!(Kind { Directory = "directory", Other = "other"; File = "file", Link = "link" });

/// What the guest gets.
pub(crate) enum Given {
    /// The directory itself.
    Real,
    /// A copy, which goes with this.
    Copy(tempfile::TempDir),
}

impl Tapped {
    /// One granted directory, at the beginning of a call.
    pub(crate) fn directory(&self, path: &Path) -> std::io::Result<Given> {
        let ask = self.ask("files.directory", path.to_path_buf().to_json());
        match self.tap.ask(&ask) {
            Verdict::Answer(told) => {
                self.tap.told(&ask, &told);
                let entries = told.get("ok").unwrap_or(&Value::Null);
                let entries = Vec::<Entry>::from_json(entries).map_err(std::io::Error::other)?;
                copy(&entries).map(Given::Copy)
            }
            Verdict::Perform | Verdict::PerformBut(_) | Verdict::Kill | Verdict::PerformAndKill => {
                let told = match self.tap.keeps_content() {
                    false => tagged("ok", Value::Null),
                    true => match snapshot(path) {
                        Ok(entries) => tagged("ok", entries.to_json()),
                        Err(error) => tagged("end", error.to_string().into()),
                    },
                };
                self.tap.told(&ask, &told);
                Ok(Given::Real)
            }
        }
    }
}

fn snapshot(root: &Path) -> std::io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut size = 0;
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        let mut names = std::fs::read_dir(root.join(&directory))?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<std::io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            let path = directory.join(name);
            let full = root.join(&path);
            let metadata = std::fs::symlink_metadata(&full)?;
            let is = match metadata.file_type() {
                kind if kind.is_dir() => {
                    open.push(path.clone());
                    Kind::Directory
                }
                kind if kind.is_symlink() => {
                    Kind::Link(std::fs::read_link(&full)?.into_os_string().into_vec())
                }
                kind if kind.is_file() => {
                    size += usize::try_from(metadata.len()).unwrap_or(usize::MAX);
                    if size > LARGEST {
                        return Err(too_large(root));
                    }
                    std::fs::read(&full).map_or(Kind::Other, Kind::File)
                }
                _ => Kind::Other,
            };
            entries.push(Entry {
                path: path.into_os_string().into_vec(),
                is,
                mode: metadata.mode() & 0o7777,
            });
            if entries.len() > MOST {
                return Err(too_large(root));
            }
        }
    }
    Ok(entries)
}

fn too_large(root: &Path) -> std::io::Error {
    std::io::Error::other(format!(
        "`{}` holds more than {MOST} entries or {} MiB, which is not recorded",
        root.display(),
        LARGEST >> 20
    ))
}

/// Makes what a recording holds. It may be anybody's: nothing outside of the new directory can be named.
fn copy(entries: &[Entry]) -> std::io::Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    let root = Dir::open_ambient_dir(directory.path(), ambient_authority())?;
    for entry in entries {
        let path = Path::new(OsStr::from_bytes(&entry.path));
        match &entry.is {
            Kind::Directory => root.create_dir_all(path)?,
            Kind::File(content) => {
                root.write(path, content)?;
                let mode = std::fs::Permissions::from_mode(entry.mode & 0o777);
                root.set_permissions(path, cap_std::fs::Permissions::from_std(mode))?;
            }
            Kind::Link(target) => root.symlink(OsStr::from_bytes(target), path)?,
            Kind::Other => {}
        }
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_what_the_directory_had() {
        let real = tempfile::tempdir().unwrap();
        let path = |name: &str| real.path().join(name);
        std::fs::create_dir_all(path("a/b")).unwrap();
        std::fs::write(path("a/b/file"), b"\xff\x00text").unwrap();
        std::fs::set_permissions(path("a/b/file"), std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("b/file", path("a/link")).unwrap();
        let json = snapshot(real.path()).unwrap().to_json();
        let copied = copy(&Vec::from_json(&json).unwrap()).unwrap();
        let there = |name: &str| copied.path().join(name);
        assert_eq!(std::fs::read(there("a/link")).unwrap(), b"\xff\x00text");
        assert_eq!(
            std::fs::metadata(there("a/b/file")).unwrap().mode() & 0o777,
            0o640
        );
    }

    #[test]
    fn a_recording_of_somebody_elses_writes_nowhere_else() {
        let outside = tempfile::tempdir().unwrap();
        let victim = outside.path().join("victim");
        let file = |path: &Path| Entry {
            path: path.as_os_str().as_bytes().to_vec(),
            is: Kind::File(b"escaped".to_vec()),
            mode: 0o644,
        };
        let link = Entry {
            path: b"way-out".to_vec(),
            is: Kind::Link(outside.path().as_os_str().as_bytes().to_vec()),
            mode: 0,
        };
        for entries in [
            vec![file(&victim)],
            vec![file(&Path::new("..").join("victim"))],
            vec![link, file(Path::new("way-out/victim"))],
        ] {
            assert!(copy(&entries).is_err(), "{entries:?}");
            assert!(!victim.exists());
        }
    }
}
