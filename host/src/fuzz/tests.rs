//! The corpus, and a bounded number of mutations of it: the same ones each time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use super::{TARGETS, Target};

/// Mutations per input of the corpus; those that touch the file system cost more.
const ROUNDS: usize = 400;
const ROUNDS_ON_DISK: usize = 60;

/// Words that a mutation puts in: what the parsers look for.
const WORDS: [&[u8]; 16] = [
    b"..",
    b"/",
    b"*",
    b"*.",
    b"@",
    b"-",
    b"--",
    b"[::1]",
    b"{key}",
    b"\0",
    b"\n",
    b"\r\n",
    b"%2e",
    b"ustar\0",
    b"GNU.sparse",
    b"\xff\xff\xff\xff",
];

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus")).join(name);
    let mut inputs: Vec<_> = folder
        .read_dir()
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no corpus in {}", folder.display());
    inputs
}

/// A generator that needs no crate: xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    /// Changes an input in one to four places; `other` is cut into it now and then.
    fn mutate(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut data = input.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(data.len() + 1);
            match self.below(7) {
                0 if at < data.len() => data[at] ^= 1 << self.below(8),
                1 if at < data.len() => data[at] = self.below(256) as u8,
                2 => {
                    let end = (at + self.below(16)).min(data.len());
                    data.drain(at..end);
                }
                3 => {
                    let end = (at + self.below(64)).min(data.len());
                    let again = data[at..end].to_vec();
                    data.splice(at..at, again);
                }
                4 => {
                    let from = self.below(other.len() + 1);
                    let end = (from + self.below(128)).min(other.len());
                    data.splice(at..at, other[from..end].iter().copied());
                }
                5 => data.truncate(at),
                _ => {
                    let word = WORDS[self.below(WORDS.len())];
                    data.splice(at..at, word.iter().copied());
                }
            }
        }
        data
    }
}

fn play(target: Target, data: &[u8], of: &str) {
    let played = catch_unwind(AssertUnwindSafe(|| target(data)));
    assert!(
        played.is_ok(),
        "{of}: this input panics; put it into the corpus once it does not: {}",
        String::from_utf8_lossy(&data.escape_ascii().to_string().into_bytes())
    );
}

fn search(name: &str, rounds: usize) {
    let (_, target) = TARGETS.iter().find(|(other, _)| *other == name).unwrap();
    let inputs = corpus(name);
    for (number, (path, input)) in inputs.iter().enumerate() {
        let shown = path.display().to_string();
        play(*target, input, &shown);
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1));
        for _ in 0..rounds {
            let other = &inputs[dice.below(inputs.len())].1;
            let data = dice.mutate(input, other);
            play(*target, &data, &shown);
        }
    }
}

macro_rules! targets {
    ($($name:ident: $rounds:expr),*) => {
        $(#[test] fn $name() { search(stringify!($name), $rounds); })*

        #[test]
        fn every_target_is_played() {
            let mut played = [$(stringify!($name)),*];
            played.sort_unstable();
            assert_eq!(TARGETS.map(|(name, _)| name), played);
        }
    };
}

targets! {
    archive: ROUNDS_ON_DISK,
    component: ROUNDS,
    http: ROUNDS,
    ini: ROUNDS,
    layout: ROUNDS_ON_DISK,
    manifest: ROUNDS,
    ssh: ROUNDS,
    toml: ROUNDS,
    url: ROUNDS,
    yaml: ROUNDS
}

/// The smallest whole component is written by our own fixtures.
#[test]
fn the_corpus_has_a_component_that_is_one() {
    let bytes = crate::plugin::smallest_component();
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fuzz/corpus/component/smallest"
    ));
    if std::env::var_os("RUNNER_UPDATE").is_some() {
        std::fs::write(&path, &bytes).unwrap();
    }
    assert!(
        std::fs::read(&path).is_ok_and(|there| there == bytes),
        "it is stale: `RUNNER_UPDATE=1 cargo test -p runner the_corpus_has` writes it"
    );
}
