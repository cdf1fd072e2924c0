//! Reading anew: what is in order takes effect, what is broken stays as it was, and changes are noticed.

use runner_core::policy::Limit;

use super::*;

const WEB: &str = "user/runner/sources/web/source.toml";
const DB: &str = "user/runner/sources/db/source.toml";
const ALL: &str = "user/runner/sources/all/source.toml";
const SETTINGS: &str = "user/runner/config.toml";

fn place() -> Place {
    Place::with(&[
        (WEB, "type = \"local\"\nmaximum = 3\n"),
        (DB, "type = \"local\"\n"),
        (ALL, "type = \"pool\"\nsources = [\"web\", \"db\"]\n"),
        (SETTINGS, "[limits]\nrun = 10\n"),
    ])
}

fn reload(config: &Config) -> Changes {
    config.reload(|_| Ok(()))
}

fn list(names: &[&str]) -> Vec<SourceName> {
    names.iter().map(|name| named(name)).collect()
}

fn maximum(config: &Config, name: &str) -> Option<Limit> {
    config.source(&named(name)).unwrap().unwrap().maximum
}

#[test]
fn what_is_new_takes_effect_at_the_reload_and_not_before() {
    let place = place();
    let config = place.config();
    let changes = reload(&config);
    assert_eq!(changes.added, list(&["all", "db", "local", "web"]));
    assert!(changes.settings);
    assert_eq!(changes.problems, []);
    assert!(reload(&config).is_empty());

    place.write(WEB, "# more\n\ntype = \"local\"\nmaximum = 4\n");
    place.write(DB, "# only a comment\ntype = \"local\"\n");
    place.write("user/runner/sources/new/source.toml", "type = \"local\"\n");
    fs::remove_dir_all(place.path(ALL).parent().unwrap()).unwrap();
    assert_eq!(maximum(&config, "web"), Some(Limit::At(3)));
    assert_eq!(config.source(&named("new")), Ok(None));
    assert!(config.source(&named("all")).unwrap().is_some());

    let wanted = Changes {
        added: list(&["new"]),
        changed: list(&["web"]),
        removed: list(&["all"]),
        ..Changes::default()
    };
    assert_eq!(reload(&config), wanted);
    assert_eq!(maximum(&config, "web"), Some(Limit::At(4)));
    assert_eq!(config.source(&named("all")), Ok(None));
    assert_eq!(names(&config), ["db", "local", "new", "web"]);
}

#[test]
fn what_is_broken_stays_as_it_was_and_is_reported() {
    let place = place();
    let config = place.config();
    reload(&config);
    place.write(WEB, "type = \"local\"\nmaximum = many\n");
    place.write(DB, "type = \"local\"\nmaximum = 7\n");
    for _ in 0..2 {
        let changes = reload(&config);
        assert_eq!(changes.kept, list(&["web"]));
        let shown = place.cut(&ConfigError {
            problems: changes.problems,
        });
        assert!(shown.starts_with(&format!("{WEB}:2:11: ")), "{shown}");
        // One broken file disturbs nobody else.
        assert_eq!(maximum(&config, "web"), Some(Limit::At(3)));
        assert_eq!(maximum(&config, "db"), Some(Limit::At(7)));
        let all = config.source(&named("all")).unwrap().unwrap();
        assert_eq!(config.expand(&all).unwrap().len(), 2);
    }
    // The file is being written anew.
    fs::remove_file(place.path(WEB)).unwrap();
    assert_eq!(reload(&config).kept, list(&["web"]));
    assert_eq!(maximum(&config, "web"), Some(Limit::At(3)));
    place.write(WEB, "type = \"local\"\nmaximum = 5\n");
    assert_eq!(reload(&config).changed, list(&["web"]));
    assert_eq!(maximum(&config, "web"), Some(Limit::At(5)));
}

#[test]
fn what_was_never_good_is_an_error_as_before() {
    let place = place();
    place.write(WEB, "maximum = 3\n");
    let config = place.config();
    let changes = reload(&config);
    assert_eq!(changes.unusable, list(&["web"]));
    let error = config.source(&named("web")).unwrap_err();
    assert!(place.cut(&error).contains("`type` is missing"));
    place.write(WEB, "type = \"local\"\n");
    assert_eq!(reload(&config).added, list(&["web"]));
}

#[test]
fn what_somebody_else_refuses_is_broken_too() {
    let place = place();
    let config = place.config();
    let strict = |source: &SourceConfig| match source.options.get("image") {
        Some(_) => Err(source.problem("image", "there is no such key", None).into()),
        None => Ok(()),
    };
    config.reload(strict);
    place.write(WEB, "type = \"local\"\nmaximum = 4\nimage = \"x\"\n");
    let changes = config.reload(strict);
    assert_eq!(changes.kept, list(&["web"]));
    assert_eq!(
        changes.problems[0].position.as_ref().map(|at| at.line),
        Some(3)
    );
    assert_eq!(maximum(&config, "web"), Some(Limit::At(3)));
}

