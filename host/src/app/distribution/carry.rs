//! To sites that reach no registry: plugins with their signatures into a file, and out of it.

use std::path::Path;

use semver::Version;

use super::{App, FetchOptions, Installed, Place};
use crate::engine::{EngineError, FailureKind, Result};
use crate::registry::{Archive, Range, Signature, Versions, Wanted, Which, tag_of, write_archive};

impl App {
    /// Writes plugins into an archive; without any, those of the project's lock. Answers their names and versions.
    pub fn plugin_export(
        &self,
        wanted: &[Wanted],
        file: &Path,
        options: &FetchOptions,
    ) -> Result<Vec<(String, String)>> {
        let client = self.registry(options)?;
        let mut places = Vec::new();
        for one in wanted {
            places.push(self.place(&client, one, options)?);
        }
        if wanted.is_empty() {
            let lock = self.lock()?.ok_or_else(|| {
                EngineError::new(
                    FailureKind::Invalid,
                    "there is no plugin named, and no `runner.lock` that has some",
                )
                .hint("`runner plugin export NAME --output FILE.tar`")
            })?;
            places.extend(lock.plugins().iter().map(|locked| Place {
                repository: locked.from.clone(),
                which: Which::Digest(locked.manifest.clone()),
                range: locked.range.clone(),
                version: Version::parse(&locked.version).ok(),
            }));
        }
        let mut manifests = Vec::new();
        let mut contents = Vec::new();
        let mut exported = Vec::new();
        for place in places {
            let candidate = self.candidate(&client, place, options)?;
            let receipt = candidate.receipt;
            let repository = receipt.from;
            let (manifest, config) = candidate.fetched.pieces;
            let version = Version::parse(&receipt.version).map(|version| tag_of(&version));
            let tag = version.unwrap_or_else(|_| receipt.version.clone());
            contents.extend([config, candidate.fetched.component]);
            if let Some(signed) = Signature::pieces(&client, &repository, &receipt.manifest)? {
                manifests.push((repository.clone(), signed.tag, signed.manifest));
                contents.extend(signed.contents);
            }
            manifests.push((repository, tag, manifest));
            exported.push((receipt.name, receipt.version));
        }
        let failed = |error: std::io::Error| {
            let message = format!("cannot write `{}`", file.display());
            EngineError::new(FailureKind::Io, message).because(error)
        };
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut draft = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(folder)
            .map_err(failed)?;
        write_archive(
            std::io::BufWriter::new(draft.as_file_mut()),
            &manifests,
            &contents,
        )
        .and_then(|()| draft.as_file().sync_all())
        .map_err(failed)?;
        draft.persist(file).map_err(|error| failed(error.error))?;
        Ok(exported)
    }

    /// Installs the plugins of an archive, as if each came from the registry that it was exported from.
    pub fn plugin_import(&self, file: &Path, options: &FetchOptions) -> Result<Vec<Installed>> {
        let archive = Archive::open(file)?;
        // All are looked at before one is installed.
        let mut candidates = Vec::new();
        for entry in archive.plugins() {
            let known = Versions::among([entry.tag.clone()]);
            let place = Place {
                repository: entry.repository.clone(),
                which: Which::Tag(entry.tag.clone()),
                range: Range::any(),
                version: known.iter().next_back().cloned(),
            };
            candidates.push(self.candidate(&archive, place, options)?);
        }
        if candidates.is_empty() {
            let message = format!("there is no plugin in `{}`", file.display());
            return Err(EngineError::new(FailureKind::Invalid, message)
                .hint("`runner plugin export` writes such files"));
        }
        candidates
            .into_iter()
            .map(|candidate| self.take(candidate, options))
            .collect()
    }
}
