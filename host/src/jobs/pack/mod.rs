//! The project's tree as an archive for its systems: made once, while the first machines are being allocated.
//!
//! The local `tar` decides what `include`, `exclude` and `rename` mean, as it always did for these files; the compression is
//! ours and uses every processor. What is made is zstd; for systems that cannot unpack that it is packed again as gzip, once,
//! when the first of them asks. Machines that have most of it already get the rest ([`Archive::part`]).

mod compress;
mod manifest;
mod tree;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Seek as _};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use manifest::{Entry, Kind, Manifest};
pub use tree::pack;

/// What goes into the archive. Variables and host commands are expanded already.
#[derive(Clone, Debug, Default)]
pub struct PackSpec {
    /// Whose entries are packed; scripts run in it.
    pub directory: PathBuf,
    /// Arguments of tar; empty is every entry but the reuse files.
    pub include: Vec<String>,
    /// Patterns of tar.
    pub exclude: Vec<String>,
    /// Transform expressions of tar.
    pub rename: Vec<String>,
    /// A host script that makes another archive of it: it reads the one from descriptor 3 and writes the other to 4.
    pub repack: Option<HostScript>,
}

/// A script for the shell of this machine.
#[derive(Clone, Debug)]
pub struct HostScript {
    pub text: String,
    /// Commands in front of it that set its environment, which are not traced.
    pub exports: String,
    /// Killed when it takes longer.
    pub kill: Option<Duration>,
}

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Zstd,
    Gzip,
}

impl Format {
    /// For a machine that has zstd, or has not.
    pub fn of(zstd: bool) -> Self {
        if zstd { Self::Zstd } else { Self::Gzip }
    }

    /// The command over there that reads it.
    pub fn unpack(self) -> &'static str {
        match self {
            Self::Zstd => "zstd -q -d -c",
            Self::Gzip => "gzip -d -c",
        }
    }
}

/// The archive, on the local disk under no name.
#[derive(Debug)]
pub struct Archive {
    zstd: File,
    bytes: u64,
    /// What tar said without failing.
    pub warnings: Vec<String>,
    gzip: Mutex<Option<(File, u64)>>,
    manifest: Mutex<Option<Arc<Manifest>>>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("cannot start `{program}`")]
    Start {
        program: &'static str,
        #[source]
        source: io::Error,
    },
    /// In its own words.
    #[error("{}", told(.said, .status))]
    Tar { said: String, status: ExitStatus },
    #[error("cannot pack project tree: {}", told(.said, .status))]
    Repack { said: String, status: ExitStatus },
    #[error("cannot pack project tree: kill-timeout reached")]
    TooLong,
    #[error("cannot list `{}`", .directory.display())]
    List {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
}

fn told(said: &str, status: &ExitStatus) -> String {
    if said.is_empty() {
        status.to_string()
    } else {
        said.to_owned()
    }
}

impl Archive {
    /// Its length, compressed.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file in this format, at its beginning, and its length. Blocks, the first time that gzip is asked for.
    pub fn open(&self, format: Format) -> io::Result<(File, u64)> {
        let (file, bytes) = match format {
            Format::Zstd => (reopen(&self.zstd)?, self.bytes),
            Format::Gzip => {
                let mut gzip = self.gzip.lock().unwrap_or_else(PoisonError::into_inner);
                let (file, bytes) = match &*gzip {
                    Some(made) => made,
                    None => gzip.insert(compress::zstd_to_gzip(reopen(&self.zstd)?)?),
                };
                (reopen(file)?, *bytes)
            }
        };
        Ok((file, bytes))
    }

    /// What is in it. Blocks, the first time that it is asked for.
    pub fn manifest(&self) -> io::Result<Arc<Manifest>> {
        let mut known = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(manifest) = &*known {
            return Ok(Arc::clone(manifest));
        }
        let manifest = Arc::new(manifest::read(reopen(&self.zstd)?)?);
        *known = Some(Arc::clone(&manifest));
        Ok(manifest)
    }

    /// An archive of some of its paths, in this format, and its length. Blocks.
    pub fn part<'a>(
        &self,
        format: Format,
        wanted: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<(File, u64)> {
        let manifest = self.manifest()?;
        let part = manifest::part(reopen(&self.zstd)?, &manifest, wanted)?;
        match format {
            Format::Zstd => Ok(part),
            Format::Gzip => compress::zstd_to_gzip(part.0),
        }
    }
}

/// The same file with a place of its own in it: machines are sent to side by side.
fn reopen(file: &File) -> io::Result<File> {
    use std::os::fd::AsRawFd as _;
    match File::open(format!("/proc/self/fd/{}", file.as_raw_fd())) {
        Ok(own) => Ok(own),
        // Without /proc: a copy.
        Err(_) => {
            let mut from = file.try_clone()?;
            from.rewind()?;
            let mut copy = tempfile::tempfile()?;
            io::copy(&mut from, &mut copy)?;
            copy.rewind()?;
            Ok(copy)
        }
    }
}
