//! Version 0.2 of the contract, `wit/`. Nothing is written by hand here but the choice of worlds and which of our types stand for
//! the resources; `convert.rs` turns these shapes into those of the port.
//!
//! Every imported function is `async` on our side (so that waiting never blocks a thread) and may trap (so that a
//! limit can end the call). To the guest they are plain functions: see `wit/README.md` for why.

/// World `provider-plugin`, and the interfaces that the other worlds share with it.
pub mod provider {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "provider-plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        with: { "runner:plugin/process.stdio": crate::plugin::state::CallerStdio },
    });
}

pub use provider::runner::plugin::{http, log, process, secrets, ssh, state, types};

/// World `hook-plugin`.
pub mod hook {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "hook-plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "runner:plugin/types": crate::plugin::bindings::types,
            "runner:plugin/process": crate::plugin::bindings::process,
            "runner:plugin/ssh": crate::plugin::bindings::ssh,
            "runner:plugin/http": crate::plugin::bindings::http,
            "runner:plugin/secrets": crate::plugin::bindings::secrets,
            "runner:plugin/state": crate::plugin::bindings::state,
            "runner:plugin/log": crate::plugin::bindings::log,
        },
    });
}

pub use hook::runner::plugin::target;

/// World `inner`: what a wrapper imports besides.
pub mod inner {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "inner",
        imports: { default: async | trappable },
        with: {
            "runner:plugin/types": crate::plugin::bindings::types,
            "runner:plugin/process": crate::plugin::bindings::process,
        },
    });
}

macro_rules! optional_world {
    ($module:ident, $world:literal) => {
        #[doc = concat!("World `", $world, "`.")]
        pub mod $module {
            wasmtime::component::bindgen!({
                path: "../wit",
                world: $world,
                exports: { default: async },
                with: { "runner:plugin/types": crate::plugin::bindings::types },
            });
        }
    };
}

optional_world!(liveness, "with-liveness");
optional_world!(inventory, "with-inventory");
optional_world!(facts, "with-facts");
optional_world!(power, "with-power");
optional_world!(signals, "with-signals");
optional_world!(reuse, "with-reuse");
optional_world!(routing, "with-routing");
