//! Where a copy ends up: the same as with `cp -a`, on both sides.

use std::path::Path;
use std::process::Command;

use super::harness::{Instance, picture, set_time};

/// What is there before each copy, in a directory of its own.
fn stage(top: &Path) {
    for directory in [
        "source",
        "source/inner",
        "target",
        "target/source",
        "target/source/inner",
    ] {
        std::fs::create_dir_all(top.join(directory)).unwrap();
    }
    for (name, contents) in [
        ("file", "file"),
        ("source/one", "one"),
        ("source/inner/two", "two"),
        ("source/inner/.three", "three"),
        ("target/file", "old file"),
        ("target/source/one", "old one"),
        ("target/source/inner/kept", "kept"),
        ("other", "old other"),
    ] {
        std::fs::write(top.join(name), contents).unwrap();
    }
    std::os::unix::fs::symlink("file", top.join("to file")).unwrap();
    std::os::unix::fs::symlink("source", top.join("to source")).unwrap();
    std::os::unix::fs::symlink("target", top.join("to target")).unwrap();
    std::os::unix::fs::symlink("other", top.join("to other")).unwrap();
    std::os::unix::fs::symlink("nowhere", top.join("dangling")).unwrap();
    // All of one time, for what `cp` itself does not set.
    still(top);
}

fn still(top: &Path) {
    for entry in std::fs::read_dir(top).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            still(&entry.path());
        }
        set_time(&entry.path(), 1_600_000_000, 0);
    }
    set_time(top, 1_600_000_000, 0);
}

/// Source and destination, relative to the stage.
const CASES: &[(&str, &str)] = &[
    ("file", "new"),
    ("file", "other"),
    ("file", "target"),
    ("file", "target/"),
    ("file", "target/."),
    ("file", "target/new"),
    ("file", "to target"),
    ("file", "to other"),
    ("source", "new"),
    ("source", "new/"),
    ("source", "target"),
    ("source", "target/"),
    ("source/", "target"),
    ("source/", "new"),
    ("source/.", "target"),
    ("source/.", "new"),
    ("source/inner/..", "new"),
    ("source", "target/new"),
    ("source", "to target"),
    ("to file", "new"),
    ("to file", "target"),
    ("to source", "new"),
    ("to source/", "new"),
    ("to source/.", "target"),
    ("dangling", "new"),
    ("dangling", "target"),
    // What fails.
    ("none", "new"),
    ("file", "none/new"),
    ("file", "none/"),
    ("file", "file/"),
    ("file", "file/new"),
    ("file/", "new"),
    ("source", "file"),
    ("source", "to file"),
    ("file", "target/source/.."),
    ("file", "dangling"),
    ("source", "dangling"),
];

#[test]
fn as_cp_does() {
    for instance in Instance::all() {
        for &(from, to) in CASES {
            let wanted = tempfile::tempdir().unwrap();
            stage(wanted.path());
            let output = Command::new("cp")
                .args(["-a", from, to])
                .current_dir(wanted.path())
                .env("LC_ALL", "C")
                .output()
                .unwrap();
            // Ours leaves alone what is only copied into.
            still(wanted.path());

            let got = tempfile::tempdir().unwrap();
            stage(got.path());
            let put = instance.put(&got.path().join(from), joined(got.path(), to));
            still(got.path());
            let case = format!(
                "cp {from} {to} ({})",
                String::from_utf8_lossy(&output.stderr)
            );
            assert_eq!(put.is_ok(), output.status.success(), "{case}: {put:?}");
            compare(&case, wanted.path(), got.path());

            let got = tempfile::tempdir().unwrap();
            stage(got.path());
            let get = instance.get(joined(got.path(), from), &got.path().join(to));
            still(got.path());
            assert_eq!(get.is_ok(), output.status.success(), "{case}: {get:?}");
            compare(&case, wanted.path(), got.path());
            instance.assert_clean();
        }
    }
}

#[track_caller]
fn compare(case: &str, wanted: &Path, got: &Path) {
    let (wanted, got) = (picture(wanted), picture(got));
    let same = std::panic::catch_unwind(|| wanted.assert_same(&got));
    assert!(same.is_ok(), "{case}");
}

fn joined(top: &Path, name: &str) -> Vec<u8> {
    // `Path::join` would lose nothing here, but slashes at the end count.
    format!("{}/{name}", top.display()).into_bytes()
}

#[test]
fn a_name_that_is_a_link_to_a_directory_is_replaced_by_a_file_and_not_entered() {
    for instance in Instance::all() {
        let here = tempfile::tempdir().unwrap();
        std::fs::write(here.path().join("name"), "file").unwrap();
        for side in [instance.path("target"), here.path().join("target")] {
            std::fs::create_dir_all(side.join("elsewhere")).unwrap();
            std::os::unix::fs::symlink("elsewhere", side.join("name")).unwrap();
        }
        instance.put(&here.path().join("name"), "target").unwrap();
        instance
            .get("target/name", &here.path().join("target"))
            .unwrap();
        for side in [instance.path("target"), here.path().join("target")] {
            assert!(side.join("name").symlink_metadata().unwrap().is_file());
            assert_eq!(
                std::fs::read_dir(side.join("elsewhere")).unwrap().count(),
                0
            );
        }
    }
}

#[test]
fn a_device_is_not_replaced() {
    let instance = Instance::any();
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = instance.put(&file, "/dev/null").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`/dev/null` is a device, fifo or socket on the instance"
    );
    assert!(error.hint().unwrap().contains('-'));
    let error = instance
        .get(b"file".as_slice(), Path::new("/dev/null"))
        .unwrap_err();
    assert_eq!(error.to_string(), "`/dev/null` is a device, fifo or socket");
}
