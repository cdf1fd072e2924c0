//! Version 0.1 of the contract, as it was (`wit/previous/0.1.0`), and how it reads in the newest.
//!
//! A component's types are compared by their structure, not by their names. So what did not change is shared with the newest
//! version, and only what did has a shape of its own here.

/// The interface `types`: what is still the same, and what was different.
pub mod types {
    use wasmtime::component::{ComponentType, Lift, Lower};

    pub use crate::plugin::bindings::v0_2::types::{
        Command, Doomed, Error, ExitStatus, Host, HostWithStore, Instance, Milliseconds, Request,
        SshTarget,
    };

    /// It has no functions, but components import it for its types.
    pub fn add_to_linker<T, D>(
        linker: &mut wasmtime::component::Linker<T>,
        _host: fn(&mut T) -> D::Data<'_>,
    ) -> wasmtime::Result<()>
    where
        D: HostWithStore<T>,
        for<'a> D::Data<'a>: Host,
        T: 'static,
    {
        linker.instance("runner:plugin/types@0.1.0").map(drop)
    }

    /// Knows nothing of the state's id.
    #[derive(Clone, Debug, ComponentType, Lift, Lower)]
    #[component(record)]
    pub struct Context {
        pub source: String,
        pub config: String,
    }

    /// Ssh with nothing but the user's own settings.
    #[derive(Clone, Debug, ComponentType, Lift, Lower)]
    #[component(variant)]
    pub enum Access {
        #[component(name = "plugin")]
        Plugin,
        #[component(name = "ssh")]
        Ssh(SshTarget),
    }

    #[derive(Clone, Debug, ComponentType, Lift, Lower)]
    #[component(record)]
    pub struct Allocated {
        pub handle: String,
        pub access: Access,
        pub attributes: Vec<(String, String)>,
    }
}

/// World `provider-plugin`, and the interfaces that the other worlds share with it.
pub mod provider {
    wasmtime::component::bindgen!({
        path: "../wit/previous/0.1.0",
        world: "provider-plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "runner:plugin/types": crate::plugin::bindings::v0_1::types,
            "runner:plugin/process.stdio": crate::plugin::state::CallerStdio,
        },
    });
}

pub use provider::runner::plugin::{http, log, process, secrets, ssh};

/// World `hook-plugin`.
pub mod hook {
    wasmtime::component::bindgen!({
        path: "../wit/previous/0.1.0",
        world: "hook-plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "runner:plugin/types": crate::plugin::bindings::v0_1::types,
            "runner:plugin/process": crate::plugin::bindings::v0_1::process,
            "runner:plugin/ssh": crate::plugin::bindings::v0_1::ssh,
            "runner:plugin/http": crate::plugin::bindings::v0_1::http,
            "runner:plugin/secrets": crate::plugin::bindings::v0_1::secrets,
            "runner:plugin/log": crate::plugin::bindings::v0_1::log,
        },
    });
}

pub use hook::runner::plugin::target;

