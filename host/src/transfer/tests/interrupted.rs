//! A copy that breaks off leaves nothing under the final name, wherever it breaks off.

use std::io::Write as _;
use std::path::Path;

use super::harness::{Instance, TOKEN, finish, picture, spawn};
use super::hostile::unpack_here;
use crate::transfer::remote::InstanceDestination;
use crate::transfer::{Destination, LocalSource, PackOptions, Preserve, Quiet, Top, pack, unpack};

fn tree(top: &Path) {
    std::fs::create_dir_all(top.join("a/b")).unwrap();
    std::fs::write(top.join("a/one"), vec![1; 3000]).unwrap();
    std::fs::write(top.join("a/b/two"), vec![2; 700]).unwrap();
    std::fs::write(top.join("three"), "").unwrap();
    std::os::unix::fs::symlink("three", top.join("link")).unwrap();
}

fn parcel(source: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    let source = LocalSource::open(source).unwrap();
    pack(&source, PackOptions::default(), &mut out, &Quiet).unwrap();
    out
}

#[test]
fn on_this_machine() {
    let here = tempfile::tempdir().unwrap();
    tree(&here.path().join("tree"));
    let archive = parcel(&here.path().join("tree"));
    let there = here.path().join("there");
    std::fs::create_dir(&there).unwrap();
    // The last kibibyte is the mark of the end, of which half will do.
    for length in (0..=archive.len() - 1024).step_by(37) {
        let destination = Destination::resolve(&there, Some(b"tree")).unwrap();
        let top = Top::Here;
        let cut = unpack(
            &archive[..length],
            &top,
            destination,
            Preserve::default(),
            &Quiet,
        );
        let error = cut.unwrap_err().to_string();
        assert!(error.contains("ends early"), "{length}: {error}");
        assert_eq!(std::fs::read_dir(&there).unwrap().count(), 0, "{length}");
    }
    // Complete, but never committed.
    let destination = Destination::resolve(&there, Some(b"tree")).unwrap();
    drop(
        unpack(
            &archive[..],
            &Top::Here,
            destination,
            Preserve::default(),
            &Quiet,
        )
        .unwrap(),
    );
    assert_eq!(std::fs::read_dir(&there).unwrap().count(), 0);
}

#[test]
fn on_the_instance() {
    for instance in Instance::all() {
        let here = tempfile::tempdir().unwrap();
        tree(&here.path().join("tree"));
        let archive = parcel(&here.path().join("tree"));
        let done = archive.len() - 1536;
        let to = InstanceDestination::new("there", Some(b"tree"), TOKEN, Preserve::default());
        let receive = |bytes: &[u8]| {
            let mut running = spawn(&mut instance.command(&to.receive()));
            let mut stdin = running.child.stdin.take().unwrap();
            // It may have given up already.
            drop(stdin.write_all(bytes));
            drop(stdin);
            finish(running, |code, stderr| to.failure(code, stderr))
        };
        // Where one entry ends and the next begins is where tars see nothing wrong.
        for length in (0..=done).step_by(512).chain([1, 700, 2000, done - 1]) {
            receive(&archive[..length]).unwrap_err();
            assert!(!instance.path("there").exists(), "{length}");
            instance.assert_clean();
        }
        // Into a directory that exists: the same.
        std::fs::create_dir(instance.path("there")).unwrap();
        std::fs::write(instance.path("there/old"), "old").unwrap();
        for length in (0..=done).step_by(512) {
            receive(&archive[..length]).unwrap_err();
            assert_eq!(instance.picture("there").len(), 2, "{length}");
        }
        receive(&archive).unwrap();
        picture(&here.path().join("tree")).assert_same(&instance.picture("there/tree"));
        instance.assert_clean();
    }
}

#[test]
fn a_script_that_is_told_to_stop_cleans_up() {
    for instance in Instance::all() {
        for signal in [
            rustix::process::Signal::TERM,
            rustix::process::Signal::HUP,
            rustix::process::Signal::INT,
        ] {
            let to = InstanceDestination::new("there", Some(b"x"), TOKEN, Preserve::default());
            let mut running = spawn(&mut instance.command(&to.receive()));
            let mut line = [0; 6];
            std::io::Read::read_exact(running.child.stdout.as_mut().unwrap(), &mut line).unwrap();
            let pid = rustix::process::Pid::from_child(&running.child);
            rustix::process::kill_process(pid, signal).unwrap();
            // The shell waits for tar, which waits for its input.
            drop(running.child.stdin.take());
            assert!(!running.child.wait().unwrap().success());
            instance.assert_clean();
        }
    }
}

#[test]
fn a_stream_gets_its_name_only_when_it_is_committed() {
    for instance in Instance::all() {
        let to = InstanceDestination::new("file", None, TOKEN, Preserve::default());
        let receive = |bytes: &[u8]| {
            let mut running = spawn(&mut instance.command(&to.receive_stream()));
            running
                .child
                .stdin
                .take()
                .unwrap()
                .write_all(bytes)
                .unwrap();
            finish(running, |code, stderr| to.failure(code, stderr)).unwrap();
        };
        receive(b"half");
        assert!(!instance.path("file").exists());
        assert_eq!(instance.run(&to.abandon()).0, 0);
        instance.assert_clean();
        assert_eq!(instance.run(&to.abandon()).0, 0);
        assert_eq!(instance.run(&to.commit_stream()).0, 97);
        receive(b"whole");
        assert_eq!(instance.run(&to.commit_stream()).0, 0);
        assert_eq!(std::fs::read(instance.path("file")).unwrap(), b"whole");
        instance.assert_clean();
        // Over one that is there, which keeps its mode.
        super::harness::set_mode(&instance.path("file"), 0o751);
        receive(b"again");
        assert_eq!(std::fs::read(instance.path("file")).unwrap(), b"whole");
        assert_eq!(instance.run(&to.commit_stream()).0, 0);
        assert_eq!(std::fs::read(instance.path("file")).unwrap(), b"again");
        let found = instance.path("file").metadata().unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&found) & 0o777, 0o751);
        instance.assert_clean();
    }
}

#[test]
fn a_conflict_is_found_before_anything_moves() {
    let here = tempfile::tempdir().unwrap();
    let source = here.path().join("source");
    std::fs::create_dir_all(source.join("z")).unwrap();
    std::fs::write(source.join("a"), "new").unwrap();
    let there = here.path().join("there");
    std::fs::create_dir(&there).unwrap();
    std::fs::write(there.join("a"), "old").unwrap();
    std::fs::write(there.join("z"), "in the way").unwrap();
    let archive = super::hostile::Evil::new()
        .file(b"a", b"new")
        .directory(b"z")
        .end();
    let error = unpack_here(&archive, &there).unwrap_err().to_string();
    assert!(
        error.contains("/there/z` is in the way of a directory"),
        "{error}"
    );
    assert_eq!(std::fs::read(there.join("a")).unwrap(), b"old");
}
