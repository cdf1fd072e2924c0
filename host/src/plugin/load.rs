//! From a reference to something that can be instantiated: compiled code from the cache, or compiled now and stored; then
//! linked, which fails with the missing import's name before any guest code runs.
//!
//! The only file of the room with `unsafe`: compiled code is trusted when it is mapped.

use std::collections::HashMap;
use std::hash::{Hash as _, Hasher};
use std::sync::{Arc, Mutex, OnceLock};

use sha2::{Digest as _, Sha256};
use wasmtime::component::{Component, Instance, InstancePre, Linker};
use wasmtime::{Engine, Store};

use super::compile::compile;
use super::engine::{GuestEngine, lock};
use super::entries::{Entries, HookEntries, ProviderEntries};
use super::state::State;
use super::{
    CompiledCache, CompiledFile, ComponentRef, Limits, LoadError, LoadErrorKind, PluginDirs,
    failure, imports, text,
};

/// Bytes in a page of wasm memory.
const PAGE: u64 = 64 << 10;

/// What a component is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Provider,
    Hook,
}

/// A component that is ready to be instantiated.
pub(crate) struct LoadedComponent {
    pre: InstancePre<State>,
    entries: Entries,
}

impl LoadedComponent {
    /// A fresh instance.
    pub(crate) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Instance> {
        self.pre.instantiate_async(store).await
    }

    /// Whether an instance can exist within these limits at all. What never can should not be found out by
    /// the first call, after which there is something to clean up.
    pub(crate) fn fits(&self, reference: &ComponentRef, limits: &Limits) -> Result<(), LoadError> {
        // None: it is made of parts that only show when they are put together.
        let Some(needs) = self.pre.component().resources_required() else {
            return Ok(());
        };
        let pages = needs.max_initial_memory_size.unwrap_or(0);
        let over = [
            (
                "memory",
                pages.saturating_mul(PAGE),
                limits.memory,
                "bytes of memory",
            ),
            (
                "tables",
                needs.max_initial_table_size.unwrap_or(0),
                limits.tables.into(),
                "table elements",
            ),
        ];
        for (limit, needed, allowed, what) in over {
            if needed > allowed {
                let message = format!(
                    "it starts with {needed} {what}, and `limits.{limit}` allows {allowed}"
                );
                let error =
                    LoadError::new(LoadErrorKind::Incompatible, subject(reference), message);
                return Err(error.hint(failure::raise(limit)));
            }
        }
        Ok(())
    }

    /// It is used as a provider.
    pub(crate) fn is_provider(&self) -> bool {
        matches!(self.entries, Entries::Provider(_))
    }

    /// Its functions as a provider.
    pub(crate) fn provider(&self) -> wasmtime::Result<&ProviderEntries> {
        match &self.entries {
            Entries::Provider(entries) => Ok(entries),
            Entries::Hook(_) => Err(wasmtime::format_err!(
                "loaded as a hook and called as a provider"
            )),
        }
    }

    /// Its functions as a hook.
    pub(crate) fn hook(&self) -> wasmtime::Result<&HookEntries> {
        match &self.entries {
            Entries::Hook(entries) => Ok(entries),
            Entries::Provider(_) => Err(wasmtime::format_err!(
                "loaded as a provider and called as a hook"
            )),
        }
    }
}

/// One component's place: empty until it is loaded.
type Slot = Arc<Mutex<Option<Arc<LoadedComponent>>>>;

/// Components by digest and role, and the linkers for them.
#[derive(Default)]
pub(crate) struct Loaded {
    components: Mutex<HashMap<(String, Role), Slot>>,
    provider_linker: OnceLock<Linker<State>>,
    hook_linker: OnceLock<Linker<State>>,
}

