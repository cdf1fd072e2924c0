//! Trials of another component for a source: which instances it makes, and when it has shown that it is worse.
//!
//! Only arithmetic over counts; what an outcome is, and what becomes of the trial, is the engine's to say.

/// How often it went well and how often it did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub well: u64,
    pub failed: u64,
}

impl Tally {
    /// All outcomes.
    pub fn total(self) -> u64 {
        self.well + self.failed
    }

    /// The part that failed, from 0 to 1; none without outcomes.
    pub fn rate(self) -> Option<f64> {
        let total = self.total();
        (total > 0).then(|| self.failed as f64 / total as f64)
    }
}

/// What the outcomes say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing against the candidate yet.
    Goes,
    /// Every outcome of the candidate was a failure.
    AlwaysFails,
    /// It fails more often than what is there, and the chance that this is an accident is this small.
    Worse { chance: f64 },
}

/// A difference that would come about by accident less often than this is believed.
pub const SIGNIFICANCE: f64 = 0.01;

/// Whether the next instance, the one with this number (from 0), is the candidate's: evenly spread, and after any
/// hundred exactly `percent` of them.
pub fn chooses(number: u64, percent: u8) -> bool {
    let percent = u64::from(percent.min(100));
    let share = |count: u64| count % 100 * percent / 100 + count / 100 * percent;
    share(number.saturating_add(1)) > share(number)
}

/// Weighs the outcomes. Before the candidate has this many `samples`, nothing is said.
///
/// The chance is Fisher's exact test, one-sided: of all ways in which that many failures could fall onto that many
/// outcomes, the part that is at least as bad for the candidate. It needs no large numbers, and an outage of
/// the backend, which fails both, is no reason.
pub fn judge(stable: Tally, candidate: Tally, samples: u32) -> Verdict {
    if candidate.total() < u64::from(samples.max(1)) {
        return Verdict::Goes;
    }
    let chance = fisher(stable, candidate);
    if chance < SIGNIFICANCE {
        return Verdict::Worse { chance };
    }
    if candidate.well == 0 && stable.failed == 0 {
        return Verdict::AlwaysFails;
    }
    Verdict::Goes
}

fn fisher(stable: Tally, candidate: Tally) -> f64 {
    let drawn = candidate.total();
    let all = drawn + stable.total();
    let failed = stable.failed + candidate.failed;
    let ways = choices(all, drawn);
    let mut chance = 0.0;
    for bad in candidate.failed..=failed.min(drawn) {
        if drawn - bad > all - failed {
            continue;
        }
        chance += (choices(failed, bad) + choices(all - failed, drawn - bad) - ways).exp();
    }
    chance.min(1.0)
}

/// The logarithm of how many ways there are to choose `some` of `all`.
fn choices(all: u64, some: u64) -> f64 {
    factorial(all) - factorial(some) - factorial(all - some)
}

/// The logarithm of a factorial: exact for small numbers, by Stirling's series for others.
fn factorial(number: u64) -> f64 {
    if number < 32 {
        return (2..=number).map(|factor| (factor as f64).ln()).sum();
    }
    let n = number as f64;
    let series = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3));
    n * n.ln() - n + 0.5 * (2.0 * std::f64::consts::PI * n).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(well: u64, failed: u64) -> Tally {
        Tally { well, failed }
    }

    #[test]
    fn the_share_is_exact_and_spread() {
        for percent in 0..=100u8 {
            for start in [0u64, 1, 37, 1000] {
                let chosen = (start..start + 100).filter(|at| chooses(*at, percent));
                assert_eq!(
                    chosen.count(),
                    usize::from(percent),
                    "{percent} from {start}"
                );
            }
        }
        let twenty: Vec<u64> = (0..20).filter(|at| chooses(*at, 20)).collect();
        assert_eq!(twenty, [4, 9, 14, 19]);
        assert!(!chooses(0, 50) && chooses(1, 50));
        assert!(chooses(u64::MAX - 1, 100));
    }

    #[test]
    fn chances_are_those_of_the_tables() {
        // Fisher's tea: three of four right, and all four right.
        let tea = fisher(tally(3, 1), tally(1, 3));
        assert!((tea - 17.0 / 70.0).abs() < 1e-9, "{tea}");
        let tea = fisher(tally(4, 0), tally(0, 4));
        assert!((tea - 1.0 / 70.0).abs() < 1e-9, "{tea}");
        // Where Stirling's series does the work: two of five among a hundred.
        let far = fisher(tally(95, 0), tally(3, 2));
        assert!((far - 10.0 / 4950.0).abs() < 1e-7, "{far}");
        assert_eq!(fisher(tally(0, 0), tally(5, 5)), 1.0);
    }

    #[test]
    fn it_is_judged_late_enough_and_soon_enough() {
        let judge = |stable, candidate| judge(stable, candidate, 5);
        assert_eq!(judge(tally(100, 0), tally(0, 4)), Verdict::Goes);
        assert_eq!(judge(tally(100, 0), tally(5, 0)), Verdict::Goes);
        assert_eq!(judge(tally(95, 0), tally(4, 1)), Verdict::Goes);
        let worse = |verdict| matches!(verdict, Verdict::Worse { chance } if chance < SIGNIFICANCE);
        assert!(worse(judge(tally(95, 0), tally(3, 2))));
        assert!(worse(judge(tally(5, 0), tally(0, 5))));
        // An outage fails both.
        assert_eq!(judge(tally(0, 20), tally(0, 5)), Verdict::Goes);
        // Alone, it is judged by itself.
        assert_eq!(judge(tally(0, 0), tally(0, 5)), Verdict::AlwaysFails);
        // A few more failures of many are an accident; a hundred times as many are not.
        assert_eq!(judge(tally(9_900, 100), tally(985, 15)), Verdict::Goes);
        assert!(worse(judge(tally(990_000, 10_000), tally(98_500, 1_500))));
    }
}
