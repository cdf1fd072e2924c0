//! `cp` of single things: files, streams, what is refused, what is not left behind.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use runner_tests::files;

use super::bench::{Bench, SOURCE};
use super::over_every_provider;

over_every_provider!(
    a_file_keeps_mode_and_time_both_ways,
    a_file_goes_into_a_directory_under_its_name,
    streams_are_files_too,
    an_executable_can_be_run_where_it_arrives,
    odd_names_survive,
    a_file_is_replaced_whole,
    what_is_missing_is_said_and_nothing_is_left,
    an_interrupted_copy_leaves_no_half_file,
    from_one_instance_to_another,
);

fn cp(bench: &Bench, from: impl AsRef<std::ffi::OsStr>, to: impl AsRef<std::ffi::OsStr>) {
    bench.env.runner(["cp"]).arg(from).arg(to).run().ok();
}

fn a_file_keeps_mode_and_time_both_ways(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let there = bench.env.write("tmp/in", "content\n");
    runner_tests::env::set_mode(&there, 0o640);
    files::set_mtime(&there, 1_234_567_890);
    cp(bench, &there, format!("{id}:{directory}/file"));
    assert_eq!(bench.sh(&id, &format!("cat {directory}/file")), "content\n");
    let stat = bench.sh(&id, &format!("stat -c '%a %Y' {directory}/file"));
    assert_eq!(stat, "640 1234567890\n");
    let back = bench.env.path("tmp/back");
    cp(bench, format!("{id}:{directory}/file"), &back);
    let meta = std::fs::metadata(&back).unwrap();
    assert_eq!(std::fs::read(&back).unwrap(), b"content\n");
    assert_eq!(meta.permissions().mode() & 0o777, 0o640);
    assert_eq!(meta.mtime(), 1_234_567_890);
}

fn a_file_goes_into_a_directory_under_its_name(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let one = bench.env.write("tmp/one", "1");
    let two = bench.env.write("tmp/two", "2");
    cp(bench, &one, format!("{id}:{directory}"));
    cp(bench, &two, format!("{id}:{directory}/"));
    assert_eq!(
        bench.sh(&id, &format!("cat {directory}/one {directory}/two")),
        "12"
    );
    let into = bench.env.path("tmp/into");
    std::fs::create_dir(&into).unwrap();
    // Several sources into one directory.
    bench
        .env
        .runner(["cp"])
        .args([
            format!("{id}:{directory}/one"),
            format!("{id}:{directory}/two"),
        ])
        .arg(&into)
        .run()
        .ok();
    assert_eq!(std::fs::read(into.join("one")).unwrap(), b"1");
    assert_eq!(std::fs::read(into.join("two")).unwrap(), b"2");
}

fn streams_are_files_too(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    bench
        .env
        .runner(["cp", "-", &format!("{id}:{directory}/stream")])
        .stdin(bytes.clone())
        .run()
        .ok();
    let back = bench
        .env
        .runner(["cp", &format!("{id}:{directory}/stream"), "-"])
        .run()
        .ok();
    assert!(
        back.stdout == bytes,
        "{} bytes came back",
        back.stdout.len()
    );
    // An empty one is a file of its own.
    bench
        .env
        .runner(["cp", "-", &format!("{id}:{directory}/empty")])
        .stdin("")
        .run()
        .ok();
    assert_eq!(
        bench.sh(&id, &format!("wc -c < {directory}/empty")).trim(),
        "0"
    );
}

fn an_executable_can_be_run_where_it_arrives(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let script = bench
        .env
        .script("tmp/tool", "#!/bin/sh\necho tool \"$1\"\n");
    cp(bench, script, format!("{id}:{directory}/tool"));
    let outcome = bench.run(&id, &[&format!("{directory}/tool"), "x"]).ok();
    assert_eq!(outcome.out(), "tool x\n");
}

fn odd_names_survive(bench: &Bench) {
    use std::os::unix::ffi::OsStrExt as _;
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let names: [&[u8]; 9] = [
        b"with blank",
        b"-dash",
        b"new\nline",
        b"quo'te\"s",
        b"\xff\xfe",
        b"a:b",
        b"*",
        b"back\\slash",
        b"$HOME",
    ];
    for (number, name) in names.into_iter().enumerate() {
        let name = std::ffi::OsStr::from_bytes(name);
        let text = format!("content {number}");
        let there = bench.env.path("tmp/odd").join(name);
        std::fs::create_dir_all(there.parent().unwrap()).unwrap();
        std::fs::write(&there, &text).unwrap();
        let mut remote = std::ffi::OsString::from(format!("{id}:{directory}/"));
        remote.push(name);
        cp(bench, &there, &remote);
        let back = bench.env.path("tmp/odd-back").join(name);
        std::fs::create_dir_all(back.parent().unwrap()).unwrap();
        cp(bench, &remote, &back);
        assert_eq!(std::fs::read_to_string(&back).unwrap(), text, "{name:?}");
    }
    let count = bench.sh(&id, &format!("ls -a {directory} | wc -l"));
    // Two of them are `.` and `..`; the one with a line break may count twice.
    assert!(matches!(count.trim(), "11" | "12"), "{count}");
}