/// Loads a component, once per engine and role. Only the limits for compiling are looked at.
pub(crate) fn load(
    engine: &GuestEngine,
    dirs: &PluginDirs,
    reference: &ComponentRef,
    role: Role,
    limits: &Limits,
) -> Result<Arc<LoadedComponent>, LoadError> {
    let key = (reference.digest.clone(), role);
    let slot = Slot::clone(lock(&engine.loaded.components).entry(key).or_default());
    // Held while compiling: two calls for one component should compile it once, and those for others do not wait.
    let mut slot = lock(&slot);
    if let Some(loaded) = &*slot {
        return Ok(loaded.clone());
    }
    let component = code(&engine.wasmtime, dirs, reference, limits)?;
    let pre = linker(engine, role)
        .and_then(|linker| linker.instantiate_pre(&component))
        .map_err(|e| incompatible(reference, &e))?;
    let entries = Entries::find(&pre, role, reference.contract, reference.optional);
    let entries = entries.map_err(|e| incompatible(reference, &e))?;
    let loaded = Arc::new(LoadedComponent { pre, entries });
    *slot = Some(loaded.clone());
    Ok(loaded)
}

fn linker(engine: &GuestEngine, role: Role) -> wasmtime::Result<&Linker<State>> {
    let slot = match role {
        Role::Provider => &engine.loaded.provider_linker,
        Role::Hook => &engine.loaded.hook_linker,
    };
    if let Some(linker) = slot.get() {
        return Ok(linker);
    }
    let mut linker = Linker::new(&engine.wasmtime);
    imports::link(&mut linker)?;
    if role == Role::Hook {
        imports::link_target(&mut linker)?;
    }
    Ok(slot.get_or_init(|| linker))
}

/// The component's code for this engine.
fn code(
    engine: &Engine,
    dirs: &PluginDirs,
    reference: &ComponentRef,
    limits: &Limits,
) -> Result<Component, LoadError> {
    let compatibility = compatibility(engine);
    // A cache that cannot be used (a full disk, a directory that others can write to) costs time, not function.
    let cache = CompiledCache::open(&dirs.compiled)
        .inspect_err(|e| tracing::warn!("{e}"))
        .ok();
    if let Some(cache) = &cache
        && let Some(file) = cache.find(&reference.digest, &compatibility)
    {
        match map(engine, &file) {
            Ok(component) => return Ok(component),
            Err(e) => {
                tracing::debug!("compiled code of `{}` is not used: {e:#}", reference.name);
                cache.remove(&reference.digest, &compatibility);
            }
        }
    }
    let bytes = dirs.bytes(reference)?;
    let code = compile(engine, dirs.compiler.as_deref(), &bytes, limits)
        .map_err(|failed| failed.about(subject(reference)))?;
    if let Some(cache) = &cache {
        match cache.store(&reference.digest, &compatibility, &code) {
            Ok(file) => {
                if let Ok(component) = map(engine, &file) {
                    return Ok(component);
                }
            }
            Err(e) => tracing::warn!("{e}"),
        }
    }
    take(engine, &code).map_err(|e| incompatible(reference, &e))
}

#[expect(
    unsafe_code,
    reason = "compiled code is mapped and trusted; that is the point of the cache"
)]
fn map(engine: &Engine, file: &CompiledFile) -> wasmtime::Result<Component> {
    // SAFETY: the file was written by `code` through `CompiledCache`, into a directory that only this user can
    // write to, and its digest (or its identity since it was digested) was verified by `find` just now. Whoever could
    // replace it could as well replace the program. wasmtime itself refuses code of another version, CPU or
    // configuration.
    unsafe { Component::deserialize_file(engine, &file.path) }
}

#[expect(
    unsafe_code,
    reason = "the code comes from this program, which compiled it a moment ago"
)]
fn take(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `compile` made it: this program, in this process or in a child, with nobody between.
    unsafe { Component::deserialize(engine, code) }
}

/// What code must have been compiled for to run in this engine, as hexadecimal digits.
fn compatibility(engine: &Engine) -> String {
    let mut hasher = HexHasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.hex()
}

/// SHA-256 as a `Hasher`: the standard one may change between compilers.
struct HexHasher(Sha256);

impl HexHasher {
    fn hex(self) -> String {
        self.0
            .finalize()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl Hasher for HexHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

fn subject(reference: &ComponentRef) -> String {
    format!(
        "plugin {} {}",
        text::printable(&reference.name),
        text::printable(&reference.version)
    )
}

fn incompatible(reference: &ComponentRef, error: &wasmtime::Error) -> LoadError {
    let why = text::printable_cut(&format!("{error:#}"), 2000);
    LoadError::new(LoadErrorKind::Incompatible, subject(reference), format!("it does not fit this host: {why}"))
        .hint("it may be built against another version of the contract (`runner:plugin`), or for another host")
}
