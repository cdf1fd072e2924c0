//! The real things that providers are tried against, started and stopped by the test that needs them, with everything
//! they keep below the test's own directory.

pub mod cloud;
pub mod incus;
pub mod machine;
pub mod podman;
pub mod qemu;
pub mod registry;
pub mod rootfs;
pub mod sshd;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Mount points below `directory`, deepest first.
pub fn mounts_below(directory: &Path) -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut found: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|point| point.starts_with(directory))
        .collect();
    found.sort_by_key(|point| std::cmp::Reverse(point.as_os_str().len()));
    found
}

/// Unmounts what a test left below its directory, so that removing the directory cannot reach into something mounted.
pub fn unmount_below(directory: &Path) {
    for point in mounts_below(directory) {
        drop(Command::new("umount").arg("-l").arg(point).output());
    }
}
