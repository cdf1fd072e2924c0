//! Where settings come from, which ones win, and how a wrong one is told: file, line, key, suggestion.

use runner_tests::TestEnv;
use runner_tests::fake::Fake;

#[test]
fn without_any_configuration_there_is_one_source() {
    let env = TestEnv::new();
    let list = env.runner(["source", "list"]).run().ok();
    assert!(list.out().contains("local"), "{list}");
    let outcome = env.runner(["acquire"]).run().ok();
    assert_eq!(outcome.out(), "local-0\n");
    assert_eq!(
        env.runner(["run", "local-0", "--", "echo", "hi"])
            .run()
            .ok()
            .out(),
        "hi\n"
    );
    // Nothing was written into the user's configuration.
    assert_eq!(std::fs::read_dir(env.path("config")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(env.path("home")).unwrap().count(), 0);
}

#[test]
fn a_source_called_local_replaces_the_implicit_one() {
    let env = TestEnv::new();
    env.source("local", "type = \"local\"\nmaximum = 3\n");
    assert_eq!(env.acquire_many("local", 3).len(), 3);
}

#[test]
fn the_first_root_that_defines_a_source_wins_as_a_whole() {
    let env = TestEnv::new();
    let query = |max: &str| {
        let outcome = env.runner(["status", "--query", "max", "box"]).run().ok();
        assert_eq!(outcome.out().trim(), max, "{outcome}");
    };
    env.write(
        "work/.runner/sources/box/source.toml",
        "type = \"local\"\nmaximum = 7\nreserve = 2\n",
    );
    query("7");
    env.write(
        "home/.config/crcache/sources/box/source.conf",
        "type: local\nmaximum: 6\n",
    );
    query("6");
    env.source("box", "type = \"local\"\nmaximum = 5\n");
    query("5");
    // Not merged key by key: the project's reserve is not the user's.
    let id = env.acquire("box");
    env.runner(["release", &id]).run().ok();
    assert!(env.live().is_empty());
    let shown = env.runner(["config", "show"]).run().ok();
    assert!(shown.out().contains("source.toml"), "{shown}");
}

#[test]
fn an_explicit_configuration_directory_replaces_the_users() {
    let env = TestEnv::new();
    env.source("box", "type = \"local\"\nmaximum = 5\n");
    env.write(
        "elsewhere/sources/other/source.toml",
        "type = \"local\"\nmaximum = 4\n",
    );
    let call = |args: &[&str]| {
        env.runner(args)
            .env("RUNNER_CONFIG_DIR", env.path("elsewhere"))
            .run()
    };
    assert_eq!(
        call(&["status", "--query", "max", "other"]).ok().out(),
        "4\n"
    );
    call(&["acquire", "-s", "box"]).code(3).says(&["box"]);
}

/// A wrong settings file: the error must have these words, and the position of `at` (`line:column` or just the line).
#[track_caller]
fn wrong(toml: &str, line: u32, says: &[&str]) {
    let env = TestEnv::new();
    env.source("box", toml);
    let outcome = env.runner(["acquire", "-s", "box"]).run().code(3);
    let place = format!("source.toml:{line}");
    outcome.says(&[&place]).says(says);
}

#[test]
fn unknown_keys_are_errors_with_place_and_suggestion() {
    wrong(
        "type = \"local\"\n\nmaxmum = 3\n",
        3,
        &["maxmum", "maximum"],
    );
    wrong("type = \"local\"\nreserv = 1\n", 2, &["reserv", "reserve"]);
    wrong(
        "type = \"container\"\nimag = \"x\"\n",
        2,
        &["imag", "image"],
    );
    wrong(
        "type = \"local\"\n[limits]\nmemroy = 1\n",
        3,
        &["memroy", "memory"],
    );
}

#[test]
fn wrong_types_and_impossible_values_are_errors_with_place() {
    wrong("type = \"local\"\nmaximum = \"three\"\n", 2, &["maximum"]);
    wrong("type = \"local\"\nmaximum = -1\n", 2, &["maximum"]);
    wrong(
        "type = \"local\"\nmaximum = 1\nreserve = 2\n",
        3,
        &["reserve", "maximum"],
    );
    wrong("type = 7\n", 1, &["type"]);
    wrong(
        "type = \"local\"\n[limits]\nmemory = \"a lot\"\n",
        3,
        &["memory"],
    );
    wrong(
        "type = \"local\"\nmaximum = 1\nmaximum = 2\n",
        3,
        &["duplicate"],
    );
    wrong("type = \"local\n", 1, &[]);
}

#[test]
fn an_unknown_type_names_what_there_is() {
    wrong("type = \"contaner\"\n", 1, &["contaner", "container"]);
    wrong("type = \"./missing.wasm\"\n", 1, &["missing.wasm"]);
}

#[test]
fn pools_must_make_sense() {
    wrong("type = \"pool\"\nsources = []\n", 2, &["sources"]);
    wrong(
        "type = \"pool\"\nsources = [\"nowhere\"]\n",
        2,
        &["nowhere"],
    );
    wrong("type = \"pool\"\nsources = [\"box\"]\n", 2, &["box"]);
    wrong("type = \"pool\"\n", 1, &["sources"]);
}

#[test]
fn one_broken_source_does_not_stop_the_others() {
    let env = TestEnv::new();
    env.source("broken", "typ = \"local\"\n");
    env.source("good", "type = \"local\"\n");
    env.acquire("good");
    let list = env.runner(["source", "list"]).run();
    let all = format!("{list}");
    assert!(all.contains("good") && all.contains("broken"), "{all}");
}

#[test]
fn plugin_options_are_checked_against_its_schema_before_the_first_call() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "fake", "");
    let path = fake.directory().display();
    let component = runner_tests::guests::fake().display().to_string();
    for (more, says) in [
        ("capacity = \"many\"\n", "capacity"),
        ("capacity = -1\n", "capacity"),
        ("capasity = 1\n", "capacity"),
    ] {
        env.source(
            "fake",
            &format!("type = \"{component}\"\nbackend = \"{path}\"\n{more}"),
        );
        env.runner(["acquire", "-s", "fake"])
            .run()
            .code(3)
            .says(&[says, "source.toml:3"]);
    }
    env.source("fake", &format!("type = \"{component}\"\n"));
    env.runner(["acquire", "-s", "fake"])
        .run()
        .code(3)
        .says(&["backend"]);
    assert!(fake.journal().is_empty(), "the plugin was called");
}

