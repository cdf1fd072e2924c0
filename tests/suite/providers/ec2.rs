//! `ec2` over moto, an emulator that is not like EC2 in some points; `plugins/ec2/README.md` has them. One real ssh server stands for
//! its machines.

use runner_tests::TestEnv;
use runner_tests::backends::cloud::Cloud;

use super::stage::Stage;
use crate::contract::bench::SOURCE;

/// An image by a name with a star, which is looked up, and the disk's name with it.
pub(super) fn stage() -> Option<Stage> {
    let mut env = TestEnv::new();
    let (moto, server) = Cloud::with_machines(&mut env, "EC2")?;
    env.keep(server);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        env.set(format!("RUNNER_SECRET_{name}"), "testing");
    }
    env.source(
        SOURCE,
        &format!(
            "type = \"ec2\"\nlocation = \"us-east-1\"\nendpoint = \"localhost\"\nport = {}\nprivate = true\nsettle = 0\nstorage = 9\n\
             image = \"amzn2-ami-hvm-*\"\nimage-owner = \"137112412989\"\n",
            moto.port()
        ),
    );
    Some(Stage {
        env,
        bad: "image=no-such-image-*",
        left: Box::new(move |_| left(&moto)),
        then: Box::new(|_, seen| {
            let made = &seen["allocate.answers"];
            assert!(made.contains("`10."), "its private address: {made}");
            let refused = &seen["errors.bad-configuration"];
            for said in ["no image `no-such-image-*`", "`invalid`"] {
                assert!(refused.contains(said), "{refused}");
            }
        }),
    })
}

/// What the emulator has, asked without us, and that what was there was as it should be.
fn left(moto: &Cloud) -> Vec<String> {
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
    let states = ["pending", "running", "stopping", "stopped", "shutting-down"];
    let living = states.map(|state| format!("<name>{state}</name>"));
    living
        .into_iter()
        .filter(|state| all.contains(state))
        .collect()
}
