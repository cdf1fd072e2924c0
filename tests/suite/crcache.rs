//! What users of crcache rely on: its files, spellings, output and exit codes; and each of its bugs, absent.

use runner_tests::TestEnv;
use runner_tests::fake::Fake;

/// A world whose `~/.config/crcache` defines one source in crcache's own format.
fn with_conf(name: &str, conf: &str) -> TestEnv {
    let env = TestEnv::new();
    env.write(
        format!("home/.config/crcache/sources/{name}/source.conf"),
        conf,
    );
    env
}

fn status(env: &TestEnv, args: &[&str]) -> String {
    env.runner(["status"])
        .args(args)
        .run()
        .ok()
        .out()
        .to_owned()
}

// Files and formats.

#[test]
fn an_ini_file_is_read_as_it_is() {
    let env = with_conf(
        "box",
        "[DEFAULT]\ntype=local\nreserve=1\nmaximum=3\nconcurrency=2\n",
    );
    assert_eq!(status(&env, &["--query", "max", "box"]), "3\n");
    let ids = env.acquire_many("box", 3);
    assert_eq!(ids, ["box-0", "box-1", "box-2"]);
    env.runner(["release"]).args(&ids).run().ok();
    assert_eq!(status(&env, &["--query", "cached", "box"]), "1\n");
}

#[test]
fn a_yaml_file_is_read_as_it_is() {
    let env = with_conf("box", "type: local\nreserve: 1\nmaximum: 3\n");
    assert_eq!(status(&env, &["--query", "max", "box"]), "3\n");
    let id = env.acquire("box");
    assert_eq!(
        env.runner(["run", &id, "--", "echo", "hi"])
            .run()
            .ok()
            .out(),
        "hi\n"
    );
}

#[test]
fn pools_are_lists_in_both_formats() {
    for conf in [
        "[DEFAULT]\ntype=pool\nsources=one, two\n",
        "type: pool\nsources: [one, two]\n",
        "type: pool\nsources:\n  - one\n  - two\n",
    ] {
        let env = with_conf("both", conf);
        for name in ["one", "two"] {
            env.source(name, "type = \"local\"\n");
        }
        assert_eq!(status(&env, &["--query", "max", "both"]), "2\n", "{conf}");
        assert_eq!(env.acquire_many("both", 2), ["both-0", "both-1"]);
    }
}

#[test]
fn a_project_directory_is_searched_upwards() {
    let env = TestEnv::new();
    env.write(
        "work/project/.crcache/sources/here/source.conf",
        "type: local\nmaximum: 2\n",
    );
    env.write("work/project/deep/er/file", "");
    let outcome = env
        .runner(["acquire", "-s", "here", "2"])
        .current_dir(env.path("work/project/deep/er"))
        .run()
        .ok();
    assert_eq!(outcome.out(), "here-0 here-1\n");
    // From elsewhere there is no such source, and it can be told from an empty one.
    env.runner(["acquire", "-s", "here"])
        .run()
        .code(3)
        .says(&["here"]);
}

#[test]
fn the_users_directory_comes_before_the_projects() {
    let env = with_conf("box", "type: local\nmaximum: 5\n");
    env.write(
        "work/.crcache/sources/box/source.conf",
        "type: local\nmaximum: 7\n",
    );
    assert_eq!(status(&env, &["--query", "max", "box"]), "5\n");
}

// Output.

#[test]
fn the_status_table_is_crcaches() {
    let env = TestEnv::new();
    assert_eq!(
        status(&env, &["local"]),
        "source  cached  in-use  max\n------  ------  ------  ---\nlocal   0       0       1\n"
    );
    env.acquire("local");
    assert_eq!(
        status(&env, &[]),
        "source  cached  in-use  max\n------  ------  ------  ---\nlocal   0       1       1\n"
    );
}

#[test]
fn the_verbose_table_lists_what_is_checked_out() {
    let env = TestEnv::new();
    env.source("box", "type = \"local\"\nmaximum = 3\n");
    env.acquire_many("box", 2);
    let text = status(&env, &["-v", "box"]);
    assert!(text.starts_with("source  cached  in-use  max\n"), "{text}");
    for id in ["box-0", "box-1"] {
        assert!(text.contains(id), "{text}");
    }
}

#[test]
fn queries_answer_one_number_and_sum_over_sources() {
    let env = TestEnv::new();
    env.source("one", "type = \"local\"\nmaximum = 3\nreserve = 1\n");
    env.source("two", "type = \"local\"\nmaximum = 4\n");
    let ids = env.acquire_many("one", 2);
    env.acquire("two");
    env.runner(["release", &ids[0]]).run().ok();
    let query = |what: &str| status(&env, &["--query", what, "one", "two"]);
    assert_eq!(query("in-use"), "2\n");
    assert_eq!(query("max"), "7\n");
    assert_eq!(query("available"), "5\n");
    env.runner(["status", "--query", "nonsense"]).run().code(2);
}

