//! What one call of one plugin has: a store's data. Made fresh for each call and thrown away with it.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::binding::Services;
use super::bindings::{types, v0_1};
use super::clocks::coarse;
use super::engine::{GuestEngine, Running};
use super::guard::Guard;
use super::guest_log::GuestLog;
use super::imports::http::{Client, Clients, Outbound, WasiHttp};
use super::limiter::{LimitHit, Limiter};
use super::load::LoadedComponent;
use super::purpose::Purpose;
use super::rights::Rights;
use super::secrecy::Secrecy;
use super::tap::{Given, Tapped, tap_wasi};
use super::wrap::{Inner, Subject};
use super::{Capabilities, Contract, DirectoryAccess, Limits, Manifest, PluginDirs};
use crate::provider::{CallContext, Stdio, Target};
use crate::transport::SshSessions;

/// The longest run of random bytes that a guest may ask for at once.
const RANDOM: u64 = 1 << 20;

/// A plugin bound to a source: what all its calls share, resolved once.
pub(crate) struct Bound {
    pub(crate) engine: Arc<GuestEngine>,
    pub(crate) component: Arc<LoadedComponent>,
    pub(crate) plugin: String,
    pub(crate) version: String,
    /// Source and configuration, as each call gets them.
    pub(crate) context: types::Context,
    /// The same for components of version 0.1.
    pub(crate) context_0_1: v0_1::types::Context,
    pub(crate) contract: Contract,
    /// Of the component.
    pub(crate) digest: String,
    pub(crate) grant: Capabilities,
    pub(crate) limits: Limits,
    pub(crate) services: Services,
    /// Of a wrapper: the provider behind it.
    pub(crate) inner: Option<Arc<dyn Inner>>,
    /// Of a wrapper: the keys of that provider which it may change.
    pub(crate) sets: BTreeSet<String>,
    /// Where its component is kept.
    pub(crate) dirs: PluginDirs,
    /// Read when a wrapper in front changes a setting.
    pub(crate) manifest: OnceLock<Manifest>,
    pub(crate) ssh: Arc<SshSessions>,
    /// Of this process, for all that are bound.
    pub(crate) http_clients: Arc<Clients>,
    /// Taken at the first request.
    pub(crate) http: OnceLock<Arc<Client>>,
}

impl Bound {
    /// Secrets that are kept with an instance are its provider's: neither a hook's nor a wrapper's.
    pub(crate) fn owns_instances(&self) -> bool {
        self.inner.is_none() && self.component.is_provider()
    }

    /// What it may do.
    pub(crate) fn rights(&self) -> Rights<'_> {
        Rights {
            grant: &self.grant,
            source: &self.context.source,
        }
    }

    /// What sends its HTTP requests. The error says which of the operator's settings cannot be used.
    pub(crate) fn http_client(&self) -> Result<Arc<Client>, String> {
        if let Some(client) = self.http.get() {
            return Ok(client.clone());
        }
        let plugin = format!("{} {}", self.plugin, self.version);
        let client = self
            .http_clients
            .get(&plugin, self.rights(), &self.services.http)?;
        Ok(self.http.get_or_init(|| client).clone())
    }

    /// For errors and messages of one call.
    pub(crate) fn call_context(&self, call: &'static str, instance: Option<String>) -> CallContext {
        CallContext {
            plugin: self.plugin.clone(),
            version: self.version.clone(),
            source: self.context.source.clone(),
            instance,
            call,
        }
    }
}

/// The streams of the caller of `run` or `copy`; the resource `process.stdio`.
#[expect(
    unreachable_pub,
    reason = "the generated bindings re-export it, which needs `pub`"
)]
pub struct CallerStdio(pub(crate) Stdio);

/// What a call has used of limits that are counted.
#[derive(Default)]
pub(crate) struct Used {
    pub(crate) processes: u64,
    pub(crate) log_bytes: u64,
    pub(crate) log_dropped: u64,
}

