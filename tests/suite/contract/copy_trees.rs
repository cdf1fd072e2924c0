//! `cp` of whole trees: everything that can be in one, there and back.

use std::ffi::OsStr;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use runner_tests::env::set_mode;
use runner_tests::files;

use super::bench::Bench;
use super::over_every_provider;

over_every_provider!(
    a_tree_comes_back_as_it_went,
    a_sparse_file_is_not_filled,
    many_small_files,
);

/// One of everything.
fn make_tree(root: &Path) {
    let file = |name: &[u8], content: &[u8], mode: u32| {
        let path = root.join(OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        set_mode(&path, mode);
        files::set_mtime(&path, 1_000_000_000);
    };
    file(b"plain", b"plain\n", 0o644);
    file(b"empty", b"", 0o600);
    file(b"tool", b"#!/bin/sh\n", 0o755);
    file(b"read-only", b"r", 0o444);
    file(b"deep/er/est/leaf", &[0, 255, 10, 13], 0o640);
    file(b"odd/new\nline", b"n", 0o644);
    file(b"odd/ blank ", b"b", 0o644);
    file(b"odd/-rf", b"d", 0o644);
    file(b"odd/\xff\xfe", b"u", 0o644);
    // Longer than a tar header's name field, in both ways it can be split.
    file(format!("long/{}", "n".repeat(200)).as_bytes(), b"l", 0o644);
    file(
        format!("{}/{}", "d".repeat(150), "e".repeat(150)).as_bytes(),
        b"l",
        0o644,
    );
    std::fs::create_dir(root.join("hollow")).unwrap();
    std::fs::create_dir(root.join("shut")).unwrap();
    set_mode(&root.join("shut"), 0o711);
    symlink("plain", root.join("link")).unwrap();
    symlink("nowhere/at/all", root.join("dangling")).unwrap();
    symlink("../../../../../../etc/passwd", root.join("deep/outward")).unwrap();
    symlink("/etc/hostname", root.join("absolute")).unwrap();
    symlink("deep", root.join("link-to-directory")).unwrap();
}

fn a_tree_comes_back_as_it_went(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let tree = bench.env.path("tmp/tree");
    make_tree(&tree);
    let before = files::describe(&tree);
    let cp = |from: &OsStr, to: &OsStr| bench.env.runner(["cp"]).arg(from).arg(to).run().ok();
    // To a name that does not exist, and into a directory that does: as `cp -r` does.
    cp(tree.as_os_str(), format!("{id}:{directory}/new").as_ref());
    cp(tree.as_os_str(), format!("{id}:{directory}").as_ref());
    for (there, back) in [("new", "one"), ("tree", "two")] {
        let back = bench.env.path("tmp").join(back);
        cp(
            format!("{id}:{directory}/{there}").as_ref(),
            back.as_os_str(),
        );
        let after = files::describe(&back);
        for (name, line) in &before {
            assert_eq!(after.get(name), Some(line), "`{name}` of {there}");
        }
        assert_eq!(after.len(), before.len(), "{after:#?}");
    }
}

fn a_sparse_file_is_not_filled(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let path = bench.env.path("tmp/sparse");
    let mut file = std::fs::File::create(&path).unwrap();
    for at in [0_u64, 100 << 20, 200 << 20] {
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(b"island").unwrap();
    }
    file.set_len(256 << 20).unwrap();
    drop(file);
    let want = files::digest(std::fs::File::open(&path).unwrap());
    let cp = |from: &OsStr, to: &OsStr| bench.env.runner(["cp"]).arg(from).arg(to).run().ok();
    cp(
        path.as_os_str(),
        format!("{id}:{directory}/sparse").as_ref(),
    );
    let sum = bench.sh(&id, &format!("sha256sum < {directory}/sparse"));
    assert!(sum.starts_with(&want.0), "{sum}");
    let back = bench.env.path("tmp/back");
    cp(
        format!("{id}:{directory}/sparse").as_ref(),
        back.as_os_str(),
    );
    assert_eq!(files::digest(std::fs::File::open(&back).unwrap()), want);
    // Holes stay holes on our side, whatever the instance's tools can do.
    let blocks = std::fs::metadata(&back).unwrap().blocks() * 512;
    assert!(blocks < 16 << 20, "{blocks} bytes are on the disk");
    bench.sh(&id, &format!("rm -rf {directory}"));
}

fn many_small_files(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let tree = bench.env.path("tmp/many");
    for number in 0..2000 {
        let path = tree.join(format!("{}/{number}", number % 20));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("file {number}")).unwrap();
    }
    let before = files::describe(&tree);
    let there = format!("{id}:{directory}/many");
    bench.env.runner(["cp"]).arg(&tree).arg(&there).run().ok();
    let back = bench.env.path("tmp/back");
    bench.env.runner(["cp"]).arg(&there).arg(&back).run().ok();
    assert!(
        files::describe(&back) == before,
        "something changed on the way"
    );
}
