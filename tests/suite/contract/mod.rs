//! What every provider owes, tried against the real thing: the same cases over `local`, `ssh`, `chroot`, `container`,
//! `command` and the fake. A case that only one provider could pass does not belong here.

mod arguments;
pub(crate) mod bench;
mod bulk;
mod copy;
mod copy_trees;
mod exit;
mod inventory;
mod lifecycle;
mod parallel;
mod shell;
mod streams;

/// Makes one test per provider of each case: a function that takes the bench.
macro_rules! over_every_provider {
    ($($case:ident),* $(,)?) => {
        over_every_provider!(@ local: $($case),*);
        over_every_provider!(@ ssh: $($case),*);
        over_every_provider!(@ chroot: $($case),*);
        over_every_provider!(@ container: $($case),*);
        over_every_provider!(@ command: $($case),*);
        over_every_provider!(@ fake: $($case),*);
    };
    (@ $provider:ident: $($case:ident),*) => {
        mod $provider {
            $(
                #[test]
                fn $case() {
                    // None was already said, loudly.
                    if let Some(bench) = $crate::contract::bench::$provider() {
                        super::$case(&bench);
                    }
                }
            )*
        }
    };
}
use over_every_provider;