#[test]
fn exit_codes_are_crcaches() {
    let env = TestEnv::new();
    env.runner(["frobnicate"])
        .run()
        .code(1)
        .says(&["frobnicate"]);
    env.runner(["release"]).run().code(1);
    // `run` keeps the low numbers for the command: what is wrong with the call itself is 125.
    env.runner(["run"]).run().code(125);
    env.runner(["acquire", "--no-such-option"]).run().code(2);
    env.runner(["acquire", "-s", "nowhere"])
        .run()
        .code(3)
        .says(&["nowhere"]);
    env.runner(["help"]).run().ok();
    env.runner(["help", "acquire"]).run().ok();
    env.runner(["help", "frobnicate"]).run().code(1);
}

// Its bugs, 1.6 of the notes: the input on the left of the table, the right column expected.

#[test]
fn a_cached_instance_is_handed_out_at_the_maximum() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "reserve = 1\nmaximum = 1\n");
    let id = env.acquire("box");
    env.runner(["release", &id]).run().ok();
    let again = env.acquire("box");
    let journal = fake.journal();
    let made = journal.iter().filter(|call| call.starts_with("allocate"));
    assert_eq!(made.count(), 1, "a second one was made: {journal:?}");
    env.runner(["run", &again, "--", "true"]).run().ok();
}

#[test]
fn a_pool_over_an_exhausted_source_fails_and_names_the_limit() {
    let env = TestEnv::new();
    env.source("pool", "type = \"pool\"\nsources = [\"local\"]\n");
    env.acquire("local");
    let outcome = env.runner(["acquire", "-s", "pool"]).run().code(3);
    assert!(outcome.stdout.is_empty(), "{outcome}");
    outcome.says(&["local", "1"]);
}

#[test]
fn acquiring_nothing_is_refused() {
    let env = TestEnv::new();
    let outcome = env.runner(["acquire", "0"]).run();
    assert!(matches!(outcome.code, Some(1 | 2)), "{outcome}");
    assert!(outcome.stdout.is_empty(), "{outcome}");
    env.runner(["acquire", "many"]).run().code(2);
    env.runner(["acquire", "--", "-1"]).run().code(2);
}

#[test]
fn ids_of_two_sources_are_all_checked_before_any_is_released() {
    let env = TestEnv::new();
    env.source("one", "type = \"local\"\n");
    env.source("two", "type = \"local\"\n");
    let ids = [env.acquire("one"), env.acquire("two")];
    env.runner(["release", &ids[0], "two-9", &ids[1]])
        .run()
        .code(3)
        .says(&["two-9"]);
    for id in &ids {
        env.runner(["run", id, "--", "true"]).run().ok();
    }
}

#[test]
fn an_id_without_a_dash_is_just_unknown() {
    let env = TestEnv::new();
    env.runner(["run", "local", "true"])
        .run()
        .code(125)
        .says(&["local"]);
    env.runner(["release", "local"])
        .run()
        .code(3)
        .says(&["local"]);
}

#[test]
fn a_source_name_may_hold_dashes() {
    let env = TestEnv::new();
    env.source("a-b-1", "type = \"local\"\n");
    env.source("a", "type = \"local\"\nmaximum = 3\n");
    let id = env.acquire("a-b-1");
    assert_eq!(id, "a-b-1-0");
    env.acquire("a");
    env.runner(["release", &id]).run().ok();
    assert_eq!(status(&env, &["--query", "in-use", "a"]), "1\n");
}

#[test]
fn a_child_that_left_the_configuration_is_discarded_with_what_made_it() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "child", "");
    env.source("pool", "type = \"pool\"\nsources = [\"child\"]\n");
    let id = env.acquire("pool");
    env.source("pool", "type = \"pool\"\nsources = [\"local\"]\n");
    std::fs::remove_dir_all(env.path("config/runner/sources/child")).unwrap();
    env.runner(["run", &id, "--", "true"]).run().ok();
    env.runner(["release", &id]).run().ok();
    assert!(fake.live().is_empty());
    assert!(env.live().is_empty());
}

#[test]
fn no_limit_and_none_left_can_be_told_apart() {
    let env = TestEnv::new();
    env.source("free", "type = \"local\"\nmaximum = 0\n");
    env.acquire_many("free", 5);
    assert_eq!(
        status(&env, &["--query", "available", "free"]),
        "unlimited\n"
    );
    env.acquire("local");
    assert_eq!(status(&env, &["--query", "available", "local"]), "0\n");
}

#[test]
fn the_reserve_counts_what_exists_and_idle_ones_are_not_piled_up() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "reserve = 2\nmaximum = 4\n");
    let ids = env.acquire_many("box", 4);
    env.runner(["release"]).args(&ids[..2]).run().ok();
    // Two are still held, so that two exist without the released ones.
    assert_eq!(fake.live().len(), 2);
    env.runner(["release"]).args(&ids[2..]).run().ok();
    assert_eq!(fake.live().len(), 2);
    assert_eq!(status(&env, &["--query", "cached", "box"]), "2\n");
}
