//! Which folders are sources and whose definition counts.

use super::*;

#[test]
fn without_any_configuration_there_is_local() {
    let place = Place::new();
    let config = place.config();
    assert_eq!(names(&config), ["local"]);
    let local = place.source("local");
    assert_eq!(
        local.kind,
        SourceKind::Provider {
            plugin: PluginPath::Name("local".into())
        }
    );
    assert_eq!(
        (local.origin, local.file, local.maximum),
        (Origin::Default, None, None)
    );
    assert_eq!(config.source(&named("other")).unwrap(), None);
    assert_eq!(config.default_source().unwrap(), named("local"));
    assert_eq!(config.listing()[0].folder, None);
}

#[test]
fn a_folder_named_local_replaces_it() {
    let place = Place::with(&[(
        "project/.crcache/sources/local/source.conf",
        "type: chroot\n",
    )]);
    assert_eq!(names(&place.config()), ["local"]);
    let local = place.source("local");
    assert_eq!(
        local.kind,
        SourceKind::Provider {
            plugin: PluginPath::Name("chroot".into())
        }
    );
    assert_eq!(local.origin, Origin::Project);
}

#[test]
fn the_first_root_that_has_the_folder_wins_as_a_whole() {
    for winner in 0..ROOTS.len() {
        let place = Place::new();
        for (index, root) in ROOTS.iter().enumerate().skip(winner) {
            let text = format!("type = \"local\"\nreserve = {index}\nonly-{index} = 1\n");
            place.write(&format!("{root}/sources/web/source.toml"), &text);
        }
        let source = place.source("web");
        assert_eq!(source.reserve as usize, winner);
        assert_eq!(source.options.len(), 1, "no key of another root");
        let shadowed: Vec<_> = ROOTS
            .iter()
            .skip(winner + 1)
            .map(|root| place.path(root).join("sources/web"))
            .collect();
        assert_eq!(source.shadowed, shadowed);
        assert_eq!(place.config().listing()[1].shadowed, shadowed);
        let origin = if winner < 2 {
            Origin::User
        } else {
            Origin::Project
        };
        assert_eq!(source.origin, origin);
    }
}

#[test]
fn a_broken_folder_wins_too() {
    let place = Place::with(&[(
        "project/.runner/sources/web/source.toml",
        "type = \"local\"\n",
    )]);
    fs::create_dir_all(place.path("user/runner/sources/web")).unwrap();
    assert!(place.error("web").starts_with("user/runner/sources/web: the source has neither `source.toml` nor `source.conf`\n  hint: create `"));
}

#[test]
fn two_files_in_one_folder() {
    let place = toml("type = \"local\"\n");
    place.write("user/runner/sources/web/source.conf", "type: local\n");
    let error = place.error("web");
    assert!(
        error
            .starts_with("user/runner/sources/web: there are both `source.toml` and `source.conf`"),
        "{error}"
    );
}

#[test]
fn folders_and_files_that_are_no_sources() {
    use std::os::unix::ffi::OsStrExt;
    let place = toml("type = \"local\"\n");
    let sources = place.path("user/runner/sources");
    for folder in ["a b", "é", "-x", ".git", ".hidden"] {
        fs::create_dir(sources.join(folder)).unwrap();
    }
    fs::create_dir(sources.join(std::ffi::OsStr::from_bytes(b"bad\xff"))).unwrap();
    fs::write(sources.join(".hidden/source.toml"), "").unwrap();
    fs::write(sources.join("README.md"), "").unwrap();
    fs::write(sources.join("other.toml"), "").unwrap();
    std::os::unix::fs::symlink("nowhere", sources.join("link")).unwrap();
    let config = place.config();
    assert_eq!(names(&config), ["local", "web"]);
    let problems = ConfigError {
        problems: config.problems().to_vec(),
    };
    let shown = place.cut(&problems);
    let lines: Vec<_> = shown
        .lines()
        .filter(|line| !line.starts_with("  hint"))
        .collect();
    let wanted = [
        "-x: `-x` is not a source name",
        ".hidden: `.hidden` is not a source name",
        "a b: `a b` is not a source name",
        "bad\u{fffd}: the folder's name is not UTF-8",
        "link: cannot be read",
        "other.toml: a source is a folder, not a file",
        "é: `é` is not a source name",
    ];
    assert_eq!(lines.len(), wanted.len(), "{shown}");
    for (line, wanted) in lines.iter().zip(wanted) {
        assert!(
            line.starts_with(&format!("user/runner/sources/{wanted}")),
            "{line}"
        );
    }
    assert!(
        shown.contains("hint: move it to `other/source.toml`"),
        "{shown}"
    );
}

#[test]
fn a_sources_file_instead_of_a_folder() {
    let place = Place::with(&[("user/runner/sources", "")]);
    let config = place.config();
    assert_eq!(config.problems().len(), 1);
    assert_eq!(names(&config), ["local"]);
}

#[test]
fn only_the_asked_source_is_read() {
    let place = toml("type = \"local\"\n");
    place.write("user/runner/sources/bad/source.toml", "\0");
    let config = place.config();
    // The listing was made before: what happens to the file now shows when it is read.
    fs::write(
        place.path("user/runner/sources/web/source.toml"),
        "type = \"ssh\"\n",
    )
    .unwrap();
    let source = config.source(&named("web")).unwrap().unwrap();
    assert_eq!(
        source.kind,
        SourceKind::Provider {
            plugin: PluginPath::Name("ssh".into())
        }
    );
}

#[test]
fn a_name_that_was_probably_meant() {
    let place = toml("type = \"local\"\n");
    let shown = |name: &str| place.config().unknown(&named(name)).to_string();
    assert_eq!(
        shown("wep"),
        "there is no source `wep`\n  hint: did you mean `web`?"
    );
    assert!(shown("kubernetes").contains("`runner source list`"));
}

#[test]
fn from_the_directories_of_a_real_tree() {
    let place = Place::with(&[
        ("home/runner/sources/mine/source.toml", "type = \"local\"\n"),
        ("home/crcache/sources/old/source.conf", "type: local\n"),
        (
            "p/.runner/sources/theirs/source.toml",
            "type = \"./p.wasm\"\n",
        ),
        (
            "p/.crcache/sources/oldest/source.conf",
            "[DEFAULT]\ntype=local\n",
        ),
        ("p/deep/er/x", ""),
    ]);
    let roots = Roots::find(
        place.path("home/runner"),
        place.path("home/crcache"),
        &place.path("p/deep/er"),
    );
    let config = Config::discover(roots);
    assert_eq!(names(&config), ["local", "mine", "old", "oldest", "theirs"]);
    let theirs = config.source(&named("theirs")).unwrap().unwrap();
    // A project may bring a component; running it still needs the user's grant, and the origin says so.
    let plugin = PluginPath::File(place.path("p/.runner/sources/theirs/./p.wasm"));
    assert_eq!(theirs.kind, SourceKind::Provider { plugin });
    assert_eq!(theirs.origin, Origin::Project);
}
