//! The components that are part of this program.
//!
//! `build.rs` builds them from `plugins/` and generates the table, digests included, so that nothing is hashed at
//! start-up. They use the public SDK and pass through the same grants as everybody else's.

/// A component inside this program.
#[derive(Debug)]
pub(super) struct Embedded {
    pub(super) name: &'static str,
    /// SHA-256 of `bytes`, lower-case hexadecimal.
    pub(super) digest: &'static str,
    pub(super) bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The embedded component with this name.
pub(super) fn by_name(name: &str) -> Option<&'static Embedded> {
    EMBEDDED.iter().find(|embedded| embedded.name == name)
}

/// The embedded component with this digest.
pub(super) fn by_digest(digest: &str) -> Option<&'static Embedded> {
    EMBEDDED.iter().find(|embedded| embedded.digest == digest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_complete_and_true() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins");
        let folders = std::fs::read_dir(folder).unwrap().flatten();
        let packages = folders.filter(|entry| entry.path().join("Cargo.toml").exists());
        let names: BTreeSet<_> = packages.map(|entry| entry.file_name()).collect();
        assert!(
            EMBEDDED.iter().map(|embedded| embedded.name).eq(&names),
            "{names:?}"
        );
        for embedded in EMBEDDED {
            assert_eq!(
                crate::plugin::locate::digest_of(embedded.bytes),
                embedded.digest
            );
            assert!(std::ptr::eq(by_name(embedded.name).unwrap(), embedded));
        }
        assert!(by_name("nosuch").is_none());
    }
}
