//! The smallest root file system that is one: busybox and the names it answers to.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::skip::{program, skip};

/// Makes a root file system in `directory`. None, loudly, when there is no static busybox.
pub fn busybox(directory: &Path) -> Option<PathBuf> {
    let Some(busybox) = program("busybox") else {
        skip("there is no busybox (Debian: busybox-static)");
        return None;
    };
    let bin = directory.join("bin");
    std::fs::create_dir_all(&bin).expect("bin");
    for name in [
        "usr", "etc", "proc", "sys", "dev", "tmp", "root", "run", "var",
    ] {
        std::fs::create_dir_all(directory.join(name)).expect("a directory");
    }
    crate::env::set_mode(&directory.join("tmp"), 0o1777);
    std::fs::copy(&busybox, bin.join("busybox")).expect("busybox is copied");
    let names = Command::new(&busybox)
        .arg("--list")
        .output()
        .expect("busybox lists its names");
    for name in String::from_utf8_lossy(&names.stdout).lines() {
        // Linking `busybox` over itself would destroy the file.
        if name != "busybox" {
            std::os::unix::fs::symlink("busybox", bin.join(name)).expect("a link");
        }
    }
    std::fs::write(
        directory.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\n",
    )
    .expect("passwd");
    std::fs::write(directory.join("etc/group"), "root:x:0:\n").expect("group");
    std::fs::write(
        directory.join("etc/os-release"),
        "ID=busybox\nVERSION_ID=1\nPRETTY_NAME=\"busybox\"\n",
    )
    .expect("os-release");
    Some(directory.to_owned())
}

/// The same as a tarball.
pub fn busybox_tar(directory: &Path, tar: &Path) -> Option<PathBuf> {
    let root = busybox(directory)?;
    let done = Command::new("tar")
        .arg("-C")
        .arg(&root)
        .arg("-cf")
        .arg(tar)
        .arg(".")
        .status()
        .expect("tar starts");
    assert!(done.success(), "tar failed");
    Some(tar.to_owned())
}
