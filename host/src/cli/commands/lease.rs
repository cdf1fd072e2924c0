//! `runner lease`: how long who may use what.

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use runner_core::instance::State;
use runner_core::policy::Millis;

use super::release;
use crate::cli::context::Context;
use crate::cli::error::Outcome;
use crate::cli::{exit_code, values};
use crate::clock::{Clock as _, SystemClock};
use crate::report::{leases, loose};

/// Renew and list leases
///
/// A lease with a time to live (`acquire --ttl`, or the source's `lease_ttl`) ends by itself when it is not renewed in
/// time: the instance is then released, as if by `runner release`. A running `run` renews it again and again.
#[derive(Debug, Args)]
pub(crate) struct Lease {
    #[command(subcommand)]
    pub verb: LeaseVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LeaseVerb {
    /// Let leases last for their time to live once more, from now on
    ///
    /// If one of them has ended, none is renewed.
    Renew {
        /// The instances; `ID@FENCE` for a certain lease
        #[arg(value_name = "ID", num_args = 1.., required = true)]
        ids: Vec<String>,

        /// Another time to live, also for later renewals
        #[arg(long, value_name = "DURATION", value_parser = values::span)]
        ttl: Option<Millis>,
    },
    /// List the leases: who holds what, and until when
    List,
}

/// Carries out one of the verbs.
pub(crate) fn run(args: &Lease, context: &Context) -> Outcome {
    let (engine, console) = (context.engine()?, &context.console);
    match &args.verb {
        LeaseVerb::Renew { ids, ttl } => {
            let renewed = context.block_on(engine.renew(&release::names(ids), *ttl))?;
            if console.json {
                console.print_json(&leases::renewed_json(&renewed))?;
            }
        }
        LeaseVerb::List => {
            let sources = engine.status(&[], true)?;
            if console.json {
                console.print_json(&leases::as_json(&sources))?;
            } else {
                let now = SystemClock.now();
                console.print(&leases::table(&sources, now, &TimeZone::system()))?;
                let mut over = engine.loose_ends(&[])?;
                over.retain(|one| one.state == State::Leased);
                for warning in loose::warnings(&over) {
                    console.warning(&warning);
                }
            }
        }
    }
    Ok(exit_code::OK)
}
