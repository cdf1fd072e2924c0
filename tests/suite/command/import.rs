//! `runner import resalloc`: files that are read as they are, sources that work, and nothing overwritten unasked.

use runner_tests::TestEnv;

use super::files;

/// A `pools.yaml` over hooks whose machines are files.
fn world(more: &str) -> TestEnv {
    let env = TestEnv::new();
    for name in ["machines", "calls"] {
        std::fs::create_dir(env.path(name)).unwrap();
    }
    let here = env.path("");
    let here = here.display();
    env.script(
        "hooks/new",
        format!(
            "#!/bin/sh\nenv | grep ^RESALLOC_ | sort >{here}/calls/new\n: >{here}/machines/$RESALLOC_NAME\necho localhost\n"
        ),
    );
    env.script(
        "hooks/delete",
        format!(
            "#!/bin/sh\nenv | grep ^RESALLOC_ | sort >{here}/calls/delete\nrm {here}/machines/$RESALLOC_NAME\n"
        ),
    );
    env.write(
        "work/pools.yaml",
        format!(
            "aws:\n  max: 3\n  max_prealloc: 0\n  cmd_new: {here}/hooks/new\n  cmd_delete: {here}/hooks/delete\n  \
             cmd_list: ls {here}/machines\n  named_counters: [ip]\n  tags: [x86_64]\n{more}"
        ),
    );
    env
}

#[test]
fn an_imported_pool_makes_and_destroys_machines_with_the_old_hooks() {
    let env = world("");
    let told = env
        .runner(["import", "resalloc", "pools.yaml", "--access", "none"])
        .run()
        .ok();
    let file = env.path("config/runner/sources/aws/source.toml");
    for part in [
        file.to_str().unwrap(),
        "never starts",
        "delete_ignores_exit",
        "runner plugin grant aws",
    ] {
        assert!(told.out().contains(part), "no `{part}`: {told}");
    }
    let shown = env.runner(["config", "show", "aws"]).run().ok();
    assert!(shown.out().contains("x86_64"), "{shown}");
    env.runner(["acquire", "-s", "aws"])
        .run()
        .code(3)
        .says(&["hooks/new"]);
    env.grant("aws");
    let id = env.acquire("aws");
    let variables = |call: &str| std::fs::read_to_string(env.path("calls").join(call)).unwrap();
    let made = variables("new");
    assert!(
        made.contains("RESALLOC_POOL_ID=aws\n") && made.contains("RESALLOC_NAMED_COUNTER_ip=0\n"),
        "{made}"
    );
    assert_eq!(files(&env.path("machines")).len(), 1);
    env.runner(["release", &id]).run().ok();
    assert_eq!(files(&env.path("machines")), [""; 0]);
    let gone: String = variables("delete")
        .lines()
        .filter(|line| !line.contains("_DATA="))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(gone, made);
}

#[test]
fn a_stopped_pool_makes_nothing() {
    let env = world("  description: off\n");
    let file = env.path("work/pools.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("max: 3", "max: 0")).unwrap();
    let told = env.runner(["import", "resalloc", "pools.yaml"]).run().ok();
    assert!(told.out().contains("`maximum = \"none\"`"), "{told}");
    env.grant("aws");
    env.runner(["acquire", "-s", "aws"]).run().code(3);
    assert_eq!(files(&env.path("machines")), [""; 0]);
}

#[test]
fn nothing_is_overwritten_unasked_and_then_only_the_settings() {
    let env = world("other:\n  cmd_new: echo\n  cmd_delete: 'true'\n");
    let import = |more: &[&str]| {
        env.runner(["import", "resalloc", "pools.yaml"])
            .args(more)
            .run()
    };
    env.write("config/runner/sources/other/provision.d/10-mine", "kept");
    let outcome = import(&[]).code(3);
    outcome.says(&["sources/other", "nothing was written", "--force"]);
    assert!(!env.path("config/runner/sources/aws").exists());
    import(&["--force"]).ok();
    assert_eq!(
        std::fs::read(env.path("config/runner/sources/other/provision.d/10-mine")).unwrap(),
        b"kept"
    );
    assert!(env.path("config/runner/sources/aws/source.toml").exists());
    // Elsewhere, twice the same.
    let json = import(&["--into", "there", "--json"]).ok().json();
    assert_eq!(json["sources"][0]["source"], "aws");
    let one = std::fs::read(env.path("work/there/aws/source.toml")).unwrap();
    assert_eq!(
        one,
        std::fs::read(env.path("config/runner/sources/aws/source.toml")).unwrap()
    );
    assert_eq!(files(&env.path("work/there/aws")), ["source.toml"]);
}

#[test]
fn mistakes_have_a_place_and_leave_nothing() {
    let env = world("  max_pralloc: 1\nother:\n  cmd_new: echo\n");
    let outcome = env
        .runner(["import", "resalloc", "pools.yaml"])
        .run()
        .code(3);
    outcome.says(&["pools.yaml:10:1: pool `other` has no `cmd_delete`"]);
    assert!(!env.path("config/runner/sources").exists());
    env.runner(["import", "resalloc", "nowhere.yaml"])
        .run()
        .code(3)
        .says(&["nowhere.yaml"]);
    // What resalloc only warns of is only warned of.
    let env = world("  max_pralloc: 1\n");
    let outcome = env.runner(["import", "resalloc", "pools.yaml"]).run().ok();
    outcome.says(&[
        "pools.yaml:9:3",
        "`max_pralloc`",
        "did you mean `max_prealloc`?",
    ]);
}
