//! From the generated interfaces to the author's traits: reads the configuration, converts errors.

use std::marker::PhantomData;

use crate::bindings::provider::exports::runner::plugin::provider as wit_provider;
use crate::bindings::provider::runner::plugin::process::Stdio as WitStdio;
use crate::bindings::provider::runner::plugin::types as wit;
use crate::bindings::{facts, hook, inventory, liveness, power, reuse, routing, signals};
use crate::{
    Context, Hook, Inventory, Liveness, Power, Probe, Provider, Reuse, Router, Signals, Stdio,
};

/// The exports of the author's provider `P`.
#[derive(Debug)]
pub struct ProviderAdapter<P>(PhantomData<P>);

/// The exports of the author's hook `H`.
#[derive(Debug)]
pub struct HookAdapter<H>(PhantomData<H>);

type Answer<T> = Result<T, wit::Error>;

impl<P: Provider> wit_provider::Guest for ProviderAdapter<P> {
    fn allocate(ctx: wit::Context, req: wit::Request) -> Answer<wit::Allocated> {
        Ok(P::allocate(&Context::read(ctx)?, &req)?)
    }

    fn run(
        ctx: wit::Context,
        inst: wit::Instance,
        cmd: wit::Command,
        io: WitStdio,
    ) -> Answer<wit::ExitStatus> {
        Ok(P::run(&Context::read(ctx)?, &inst, cmd, Stdio(io))?)
    }

    fn copy(
        ctx: wit::Context,
        inst: wit::Instance,
        dir: wit_provider::Direction,
        io: WitStdio,
    ) -> Answer<()> {
        Ok(P::copy(&Context::read(ctx)?, &inst, dir, Stdio(io))?)
    }

    fn discard(ctx: wit::Context, what: wit::Doomed) -> Answer<()> {
        Ok(P::discard(&Context::read(ctx)?, &what)?)
    }
}

impl<P: Liveness> liveness::exports::runner::plugin::liveness::Guest for ProviderAdapter<P> {
    fn check(ctx: wit::Context, inst: wit::Instance) -> Answer<()> {
        Ok(P::check(&Context::read(ctx)?, &inst)?)
    }
}

impl<P: Inventory> inventory::exports::runner::plugin::inventory::Guest for ProviderAdapter<P> {
    fn list(ctx: wit::Context) -> Answer<Vec<crate::Entry>> {
        Ok(P::list(&Context::read(ctx)?)?)
    }
}

impl<P: Probe> facts::exports::runner::plugin::facts::Guest for ProviderAdapter<P> {
    fn probe(ctx: wit::Context, inst: wit::Instance) -> Answer<crate::Facts> {
        Ok(P::probe(&Context::read(ctx)?, &inst)?)
    }
}

impl<P: Power> power::exports::runner::plugin::power::Guest for ProviderAdapter<P> {
    fn reboot(ctx: wit::Context, inst: wit::Instance) -> Answer<()> {
        Ok(P::reboot(&Context::read(ctx)?, &inst)?)
    }
}

impl<P: Signals> signals::exports::runner::plugin::signals::Guest for ProviderAdapter<P> {
    fn send(ctx: wit::Context, inst: wit::Instance, id: String, signal: u8) -> Answer<()> {
        Ok(P::send(&Context::read(ctx)?, &inst, &id, signal)?)
    }
}

impl<P: Reuse> reuse::exports::runner::plugin::reuse::Guest for ProviderAdapter<P> {
    fn clean(ctx: wit::Context, inst: wit::Instance) -> Answer<()> {
        Ok(P::clean(&Context::read(ctx)?, &inst)?)
    }
}

impl<H: Hook> hook::exports::runner::plugin::hook::Guest for HookAdapter<H> {
    fn on_event(ctx: wit::Context, what: crate::Event, inst: wit::Instance) -> Answer<()> {
        Ok(H::on_event(&Context::read(ctx)?, &what, &inst)?)
    }
}

impl<R: Router> routing::exports::runner::plugin::routing::Guest for HookAdapter<R> {
    fn route(
        ctx: wit::Context,
        request: crate::Ticket,
        candidates: Vec<crate::Candidate>,
    ) -> Answer<Vec<crate::Verdict>> {
        Ok(R::route(&Context::read(ctx)?, &request, &candidates)?)
    }
}
