//! The scripts by themselves: streams, the halves for a provider's own copy, and what their errors become.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::harness::{Instance, TOKEN, finish, picture, spawn};
use crate::transfer::remote::{InstanceDestination, InstanceSource};
use crate::transfer::{
    InstanceFailure, LocalSource, PackOptions, Preserve, Quiet, TransferError, pack,
};

fn failure(error: TransferError) -> InstanceFailure {
    match error {
        TransferError::Instance { failure, .. } => failure,
        other => panic!("{other}"),
    }
}

#[test]
fn errors_have_kinds() {
    for instance in Instance::all() {
        let here = tempfile::tempdir().unwrap();
        let file = here.path().join("file");
        std::fs::write(&file, "x").unwrap();
        std::fs::write(instance.path("there"), "x").unwrap();
        std::fs::create_dir(instance.path("directory")).unwrap();
        std::os::unix::fs::symlink("nowhere", instance.path("dangling")).unwrap();
        let put = |from: &Path, to: &str| failure(instance.put(from, to).unwrap_err());
        let get = |from: &str| failure(instance.get(from, &here.path().join("back")).unwrap_err());
        assert_eq!(put(&file, "none/new"), InstanceFailure::NotFound);
        assert_eq!(put(&file, "there/"), InstanceFailure::NotADirectory);
        assert_eq!(put(&file, "new/"), InstanceFailure::NotADirectory);
        assert_eq!(put(&file, "dangling"), InstanceFailure::Dangling);
        assert_eq!(put(here.path(), "there"), InstanceFailure::InTheWay);
        assert_eq!(get("none"), InstanceFailure::NotFound);
        assert_eq!(get("-none"), InstanceFailure::NotFound);
        assert_eq!(get("there/"), InstanceFailure::NotADirectory);
        let stream = |path: &str| {
            let source = InstanceSource::new(path);
            let (code, _, stderr) = instance.run(&source.send_stream());
            failure(source.failure(code, &stderr))
        };
        assert_eq!(stream("none"), InstanceFailure::NotFound);
        assert_eq!(stream("directory"), InstanceFailure::IsADirectory);
        let to = InstanceDestination::new("directory", None, TOKEN, Preserve::default());
        let (code, _, stderr) = instance.run(&to.receive_stream());
        assert_eq!(
            failure(to.failure(code, &stderr)),
            InstanceFailure::IsADirectory
        );
    }
}

#[test]
fn an_instance_without_tar_says_so() {
    let instance = Instance::any();
    let bin = tempfile::tempdir().unwrap();
    for name in ["ls", "cat", "rm", "mkdir"] {
        std::os::unix::fs::symlink(Path::new("/bin").join(name), bin.path().join(name)).unwrap();
    }
    let source = InstanceSource::new(".");
    let mut command = instance.command(&source.send());
    let running = spawn(command.env("PATH", bin.path()));
    let error = finish(running, |code, stderr| source.failure(code, stderr)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the instance has no `tar`, needed to copy `.`"
    );
    assert!(error.hint().unwrap().contains("install `tar`"));
}

#[test]
fn a_full_disk_is_told() {
    if !super::harness::is_root() {
        return;
    }
    for instance in Instance::all() {
        let here = tempfile::tempdir().unwrap();
        std::fs::write(here.path().join("big"), vec![1; 3 << 20]).unwrap();
        let disk = instance.path("disk");
        std::fs::create_dir(&disk).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "none"])
            .arg(&disk)
            .status();
        if !mount.is_ok_and(|status| status.success()) {
            // Without the right to mount there is no small disk.
            return;
        }
        let put = instance.put(&here.path().join("big"), "disk");
        let left = std::fs::read_dir(&disk).unwrap().count();
        std::fs::write(instance.path("big"), vec![1; 3 << 20]).unwrap();
        let get = instance.get("big", &disk);
        let left_here = std::fs::read_dir(&disk).unwrap().count();
        assert!(
            Command::new("umount")
                .arg(&disk)
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(failure(put.unwrap_err()), InstanceFailure::DiskFull);
        let get = get.unwrap_err();
        assert!(
            matches!(&get, TransferError::Local { source, .. }
            if source.kind() == std::io::ErrorKind::StorageFull),
            "{get}"
        );
        assert!(get.hint().unwrap().contains("make room"));
        assert_eq!((left, left_here), (0, 0));
    }
}

