//! The generated bindings, one module per world. Optional interfaces have worlds of their own, so that a component
//! exports them only when the author's macro call names them. All worlds share the types of `provider`.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    clippy::use_self,
    clippy::undocumented_unsafe_blocks,
    clippy::uninlined_format_args,
    reason = "generated code"
)]

pub mod provider {
    wit_bindgen::generate!({
        path: "wit",
        world: "provider-plugin",
        pub_export_macro: true,
        generate_unused_types: true,
        additional_derives: [PartialEq, Eq],
    });
}

pub mod hook {
    wit_bindgen::generate!({
        path: "wit",
        world: "hook-plugin",
        pub_export_macro: true,
        additional_derives: [PartialEq, Eq],
        with: {
            "runner:plugin/types@0.2.0": crate::bindings::provider::runner::plugin::types,
            "runner:plugin/process@0.2.0": crate::bindings::provider::runner::plugin::process,
            "runner:plugin/ssh@0.2.0": crate::bindings::provider::runner::plugin::ssh,
            "runner:plugin/http@0.2.0": crate::bindings::provider::runner::plugin::http,
            "runner:plugin/secrets@0.2.0": crate::bindings::provider::runner::plugin::secrets,
            "runner:plugin/state@0.2.0": crate::bindings::provider::runner::plugin::state,
            "runner:plugin/log@0.2.0": crate::bindings::provider::runner::plugin::log,
        },
    });
}

pub mod inner {
    wit_bindgen::generate!({
        path: "wit",
        world: "inner",
        with: {
            "runner:plugin/types@0.2.0": crate::bindings::provider::runner::plugin::types,
            "runner:plugin/process@0.2.0": crate::bindings::provider::runner::plugin::process,
        },
    });
}

/// One module for the world of one optional interface.
macro_rules! optional {
    ($name:ident, $world:literal $(, $derive:ident)*) => {
        pub mod $name {
            wit_bindgen::generate!({
                path: "wit",
                world: $world,
                pub_export_macro: true,
                additional_derives: [PartialEq, Eq $(, $derive)*],
                with: {
                    "runner:plugin/types@0.2.0": crate::bindings::provider::runner::plugin::types,
                },
            });
        }
    };
}

optional!(liveness, "with-liveness");
optional!(inventory, "with-inventory");
optional!(facts, "with-facts", Default);
optional!(power, "with-power");
optional!(signals, "with-signals");
optional!(reuse, "with-reuse");
optional!(routing, "with-routing");
