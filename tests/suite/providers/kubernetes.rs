//! `kubernetes` by the real kubectl, over a local server that answers as the API documents: no cluster.

use runner_tests::TestEnv;
use runner_tests::backends::cloud::{Pods, pods};
use runner_tests::service::eventually;
use serde_json::json;

use crate::conformance::falls_short;
use crate::contract::bench::SOURCE;

#[test]
fn a_pod_does_what_is_owed_but_for_a_line_on_standard_error() {
    let mut env = TestEnv::new();
    // None was already said, loudly.
    let Some(cluster) = pods(&mut env) else {
        return;
    };
    // Pods run at the first look.
    cluster.ask("set", Some(&json!({"quick": true})));
    env.source(
        SOURCE,
        "type = \"kubernetes\"\nimage = \"localhost/box:1\"\ncpus = \"1\"\nmemory = \"64Mi\"\npod = { priority = 7 }\n",
    );
    let call = env.runner(["plugin", "test", SOURCE, "--bad", "image=localhost/none:1"]);
    // After a code other than 0, `kubectl exec` says so there.
    let short = ["run.in-parallel", "run.streams-apart"];
    falls_short(
        call,
        "complete",
        &short,
        &[
            "run.argument-bytes",
            "list.exact",
            "errors.of-what-is-gone",
            "errors.bad-configuration",
            "probe.facts",
            "signals.reach-the-command",
        ],
    );
    assert!(env.live().is_empty(), "{:#?}", env.live());
    assert_eq!(left(&cluster), [""; 0]);
    takes_its_time_and_has_no_room(&env, &cluster);
}

fn left(cluster: &Pods) -> Vec<String> {
    let pods = cluster.ask("state", None);
    let pods = pods.as_array().expect("a list");
    pods.iter().map(ToString::to_string).collect()
}

/// What is asked for, and what becomes of it in such a cluster.
fn takes_its_time_and_has_no_room(env: &TestEnv, cluster: &Pods) {
    cluster.ask("set", Some(&json!({"quick": false})));
    let name = env.acquire(SOURCE);
    let pod = &cluster.ask("state", None)[0];
    assert_eq!(pod["metadata"]["labels"]["runner-name"], json!(name));
    assert_eq!(pod["spec"]["priority"], 7);
    assert_eq!(
        pod["spec"]["containers"][0]["resources"]["limits"]["memory"],
        "64Mi"
    );
    env.runner(["release", &name]).run().ok();
    eventually("the pod is gone", || left(cluster).is_empty());

    // A full cluster and a full quota are two things.
    for (switch, said) in [
        ("full", "0/1 nodes are available"),
        ("quota", "exceeded quota"),
    ] {
        cluster.ask(
            "set",
            Some(&json!({"full": switch == "full", "quota": switch == "quota"})),
        );
        env.source(
            "odd",
            "type = \"kubernetes\"\npatience = 3\nimage = \"localhost/box:1\"\n",
        );
        let said = env.runner(["acquire", "-s", "odd"]).run().says(&[said]);
        // What may be left of it is looked for, which its right to look must be enough for.
        assert!(!said.to_string().contains("cannot be listed"), "{said}");
    }
    eventually("nothing is left", || {
        env.runner(["exec", "--source", "local", "--", "true"])
            .run();
        left(cluster).is_empty()
    });
}
