//! The conformance suite: what every provider owes (`wit/README.md`), tried one behaviour at a time against anybody's
//! component, and told by name with what was expected and what was seen.
//!
//! Everything goes the ways that the product goes: calls through the port, lives through the engine and its books,
//! faults through the seam of the imports. Nothing here knows a plugin, a backend or wasmtime. `app::trial` sets a bench up,
//! `report` prints what comes out.
//!
//! ```text
//! ALL (behaviour.rs) ── run ──► commands, life, optional: calls of the port ─┐
//!                        └────► faults: acquire and discard, one fault each ─┴─► Report
//! ```

mod behaviour;
mod bench;
pub mod cases;
mod commands;
mod faults;
mod life;
mod optional;
mod report;
mod single;
mod witness;

pub use behaviour::{ALL, Behaviour};
pub use bench::{Bench, Life, Refusing, Setup};
pub use report::{Finding, Level, Report, Verdict};
pub use single::{Lived, live};
pub use witness::Witness;

use std::time::Instant;

/// Shows every behaviour up to `level`, in order. `told` hears of each as it is known.
pub async fn run(bench: &Bench, level: Level, mut told: impl FnMut(&Finding)) -> Vec<Finding> {
    let mut findings = Vec::new();
    for behaviour in ALL.iter().filter(|behaviour| behaviour.level <= level) {
        let begun = Instant::now();
        let shown = behaviour.show(bench).await;
        let (verdict, seen) = match shown {
            Ok(seen) => (Verdict::Passed, seen),
            Err(behaviour::Miss::Failed(why)) => (Verdict::Failed, why),
            Err(behaviour::Miss::NotShown(why)) => (Verdict::NotShown, why),
        };
        let finding = Finding {
            name: behaviour.name,
            level: behaviour.level,
            expected: behaviour.expected,
            verdict,
            seen,
            took: begun.elapsed(),
        };
        told(&finding);
        findings.push(finding);
    }
    findings
}
