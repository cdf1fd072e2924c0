//! Pools: what they may draw on.

use runner_core::policy::Limit;

use super::*;

fn pools(files: &[(&str, &str)]) -> Place {
    let place = Place::new();
    for (name, text) in files {
        place.write(&format!("user/runner/sources/{name}/source.toml"), text);
    }
    place
}

fn pool(sources: &str) -> String {
    format!("type = \"pool\"\nsources = [{sources}]\n")
}

#[test]
fn mistakes() {
    let table = [
        ("type = \"pool\"\n", ":1:1: a pool needs `sources`"),
        (
            "type = \"pool\"\nsources = []\n",
            ":2:1: a pool without sources",
        ),
        (
            "type = \"pool\"\nsources = \"local\"\n",
            ":2:11: `sources` must be a list",
        ),
        (
            "type = \"pool\"\nsources = [\"local\", 3]\n",
            ":2:21: `sources` must be a list of texts, not `3`",
        ),
        (
            "type = \"pool\"\nsources = [\"web\"]\n",
            ":2:12: the pool `web` names itself",
        ),
        (
            "type = \"pool\"\nsources = [\"local\", \"local\"]\n",
            ":2:21: `local` is named twice",
        ),
        (
            "type = \"pool\"\nsources = [\"a b\"]\n",
            ":2:12: `a b` is not a source name",
        ),
        (
            "type = \"pool\"\nsources = [\"locol\"]\n",
            ":2:12: there is no source `locol`\n  hint: did you mean `local`?",
        ),
        (
            "type = \"pool\"\nsources = [\"local\"]\nimage = \"x\"\n",
            ":3:1: unknown key `image` of a pool",
        ),
        (
            "type = \"pool\"\nsources = [\"local\"]\nprealloc = 1\n",
            ":3:1: unknown key `prealloc` of a pool\n  hint: a pool makes no instances: write `prealloc` in the sources",
        ),
        (
            "type = \"pool\"\nsources = [\"local\"]\n[[schedule]]\ncron = \"0 8 * * *\"\n",
            ":3:3: unknown key `schedule` of a pool\n  hint: a pool makes no instances",
        ),
        (
            "type = \"pool\"\nsources = [\"local\"]\ntag = [\"x\"]\n",
            ":3:1: unknown key `tag` of a pool\n  hint: did you mean `tags`?",
        ),
        (
            "type = \"pool\"\nsources = [\"local\"]\nlimits = {}\n",
            ":3:1: unknown key `limits` of a pool\n  hint: a pool has no plugin",
        ),
        (
            "type = \"pool\"\nsources = [\"local\"]\nssh_host = \"x\"\n",
            ":3:1: unknown key `ssh_host` of a pool",
        ),
        (
            "type = \"pool\"\nsource = [\"local\"]\n",
            ":1:1: a pool needs `sources`",
        ),
        (
            "type = \"pool\"\nsources = [\"local\"]\n[limits]\nrun = 1\n",
            ":3:2: unknown key `limits` of a pool",
        ),
        (
            "type = \"pool\"\nsources = [\"local\"]\nmaximum = 1\nreserve = 2\n",
            ":4:1: `reserve` is 2",
        ),
    ];
    for (text, wanted) in table {
        let error = toml(text).error("web");
        assert!(
            error.starts_with(&format!("user/runner/sources/web/source.toml{wanted}")),
            "{text}\n{error}"
        );
    }
}

#[test]
fn what_a_pool_would_ignore_is_said() {
    let place = pools(&[("a", &pool("\"local\""))]);
    for point in POINTS {
        let folder = place.path(&format!("user/runner/sources/a/{point}.d"));
        fs::create_dir(&folder).unwrap();
        let error = place.error("a");
        assert!(error.contains("a pool are never run"), "{point}\n{error}");
        fs::remove_dir(&folder).unwrap();
    }
    fs::create_dir(place.path("user/runner/sources/a/provision.d")).unwrap();
    let error = place.error("a");
    assert!(
        error.starts_with("user/runner/sources/a/provision.d: the scripts of a pool are never run"),
        "{error}"
    );
    let error = toml("type = \"pool\"\nsources = [\"local\"]\nconcurrency = 2\n").error("web");
    assert!(
        error.starts_with(
            "user/runner/sources/web/source.toml:3:1: `concurrency` of a pool has no effect"
        ),
        "{error}"
    );
}

