//! libFuzzer over the entry points of `runner::fuzz`; `FUZZ_TARGET` says which. `tests/fuzz.sh` builds and starts it.

#![no_main]

use std::sync::OnceLock;

use runner::fuzz::{TARGETS, Target};

fn target() -> Target {
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    match TARGETS.iter().find(|(name, _)| *name == wanted) {
        Some((_, target)) => *target,
        None => panic!(
            "FUZZ_TARGET is `{wanted}`, and there are {:?}",
            TARGETS.map(|(name, _)| name)
        ),
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static CHOSEN: OnceLock<Target> = OnceLock::new();
    CHOSEN.get_or_init(target)(data);
});
