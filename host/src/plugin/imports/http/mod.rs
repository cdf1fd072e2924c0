//! `http`: requests to granted hosts. Nothing is followed, so that every hop is looked at; the addresses that a name
//! resolves to are checked, and the connection goes to just those; secrets are put in on the way out and taken out of
//! what comes back.
//!
//! ```text
//! fetch ─┐                 a thread of its own
//!        ├─ count, grant ── fill in ── auth ── send ── read ── scrub ── count ── the guest
//! wasi ──┘   (outgoing)      (vault)           (client)        (scrub)
//! ```
//!
//! Left of `fill in` and right of `scrub` no secret is to be seen: that is where a request may be logged or kept.

mod address;
mod auth;
mod client;
mod names;
mod outgoing;
mod placeholder;
pub(in crate::plugin) mod scrub;
mod settings;
#[cfg(test)]
mod tests;
mod threads;
mod tokens;
mod url;
mod vault;
mod wasi;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use self::auth::Applied;
use self::client::{Failed, Packed};
use self::outgoing::{Granted, Outgoing};
use self::vault::Vault;
use super::{Answer, chain, failed, invalid, unavailable};
use crate::plugin::Secrets;
use crate::plugin::bindings::http::{Host, Request, Response};
use crate::plugin::bindings::types::Error;
use crate::plugin::engine::lock;
use crate::plugin::guard::Guard;
use crate::plugin::limiter::LimitHit;
use crate::plugin::rights::Rights;
use crate::plugin::state::{Bound, State};
use crate::plugin::tap::{self, Step, Tapped};
use crate::provider::wire::Wire as _;

pub(crate) use self::client::{Client, Clients};
pub use self::settings::HttpSettings;
pub(crate) use self::wasi::WasiHttp;
pub(super) use self::wasi::link;

/// The largest body, in either direction.
const LARGEST_BODY: u64 = 8 << 20;
/// All headers of a response.
const LARGEST_HEADERS: usize = 64 << 10;
/// When the plugin says nothing.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Whatever the plugin says.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);
/// Exchanges of one call that may run at the same time.
const AT_ONCE: usize = 32;

impl Host for State {
    async fn fetch(&mut self, req: Request) -> Answer<Response> {
        let _quiet = self.running.pause();
        let outbound = self.http.clone();
        outbound.exchange(req).await
    }
}

/// The requests of one call: what they have used, and when they must be over.
pub(crate) struct Outbound {
    bound: Arc<Bound>,
    /// Asked before anything leaves.
    guard: Arc<Guard>,
    deadline: Option<tokio::time::Instant>,
    used: Mutex<Used>,
    turns: tokio::sync::Semaphore,
    tapped: Option<Arc<Tapped>>,
}

#[derive(Default)]
struct Used {
    requests: u64,
    bytes: u64,
    /// What ends the call, and came up where it could not be ended at once.
    over: Option<wasmtime::Error>,
}

impl Outbound {
    pub(crate) fn new(
        bound: Arc<Bound>,
        guard: Arc<Guard>,
        deadline: Option<tokio::time::Instant>,
        tapped: Option<Arc<Tapped>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            bound,
            guard,
            deadline,
            used: Mutex::default(),
            turns: tokio::sync::Semaphore::new(AT_ONCE),
            tapped,
        })
    }

    /// The one way out, for everything that a guest can send: grant, limits, secrets and all. The outer error ends
    /// the call.
    pub(crate) async fn exchange(&self, req: Request) -> Answer<Response> {
        let tapped = self.tapped.as_deref();
        match tap::ask(tapped, "http.fetch", || req.to_json())? {
            Step::Answered(answer) => Ok(answer),
            Step::Perform(pending) => {
                let answer = self.perform(req).await.map_err(wasmtime::Error::new);
                tap::told(tapped, pending, answer)
            }
        }
    }

    async fn perform(&self, req: Request) -> Result<Result<Response, Error>, LimitHit> {
        let bound = &self.bound;
        let granted = match Granted::new(bound.rights(), req) {
            Ok(granted) => granted,
            Err(refused) => return Ok(Err(refused)),
        };
        let (method, to) = (granted.method.as_str(), &granted.to);
        let client = match bound.http_client() {
            Ok(client) => client,
            Err(why) => return Ok(Err(invalid(why))),
        };
        let leave = match self.guard.http(method, &to.host, to.port) {
            Ok(leave) => leave,
            Err(refused) => return Ok(Err(refused)),
        };
        let Ok(_turn) = self.turns.acquire().await else {
            return Ok(Err(failed("the call is over")));
        };
        let left = self.count(1, granted.body.len() as u64)?;
        let now = Instant::now();
        let latest = self
            .deadline
            .map_or(now + LONGEST_TIMEOUT, |at| at.into_std());
        let exchange = Exchange {
            until: latest.min(now + granted.timeout),
            client,
            granted,
            left,
        };
        let bound = bound.clone();

        // A thread of its own: it cannot be interrupted, and nobody should have to wait for it to the end of its timeout
        // when the call is over, least of all the end of the program.
        let (answer, answered) = oneshot::channel();
        let thread = self.bound.http_clients.threads.run(move || {
            let outcome = exchange.perform(bound.rights(), &*bound.services.secrets);
            let _nobody_waits = answer.send(outcome);
        });
        if let Err(e) = thread {
            self.guard.never_left(leave);
            return Ok(Err(unavailable(format!("no thread for the request: {e}"))));
        }
        match answered.await {
            Ok(Ok(response)) => {
                self.count(0, response.body.len() as u64)?;
                Ok(Ok(response))
            }
            Ok(Err(Failed::OverLimit)) => Err(self.over_bytes()),
            Ok(Err(Failed::Unsent(error))) => {
                self.guard.never_left(leave);
                Ok(Err(error))
            }
            Ok(Err(Failed::Error(error))) => Ok(Err(error)),
            Err(_gone) => Ok(Err(failed("the request was given up: its thread panicked"))),
        }
    }

    /// Counts requests and bytes of bodies; answers how many bytes are left.
    fn count(&self, requests: u64, bytes: u64) -> Result<u64, LimitHit> {
        let mut used = lock(&self.used);
        used.requests += requests;
        let allowed = u64::from(self.bound.limits.http_requests);
        if used.requests > allowed {
            return Err(LimitHit {
                limit: "http-requests",
                what: format!(
                    "the plugin sent {} HTTP requests in one call",
                    used.requests
                ),
                allowed: allowed.to_string(),
            });
        }
        used.bytes += bytes;
        let allowed = self.bound.limits.http_bytes;
        allowed
            .checked_sub(used.bytes)
            .ok_or_else(|| self.over_bytes())
    }

    fn over_bytes(&self) -> LimitHit {
        let allowed = self.bound.limits.http_bytes;
        LimitHit {
            limit: "http-bytes",
            what: format!("the plugin moved more than {allowed} bytes over HTTP in one call"),
            allowed: allowed.to_string(),
        }
    }

    /// What has not ended the call yet, and must.
    pub(crate) fn take_over(&self) -> Option<wasmtime::Error> {
        lock(&self.used).over.take()
    }
}

