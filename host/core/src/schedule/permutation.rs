//! The same shuffle for the same seed, on every machine and in every version.
//!
//! Nobody's random number generator: theirs may change with a release, and a seed in a bug report must still say the
//! same then. This is splitmix64 (public domain) and the shuffle of Fisher and Yates.

/// The numbers below `count` in an order that only the seed decides.
pub(super) fn of(count: usize, seed: u64) -> Vec<usize> {
    let mut state = seed;
    let mut order: Vec<usize> = (0..count).collect();
    for end in (1..count).rev() {
        let at = below(&mut state, end as u64 + 1);
        order.swap(end, at);
    }
    order
}

/// A number below `bound`, each as likely as the others: what would favour the small ones is drawn again.
fn below(state: &mut u64, bound: u64) -> usize {
    let reject_from = u64::MAX - u64::MAX % bound;
    loop {
        let drawn = next(state);
        if drawn < reject_from {
            return usize::try_from(drawn % bound).unwrap_or_default();
        }
    }
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_the_same_for_ever() {
        assert_eq!(of(8, 1), [4, 3, 2, 7, 5, 6, 0, 1]);
        assert_eq!(of(8, 1), of(8, 1));
        assert_ne!(of(8, 1), of(8, 2));
        assert_eq!(of(0, 1), [0; 0]);
        assert_eq!(of(1, 1), [0]);
    }

    #[test]
    fn every_number_comes_once() {
        let mut all = of(1000, 42);
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }
}