fn a_file_is_replaced_whole(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let long = bench.env.write("tmp/long", "x".repeat(100_000));
    let short = bench.env.write("tmp/short", "short");
    cp(bench, &long, format!("{id}:{directory}/file"));
    cp(bench, &short, format!("{id}:{directory}/file"));
    assert_eq!(bench.sh(&id, &format!("cat {directory}/file")), "short");
    cp(bench, format!("{id}:{directory}/file"), &long);
    assert_eq!(std::fs::read(&long).unwrap(), b"short");
    assert_eq!(bench.sh(&id, &format!("ls -A {directory}")), "file\n");
}

fn what_is_missing_is_said_and_nothing_is_left(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let env = &bench.env;
    let to = env.path("tmp/never");
    env.runner(["cp", &format!("{id}:{directory}/missing")])
        .arg(&to)
        .run()
        .code(3)
        .says(&["missing"]);
    assert!(!to.exists());
    env.runner(["cp"])
        .arg(env.path("tmp/not-here"))
        .arg(format!("{id}:{directory}/x"))
        .run()
        .code(3)
        .says(&["not-here"]);
    let there = env.write("tmp/there", "x");
    env.runner(["cp"])
        .arg(&there)
        .arg(format!("{id}:{directory}/no/such/directory/x"))
        .run()
        .code(3);
    env.runner(["cp"])
        .arg(&there)
        .arg("nobody-7:/tmp/x")
        .run()
        .code(3)
        .says(&["nobody-7"]);
    assert_eq!(bench.sh(&id, &format!("ls -A {directory}")), "");
    let left: Vec<_> = std::fs::read_dir(env.path("tmp"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "there" && !name.to_string_lossy().starts_with("tmp."))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn an_interrupted_copy_leaves_no_half_file(bench: &Bench) {
    use std::io::Write as _;
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let target = format!("{id}:{directory}/half");
    let mut child = bench
        .env
        .runner(["cp", "-", &target])
        .into_command()
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&vec![b'x'; 3 << 20]).unwrap();
    runner_tests::command::kill(child.id(), rustix::process::Signal::INT);
    assert!(!child.wait().unwrap().success());
    drop(stdin);
    let outcome = bench.run(&id, &["test", "-e", &format!("{directory}/half")]);
    outcome.code(1);
    // And the other way.
    bench.sh(
        &id,
        &format!("head -c 50000000 /dev/zero > {directory}/whole"),
    );
    let here = bench.env.path("tmp/half");
    let mut child = bench
        .env
        .runner(["cp"])
        .arg(format!("{id}:{directory}/whole"))
        .arg(&here)
        .into_command()
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    runner_tests::command::kill(child.id(), rustix::process::Signal::INT);
    if child.wait().unwrap().success() {
        // It was faster than the signal.
        assert_eq!(std::fs::metadata(&here).unwrap().len(), 50_000_000);
    } else {
        assert!(!here.exists());
    }
}

fn from_one_instance_to_another(bench: &Bench) {
    let ids = bench.env.acquire_many(SOURCE, 2);
    let [one, two] = [bench.directory(&ids[0]), bench.directory(&ids[1])];
    bench.sh(&ids[0], &format!("cd {one} && mkdir -p tree/deep && echo leaf > tree/deep/leaf && chmod 750 tree/deep && ln -s deep/leaf tree/link"));
    cp(
        bench,
        format!("{}:{one}/tree", ids[0]),
        format!("{}:{two}/copy", ids[1]),
    );
    let seen = bench.sh(
        &ids[1],
        &format!("cd {two}/copy && cat deep/leaf && readlink link && stat -c %a deep"),
    );
    assert_eq!(seen, "leaf\ndeep/leaf\n750\n");
    cp(
        bench,
        format!("{}:{one}/tree/deep/leaf", ids[0]),
        format!("{}:{two}/leaf", ids[1]),
    );
    assert_eq!(bench.sh(&ids[1], &format!("cat {two}/leaf")), "leaf\n");
}
