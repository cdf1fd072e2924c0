//! The list of everything that is shown, in the order in which it is shown.

use std::pin::Pin;

use super::bench::{self, Bench};
use super::report::Level::{self, Basic, Complete, Robust};
use super::{commands, faults, life, optional};
use crate::provider::ProviderError;

/// What was seen, or why it is not as it should be.
pub(super) type Shown = Result<String, Miss>;

/// Why a behaviour did not show.
#[derive(Debug)]
pub(super) enum Miss {
    Failed(String),
    /// It does not concern this plugin, or cannot be tried here.
    NotShown(String),
}

impl From<ProviderError> for Miss {
    fn from(error: ProviderError) -> Self {
        let mut text = bench::error(&error);
        for line in &error.guest_log {
            text.push_str("\n  plugin log: ");
            text.push_str(line);
        }
        Self::Failed(text)
    }
}

type Showing<'a> = Pin<Box<dyn Future<Output = Shown> + Send + 'a>>;

/// One behaviour.
pub struct Behaviour {
    pub name: &'static str,
    pub level: Level,
    pub expected: &'static str,
    show: for<'a> fn(&'a Bench) -> Showing<'a>,
}

impl Behaviour {
    pub(super) async fn show(&self, bench: &Bench) -> Shown {
        let patience = bench.setup.patience;
        match tokio::time::timeout(patience, (self.show)(bench)).await {
            Ok(shown) => shown,
            Err(_passed) => Err(Miss::Failed(format!(
                "it did not end within {} s",
                patience.as_secs()
            ))),
        }
    }
}

macro_rules! behaviours {
    ($($level:ident $name:literal $function:path => $expected:literal;)*) => {
        /// Everything, in order.
        pub const ALL: &[Behaviour] = &[$(
            Behaviour {
                name: $name,
                level: $level,
                expected: $expected,
                show: |bench| Box::pin($function(bench)),
            },
        )*];
    };
}

behaviours! {
    Basic "allocate.answers" life::answers => "`allocate` makes an instance and answers with its handle";
    Basic "allocate.unique-handles" life::unique_handles => "two live instances have two handles";
    Basic "run.exit-codes" commands::exit_codes => "a command's exit code comes back as it is, from 0 to 255";
    Basic "run.signals" commands::signals => "a command that a signal killed is told as that signal, or as 128 and its number";
    Basic "run.not-found" commands::not_found => "a program that is not there is exit code 127";
    Basic "run.argument-bytes" commands::argument_bytes => "arguments arrive byte for byte: no shell looks at them, one stays one";
    Basic "run.streams-apart" commands::streams_apart => "standard output and standard error arrive apart, every byte as it was";
    Basic "run.stdin-to-its-end" commands::stdin_to_its_end => "standard input arrives byte for byte, and ends when the caller's does";
    Basic "discard.destroys" life::discard_destroys => "`discard` confirms, and the instance takes no commands any more";
    Basic "discard.repeatable" life::discard_repeatable => "discarding what is gone succeeds";
    Basic "discard.unknown-token" life::discard_unknown => "discarding a token that nothing carries succeeds";
    Complete "run.environment-and-directory" commands::environment_and_directory => "variables and the working directory are the command's";
    Complete "run.large-output" commands::large_output => "8 MiB of output arrive whole";
    Complete "run.large-input" commands::large_input => "4 MiB of input arrive whole";
    Complete "run.not-executable" commands::not_executable => "a program that cannot be executed is exit code 126";
    Complete "run.in-parallel" commands::in_parallel => "commands that run side by side keep their streams and codes apart";
    Complete "copy.there-and-back" optional::copy => "a tar archive that goes in and out has the same names, modes, links and bytes";
    Complete "check.of-the-living" optional::check => "`check` succeeds for an instance that takes commands";
    Complete "probe.facts" optional::probe => "`probe` answers facts that the instance itself confirms";
    Complete "signals.reach-the-command" optional::signals => "a signal that is sent to a command reaches it, and sending one to a command that ended succeeds";
    Complete "reboot.comes-back" optional::reboot => "after `reboot` the instance takes commands";
    Complete "clean.leaves-it-usable" optional::clean => "after `clean` the instance takes commands";
    Complete "allocate.in-parallel" life::in_parallel => "instances that are made side by side are two, and both can be discarded";
    Complete "allocate.repeated" life::repeated => "asked twice with one token, `discard` of that token leaves nothing";
    Complete "discard.by-token-alone" life::by_token_alone => "after a lost answer, `discard` finds what was made by its token";
    Complete "discard.in-parallel" life::discard_in_parallel => "two discards of one instance side by side both succeed";
    Complete "list.exact" life::list_exact => "`list` shows what `allocate` made, with its handle, and not what `discard` removed";
    Complete "errors.of-what-is-gone" life::gone => "a call about an instance that is gone is an error of that call, and no crash";
    Complete "errors.bad-configuration" life::bad_configuration => "a configuration that cannot work is `invalid` or `denied`";
    Complete "rights.none-beyond-the-request" life::no_more_rights => "nothing was asked of the host that the manifest did not request";
    Complete "limits.respected" life::limits_respected => "no call crashed, ran into a limit or its deadline, or answered what the contract does not allow";
    Robust "allocate.fault-refused" faults::allocate_refused => "`allocate` is refused by the backend at each of its imports in turn: nothing remains";
    Robust "allocate.fault-rate-limit" faults::allocate_rate_limit => "`allocate` meets a rate limit (429) at each HTTP request in turn: nothing remains";
    Robust "allocate.fault-time-out" faults::allocate_time_out => "`allocate` gets no answer in time at each of its imports in turn: nothing remains";
    Robust "allocate.fault-reset" faults::allocate_reset => "`allocate` loses its connection at each of its imports in turn: nothing remains";
    Robust "allocate.fault-lost-reply" faults::allocate_lost_reply => "the answer to each import of `allocate` is lost after it was done: nothing remains";
    Robust "allocate.fault-stale" faults::allocate_stale => "`allocate` gets an outdated answer where there is one: nothing remains";
    Robust "allocate.fault-killed" faults::allocate_killed => "the guest is killed before each import of `allocate`: nothing remains";
    Robust "allocate.fault-killed-after" faults::allocate_killed_after => "the guest is killed after each import of `allocate`: nothing remains";
    Robust "discard.fault-refused" faults::discard_refused => "`discard` is refused by the backend at each of its imports in turn: it is not confirmed before it is done";
    Robust "discard.fault-rate-limit" faults::discard_rate_limit => "`discard` meets a rate limit (429) at each HTTP request in turn: it is not confirmed before it is done";
    Robust "discard.fault-time-out" faults::discard_time_out => "`discard` gets no answer in time at each of its imports in turn: it is not confirmed before it is done";
    Robust "discard.fault-reset" faults::discard_reset => "`discard` loses its connection at each of its imports in turn: it is not confirmed before it is done";
    Robust "discard.fault-lost-reply" faults::discard_lost_reply => "the answer to each import of `discard` is lost after it was done: the next one succeeds";
    Robust "discard.fault-stale" faults::discard_stale => "`discard` gets an outdated answer where there is one: nothing remains";
    Robust "discard.fault-killed" faults::discard_killed => "the guest is killed before each import of `discard`: the next one succeeds";
    Robust "discard.fault-killed-after" faults::discard_killed_after => "the guest is killed after each import of `discard`: the next one succeeds";
    Robust "robust.limits-respected" life::limits_respected => "none of that made a call crash, run into a limit, or answer what the contract does not allow";
}
