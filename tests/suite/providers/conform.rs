//! What every provider owes, by `plugin test`, of those that are more than a command on this machine. The cheaper providers, and
//! the suite itself, are in `conformance.rs`. What only one of them can do follows in the same world, where setting that up is dear.

use runner_tests::service::eventually;

use super::stage::{self, Stage};
use super::{ec2, incus};
use crate::conformance::conforms_at;
use crate::contract::bench::SOURCE;

/// One test per provider: it reaches this level, and these behaviours really were shown.
macro_rules! conforms {
    ($($provider:ident at $level:literal over $stage:path, shows [$($shown:literal),*];)*) => {
        /// Each with its level.
        pub(crate) const SHOWN: &[(&str, &str)] = &[$((stringify!($provider), $level)),*];
        $(
            #[test]
            fn $provider() {
                // None was already said, loudly.
                if let Some(stage) = $stage() {
                    shown(stage, $level, &[$($shown),*]);
                }
            }
        )*
    };
}

conforms! {
    linode at "robust" over stage::linode, shows ["run.argument-bytes", "list.exact", "errors.bad-configuration", "allocate.fault-killed-after", "discard.fault-reset"];
    gce at "robust" over stage::gce, shows ["run.argument-bytes", "list.exact", "errors.bad-configuration", "allocate.fault-stale", "discard.fault-lost-reply"];
    openstack at "robust" over stage::openstack, shows ["run.argument-bytes", "list.exact", "errors.bad-configuration", "allocate.fault-killed-after", "discard.fault-rate-limit"];
    ec2 at "robust" over ec2::stage, shows ["run.argument-bytes", "list.exact", "errors.bad-configuration", "allocate.fault-lost-reply", "discard.fault-killed"];
    incus at "complete" over incus::stage, shows ["list.exact", "errors.of-what-is-gone", "errors.bad-configuration", "reboot.comes-back"];
}

fn shown(stage: Stage, level: &str, behaviours: &[&str]) {
    let env = &stage.env;
    let call = env.runner(["plugin", "test", SOURCE, "--bad", stage.bad]);
    let seen = conforms_at(call, level, behaviours);
    // Nothing of it was in the user's own books.
    assert!(env.live().is_empty(), "{:#?}", env.live());
    eventually("nothing is left at the backend", || {
        (stage.left)(env).is_empty()
    });
    (stage.then)(env, &seen);
}