/// One request and its answer, outside of the runtime.
struct Exchange {
    client: Arc<Client>,
    granted: Granted,
    until: Instant,
    left: u64,
}

impl Exchange {
    fn perform(self, rights: Rights<'_>, secrets: &dyn Secrets) -> Result<Response, Failed> {
        let mut vault = Vault::new(rights, secrets);
        for token in self.client.tokens.known() {
            vault.scrub.derived(&token);
        }
        let outcome = self.attempt(&mut vault);
        let scrubber = vault.scrub.finish();
        match outcome {
            Ok(response) => Ok(scrubber.response(response)),
            Err(Failed::Unsent(error)) => Err(Failed::Unsent(scrubber.error(error))),
            Err(Failed::Error(error)) => Err(Failed::Error(scrubber.error(error))),
            Err(Failed::OverLimit) => Err(Failed::OverLimit),
        }
    }

    fn attempt(&self, vault: &mut Vault<'_>) -> Result<Response, Failed> {
        let mut request = self.granted.fill(vault)?;
        let applied = match &self.granted.auth {
            None => Applied::Complete,
            Some(auth) => auth::apply(auth, &mut request, vault, SystemTime::now())?,
        };
        let Applied::Needs(login) = applied else {
            return self.send(&request, vault);
        };
        let token = self.token(&login, None, vault)?;
        let answer = self.send_with(&mut request, &login, &token, vault)?;
        if answer.status != 401 {
            return Ok(answer);
        }
        // It may have been taken back before its time: once more with another.
        let token = self.token(&login, Some(&token), vault)?;
        request.remove(&login.header);
        self.send_with(&mut request, &login, &token, vault)
    }

    fn send_with(
        &self,
        request: &mut Outgoing,
        login: &auth::Login,
        token: &str,
        vault: &Vault<'_>,
    ) -> Result<Response, Failed> {
        request.add(login.header.clone(), &format!("{}{token}", login.prefix))?;
        self.send(request, vault)
    }

    fn send(&self, request: &Outgoing, vault: &Vault<'_>) -> Result<Response, Failed> {
        let packed = match vault.holds_something() {
            true => Packed::Refused,
            false => Packed::Passed,
        };
        self.client.send(request, self.until, self.left, packed)
    }

    fn token(
        &self,
        login: &auth::Login,
        bad: Option<&str>,
        vault: &mut Vault<'_>,
    ) -> Result<String, Failed> {
        let now = SystemTime::now();
        let tokens = &self.client.tokens;
        let token = tokens.get(&login.key, bad, now, || {
            let request = login.request(now)?;
            let answer = self
                .client
                .send(&request, self.until, LARGEST_BODY, Packed::Passed)?;
            Ok::<_, Failed>(login.token(&answer, now)?)
        })?;
        vault.scrub.derived(&token);
        Ok(token)
    }
}

/// Host and port that a request for this address would go to.
pub(crate) fn read_address(url: &str) -> Option<(String, u16)> {
    let found = url::destination(url).ok()?;
    Some((found.host, found.port))
}