#[test]
fn circles_are_named_whole() {
    let place = pools(&[
        ("a", &pool("\"local\", \"b\"")),
        ("b", &pool("\"c\"")),
        ("c", &pool("\"local\",\n\"a\"")),
        ("outside", &pool("\"a\", \"local\"")),
    ]);
    assert!(place.error("a").starts_with(
        "user/runner/sources/a/source.toml:2:21: the pool `a` contains itself: a → b → c → a"
    ));
    assert!(place.error("c").starts_with(
        "user/runner/sources/c/source.toml:3:1: the pool `c` contains itself: c → a → b → c"
    ));
    // It is not in the circle itself; what it draws on says so.
    let outside = place.source("outside");
    let error = place.config().expand(&outside).unwrap_err();
    assert!(error.to_string().contains("the pool `a` contains itself"));
}

#[test]
fn pools_of_pools_stand_for_their_sources_once_in_order() {
    let place = pools(&[
        ("all", &pool("\"left\", \"right\", \"web\"")),
        ("left", &pool("\"web\", \"local\"")),
        ("right", &pool("\"db\", \"local\"")),
        ("web", "type = \"ssh\"\n"),
        ("db", "type = \"ssh\"\n"),
    ]);
    let expanded = place.config().expand(&place.source("all")).unwrap();
    let names: Vec<_> = expanded.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["web", "local", "db"]);
    let alone = place.config().expand(&place.source("web")).unwrap();
    assert_eq!(alone.len(), 1);
}

#[test]
fn a_child_that_is_broken_says_so_itself() {
    let place = pools(&[("a", &pool("\"b\"")), ("b", "nonsense")]);
    let source = place.source("a");
    let error = place.config().expand(&source).unwrap_err();
    assert!(
        place
            .cut(&error)
            .starts_with("user/runner/sources/b/source.toml:1:")
    );
}

#[test]
fn a_pool_of_a_project_may_draw_on_the_users_sources() {
    let place = pools(&[("mine", "type = \"local\"\n")]);
    place.write(
        "project/.runner/sources/team/source.toml",
        &pool("\"mine\""),
    );
    assert_eq!(place.source("team").origin, Origin::Project);
}

#[test]
fn many_pools_take_no_time() {
    // Every pool names all later ones: without the memory of what was seen this is 2^40 paths.
    let place = Place::new();
    for index in 0..40 {
        let later: Vec<_> = (index + 1..40)
            .map(|later| format!("\"p{later}\""))
            .chain(["\"local\"".into()])
            .collect();
        place.write(
            &format!("user/runner/sources/p{index}/source.toml"),
            &pool(&later.join(",")),
        );
    }
    let expanded = place.config().expand(&place.source("p0")).unwrap();
    assert_eq!(expanded.len(), 1);
}

#[test]
fn what_a_pool_has_of_a_fleet() {
    let text = "type = \"pool\"\nsources = [\"local\"]\nmaximum = 9\nreserve = 1\npriority = -3\ntags = [\"all:2\"]\nhooks = [\"./router.wasm\"]\n";
    let source = toml(text).source("web");
    let policy = source.policy(Limit::Unlimited);
    assert_eq!((policy.maximum, policy.reserve), (Limit::At(9), 1));
    assert_eq!(policy.priority, -3);
    assert_eq!(
        (source.tags[0].name.as_str(), source.tags[0].priority),
        ("all", 2)
    );
    assert_eq!(source.hooks.len(), 1);
}
