//! One binary for all suites: linking once is cheaper, and `README.md` beside the manifest says what each is for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod access;
mod authors;
mod cli;
mod command;
mod config;
mod conformance;
mod contention;
mod contract;
mod crash;
mod crcache;
mod grants;
mod hooks;
mod hostile;
mod http;
mod kept;
mod leases;
mod observe;
mod providers;
mod provision;
mod quickstart;
mod registry;
mod serve;
mod shelves;
mod smoke;
mod spread;
mod spread_run;
mod testr;
mod tickets;
mod tidy;
mod versions;
mod watchdog;
mod words;
mod wrap;
