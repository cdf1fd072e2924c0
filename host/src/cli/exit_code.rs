//! The exit codes of the program, all of them.
//!
//! `run` and `exec` answer with the command's own code, so what goes wrong in `runner` itself must not look like
//! one: it is 125 there, and `--status-fd` tells the two apart in any case. `test` has spread's codes, 0 to 2. Every
//! other verb uses 0 to 3, as crcache did; the verbs of tickets have one more, because a ticket that waits has neither
//! worked nor failed, and so do those that show whether something holds.

/// It worked.
pub const OK: u8 = 0;
/// Unknown command, or an argument missing or too many.
pub const USAGE: u8 = 1;
/// Unknown option, or a value that an option or argument does not take.
pub const BAD_OPTION: u8 = 2;
/// `test`: a job failed or was aborted, or there is nothing to run; as spread has it.
pub const UNSUCCESSFUL: u8 = 1;
/// The operation failed; `--json` says which kind of failure it was.
pub const FAILED: u8 = 3;
/// The ticket still waits: nothing failed, and nothing is there yet.
pub const WAITING: u8 = 4;
/// What was to be shown does not hold: `plugin test` did not reach its level, or `plugin replay` found a difference.
pub const NOT_HELD: u8 = 5;
/// `run` and `exec`: `runner` itself failed, usage errors included.
pub const RUNNER_FAILED: u8 = 125;
/// `run` and `exec`: the command was found and cannot be executed (the instance's answer).
pub const NOT_EXECUTABLE: u8 = 126;
/// `run` and `exec`: the command was not found (the instance's answer).
pub const NOT_FOUND: u8 = 127;
/// `run` and `exec`: a command that died of signal N answers this plus N.
pub const SIGNAL_BASE: u8 = 128;

/// The table for `runner help exit-codes`.
pub(super) fn topic() -> String {
    format!(
        "\
Exit codes

Every verb but `run`, `exec` and `test`:
  {OK:<5}  it worked
  {USAGE:<5}  unknown command, or an argument is missing or superfluous
  {BAD_OPTION:<5}  unknown option, or a value that is not accepted
  {FAILED:<5}  the operation failed; with `--json` the error object has the `kind` of failure
  {WAITING:<5}  the ticket still waits (`ticket check`, `ticket wait --timeout`, `ticket open --wait=…`)
  {NOT_HELD:<5}  what was to be shown does not hold (`plugin test`, `plugin replay`)

`test`, and the program called as `spread`:
  {OK:<5}  nothing failed and nothing was aborted
  {UNSUCCESSFUL:<5}  a job failed or was aborted, or the project or the choice of jobs cannot be used
  {BAD_OPTION:<5}  unknown option, or a value that is not accepted

`run` and `exec`:
  0-255  the command's own exit code
  {SIGNAL_BASE}+N  the command died of signal N
  {NOT_FOUND:<5}  the command was not found, as the instance says
  {NOT_EXECUTABLE:<5}  the command cannot be executed, as the instance says
  {RUNNER_FAILED:<5}  `runner` itself failed: no such instance, a wrong option, a provider's failure

A command may use any of these codes itself. `--status-fd N` tells them apart: when the verb ends it writes one
line of JSON to descriptor N, one of
  {{\"event\":\"exited\",\"code\":3}}
  {{\"event\":\"signaled\",\"signal\":9}}
  {{\"event\":\"runner-error\",\"kind\":\"not-leased\",\"message\":\"…\",\"causes\":[],\"hint\":null}}
A usage error of `run` and `exec` (code {RUNNER_FAILED}) may write no line at all, because the descriptor is not known yet.
"
    )
}
