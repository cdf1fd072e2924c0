//! The macros that turn a type into a component. Off `wasm32` they only check that the type fits, so that an
//! author's crate can be checked, documented and unit-tested like any other.

/// Exports a [`Provider`](crate::Provider) and embeds its manifest.
///
/// `manifest` is a path relative to the author's `Cargo.toml`. An optional interface is part of the component only
/// when it is listed, and then its trait must be implemented: `liveness`, `inventory`, `facts` (trait
/// [`Probe`](crate::Probe)), `power`, `signals`, `reuse`.
///
/// ```ignore
/// runner_sdk::provider!(Shed, manifest = "plugin.json");
/// runner_sdk::provider!(Shed, manifest = "plugin.json", optional = [liveness, inventory]);
/// ```
#[macro_export]
macro_rules! provider {
    ($plugin:ty, manifest = $manifest:literal $(, optional = [$($optional:ident),* $(,)?])? $(,)?) => {
        const _: () = {
            const fn implements<P: $crate::Provider>() {}
            implements::<$plugin>();
            // Not a name that an author may have given to `$plugin`.
            #[allow(dead_code, reason = "only used when building for wasm32")]
            type __RunnerAdapter = $crate::__private::ProviderAdapter<$plugin>;
            #[cfg(target_arch = "wasm32")]
            $crate::__private::provider::export!(__RunnerAdapter with_types_in $crate::__private::provider);
            $($($crate::__optional!($optional, $plugin, __RunnerAdapter);)*)?
            $crate::__manifest!($manifest);
        };
    };
}

/// Exports a [`Hook`](crate::Hook), a [`Router`](crate::Router), or both, and embeds the manifest.
///
/// `exports` says which; left out, it is `[hook]`. What is not listed is not part of the component.
///
/// ```ignore
/// runner_sdk::hook!(FreeSpace, manifest = "plugin.json");
/// runner_sdk::hook!(CheapFirst, manifest = "plugin.json", exports = [routing]);
/// runner_sdk::hook!(Warden, manifest = "plugin.json", exports = [hook, routing]);
/// ```
#[macro_export]
macro_rules! hook {
    ($plugin:ty, manifest = $manifest:literal $(,)?) => {
        $crate::hook!($plugin, manifest = $manifest, exports = [hook]);
    };
    ($plugin:ty, manifest = $manifest:literal, exports = [$($export:ident),+ $(,)?] $(,)?) => {
        const _: () = {
            #[allow(dead_code, reason = "only used when building for wasm32")]
            type __RunnerAdapter = $crate::__private::HookAdapter<$plugin>;
            $($crate::__hook_export!($export, $plugin, __RunnerAdapter);)+
            $crate::__manifest!($manifest);
        };
    };
}

/// Exports one interface of a hook.
#[doc(hidden)]
#[macro_export]
macro_rules! __hook_export {
    (hook, $plugin:ty, $adapter:ident) => {
        $crate::__hook_export!(@ hook, Hook, $plugin, $adapter);
    };
    (routing, $plugin:ty, $adapter:ident) => {
        $crate::__hook_export!(@ routing, Router, $plugin, $adapter);
    };
    (@ $module:ident, $interface:ident, $plugin:ty, $adapter:ident) => {
        const _: () = {
            const fn implements<H: $crate::$interface>() {}
            implements::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        $crate::__private::$module::export!($adapter with_types_in $crate::__private::$module);
    };
    ($other:ident, $plugin:ty, $adapter:ident) => {
        compile_error!(concat!(
            "a hook has no interface `", stringify!($other), "`: hook or routing"
        ));
    };
}

/// Exports one optional interface.
#[doc(hidden)]
#[macro_export]
macro_rules! __optional {
    (liveness, $plugin:ty, $adapter:ident) => {
        $crate::__optional!(@ liveness, Liveness, $plugin, $adapter);
    };
    (inventory, $plugin:ty, $adapter:ident) => {
        $crate::__optional!(@ inventory, Inventory, $plugin, $adapter);
    };
    (facts, $plugin:ty, $adapter:ident) => {
        $crate::__optional!(@ facts, Probe, $plugin, $adapter);
    };
    (power, $plugin:ty, $adapter:ident) => {
        $crate::__optional!(@ power, Power, $plugin, $adapter);
    };
    (signals, $plugin:ty, $adapter:ident) => {
        $crate::__optional!(@ signals, Signals, $plugin, $adapter);
    };
    (reuse, $plugin:ty, $adapter:ident) => {
        $crate::__optional!(@ reuse, Reuse, $plugin, $adapter);
    };
    (@ $module:ident, $interface:ident, $plugin:ty, $adapter:ident) => {
        const _: () = {
            const fn implements<P: $crate::$interface>() {}
            implements::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        $crate::__private::$module::export!($adapter with_types_in $crate::__private::$module);
    };
    ($other:ident, $plugin:ty, $adapter:ident) => {
        compile_error!(concat!(
            "there is no optional interface `", stringify!($other),
            "`: liveness, inventory, facts, power, signals or reuse"
        ));
    };
}

/// Puts the manifest into the custom section where the host looks for it without running anything.
#[doc(hidden)]
#[macro_export]
macro_rules! __manifest {
    ($path:literal) => {
        #[cfg(target_arch = "wasm32")]
        #[used]
        #[unsafe(link_section = "runner:plugin")]
        static MANIFEST: [u8; include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path))
            .len()] = *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path));
    };
}
