//! What is in an archive, entry by entry, and an archive of some of it: for machines that have the rest already.
//!
//! Entries are copied as they are, with whatever stands before them for long names, so that unpacking a part is unpacking it
//! from the whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write as _};

use sha2::{Digest as _, Sha256};

use super::compress;

const BLOCK: u64 = 512;

/// Two empty blocks.
const END: [u8; 1024] = [0; 1024];

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    /// To another entry. On a machine it looks like the file.
    Hardlink,
    Other,
}

/// One entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    /// Without the bits for the kind.
    pub mode: u32,
    pub size: u64,
    /// In whole seconds.
    pub mtime: u64,
    /// Of a link.
    pub target: Vec<u8>,
    /// SHA-256 of a file's content, in lower-case hexadecimal.
    pub digest: String,
    /// Where it lies in the archive.
    begins: u64,
    ends: u64,
}

/// The entries of an archive by path: without `./` in front and `/` behind. Of two with one path the last one counts, as it
/// does when they are unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub entries: BTreeMap<Vec<u8>, Entry>,
}

/// Reads an archive that was compressed with zstd.
pub(super) fn read(archive: File) -> io::Result<Manifest> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(archive)?);
    let mut manifest = Manifest::default();
    let mut begins = 0;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let header = entry.header();
        let kind = match header.entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => Kind::File,
            tar::EntryType::Directory => Kind::Directory,
            tar::EntryType::Symlink => Kind::Symlink,
            tar::EntryType::Link => Kind::Hardlink,
            _ => Kind::Other,
        };
        let (mode, mtime) = (header.mode()? & 0o7777, header.mtime()?);
        let size = header.entry_size()?;
        let ends = entry.raw_file_position() + size.div_ceil(BLOCK) * BLOCK;
        let target = entry.link_name_bytes().unwrap_or_default().into_owned();
        let path = plain(&entry.path_bytes()).to_vec();
        let digest = match kind {
            Kind::File => digest(&mut entry)?,
            Kind::Directory | Kind::Symlink | Kind::Hardlink | Kind::Other => String::new(),
        };
        let entry = Entry {
            kind,
            mode,
            size,
            mtime,
            target,
            digest,
            begins,
            ends,
        };
        begins = ends;
        // The top itself is the machine's.
        if !path.is_empty() {
            manifest.entries.insert(path, entry);
        }
    }
    Ok(manifest)
}

/// The entries that `wanted` names, in their order, compressed with zstd: the file, and its length.
pub(super) fn part<'a>(
    archive: File,
    manifest: &Manifest,
    wanted: impl Iterator<Item = &'a [u8]>,
) -> io::Result<(File, u64)> {
    let mut ranges: Vec<(u64, u64)> = wanted
        .filter_map(|path| manifest.entries.get(path))
        .map(|entry| (entry.begins, entry.ends))
        .collect();
    ranges.sort_unstable();
    let mut from = zstd::Decoder::new(archive)?;
    let mut to = compress::Zstd::new()?;
    let mut at = 0;
    for (begins, ends) in ranges {
        io::copy(&mut from.by_ref().take(begins - at), &mut io::sink())?;
        let copied = io::copy(&mut from.by_ref().take(ends - begins), &mut to)?;
        if copied != ends - begins {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at = ends;
    }
    to.write_all(&END)?;
    to.finish()
}

fn plain(path: &[u8]) -> &[u8] {
    let mut path = path;
    while let Some(rest) = path.strip_prefix(b"./") {
        path = rest;
    }
    while let Some(rest) = path.strip_suffix(b"/") {
        path = rest;
    }
    if path == b"." { b"" } else { path }
}

fn digest(content: &mut impl Read) -> io::Result<String> {
    let mut sha = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match content.read(&mut buffer)? {
            0 => break,
            read => sha.update(&buffer[..read]),
        }
    }
    Ok(sha
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