#[test]
fn settings_that_are_broken_stay_as_they_were() {
    let place = place();
    let config = place.config();
    reload(&config);
    place.write(SETTINGS, "[limits]\nrun = \"long\"\n");
    let changes = reload(&config);
    assert_eq!((changes.settings, changes.problems.len()), (false, 1));
    assert_eq!(config.settings().unwrap().limits["run"], 10);
    place.write(SETTINGS, "# the same\n[limits]\nrun = 10\n");
    assert!(reload(&config).is_empty());
    place.write(SETTINGS, "[limits]\nrun = 11\n");
    assert!(reload(&config).settings);
    assert_eq!(config.settings().unwrap().limits["run"], 11);
}

#[test]
fn a_pool_that_is_kept_draws_on_what_is_left() {
    let place = place();
    let config = place.config();
    reload(&config);
    fs::remove_dir_all(place.path(DB).parent().unwrap()).unwrap();
    let changes = reload(&config);
    assert_eq!(
        (&changes.removed, &changes.kept),
        (&list(&["db"]), &list(&["all"]))
    );
    let all = config.source(&named("all")).unwrap().unwrap();
    let left = config.expand(&all).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].name, named("web"));
}

#[test]
fn old_and_new_together_make_no_circle() {
    let place = place();
    place.write(DB, "type = \"pool\"\nsources = [\"web\"]\n");
    let config = place.config();
    assert_eq!(reload(&config).problems, []);
    // `all` is broken and draws on `db` as before; `db` would draw on `all`.
    place.write(ALL, "type = 3\n");
    place.write(DB, "type = \"pool\"\nsources = [\"all\"]\n");
    let changes = reload(&config);
    assert_eq!(changes.kept, list(&["all", "db"]));
    let all = config.source(&named("all")).unwrap().unwrap();
    assert_eq!(config.expand(&all).unwrap().len(), 1);
}

#[test]
fn a_folder_that_cannot_be_listed_removes_nothing() {
    let place = place();
    let config = place.config();
    reload(&config);
    // A file where the folder was, as a failing disk or mount would have it.
    let sources = place.path("user/runner/sources");
    fs::rename(&sources, place.path("away")).unwrap();
    fs::write(&sources, "").unwrap();
    let changes = reload(&config);
    assert_eq!(changes.removed, []);
    assert_eq!(changes.kept, list(&["all", "db", "web"]));
    assert_eq!(maximum(&config, "web"), Some(Limit::At(3)));
    fs::remove_file(&sources).unwrap();
    fs::rename(place.path("away"), &sources).unwrap();
    assert!(reload(&config).is_empty());
}

#[test]
fn every_file_that_has_a_say_changes_the_fingerprint() {
    let place = place();
    place.write(DB, "type = \"./x.wasm\"\n");
    let config = place.config();
    reload(&config);
    let mut seen = vec![config.fingerprint()];
    assert_eq!(config.fingerprint(), seen[0]);
    for (path, text) in [
        (SETTINGS, "[limits]\nrun = 12\n"),
        (WEB, "type = \"local\"\nmaximum = 9\n"),
        ("user/crcache/config.toml", "[limits]\nrun = 1\n"),
        ("project/.crcache/sources/old/source.conf", "type: local\n"),
        ("user/runner/sources/web/provision.d/10-x", "#!/bin/sh\n"),
        ("user/runner/sources/db/x.wasm", "\0asm"),
    ] {
        place.write(path, text);
        seen.push(config.fingerprint());
    }
    fs::remove_dir_all(place.path(ALL).parent().unwrap()).unwrap();
    seen.push(config.fingerprint());
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), all);
    // A note beside it has no say.
    let before = config.fingerprint();
    place.write("user/runner/notes", "x");
    assert_eq!(config.fingerprint(), before);
}

#[tokio::test]
async fn changes_are_noticed_wherever_they_happen() {
    let place = Place::new();
    fs::create_dir_all(place.path("user")).unwrap();
    let config = place.config();
    let mut watch = Watch::new(&config).unwrap();
    reload(&config);
    // The root is not there yet.
    place.write(WEB, "type = \"local\"\nmaximum = 1\n");
    watch.changed(&config).await.unwrap();
    assert_eq!(reload(&config).added, list(&["web"]));
    // As editors do it: another file in its place.
    place.write(
        "user/runner/sources/web/.draft",
        "type = \"local\"\nmaximum = 2\n",
    );
    fs::rename(
        place.path("user/runner/sources/web/.draft"),
        place.path(WEB),
    )
    .unwrap();
    watch.changed(&config).await.unwrap();
    assert_eq!(reload(&config).changed, list(&["web"]));
    // While it waits, and in a folder that is newer than the watch.
    let (noticed, ()) = tokio::join!(watch.changed(&config), async {
        tokio::task::yield_now().await;
        place.write(DB, "type = \"local\"\n");
    });
    noticed.unwrap();
    assert_eq!(reload(&config).added, list(&["db"]));
    fs::remove_dir_all(place.path("user/runner")).unwrap();
    watch.changed(&config).await.unwrap();
    assert_eq!(reload(&config).removed, list(&["db", "web"]));
    // What did not change is not told twice.
    tokio::select! {
        biased;
        _ = watch.changed(&config) => panic!("nothing happened"),
        () = tokio::time::sleep(std::time::Duration::from_millis(300)) => {}
    }
}
