//! `kubernetes` by the real kubectl, over a local server that answers as the API documents: no cluster.

use runner_tests::TestEnv;
use runner_tests::backends::cloud::pods;
use runner_tests::service::eventually;
use serde_json::json;

#[test]
fn a_pod_is_all_that_a_command_needs() {
    let mut env = TestEnv::new();
    let Some(cluster) = pods(&mut env) else {
        return;
    };
    env.source("pods", "type = \"kubernetes\"\nimage = \"localhost/box:1\"\ncpus = \"1\"\nmemory = \"64Mi\"\npod = { priority = 7 }\n");
    let name = env.acquire("pods");
    let pod = &cluster.ask("state", None)[0];
    assert_eq!(pod["metadata"]["labels"]["runner-name"], json!(name));
    assert_eq!(pod["spec"]["priority"], 7);
    assert_eq!(
        pod["spec"]["containers"][0]["resources"]["limits"]["memory"],
        "64Mi"
    );

    let run = |script: &str| {
        env.runner(["run", &name, "--", "sh", "-c", script])
            .stdin("in")
            .run()
    };
    assert_eq!(run("cat").ok().out(), "in");
    for code in [0, 1, 7, 127] {
        run(&format!("exit {code}")).code(code);
    }
    run("kill -TERM $$").code(143);
    let odd = env
        .runner([
            "run",
            "--env",
            "V=ä b",
            "--cwd",
            "/tmp",
            &name,
            "--",
            "sh",
            "-c",
            "pwd; printf %s \"$V$0\"",
            "a b'\"$x\n",
        ])
        .run()
        .ok();
    assert_eq!(odd.out(), "/tmp\nä ba b'\"$x\n", "{odd}");
    env.runner(["release", &name]).run().ok();
    eventually("the pod is gone", || {
        cluster.ask("state", None) == json!([])
    });

    // A full cluster, a full quota and a wrong image are three things.
    for (lines, switch, said) in [
        (
            "image = \"localhost/box:1\"",
            "full",
            "0/1 nodes are available",
        ),
        ("image = \"localhost/box:1\"", "quota", "exceeded quota"),
        ("image = \"localhost/none:1\"", "", "Back-off pulling image"),
    ] {
        cluster.ask(
            "set",
            Some(&json!({"full": switch == "full", "quota": switch == "quota"})),
        );
        env.source(
            "odd",
            &format!("type = \"kubernetes\"\npatience = 3\n{lines}\n"),
        );
        let said = env.runner(["acquire", "-s", "odd"]).run().says(&[said]);
        // What may be left of it is looked for, which its right to look must be enough for.
        assert!(!said.to_string().contains("cannot be listed"), "{said}");
    }
    eventually("nothing is left", || {
        env.runner(["exec", "--source", "local", "--", "true"])
            .run();
        cluster.ask("state", None) == json!([])
    });
}
