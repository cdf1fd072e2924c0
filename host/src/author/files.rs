//! The files of `sdk/` and `wit/` that this program carries, so that a new project needs nothing from anywhere.
//!
//! `build.rs` generates the table. They lie in the repository as what they are, and are tested there.

/// A file inside this program.
pub(super) struct Carried {
    /// From the top of the repository, such as `sdk/templates/c/Makefile`.
    pub(super) path: &'static str,
    pub(super) bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/carried.rs"));

/// Every carried file below a folder, with its path from there, sorted.
pub(super) fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    CARRIED.iter().filter_map(move |file| {
        let rest = file.path.strip_prefix(folder)?.strip_prefix('/')?;
        Some((rest, file.bytes))
    })
}
