//! The options that several verbs share: what is wanted, how it is held, and how long to wait for it.

use std::time::Duration;

use clap::Args;
use runner_core::policy::Millis;
use runner_core::requires::Requires;

use super::values;
use crate::config::SourceArgument;
use crate::engine::{Ask, Wait};

/// What is wanted: from where, and how it must be.
#[derive(Debug, Args)]
pub(super) struct WantArgs {
    /// The source: a configured name, or a component file with its settings [default: local]
    ///
    /// A file is written `PATH.wasm[:key=value,key=value…]`; a comma inside a value is written `\,`.
    #[arg(short, long, value_name = "SOURCE", value_parser = values::source())]
    pub source: Option<SourceArgument>,

    /// Take any source that has this tag, or one of the pool `-s` (may be repeated: it must have all)
    #[arg(long = "tag", value_name = "TAG", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub tags: Vec<String>,

    /// Take only what meets this, such as `cpus >= 4` or `arch = x86_64` (may be repeated: it must meet all)
    ///
    /// Compared with `=`, `!=`, `<`, `<=`, `>`, `>=`, `is`, `not`, `in` and `not_in`: the facts `arch`, `cpus`, `memory`, `os`,
    /// `hostname` and `address`, an instance's attributes, and `tags` (`gpu in tags`). Facts are measured when an instance is made
    /// for such a request; what was made for another one has none, and is not taken.
    #[arg(long, value_name = "TEXT", value_parser = values::requires)]
    pub requires: Vec<Requires>,

    /// Whose turn it is among those who wait: the largest number first, then the oldest
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub priority: i32,
}

/// How it is held once it is there.
#[derive(Debug, Args)]
pub(super) struct LeaseArgs {
    /// Take what fits from this shelf, else something new; it belongs to the shelf from then on
    #[arg(long, value_name = "SHELF")]
    pub shelf: Option<String>,

    /// Nothing that was used before, from the shelf or elsewhere
    #[arg(long)]
    pub fresh: bool,

    /// The lease ends after this unless it is renewed, instead of the source's `lease_ttl`
    #[arg(long, value_name = "DURATION", value_parser = values::span)]
    pub ttl: Option<Millis>,
}

/// How long to wait for it.
#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    /// Wait for room when the source is exhausted, at most this long if a duration is given (30s, 5m, 1h30m)
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, value_parser = values::duration)]
    #[expect(
        clippy::option_option,
        reason = "clap's form of an option with an optional value"
    )]
    pub wait: Option<Option<Duration>>,

    /// Fail at once when the source is exhausted; so it is without `--wait`
    #[arg(long, conflicts_with = "wait")]
    pub no_wait: bool,
}

impl WaitArgs {
    /// In the engine's words.
    pub(super) fn wait(&self) -> Wait {
        patience(self.wait)
    }
}

/// An option with an optional duration, in the engine's words.
#[expect(
    clippy::option_option,
    reason = "clap's form of an option with an optional value"
)]
pub(super) fn patience(wait: Option<Option<Duration>>) -> Wait {
    match wait {
        None => Wait::No,
        Some(None) => Wait::Forever,
        Some(Some(duration)) => Wait::For(duration),
    }
}

/// What `acquire` and `exec` have in common.
#[derive(Debug, Args)]
pub(super) struct DrawArgs {
    #[command(flatten)]
    pub wants: WantArgs,

    /// Set a key of the source's configuration for this call (may be repeated)
    #[arg(short, long = "option", value_name = "KEY=VALUE", value_parser = values::option, conflicts_with = "tags")]
    pub options: Vec<(String, String)>,

    #[command(flatten)]
    pub wait: WaitArgs,

    #[command(flatten)]
    pub lease: LeaseArgs,

    /// Grant the source's plugin what it asks for, for this call only
    #[arg(long)]
    pub grant: bool,
}

impl WantArgs {
    /// The request, for one.
    pub(super) fn ask(&self, wait: Wait) -> Ask {
        let all = self.requires.iter().flat_map(|one| one.0.iter().cloned());
        Ask {
            wait,
            requires: Requires(all.collect()),
            priority: self.priority,
            ..Ask::default()
        }
    }
}

impl LeaseArgs {
    /// Adds how it is held.
    pub(super) fn shape(self, ask: &mut Ask) {
        ask.shelf = self.shelf;
        ask.fresh = self.fresh;
        ask.lease_ttl = self.ttl;
    }
}
