//! `ec2` over moto, an emulator that is not like EC2 in some points; `plugins/ec2/README.md` has them. No machine stands behind an
//! instance, so none becomes ready, and what is shown is the way there and back.

use runner_tests::TestEnv;
use runner_tests::backends::cloud::Cloud;
use runner_tests::service::eventually;

#[test]
fn an_instance_is_made_tagged_and_terminated() {
    let mut env = TestEnv::new();
    let Some(moto) = Cloud::moto(&env) else {
        return;
    };
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        env.set(format!("RUNNER_SECRET_{name}"), "testing");
    }
    let lines = format!(
        "type = \"ec2\"\nlocation = \"us-east-1\"\nendpoint = \"localhost\"\nport = {}\nprivate = true\nsettle = 0\nstorage = 9\n",
        moto.port()
    );
    let limits = "[limits]\nready = 1\n";
    // A name with a star, which is looked up, and the disk's name with it.
    env.source(
        "cloud",
        &format!("{lines}image = \"amzn2-ami-hvm-*\"\nimage-owner = \"137112412989\"\n{limits}"),
    );
    env.source(
        "wrong",
        &format!("{lines}image = \"no-such-image-*\"\n{limits}"),
    );
    let said = env
        .runner(["acquire", "-s", "wrong"])
        .run()
        .says(&["no image `no-such-image-*`", "check `image`"]);
    assert!(!said.to_string().contains("cannot be listed"), "{said}");

    let outcome = env.runner(["acquire", "-s", "cloud"]).run();
    if outcome.code == Some(0) {
        let host = env.live()[0]["access"]["host"].to_string();
        assert!(host.contains("10."), "its private address: {host}");
        env.runner(["release", "cloud-0"]).run();
    }
    eventually("the books are empty", || {
        env.runner(["exec", "--source", "local", "--", "true"])
            .run();
        env.live().is_empty()
    });
    // What the emulator says itself, asked without us.
    let all = moto.raw("Action=DescribeInstances&Version=2016-11-15");
    for part in [
        "runner-token",
        "runner-source",
        "runner-state",
        "<name>terminated</name>",
        "t3.small",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert!(!all.contains("<name>running</name>"), "{all}");
}
