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

/// The same with this machine's own bash, and what else spread needs of a system, instead of busybox' ways of it.
pub fn with_bash(directory: &Path) -> Option<PathBuf> {
    let root = busybox(directory)?;
    let copied = Command::new("bash")
        .args(["-euc", COPY_PROGRAMS, "bash"])
        .arg(&root)
        .args(["bash", "tar", "gzip", "grep", "head", "cat", "ls", "sleep"])
        .status()
        .expect("bash starts");
    assert!(copied.success(), "programs and their libraries are copied");
    Some(root)
}

/// Programs, and the libraries that the loader names for them.
const COPY_PROGRAMS: &str = r#"
root=$1
shift
for name; do
  file=$(readlink -f "$(type -P "$name")")
  rm -f "$root/bin/$name"
  cp "$file" "$root/bin/$name"
  for library in $(ldd "$file" | grep -o '/[^ )]*'); do
    mkdir -p "$root${library%/*}"
    cp -L "$library" "$root$library"
  done
done
"#;

/// A root file system as a tarball.
pub fn tarball(root: &Path, tar: &Path) {
    let done = Command::new("tar")
        .arg("-C")
        .arg(root)
        .arg("-cf")
        .arg(tar)
        .arg(".")
        .status()
        .expect("tar starts");
    assert!(done.success(), "tar failed");
}

/// The smallest one as a tarball.
pub fn busybox_tar(directory: &Path, tar: &Path) -> Option<PathBuf> {
    let root = busybox(directory)?;
    tarball(&root, tar);
    Some(tar.to_owned())
}
