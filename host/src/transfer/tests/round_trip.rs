//! What goes out comes back the same.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, symlink};
use std::path::Path;

use crate::transfer::{Destination, LocalSource, PackOptions, Preserve, Quiet, Top, pack, unpack};

use super::harness::{Instance, is_root, picture, set_mode, set_time};

/// A tree with a bit of everything that a tree may have.
fn varied(top: &Path) {
    let make = |name: &[u8], contents: &[u8]| {
        let path = top.join(OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    };
    make(b"plain", b"hello\n");
    make(b"empty", b"");
    make(b"new\nline", b"n");
    make(b"not\xffutf8\xfe", b"u");
    make(b"-leading", b"-");
    make(b"--checkpoint=1", b"-");
    make(b" blanks \t ", b"b");
    make(b"back\\slash'quote\"$(x)`y`*?[", b"q");
    make(b".hidden", b"h");
    make(b"..two", b"h");
    make(b"...", b"h");
    make(&[b'n'; 255], b"long");
    make(b"sub/dir/with spaces/file", &vec![7; 300_000]);
    make("ünï/çødé".as_bytes(), b"utf8");
    for length in [511, 512, 513, 4096, 16_384, 131_072, 524_288, 700_001] {
        make(
            format!("sizes/{length}").as_bytes(),
            &(0..length).map(|at| (at % 251) as u8).collect::<Vec<_>>(),
        );
    }
    let many = make(b"links/first", b"linked");
    std::fs::hard_link(&many, top.join("links/second")).unwrap();
    std::fs::hard_link(&many, top.join("third")).unwrap();
    std::fs::create_dir(top.join("empty dir")).unwrap();
    symlink("plain", top.join("to plain")).unwrap();
    symlink("/nowhere/at/all", top.join("dangling")).unwrap();
    symlink("../../..", top.join("out")).unwrap();
    symlink("x/".repeat(1500), top.join("long link")).unwrap();
    symlink(OsStr::from_bytes(b"odd\n\xff"), top.join("odd link")).unwrap();
    for mode in [0o600, 0o755, 0o444, 0o777, 0o501] {
        set_mode(&make(format!("mode {mode:o}").as_bytes(), b"m"), mode);
    }
    if is_root() {
        set_mode(&make(b"mode 0", b"m"), 0);
        set_mode(&make(b"closed/file", b"m"), 0);
        set_mode(&top.join("closed"), 0);
    }
    set_mode(&make(b"read only/file", b"r"), 0o400);
    set_mode(&make(b"read only/deeper/file", b"r"), 0o400);
    set_time(&top.join("to plain"), 86_400, 5);
    set_time(&top.join("plain"), 1_000_000_000, 123_456_789);
    set_time(&top.join("empty"), 8_000_000_000, 0);
    set_time(&top.join("read only/deeper"), 1_234_567_890, 987_654_321);
    set_mode(&top.join("read only/deeper"), 0o555);
    set_time(&top.join("read only"), 1_234_567_890, 987_654_321);
    set_mode(&top.join("read only"), 0o555);
}

#[test]
fn a_varied_tree_goes_there_and_back() {
    for instance in Instance::all() {
        let here = tempfile::tempdir().unwrap();
        let there = tempfile::tempdir().unwrap();
        let source = here.path().join("tree");
        std::fs::create_dir(&source).unwrap();
        varied(&source);
        let wanted = picture(&source);

        let summary = instance.put(&source, "copy").unwrap();
        assert_eq!(summary.warnings, [""; 0]);
        assert_eq!(summary.entries, wanted.len() as u64);
        wanted.assert_same(&instance.picture("copy"));

        let back = there.path().join("back");
        let summary = instance.get("copy", &back).unwrap();
        assert_eq!(summary.entries, wanted.len() as u64);
        let mut got = picture(&back);
        if instance.is_busybox {
            got = got.rounded();
        }
        wanted.assert_same(&got);

        // A second time, into what is there: nothing changes, and nothing is in the way. (As with `cp`, directories without
        // write permission would be, to an ordinary user.)
        if !is_root() {
            continue;
        }
        instance.put(&source, "copy/../").unwrap();
        wanted.assert_same(&instance.picture("tree"));
        instance.put(&source, ".").unwrap();
        wanted.assert_same(&instance.picture("tree"));
        instance.get("tree/", there.path()).unwrap();
        instance.get("tree", there.path()).unwrap();
        let mut got = picture(&there.path().join("tree"));
        if instance.is_busybox {
            got = got.rounded();
        }
        wanted.assert_same(&got);
        instance.assert_clean();
        assert_eq!(std::fs::read_dir(there.path()).unwrap().count(), 2);
    }
}

#[test]
fn times_come_back_to_the_nanosecond_from_gnu_tar() {
    let instance = Instance::any();
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for (seconds, nanoseconds) in [
        (1_700_000_000, 123_456_789),
        (0, 1),
        (-100, 500_000_000),
        (7_000_000_000, 999_999_999),
    ] {
        set_time(&file, seconds, nanoseconds);
        instance.put(&file, "there").unwrap();
        let back = here.path().join("back");
        instance.get("there", &back).unwrap();
        let found = back.metadata().unwrap();
        assert_eq!(
            (found.mtime(), found.mtime_nsec()),
            (seconds, nanoseconds.into())
        );
    }
}

#[test]
fn between_two_instances() {
    let all = Instance::all();
    for from in &all {
        for to in &all {
            let here = tempfile::tempdir().unwrap();
            varied(here.path());
            let wanted = picture(here.path());
            from.put(here.path(), "source").unwrap();
            let summary = from.pass("source", to, "target").unwrap();
            assert_eq!(summary.entries, wanted.len() as u64);
            wanted.assert_same(&{
                let got = to.picture("target");
                if from.is_busybox { got.rounded() } else { got }
            });
            to.assert_clean();
            for (instance, name) in [(from, "source"), (to, "target")] {
                super::harness::remove(&instance.path(name));
            }
        }
    }
}

#[test]
fn a_component_that_is_too_long_is_an_error_that_names_it() {
    let here = tempfile::tempdir().unwrap();
    let archive = super::hostile::Evil::new().file(&[b'n'; 300], b"x").end();
    let error = super::hostile::unpack_here(&archive, here.path()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("nnnn") && text.contains("cannot create"),
        "{text}"
    );
}

#[test]
fn a_very_deep_tree() {
    for instance in Instance::all() {
        // Real tars have no more than a path of 4,096 bytes.
        let depth = 500;
        let here = tempfile::tempdir().unwrap();
        deepen(here.path(), depth);
        let summary = instance.put(&here.path().join("deeper"), "deep").unwrap();
        assert_eq!(summary.entries, depth + 1);
        let summary = instance.get("deep", &here.path().join("back")).unwrap();
        assert_eq!(summary.entries, depth + 1);
        instance.assert_clean();
    }
}

#[test]
fn a_tree_that_is_deeper_than_any_path() {
    let here = tempfile::tempdir().unwrap();
    deepen(here.path(), 1500);
    let source = LocalSource::open(&here.path().join("deeper")).unwrap();
    let mut parcel = Vec::new();
    let packed = pack(&source, PackOptions::default(), &mut parcel, &Quiet).unwrap();
    assert_eq!(packed.entries, 1501);
    let destination = Destination::resolve(&here.path().join("back"), Some(b"x")).unwrap();
    let unpacked = unpack(
        &parcel[..],
        &Top::Here,
        destination,
        Preserve::default(),
        &Quiet,
    );
    // Directories count twice in what is written for any tar, and `done` counts.
    assert_eq!(
        unpacked.unwrap().commit().unwrap().entries,
        2 * 1500 + 1 + 1
    );
    // Merged with itself.
    let destination = Destination::resolve(&here.path().join("back"), None).unwrap();
    let unpacked = unpack(
        &parcel[..],
        &Top::Here,
        destination,
        Preserve::default(),
        &Quiet,
    );
    unpacked.unwrap().commit().unwrap();
    for name in ["deeper", "back"] {
        super::harness::remove(&here.path().join(name));
    }
}

fn deepen(top: &Path, depth: u64) {
    let open = crate::transfer::tree::DIRECTORY;
    let mut at = rustix::fs::open(top, open, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..depth {
        rustix::fs::mkdirat(&at, "deeper", rustix::fs::Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, "deeper", open, rustix::fs::Mode::empty()).unwrap();
    }
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    drop(rustix::fs::openat(&at, "bottom", flags, rustix::fs::Mode::RUSR).unwrap());
}

#[test]
fn twenty_thousand_small_files() {
    let instance = Instance::any();
    let here = tempfile::tempdir().unwrap();
    let source = here.path().join("many");
    for directory in 0..20 {
        let directory = source.join(directory.to_string());
        std::fs::create_dir_all(&directory).unwrap();
        for file in 0..1000 {
            std::fs::write(directory.join(format!("file {file}")), file.to_string()).unwrap();
        }
    }
    let wanted = picture(&source);
    instance.put(&source, "many").unwrap();
    // Merged: each of them replaces one.
    let summary = instance.put(&source, ".").unwrap();
    assert_eq!((summary.files, summary.entries), (20_000, 20_021));
    wanted.assert_same(&instance.picture("many"));
    let back = here.path().join("back");
    instance.get("many", &back).unwrap();
    instance.get("many/.", &back).unwrap();
    // A copy of contents leaves the directory itself as it is.
    let time = source.metadata().unwrap();
    set_time(
        &back,
        time.mtime(),
        u32::try_from(time.mtime_nsec()).unwrap(),
    );
    wanted.assert_same(&picture(&back));
}

/// 10 GiB with 1 MiB of data in it: there as it is, and here again with its holes.
#[test]
fn a_sparse_file_keeps_its_holes_both_ways() {
    const SIZE: u64 = 10 << 30;
    let instance = Instance::any();
    let here = tempfile::tempdir().unwrap();
    let source = here.path().join("sparse");
    let file = std::fs::File::create(&source).unwrap();
    let data = [0x5a; 256 * 1024];
    for offset in [0, 1 << 30, (5 << 30) + 4096, SIZE - (1 << 20)] {
        file.write_all_at(&data, offset).unwrap();
    }
    file.set_len(SIZE).unwrap();
    let check = |path: &Path| {
        let found = path.metadata().unwrap();
        assert_eq!(found.len(), SIZE);
        assert!(found.blocks() * 512 <= 4 << 20, "{} blocks", found.blocks());
        let file = std::fs::File::open(path).unwrap();
        let mut got = [0; 256 * 1024];
        for offset in [0, 1 << 30, (5 << 30) + 4096, SIZE - (1 << 20)] {
            file.read_exact_at(&mut got, offset).unwrap();
            assert!(got == data);
        }
        file.read_exact_at(&mut got, 3 << 30).unwrap();
        assert!(got.iter().all(|&byte| byte == 0));
    };
    check(&source);
    instance.put(&source, "sparse").unwrap();
    check(&instance.path("sparse"));
    let back = here.path().join("back");
    let summary = instance.get("sparse", &back).unwrap();
    assert_eq!(summary.bytes, SIZE);
    check(&back);
    let other = Instance::any();
    instance.pass("sparse", &other, "passed").unwrap();
    check(&other.path("passed"));
}

/// busybox sends and takes zeros; ours are holes again.
#[test]
fn zeros_from_a_tar_without_holes_become_holes() {
    const SIZE: u64 = 256 << 20;
    for instance in Instance::all().into_iter().filter(|one| one.is_busybox) {
        let here = tempfile::tempdir().unwrap();
        let source = here.path().join("sparse");
        let file = std::fs::File::create(&source).unwrap();
        file.write_all_at(b"data", SIZE / 2).unwrap();
        file.set_len(SIZE).unwrap();
        instance.put(&source, "sparse").unwrap();
        assert_eq!(instance.path("sparse").metadata().unwrap().len(), SIZE);
        let back = here.path().join("back");
        instance.get("sparse", &back).unwrap();
        let found = back.metadata().unwrap();
        assert_eq!(found.len(), SIZE);
        assert!(found.blocks() * 512 <= 1 << 20, "{} blocks", found.blocks());
        let mut got = [0; 4];
        std::fs::File::open(&back)
            .unwrap()
            .read_exact_at(&mut got, SIZE / 2)
            .unwrap();
        assert_eq!(&got, b"data");
    }
}

#[test]
fn what_cannot_be_copied_is_left_out_with_a_warning() {
    let instance = Instance::any();
    let here = tempfile::tempdir().unwrap();
    let source = here.path().join("tree");
    std::fs::create_dir(&source).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(source.join("socket")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        source.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    std::fs::write(source.join("file"), "x").unwrap();
    let summary = instance.put(&source, "copy").unwrap();
    assert_eq!(
        summary.warnings,
        [
            "`fifo` is a fifo and was left out",
            "`socket` is a socket and was left out"
        ]
    );
    assert_eq!(instance.picture("copy").len(), 2);
    let error = instance.put(&source.join("fifo"), "copy").unwrap_err();
    assert!(
        error.to_string().contains("is a device, fifo or socket"),
        "{error}"
    );
}
