//! `linode`, `gce` and `openstack` over local servers that answer as these clouds document, with failures: no clouds, and no emulators.
//! No machine stands behind what they say: what is shown is the way there and back. With machines, and every behaviour: `conform.rs`.

use runner_tests::TestEnv;
use runner_tests::backends::cloud::Cloud;
use runner_tests::service::eventually;
use serde_json::{Value, json};

/// A world, a server, and a source of its.
struct World {
    env: TestEnv,
    cloud: Cloud,
}

/// One cloud: the server's name, the lines of its source, and the secret that it wants.
pub(super) struct Kind {
    pub(super) server: &'static str,
    pub(super) lines: fn(u16) -> String,
    pub(super) secret: (&'static str, fn(&TestEnv) -> String),
    /// Where it makes machines: a part of the path.
    creates: &'static str,
    /// A line that makes it refuse, and what it then says.
    wrong: (&'static str, &'static str),
}

pub(super) const LINODE: Kind = Kind {
    server: "LINODE",
    lines: |port| {
        format!(
            "type = \"linode\"\nimage = \"linode/debian12\"\nendpoint = \"localhost\"\nport = {port}\n"
        )
    },
    secret: ("LINODE_TOKEN", |_| "sesame".to_owned()),
    creates: "/linode/instances",
    wrong: ("image = \"linode/none\"\n", "image is not valid"),
};

pub(super) const GCE: Kind = Kind {
    server: "GCE",
    lines: |port| {
        format!(
            "type = \"gce\"\nproject = \"p\"\nlocation = \"z-1-b\"\nimage = \"debian-cloud/debian-12\"\nendpoint = \"localhost\"\n\
             token-endpoint = \"localhost\"\nport = {port}\n"
        )
    },
    secret: ("GOOGLE_CREDENTIALS", |env| {
        env.program("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-out"])
            .arg(env.path("account.pem"))
            .run()
            .ok();
        let key = std::fs::read_to_string(env.path("account.pem")).unwrap();
        json!({"type": "service_account", "client_email": "me@p.iam.gserviceaccount.com", "private_key": key}).to_string()
    }),
    creates: "/instances",
    wrong: (
        "image = \"debian-cloud/none\"\n",
        "neither an image family nor an image",
    ),
};

pub(super) const OPENSTACK: Kind = Kind {
    server: "OPENSTACK",
    lines: |port| {
        format!(
            "type = \"openstack\"\nidentity = \"localhost\"\nidentity-port = {port}\nports = [{port}]\ncredential = \"me\"\n\
             image = \"debian\"\nplan = \"m1.small\"\nfloating-network = \"outside\"\n"
        )
    },
    secret: ("OS_SECRET", |_| "sesame".to_owned()),
    creates: "/servers",
    wrong: ("image = \"none\"\n", "has no image `none`"),
};

impl World {
    fn new(kind: &Kind) -> Option<Self> {
        let mut env = TestEnv::new();
        let cloud = Cloud::start(&env, kind.server)?;
        let (name, value) = kind.secret;
        let value = value(&env);
        env.set(format!("RUNNER_SECRET_{name}"), value);
        // Nobody listens where the machines pretend to be: none becomes ready, and that is found out at once.
        let lines = format!(
            "{}settle = 1\n[limits]\nready = 1\n",
            (kind.lines)(cloud.port())
        );
        env.source("cloud", &lines);
        let (wrong, _) = kind.wrong;
        let key = wrong.split(' ').next().unwrap();
        let others = lines
            .lines()
            .filter(|line| !line.starts_with(&format!("{key} ")));
        env.source(
            "wrong",
            &format!("{wrong}{}\n", others.collect::<Vec<_>>().join("\n")),
        );
        Some(Self { env, cloud })
    }

    /// Tells the server how to fail.
    fn fail(&self, method: &str, path: &str, status: u16, more: &Value) {
        let mut fail = json!({"method": method, "path": path, "status": status, "times": 1});
        fail.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.cloud.ask("fail", Some(&fail));
    }

    /// What `acquire` says, which fails.
    fn refused(&self, source: &str) -> String {
        let outcome = self.env.runner(["acquire", "-s", source]).run();
        assert_ne!(outcome.code, Some(0), "{outcome}");
        outcome.err().to_owned()
    }

    /// Acquires one and gives it back. Nobody answers at its address, which may be noticed at once.
    fn there_and_back(&self) {
        let outcome = self.env.runner(["acquire", "-s", "cloud"]).run();
        for name in outcome.words().iter().filter(|_| outcome.code == Some(0)) {
            assert_eq!(self.env.live()[0]["access"]["host"], "127.0.0.1");
            self.env.runner(["release", name]).run();
        }
    }

    /// Nothing is left, in the books and in the cloud, once what was half-made is cleared up.
    fn nothing_is_left(&self) {
        eventually("that nothing is left", || {
            self.env
                .runner(["exec", "--source", "local", "--", "true"])
                .run();
            self.env.live().is_empty()
                && self.cloud.machines().is_empty()
                && addresses(&self.cloud).is_empty()
        });
    }
}

pub(super) fn addresses(cloud: &Cloud) -> Vec<Value> {
    cloud
        .extra()
        .into_iter()
        .filter(|one| one["floating_ip_address"].is_string())
        .collect()
}

/// Each failure is what it is, and leaves nothing.
fn failures_are_told_apart(kind: &Kind) {
    let Some(world) = World::new(kind) else {
        return;
    };
    let (_, why) = kind.wrong;
    assert!(world.refused("wrong").contains(why));

    world.fail(
        "POST",
        kind.creates,
        429,
        &json!({"headers": {"retry-after": "1"}}),
    );
    assert!(world.refused("cloud").contains("429"));
    world.fail("POST", kind.creates, 503, &json!({}));
    assert!(world.refused("cloud").contains("503"));
    world.nothing_is_left();

    // The reply is lost after the machine was made, and then it cannot be seen at once.
    world.cloud.ask("hide", Some(&json!({"times": 1})));
    world.fail("POST", kind.creates, 0, &json!({"after": true}));
    world.refused("cloud");
    world.nothing_is_left();

    // While it is looked at, and while it is destroyed.
    world.fail("GET", kind.creates, 502, &json!({"times": 2}));
    world.fail("DELETE", kind.creates, 500, &json!({}));
    world.there_and_back();
    world.nothing_is_left();
}

macro_rules! over {
    ($($name:ident: $kind:ident),*) => {
        $(mod $name {
            #[test]
            fn failures_are_told_apart() {
                super::failures_are_told_apart(&super::$kind);
            }
        })*
    };
}
over!(linode: LINODE, gce: GCE, openstack: OPENSTACK);
