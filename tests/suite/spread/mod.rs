//! Spread projects, as the whole program shows them: called as `spread` and as `runner test`.

mod golden;
mod lint;
mod options;

use std::path::Path;

use runner_tests::TestEnv;

/// A world in which the program can be called as `spread`.
fn env() -> TestEnv {
    let env = TestEnv::new();
    std::fs::create_dir_all(env.path("bin")).unwrap();
    std::os::unix::fs::symlink(runner_tests::env::binary(), env.path("bin/spread")).unwrap();
    env
}

/// A small project in the working directory.
fn small(env: &TestEnv) {
    env.write(
        "work/spread.yaml",
        "project: p\npath: /r/p\nbackends:\n    adhoc:\n        allocate: ADDRESS x\n        systems: [sys-1, sys-2]\n\
         suites:\n    s/:\n        summary: S\n",
    );
    env.write("work/s/t/task.yaml", "summary: x\nexecute: |\n    true\n");
}

/// Copies a tree, links as links.
fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy_tree(&from, &to);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&from).unwrap(), &to).unwrap();
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}