/// The data of a store.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
    pub(crate) limiter: Limiter,
    pub(crate) bound: Arc<Bound>,
    pub(crate) context: Arc<CallContext>,
    pub(crate) purpose: Purpose,
    /// Asked before anything leaves the host.
    pub(crate) guard: Arc<Guard>,
    pub(crate) running: Running,
    pub(crate) used: Used,
    /// The way out for HTTP requests, and what they have used.
    pub(crate) http: Arc<Outbound>,
    pub(crate) wasi_http: WasiHttp,
    /// For hooks: the instance that the event is about.
    pub(crate) target: Option<Arc<dyn Target>>,
    /// For wrappers: the instance that the call is about.
    pub(crate) subject: Option<Arc<Subject>>,
    /// Somebody looks on.
    pub(crate) tapped: Option<Arc<Tapped>>,
    /// What must not be said.
    pub(crate) secrecy: Arc<Secrecy>,
    /// What the guest has in place of granted directories, for as long as it lives.
    _copies: Vec<Given>,
}

impl State {
    pub(crate) fn new(
        bound: &Arc<Bound>,
        context: Arc<CallContext>,
        guard: Arc<Guard>,
        running: Running,
        log: &GuestLog,
        deadline: Option<Instant>,
        tapped: Option<Arc<Tapped>>,
    ) -> wasmtime::Result<Self> {
        let purpose = guard.purpose().clone();
        let secrecy = Secrecy::new(bound, &purpose);
        let http = Outbound::new(bound.clone(), guard.clone(), deadline, tapped.clone());
        let limits = &bound.limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize);
        let (wasi, copies) = wasi(&bound.grant, log, tapped.as_ref())?;
        Ok(Self {
            table,
            wasi,
            limiter: Limiter::new(limits.memory as usize, limits.tables as usize),
            bound: bound.clone(),
            guard,
            context,
            purpose,
            running,
            used: Used::default(),
            wasi_http: WasiHttp::new(http.clone()),
            http,
            target: None,
            subject: None,
            tapped,
            secrecy,
            _copies: copies,
        })
    }

    /// Counts one more program, or ends the call.
    pub(crate) fn count_process(&mut self) -> wasmtime::Result<()> {
        self.used.processes += 1;
        let allowed = u64::from(self.bound.limits.processes);
        if self.used.processes > allowed {
            let what = format!(
                "the plugin started {} programs in one call",
                self.used.processes
            );
            return Err(LimitHit::trap("processes", what, allowed.to_string()));
        }
        Ok(())
    }
}

/// Nothing is inherited: no environment, arguments, streams, sockets or names. Only granted directories are open.
fn wasi(
    grant: &Capabilities,
    log: &GuestLog,
    tapped: Option<&Arc<Tapped>>,
) -> wasmtime::Result<(WasiCtx, Vec<Given>)> {
    let mut copies = Vec::new();
    let mut wasi = WasiCtxBuilder::new();
    wasi.stdout(log.clone())
        .stderr(log.clone())
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(RANDOM);
    coarse(&mut wasi);
    for (path, access) in &grant.directories {
        let perms = match access {
            DirectoryAccess::Read => FsPerms::ReadOnly,
            DirectoryAccess::Write => FsPerms::ReadWrite,
        };
        let cannot = |e: wasmtime::Error| {
            e.context(format!(
                "cannot open the granted directory `{}`",
                path.display()
            ))
        };
        let given = match tapped {
            Some(tapped) => tapped.directory(path).map_err(|e| cannot(e.into()))?,
            None => Given::Real,
        };
        let opened = match &given {
            Given::Real => path.as_path(),
            Given::Copy(copy) => copy.path(),
        };
        wasi.preopened_dir(opened, path.to_string_lossy(), perms)
            .map_err(cannot)?;
        copies.push(given);
    }
    if let Some(tapped) = tapped {
        tap_wasi(&mut wasi, tapped);
    }
    Ok((wasi.build(), copies))
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
