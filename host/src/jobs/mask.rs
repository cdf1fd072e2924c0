//! Takes secrets out of events, before any log, report or history sees them.
//!
//! Secret is what was not written into the project: the password of the session, passwords and keys that host commands gave, and
//! what they gave for variables with a telling name (`…TOKEN`, `…PASSWORD`, and the like). Found is the text itself and not
//! what was computed from it. Names of jobs and machines are left as they are.

use std::collections::{BTreeSet, HashMap};

use aho_corasick::{AhoCorasick, MatchKind};

use super::events::{JobResult, Late, What, WorkerNumber};

/// What is shorter would be found everywhere.
const SHORTEST: usize = 4;
/// What stands in its place.
const STARS: &str = "***";

/// Parts of names that say of a variable that it is secret.
const TELLING: [&str; 9] = [
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "CREDENTIAL",
    "APIKEY",
    "_KEY",
    "_PASS",
];

/// Whether a variable of this name holds a secret.
pub(super) fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    TELLING.iter().any(|part| name.contains(part))
}

/// See the module.
#[derive(Default)]
pub(super) struct Masks {
    secrets: BTreeSet<String>,
    finder: Option<AhoCorasick>,
    longest: usize,
    /// The end of a script's output so far that may be the beginning of a secret.
    held: HashMap<WorkerNumber, Vec<u8>>,
}