macro_rules! optional_world {
    ($module:ident, $world:literal) => {
        #[doc = concat!("World `", $world, "`.")]
        pub mod $module {
            wasmtime::component::bindgen!({
                path: "../wit/previous/0.1.0",
                world: $world,
                exports: { default: async },
                with: { "runner:plugin/types": crate::plugin::bindings::v0_1::types },
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

/// An answer of this version, as the newest would have it.
pub trait Newest<T> {
    fn newest(self) -> T;
}

/// What did not change.
macro_rules! unchanged {
    ($($shape:ty),*) => { $(impl Newest<$shape> for $shape {
        fn newest(self) -> Self { self }
    })* };
}

unchanged!((), types::ExitStatus);

impl Newest<super::types::Allocated> for types::Allocated {
    fn newest(self) -> super::types::Allocated {
        use super::types::{Access, Allocated, HostKeys, SshAccess};
        Allocated {
            handle: self.handle,
            access: match self.access {
                types::Access::Plugin => Access::Plugin,
                types::Access::Ssh(target) => Access::Ssh(SshAccess {
                    host: target.host,
                    port: target.port,
                    user: target.user,
                    keys: Vec::new(),
                    certificate: None,
                    password: None,
                    host_keys: HostKeys::KnownHosts,
                }),
            },
            attributes: self.attributes,
        }
    }
}

type Entry = inventory::exports::runner::plugin::inventory::Entry;
type NewEntry = super::inventory::exports::runner::plugin::inventory::Entry;

impl Newest<Vec<NewEntry>> for Vec<Entry> {
    fn newest(self) -> Vec<NewEntry> {
        let entries = self.into_iter();
        entries
            .map(|Entry { token, handle }| NewEntry { token, handle })
            .collect()
    }
}

impl Newest<super::facts::exports::runner::plugin::facts::Facts>
    for facts::exports::runner::plugin::facts::Facts
{
    fn newest(self) -> super::facts::exports::runner::plugin::facts::Facts {
        super::facts::exports::runner::plugin::facts::Facts {
            arch: self.arch,
            cpus: self.cpus,
            memory: self.memory,
            os: self.os,
            hostname: self.hostname,
            address: self.address,
        }
    }
}

use super::routing::exports::runner::plugin::routing as new_routing;
use routing::exports::runner::plugin::routing as old_routing;

impl Newest<Vec<new_routing::Verdict>> for Vec<old_routing::Verdict> {
    fn newest(self) -> Vec<new_routing::Verdict> {
        let verdicts = self.into_iter();
        verdicts
            .map(|verdict| match verdict {
                old_routing::Verdict::Take(rank) => new_routing::Verdict::Take(rank),
                old_routing::Verdict::Reject(reason) => new_routing::Verdict::Reject(reason),
            })
            .collect()
    }
}

impl From<new_routing::Ticket> for old_routing::Ticket {
    fn from(ticket: new_routing::Ticket) -> Self {
        Self {
            asked: ticket.asked,
            tags: ticket.tags,
            requires: ticket.requires,
            shelf: ticket.shelf,
            count: ticket.count,
            owner: ticket.owner,
            attempt: ticket.attempt,
        }
    }
}

impl From<new_routing::Candidate> for old_routing::Candidate {
    fn from(candidate: new_routing::Candidate) -> Self {
        Self {
            source: candidate.source,
            tags: candidate.tags,
            priority: candidate.priority,
            cost: candidate.cost,
            live: candidate.live,
            idle: candidate.idle,
            starting: candidate.starting,
            maximum: candidate.maximum,
            failures_in_a_row: candidate.failures_in_a_row,
        }
    }
}

use super::hook::exports::runner::plugin::hook as new_hook;
use hook::exports::runner::plugin::hook as old_hook;

impl From<new_hook::Event> for old_hook::Event {
    fn from(event: new_hook::Event) -> Self {
        Self {
            at: match event.at {
                new_hook::Point::Provision => old_hook::Point::Provision,
                new_hook::Point::Acquire => old_hook::Point::Acquire,
                new_hook::Point::Release => old_hook::Point::Release,
                new_hook::Point::Check => old_hook::Point::Check,
                new_hook::Point::Discard => old_hook::Point::Discard,
            },
            owner: event.owner,
            shelf: event.shelf,
            ticket: event.ticket,
        }
    }
}

use super::provider::exports::runner::plugin::provider as new_provider;
use provider::exports::runner::plugin::provider as old_provider;

/// An argument, as the version that a component speaks has it.
pub trait Spoken<T> {
    fn spoken(self) -> T;
}

impl<T> Spoken<T> for T {
    fn spoken(self) -> T {
        self
    }
}

impl Spoken<old_provider::Direction> for new_provider::Direction {
    fn spoken(self) -> old_provider::Direction {
        match self {
            Self::Into(path) => old_provider::Direction::Into(path),
            Self::OutOf(path) => old_provider::Direction::OutOf(path),
        }
    }
}
