//! A provider of `conform.rs`, set up. Here those over the servers that play clouds, with one real ssh server for all of their
//! machines, which each machine's own key opens while the machine exists; the others are in files of their own.

use std::collections::BTreeMap;

use runner_tests::TestEnv;
use runner_tests::backends::cloud::Cloud;
use serde_json::json;

use super::clouds::{GCE, Kind, LINODE, OPENSTACK, addresses};
use crate::contract::bench::SOURCE;

/// Asks a backend what it has.
type Left = dyn Fn(&TestEnv) -> Vec<String>;

/// Goes on in the same world; the findings, by name, are what was seen.
pub(super) type Then = dyn FnOnce(&TestEnv, &BTreeMap<String, String>);

/// A provider ready to be tried: the source `box` in a world of its own.
pub(super) struct Stage {
    pub(super) env: TestEnv,
    /// A setting that it must refuse.
    pub(super) bad: &'static str,
    /// What the backend itself still has, asked without us.
    pub(super) left: Box<Left>,
    /// What only this provider can do.
    pub(super) then: Box<Then>,
}

/// A cloud of `cloud.py`.
fn cloud(kind: &Kind, bad: &'static str) -> Option<Stage> {
    let mut env = TestEnv::new();
    let (cloud, server) = Cloud::with_machines(&mut env, kind.server)?;
    if kind.server == "GCE" {
        // It tells the host key, which is pinned.
        cloud.ask("set", Some(&json!({"host-key": server.host_key()})));
    }
    env.keep(server);
    let (name, value) = kind.secret;
    let value = value(&env);
    env.set(format!("RUNNER_SECRET_{name}"), value);
    let lines = (kind.lines)(cloud.port());
    // The machines are this one, and nobody else can log in here.
    env.source(SOURCE, &format!("{lines}settle = 0\nusername = \"root\"\n"));
    let left = move |_: &TestEnv| {
        let mut left = cloud.machines();
        left.extend(addresses(&cloud));
        left.iter().map(ToString::to_string).collect()
    };
    Some(Stage {
        env,
        bad,
        left: Box::new(left),
        then: Box::new(|_, _| {}),
    })
}

pub(super) fn linode() -> Option<Stage> {
    cloud(&LINODE, "image=linode/none")
}

pub(super) fn gce() -> Option<Stage> {
    cloud(&GCE, "image=debian-cloud/none")
}

pub(super) fn openstack() -> Option<Stage> {
    cloud(&OPENSTACK, "image=none")
}
