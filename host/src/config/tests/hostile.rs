//! Files that no editor writes: sizes, bytes and shapes that must end in an error, quickly and without a panic.

use super::*;

/// One file of these bytes after the other, under every name.
fn try_all(cases: impl IntoIterator<Item = Vec<u8>>) {
    let place = Place::new();
    let sources = ["a/source.toml", "b/source.conf"]
        .map(|file| place.path("project/.runner/sources").join(file));
    let settings = place.path("user/runner/config.toml");
    for file in sources.iter().chain([&settings]) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
    }
    for bytes in cases {
        for file in &sources {
            fs::write(file, &bytes).unwrap();
        }
        fs::write(&settings, &bytes).unwrap();
        let config = place.config();
        let results = ["a", "b"].map(|name| config.source(&named(name)).map(drop));
        for result in results.into_iter().chain([config.settings().map(drop)]) {
            let Err(error) = result else { continue };
            let shown = error.to_string();
            let control = shown.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(control, None, "{shown:?}");
            assert!(!error.problems.is_empty());
            assert!(shown.lines().count() < 100, "{shown}");
        }
    }
}

#[test]
fn bytes_of_all_sorts() {
    let mut cases: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"\xef\xbb\xbf".to_vec(),
        b"\xff\xfet\0y\0p\0e\0".to_vec(),
        b"type = \"lo\0cal\"".to_vec(),
        b"type = \"local\xff\"".to_vec(),
        b"type = \"\x1b[2J\"\n\x1b]0;x\x07".to_vec(),
        b"type: \"\\e[2J\"\n".to_vec(),
        b"[DEFAULT]\ntype=\x1b[31m\n\x1b=1\n".to_vec(),
        b"type = \"local\"\r\r\rmaximum = 1".to_vec(),
        b"\r\n\r\n[DEFAULT]\r\ntype=local\r\n".to_vec(),
        vec![b'#'; 10 << 20],
        vec![0; 1 << 20],
    ];
    // Enough for thousands of levels, and few enough for an unoptimised build.
    const LENGTH: usize = 32 << 10;
    for piece in [
        "[", "{", "- ", "a.", "a=1\n", "a: &a ", "*", "? ", "\"", "'", "|\n", "%", "%(a)s", "é",
        "[[a]]\n", "[a.b]\n", "\\", "!", "<<: ", ",", "a = [\n", "\t", "---\n", "\u{85}",
        "\u{2028}",
    ] {
        for begin in [
            "",
            "type = \"local\"\nx = ",
            "[DEFAULT]\na=",
            "type: local\nx: ",
        ] {
            cases.push(format!("{begin}{}", piece.repeat(LENGTH / piece.len())).into_bytes());
        }
    }
    try_all(cases);
}

#[test]
fn as_many_values_as_fit() {
    let unique: String = (0..60_000).map(|n| format!("k{n} = 1\n")).collect();
    let line = vec!["1"; 300_000].join(",");
    let sources = vec!["\"local\""; 50_000].join(",");
    let cases = [
        format!("type = \"local\"\n{unique}"),
        format!("[DEFAULT]\ntype=local\n{unique}"),
        format!("type: local\n{}", unique.replace(" = ", ": ")),
        format!("type = \"local\"\nx = [{line}]\n"),
        format!("type = \"pool\"\nsources = [{sources}]\n"),
    ];
    try_all(cases.map(String::into_bytes));
}

#[test]
fn mutations_of_good_files() {
    // A fixed sequence (splitmix64), so that a failure can be repeated.
    let mut state = 7_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below as u64).unwrap_or(0)
    };
    let good = [
        "type = \"local\"\nmaximum = 3\nhooks = [\"a\", { plugin = \"b\", options = { x = [1, 2.5] } }]\n[limits]\nrun = 5\n",
        "[DEFAULT]\ntype=pool\nsources=local,web\nreserve = 1 ; one\nx=%(type)s\n",
        "type: pool\nsources: [local, &a web]\nother: {a: *a, b: |\n  text\n  }\n",
    ];
    let bits: [&[u8]; 12] = [
        b"\0", b"\xff", b"[", b"]", b"{", b"\n", b":", b"=", b"\"", b"%(", b"  - ", b"&x *x",
    ];
    let mutated = (0..400).map(|_| {
        let mut bytes = good[random(good.len())].as_bytes().to_vec();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            match random(3) {
                0 => drop(bytes.splice(at..at, bits[random(bits.len())].iter().copied())),
                1 => drop(bytes.remove(at)),
                _ => bytes[at] = bits[random(bits.len())][0],
            }
        }
        bytes
    });
    try_all(mutated);
}

#[test]
fn a_source_file_that_is_no_file() {
    let place = Place::new();
    fs::create_dir_all(place.path("user/runner/sources/web/source.toml")).unwrap();
    assert!(
        place
            .error("web")
            .starts_with("user/runner/sources/web/source.toml: is not a regular file")
    );
    let link = place.path("user/runner/sources/gone/source.toml");
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    assert!(
        place
            .error("gone")
            .starts_with("user/runner/sources/gone/source.toml: cannot be read")
    );
    std::os::unix::fs::symlink(
        "/dev/zero",
        place.path("user/runner/sources/web/source.conf"),
    )
    .unwrap();
    fs::remove_dir(place.path("user/runner/sources/web/source.toml")).unwrap();
    assert!(place.error("web").contains("is not a regular file"));
}
