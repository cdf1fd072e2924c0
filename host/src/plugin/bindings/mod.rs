//! The Rust side of `wit/`, generated: one module per version of the contract that broke with the one before it.
//!
//! What lies in the root of this module is the newest version, and the only one that the rest of the room speaks. An older
//! component is spoken to through its own module and translated at the border: `v0_1.rs` says how its answers read today,
//! `imports/v0_1.rs` answers what it asks of the host.

#![expect(
    unreachable_pub,
    reason = "the generated modules re-export each other, which needs `pub`; this module itself is private"
)]

pub mod v0_1;
pub mod v0_2;

pub use v0_2::{
    facts, hook, http, inner, inventory, log, process, provider, routing, secrets, ssh, state,
    target, types,
};
