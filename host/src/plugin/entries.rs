//! Where the functions are that the host calls: looked up in a component's exports once, for the version of the contract that it is
//! built for.

use wasmtime::component::InstancePre;

use super::bindings::{v0_1, v0_2};
use super::component::Contract;
use super::load::Role;
use super::state::State;
use crate::provider::Optional;

/// A component's functions.
pub(crate) enum Entries {
    Provider(ProviderEntries),
    Hook(HookEntries),
}

/// Those of a provider.
pub(crate) enum ProviderEntries {
    V0_2(Box<Provider0_2>),
    V0_1(Box<Provider0_1>),
}

/// Those of a hook.
pub(crate) enum HookEntries {
    V0_2(Hook0_2),
    V0_1(Hook0_1),
}

impl Entries {
    /// Finds them.
    pub(crate) fn find(
        pre: &InstancePre<State>,
        role: Role,
        contract: Contract,
        has: Optional,
    ) -> wasmtime::Result<Self> {
        Ok(match (role, contract) {
            (Role::Provider, Contract::V0_2) => Self::Provider(ProviderEntries::V0_2(Box::new(
                Provider0_2::find(pre, has)?,
            ))),
            (Role::Provider, Contract::V0_1) => Self::Provider(ProviderEntries::V0_1(Box::new(
                Provider0_1::find(pre, has)?,
            ))),
            (Role::Hook, Contract::V0_2) => Self::Hook(HookEntries::V0_2(Hook0_2::find(pre, has)?)),
            (Role::Hook, Contract::V0_1) => Self::Hook(HookEntries::V0_1(Hook0_1::find(pre, has)?)),
        })
    }
}

/// The same interfaces in each version; what is in them differs.
macro_rules! version {
    ($provider:ident, $hook:ident, $bindings:ident) => {
        /// A provider's functions.
        pub(crate) struct $provider {
            pub(crate) world: $bindings::provider::ProviderPluginIndices,
            pub(crate) liveness: Option<$bindings::liveness::WithLivenessIndices>,
            pub(crate) inventory: Option<$bindings::inventory::WithInventoryIndices>,
            pub(crate) facts: Option<$bindings::facts::WithFactsIndices>,
            pub(crate) power: Option<$bindings::power::WithPowerIndices>,
            pub(crate) signals: Option<$bindings::signals::WithSignalsIndices>,
            pub(crate) reuse: Option<$bindings::reuse::WithReuseIndices>,
        }

        impl $provider {
            fn find(pre: &InstancePre<State>, has: Optional) -> wasmtime::Result<Self> {
                use $bindings::{facts, inventory, liveness, power, provider, reuse, signals};
                Ok(Self {
                    world: provider::ProviderPluginIndices::new(pre)?,
                    liveness: when(has.liveness, || liveness::WithLivenessIndices::new(pre))?,
                    inventory: when(has.inventory, || inventory::WithInventoryIndices::new(pre))?,
                    facts: when(has.facts, || facts::WithFactsIndices::new(pre))?,
                    power: when(has.power, || power::WithPowerIndices::new(pre))?,
                    signals: when(has.signals, || signals::WithSignalsIndices::new(pre))?,
                    reuse: when(has.reuse, || reuse::WithReuseIndices::new(pre))?,
                })
            }
        }

        /// A hook's functions: at least one is there.
        pub(crate) struct $hook {
            pub(crate) hook: Option<$bindings::hook::HookPluginIndices>,
            pub(crate) routing: Option<$bindings::routing::WithRoutingIndices>,
        }

        impl $hook {
            fn find(pre: &InstancePre<State>, has: Optional) -> wasmtime::Result<Self> {
                use $bindings::{hook, routing};
                Ok(Self {
                    hook: when(has.hook, || hook::HookPluginIndices::new(pre))?,
                    routing: when(has.routing, || routing::WithRoutingIndices::new(pre))?,
                })
            }
        }
    };
}

version!(Provider0_2, Hook0_2, v0_2);
version!(Provider0_1, Hook0_1, v0_1);

fn when<T>(has: bool, find: impl FnOnce() -> wasmtime::Result<T>) -> wasmtime::Result<Option<T>> {
    has.then(find).transpose()
}
