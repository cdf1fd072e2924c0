//! With the real tar, over real trees.

use std::io::Read as _;
use std::path::Path;

use super::*;

fn tree(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("this is {file}\n")).unwrap();
    }
    dir
}

fn spec(directory: &Path) -> PackSpec {
    PackSpec {
        directory: directory.to_owned(),
        ..PackSpec::default()
    }
}

/// The names in an archive; both formats hold the same.
fn names(archive: &Archive) -> Vec<String> {
    let list = |mut reader: Box<dyn std::io::Read>| -> Vec<String> {
        let mut archive = tar::Archive::new(&mut reader);
        let entries = archive.entries().unwrap();
        entries
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect()
    };
    let (zstd, bytes) = archive.open(Format::Zstd).unwrap();
    assert_eq!(zstd.metadata().unwrap().len(), bytes);
    let all = list(Box::new(zstd::Decoder::new(zstd).unwrap()));
    let (gzip, bytes) = archive.open(Format::Gzip).unwrap();
    assert_eq!(gzip.metadata().unwrap().len(), bytes);
    assert_eq!(list(Box::new(flate2::read::MultiGzDecoder::new(gzip))), all);
    all
}

fn script(text: &str) -> Option<HostScript> {
    Some(HostScript {
        text: text.to_owned(),
        exports: "export SPREAD_BACKENDS='a b'".into(),
        kill: None,
    })
}

#[test]
fn everything_but_the_reuse_files() {
    let dir = tree(&[
        "a/b",
        ".hidden",
        ".spread-reuse.yaml",
        ".spread-reuse.12.yaml",
        "-x",
        "back\\nslash",
    ]);
    let names = names(&pack(&spec(dir.path())).unwrap());
    assert_eq!(names, ["-x", ".hidden", "a/", "a/b", "back\\nslash"]);
}

#[test]
fn include_exclude_rename() {
    let dir = tree(&["one/keep", "one/drop.o", "two", "three"]);
    let mut spec = spec(dir.path());
    spec.include = vec!["one".into(), "two".into()];
    spec.exclude = vec!["*.o".into()];
    spec.rename = vec!["s,^two,moved/two,".into()];
    assert_eq!(
        names(&pack(&spec).unwrap()),
        ["one/", "one/keep", "moved/two"]
    );
    spec.include.push("nothing".into());
    let said = pack(&spec).unwrap_err().to_string();
    assert!(said.contains("nothing: Cannot stat"), "{said}");
}

#[test]
fn repacked() {
    let dir = tree(&["one", "two"]);
    let mut spec = spec(dir.path());
    spec.repack = script(
        "echo noise; t=$(mktemp -d); trap \"rm -rf $t\" EXIT; tar x -C \"$t\" <&3\n\
         echo $SPREAD_BACKENDS > \"$t/$SPREAD_BACKENDS\"; rm \"$t/two\"; pwd > \"$t/where\"; tar c -C \"$t\" . >&4",
    );
    let mut all = names(&pack(&spec).unwrap());
    all.sort();
    assert_eq!(all, ["./", "./a b", "./one", "./where"]);
    spec.repack = script("cat <&3 >&4; echo oops; false");
    assert_eq!(
        pack(&spec).unwrap_err().to_string(),
        "cannot pack project tree: + cat\n+ echo oops\noops\n+ false"
    );
    // Reading nothing of it is its right.
    spec.repack = script("tar c -T /dev/null >&4");
    assert!(names(&pack(&spec).unwrap()).is_empty());
    let mut endless = script("sleep 1000 & wait");
    endless.as_mut().unwrap().kill = Some(std::time::Duration::from_millis(50));
    spec.repack = endless;
    assert!(matches!(pack(&spec), Err(PackError::TooLong)));
}

#[test]
fn large_files_in_both_formats() {
    let dir = tempfile::tempdir().unwrap();
    let text: Vec<u8> = (0..6_000_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(dir.path().join("large"), &text).unwrap();
    let archive = pack(&spec(dir.path())).unwrap();
    let (gzip, _) = archive.open(Format::Gzip).unwrap();
    let mut unpacked = tar::Archive::new(flate2::read::MultiGzDecoder::new(gzip));
    let mut entry = unpacked.entries().unwrap().next().unwrap().unwrap();
    let mut back = Vec::new();
    entry.read_to_end(&mut back).unwrap();
    assert!(back == text);
}

#[test]
fn a_part_unpacks_as_the_whole_would() {
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(120));
    let dir = tree(&["a/one", "a/two", &long, "z"]);
    std::os::unix::fs::symlink("a/one", dir.path().join("link")).unwrap();
    std::fs::hard_link(dir.path().join("z"), dir.path().join("zz")).unwrap();
    let archive = pack(&spec(dir.path())).unwrap();
    let manifest = archive.manifest().unwrap();
    let kind = |path: &str| manifest.entries[path.as_bytes()].kind;
    assert_eq!(kind("a"), Kind::Directory);
    assert_eq!(kind(&long), Kind::File);
    assert_eq!((kind("link"), kind("zz")), (Kind::Symlink, Kind::Hardlink));
    assert_eq!(manifest.entries[&b"link"[..]].target, b"a/one");
    assert_eq!(manifest.entries[&b"zz"[..]].target, b"z");
    let one = &manifest.entries[&b"a/one"[..]];
    assert_eq!(one.size, "this is a/one\n".len() as u64);
    // What sha256sum says of it.
    assert_eq!(
        one.digest,
        "85aba90a1b1d9a377e70e8be421e6dcbcd3781f24454b06d476e4c9713ce4d54"
    );
    for format in [Format::Zstd, Format::Gzip] {
        let wanted = ["z", &long, "nothing"].map(str::as_bytes);
        let (part, bytes) = archive.part(format, wanted.into_iter()).unwrap();
        assert_eq!(part.metadata().unwrap().len(), bytes);
        let to = tempfile::tempdir().unwrap();
        let reader: Box<dyn std::io::Read> = match format {
            Format::Zstd => Box::new(zstd::Decoder::new(part).unwrap()),
            Format::Gzip => Box::new(flate2::read::MultiGzDecoder::new(part)),
        };
        tar::Archive::new(reader).unpack(to.path()).unwrap();
        let read = |path: &str| std::fs::read_to_string(to.path().join(path));
        assert_eq!(read(&long).unwrap(), format!("this is {long}\n"));
        assert_eq!(read("z").unwrap(), "this is z\n");
        assert!(read("a/one").is_err());
    }
}