#[test]
fn a_component_file_takes_options_on_the_command_line() {
    let env = TestEnv::new();
    let fake = Fake::ungranted(&env, "unused", "");
    let backend = fake.directory().display();
    let component = runner_tests::guests::fake().display().to_string();
    let one = env
        .runner([
            "acquire",
            "--grant",
            "--source",
            &format!("{component}:backend={backend},capacity=3"),
        ])
        .run()
        .ok();
    let two = env
        .runner(["acquire", "--grant", "--source", &component])
        .args(["-o", &format!("backend={backend}"), "-o", "capacity=3"])
        .run()
        .ok();
    assert_eq!(fake.live().len(), 2);
    env.runner(["run", one.out().trim(), "--", "true"])
        .run()
        .ok();
    env.runner(["release", one.out().trim(), two.out().trim()])
        .run()
        .ok();
    assert!(fake.live().is_empty());
    env.runner([
        "acquire",
        "--grant",
        "--source",
        &component,
        "-o",
        "capasity=3",
    ])
    .run()
    .code(3)
    .says(&["capasity", "capacity"]);
}

#[test]
fn every_value_is_shown_with_the_file_it_came_from() {
    let env = TestEnv::new();
    let file = env.source(
        "box",
        "type = \"local\"\nmaximum = 3\n[limits]\nmemory = \"64 MiB\"\n",
    );
    let shown = env.runner(["config", "show"]).run().ok();
    let text = shown.out();
    for part in ["box", "maximum", "3", "memory", file.to_str().unwrap()] {
        assert!(text.contains(part), "no `{part}`: {shown}");
    }
    let source = env.runner(["source", "show", "box"]).run().ok();
    assert!(source.out().contains("maximum"), "{source}");
    env.runner(["source", "show", "nowhere"])
        .run()
        .code(3)
        .says(&["nowhere"]);
}

#[test]
fn pools_draw_in_order_and_respect_every_limit() {
    let env = TestEnv::new();
    let one = Fake::source(&env, "one", "maximum = 1\n");
    let two = Fake::source(&env, "two", "maximum = 2\n");
    env.source("pool", "type = \"pool\"\nsources = [\"one\", \"two\"]\n");
    let ids = env.acquire_many("pool", 2);
    assert_eq!((one.live().len(), two.live().len()), (1, 1));
    // All or nothing: two more are one too many, and nothing stays behind.
    env.runner(["acquire", "-s", "pool", "2"]).run().code(3);
    assert_eq!((one.live().len(), two.live().len()), (1, 1));
    // The child's own limit counts what the pool took.
    env.runner(["acquire", "-s", "one"]).run().code(3);
    env.runner(["release"]).args(&ids).run().ok();
    assert!(one.live().is_empty() && two.live().is_empty());
}

#[test]
fn a_pool_goes_elsewhere_when_a_backend_has_no_room() {
    let env = TestEnv::new();
    let one = Fake::source(&env, "one", "");
    let two = Fake::source(&env, "two", "");
    env.source("pool", "type = \"pool\"\nsources = [\"one\", \"two\"]\n");
    one.refuse("allocate", Some("exhausted"));
    let id = env.acquire("pool");
    assert!(one.live().is_empty());
    assert_eq!(two.live().len(), 1);
    env.runner(["release", &id]).run().ok();
    // It is left out for a while, so that the next request loses no time there.
    let asked = one.journal().len();
    env.acquire("pool");
    assert_eq!(one.journal().len(), asked);
}

#[test]
fn what_the_operator_must_see_to_is_not_hidden_by_trying_elsewhere() {
    let env = TestEnv::new();
    let one = Fake::source(&env, "one", "");
    Fake::source(&env, "two", "");
    env.source("pool", "type = \"pool\"\nsources = [\"one\", \"two\"]\n");
    one.refuse("allocate", Some("invalid"));
    env.runner(["acquire", "-s", "pool"])
        .run()
        .code(3)
        .says(&["told to fail"]);
}