#[test]
fn odd_names_reach_the_scripts() {
    for instance in Instance::all() {
        let here = tempfile::tempdir().unwrap();
        let file = here.path().join("file");
        std::fs::write(&file, "contents").unwrap();
        for name in [
            &b"-rf"[..],
            b"--help",
            b"new\nline",
            b"ends\n",
            b"\n",
            b"not\xffutf8",
            b"a b  c",
            b"$(touch x)`touch x`'\"\\",
            b"*",
            b"?",
            b"[a]",
            b"~",
            b"...",
            b"-",
            b"%s%n",
            b"{a,b}",
            b"!x",
        ] {
            instance.put(&file, name).unwrap();
            let back = here.path().join("back");
            instance.get(name, &back).unwrap();
            assert_eq!(std::fs::read(&back).unwrap(), b"contents");
            std::fs::remove_file(&back).unwrap();
            let (code, out, _) = instance.run(&InstanceSource::new(name).send_stream());
            assert_eq!((code, &out[..]), (0, &b"contents"[..]));
            // As a directory, into which something goes, and merged.
            let directory = [b"dir", name].concat();
            std::fs::create_dir_all(here.path().join("tree/sub")).unwrap();
            std::fs::write(here.path().join("tree/sub/file"), "x").unwrap();
            instance.put(&here.path().join("tree"), &directory).unwrap();
            instance
                .put(&here.path().join("tree/."), &directory)
                .unwrap();
            instance.put(&file, &directory).unwrap();
            // Over a link with such a name.
            let link = [b"link", name].concat();
            let path = instance
                .root
                .path()
                .join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&link));
            let target = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name);
            std::os::unix::fs::symlink(Path::new(target), &path).unwrap();
            instance.put(&file, &link).unwrap();
            assert!(path.symlink_metadata().unwrap().is_symlink());
        }
        assert!(!instance.path("x").exists());
        instance.assert_clean();
    }
}

#[test]
fn the_halves_for_a_providers_own_copy() {
    for instance in Instance::all() {
        let here = tempfile::tempdir().unwrap();
        let tree = here.path().join("tree");
        std::fs::create_dir_all(tree.join("sub")).unwrap();
        std::fs::write(tree.join("sub/file"), "x").unwrap();
        let source = LocalSource::open(&tree).unwrap();
        let to = InstanceDestination::new(".", source.name(), TOKEN, Preserve::default());
        let (code, directory, _) = instance.run(&to.prepare());
        assert_eq!(code, 0);
        let directory = String::from_utf8(directory).unwrap();
        assert!(Path::new(&directory).is_dir(), "{directory:?}");
        assert_eq!(instance.run(&to.commit()).0, 97);
        instance.assert_clean();
        assert_eq!(instance.run(&to.prepare()).0, 0);
        let mut child = Command::new("tar")
            .args(["-x", "-C", &directory])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut parcel = Vec::new();
        pack(&source, PackOptions::default(), &mut parcel, &Quiet).unwrap();
        child.stdin.take().unwrap().write_all(&parcel).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(instance.run(&to.commit()).0, 0);
        picture(&tree)
            .rounded()
            .assert_same(&instance.picture("tree"));
        assert_eq!(instance.run(&to.prepare()).0, 0);
        assert_eq!(instance.run(&to.abandon()).0, 0);
        instance.assert_clean();
    }
}

#[test]
fn a_stream_goes_into_a_fifo_or_device() {
    let instance = Instance::any();
    let to = InstanceDestination::new("/dev/null", None, TOKEN, Preserve::default());
    let mut running = spawn(&mut instance.command(&to.receive_stream()));
    running
        .child
        .stdin
        .take()
        .unwrap()
        .write_all(&[1; 100_000])
        .unwrap();
    finish(running, |code, stderr| to.failure(code, stderr)).unwrap();
    assert_eq!(instance.run(&to.commit_stream()).0, 0);
    assert!(!Path::new("/dev/null").metadata().unwrap().is_file());
}