impl Masks {
    /// Several lines: each of them.
    pub(super) fn add(&mut self, secret: &str) {
        let mut new = false;
        for line in secret.lines().map(str::trim) {
            if line.len() >= SHORTEST && !self.secrets.contains(line) {
                self.secrets.insert(line.to_owned());
                self.longest = self.longest.max(line.len());
                new = true;
            }
        }
        if new {
            let finder = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&self.secrets);
            match finder {
                Ok(finder) => self.finder = Some(finder),
                // Megabytes of secrets: those before are still found.
                Err(error) => tracing::warn!("a secret cannot be masked: {error}"),
            }
        }
    }

    /// The event as it is told; now and then with the output before it that was held back.
    pub(super) fn apply(&mut self, mut what: What) -> Vec<What> {
        if self.finder.is_none() {
            return vec![what];
        }
        match &mut what {
            What::Output { worker, bytes } => {
                let mut all = self.held.remove(worker).unwrap_or_default();
                all.append(bytes);
                let keep = self.beginning_of_a_secret(&all);
                let rest = all.split_off(all.len() - keep);
                if !rest.is_empty() {
                    self.held.insert(*worker, rest);
                }
                *bytes = self.bytes(&all);
                if bytes.is_empty() {
                    return Vec::new();
                }
            }
            What::ScriptEnded { scene, output, .. } => {
                *output = self.bytes(output);
                if let Some(rest) = self.held.remove(&scene.worker) {
                    let worker = scene.worker;
                    return vec![
                        What::Output {
                            worker,
                            bytes: self.bytes(&rest),
                        },
                        what,
                    ];
                }
            }
            What::Late {
                news: Late::Output { lines, .. },
                ..
            } => lines.iter_mut().for_each(|line| self.text(line)),
            What::PackFailed { error }
            | What::AllocationFailed { error, .. }
            | What::ConnectionFailed { error, .. }
            | What::SendFailed { error, .. }
            | What::ShellEnded {
                error: Some(error), ..
            }
            | What::ArtifactsFailed { error, .. }
            | What::DiscardFailed { error, .. }
            | What::WorkerEnded {
                error: Some(error), ..
            }
            | What::JobEnded {
                result: JobResult::Aborted { cause: error },
                ..
            }
            | What::Skipping { reason: error, .. }
            | What::Stopping { reason: error }
            | What::Note { text: error } => self.text(error),
            What::Packed {
                warnings: lines, ..
            }
            | What::Leaked { changes: lines, .. } => {
                lines.iter_mut().for_each(|line| self.text(line));
            }
            What::RunEnded { summary } => {
                if let Some(error) = &mut summary.error {
                    self.text(error);
                }
            }
            // Only names, numbers and places.
            What::RunStarted { .. }
            | What::Recoverable { .. }
            | What::WorkerStarted { .. }
            | What::Allocating { .. }
            | What::Allocated { .. }
            | What::Reusing { .. }
            | What::Connecting { .. }
            | What::Connected { .. }
            | What::Sending { .. }
            | What::LeftBehind { .. }
            | What::Sent { .. }
            | What::ReusingData { .. }
            | What::RemovingData { .. }
            | What::Checking { .. }
            | What::ScriptStarted { .. }
            | What::Late { .. }
            | What::Killed { .. }
            | What::Rebooting { .. }
            | What::RebootLate { .. }
            | What::ShellStarted { .. }
            | What::ShellEnded { .. }
            | What::FetchingArtifacts { .. }
            | What::FetchedArtifacts { .. }
            | What::Retrying { .. }
            | What::JobEnded { .. }
            | What::Discarding { .. }
            | What::Keeping { .. }
            | What::WorkerEnded { .. } => {}
        }
        vec![what]
    }

    fn text(&self, text: &mut String) {
        if let Some(finder) = &self.finder
            && finder.is_match(&*text)
        {
            let stars = vec![STARS; self.secrets.len()];
            *text = finder.replace_all(text, &stars);
        }
    }

    fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        match &self.finder {
            Some(finder) if finder.is_match(bytes) => {
                let stars = vec![STARS; self.secrets.len()];
                finder.replace_all_bytes(bytes, &stars)
            }
            Some(_) | None => bytes.to_vec(),
        }
    }

    /// How many bytes at the end may go on as a secret.
    fn beginning_of_a_secret(&self, bytes: &[u8]) -> usize {
        let most = bytes.len().min(self.longest.saturating_sub(1));
        let begins = |end: &[u8]| {
            let mut secrets = self.secrets.iter();
            secrets.any(|secret| secret.len() > end.len() && secret.as_bytes().starts_with(end))
        };
        (1..=most)
            .rev()
            .find(|length| begins(&bytes[bytes.len() - length..]))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(bytes: &str) -> What {
        What::Output {
            worker: WorkerNumber(0),
            bytes: bytes.into(),
        }
    }

    fn told(masks: &mut Masks, what: What) -> String {
        let mut text = String::new();
        for what in masks.apply(what) {
            match what {
                What::Output { bytes, .. } => text.push_str(&String::from_utf8(bytes).unwrap()),
                What::Note { text: note } => text.push_str(&note),
                other => panic!("{other:?}"),
            }
        }
        text
    }

    #[test]
    fn secrets_are_found_across_pieces() {
        let mut masks = Masks::default();
        masks.add("hunter22");
        masks.add("abc");
        masks.add("line one\n  line two\n");
        assert_eq!(
            told(&mut masks, output("a hunter22 b abc hun")),
            "a *** b abc "
        );
        assert_eq!(told(&mut masks, output("ter2")), "");
        assert_eq!(told(&mut masks, output("2!\nline two")), "***!\n***");
        assert_eq!(told(&mut masks, output("hunter")), "");
        assert_eq!(told(&mut masks, output("s")), "hunters");
        let note = What::Note {
            text: "was line one".into(),
        };
        assert_eq!(told(&mut masks, note), "was ***");
    }

    #[test]
    fn names_that_tell() {
        for name in [
            "GITHUB_TOKEN",
            "db_password",
            "AWS_SECRET_ACCESS_KEY",
            "SIGN_KEY",
        ] {
            assert!(is_telling(name), "{name}");
        }
        for name in ["KEYBOARD", "SPREAD_SYSTEM", "PATH", "COMPASS", "MONKEY"] {
            assert!(!is_telling(name), "{name}");
        }
    }
}
