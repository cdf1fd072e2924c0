//! Takes secrets out of what comes back: a server may answer with what it was sent, in clear or encoded. What is found is
//! replaced by the placeholder that stood for it, before a plugin, a log or an error message can have it.
//!
//! Found are the value itself and its usual encodings, in any letter case. A server that answers with parts of it, or with
//! something computed from it, is beyond this: that is why a secret is granted towards hosts by name.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::placeholder::{self, Escape};
use crate::plugin::bindings::http::Response;
use crate::plugin::bindings::types::{Error, Failure, Retryable};
use crate::plugin::engine::lock;

/// What is shorter is not looked for: it would be found everywhere. Shorter secrets cannot be used.
pub(super) const SHORTEST: usize = 4;
/// The same for encoded forms.
const SHORTEST_ENCODED: usize = 6;
/// What stands for something that was derived from secrets.
const DERIVED: &str = "{{removed}}";

/// What must not come back.
#[derive(Default)]
pub(in crate::plugin) struct Scrub {
    known: BTreeSet<String>,
    /// What stands for a value, and the value.
    values: Vec<(String, String)>,
}

/// A search, and what replaces each pattern.
type Search = (AhoCorasick, Vec<String>);

/// Searches that were put together last, by a digest of what they are for: a token and a key are used by many requests, and the
/// encodings of a private key are long.
static LAST: Mutex<VecDeque<([u8; 32], Arc<Search>)>> = Mutex::new(VecDeque::new());
const KEPT: usize = 8;

impl Scrub {
    /// A secret.
    pub(in crate::plugin) fn secret(&mut self, name: &str, value: &str) {
        self.add(&placeholder::written(name), value);
    }

    /// A token, a signature, or a text that a secret is hidden in.
    pub(super) fn derived(&mut self, value: &str) {
        self.add(DERIVED, value);
    }

    fn add(&mut self, label: &str, value: &str) {
        if value.len() >= SHORTEST && self.known.insert(value.to_owned()) {
            self.values.push((label.to_owned(), value.to_owned()));
        }
    }

    /// There is something to look for.
    pub(super) fn is_needed(&self) -> bool {
        !self.values.is_empty()
    }

    /// Puts the search together.
    pub(in crate::plugin) fn finish(&self) -> Scrubber {
        if self.values.is_empty() {
            return Scrubber(None);
        }
        let digest = self.digest();
        if let Some((_, search)) = lock(&LAST).iter().find(|(known, _)| *known == digest) {
            return Scrubber(Some(Arc::clone(search)));
        }
        // It fails only for more patterns than can be had here.
        let search = self.search().map(Arc::new);
        if let Some(search) = &search {
            let mut last = lock(&LAST);
            last.truncate(KEPT - 1);
            last.push_front((digest, Arc::clone(search)));
        }
        Scrubber(search)
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for part in self.values.iter().flat_map(|(label, value)| [label, value]) {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    fn search(&self) -> Option<Search> {
        let (mut patterns, mut labels) = (Vec::new(), Vec::new());
        for (label, value) in &self.values {
            let encoded = forms(value);
            let encoded = encoded
                .into_iter()
                .filter(|form| form.len() >= SHORTEST_ENCODED);
            for form in [value.clone().into_bytes()].into_iter().chain(encoded) {
                patterns.push(form);
                labels.push(label.clone());
            }
        }
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            // It reads a few kilobytes. For a private key a table of all transitions has some 100 MB and takes longer than the request.
            .kind(Some(AhoCorasickKind::NoncontiguousNFA))
            .build(patterns);
        search.ok().map(|search| (search, labels))
    }
}

/// How servers write a value back.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let bytes = value.as_bytes();
    let json = Escape::Json.apply(value);
    let percent = Escape::Percent.apply(value);
    let html = value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    let mut forms = vec![
        percent.to_string(),
        each(bytes, |b| format!("%{b:02x}")),
        each(bytes, |b| format!("{b:02x}")),
        each(bytes, |b| format!("\\x{b:02x}")),
        value
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect(),
        json.to_string(),
        // JSON in a text in JSON.
        Escape::Json.apply(&json).into_owned(),
        json.replace('/', "\\/"),
        html.replace('\'', "&#39;"),
        html.replace('\'', "&#x27;"),
    ];
    let hidden = BTreeSet::from([value, &json, &percent]);
    for text in hidden {
        for shift in 0..3 {
            forms.extend(in_base64(text.as_bytes(), shift));
        }
    }
    let mut forms: Vec<_> = forms
        .into_iter()
        .filter(|form| form != value)
        .map(String::into_bytes)
        .collect();
    forms.push(value.encode_utf16().flat_map(u16::to_le_bytes).collect());
    forms.push(value.encode_utf16().flat_map(u16::to_be_bytes).collect());
    forms
}

fn each(bytes: &[u8], write: impl Fn(&u8) -> String) -> String {
    bytes.iter().map(write).collect()
}

/// What is the same in Base64 whatever stands before it (so many bytes, modulo three) and after it.
fn in_base64(bytes: &[u8], shift: usize) -> [String; 2] {
    let shifted = [&[0_u8; 3][..shift], bytes].concat();
    let skip = [0, 2, 3][shift];
    [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD].map(|code| {
        let text = code.encode(&shifted);
        // The last letter holds bits of what follows.
        let end = text.len() - usize::from(!shifted.len().is_multiple_of(3));
        text.get(skip..end).unwrap_or_default().to_owned()
    })
}

/// A search that is put together.
pub(in crate::plugin) struct Scrubber(Option<Arc<Search>>);

impl Scrubber {
    /// Everything that a plugin gets of a response.
    pub(super) fn response(&self, response: Response) -> Response {
        let length = response.body.len();
        let body = self.bytes(response.body);
        let headers = response.headers.into_iter();
        Response {
            status: response.status,
            headers: headers
                .filter(|(name, _)| body.len() == length || name != "content-length")
                .map(|(name, value)| (self.text(name), self.text(value)))
                .collect(),
            body,
        }
    }

    /// An error, whose message may repeat what was sent or what came back.
    pub(super) fn error(&self, error: Error) -> Error {
        let failure = |failure: Failure| Failure {
            message: self.text(failure.message),
            remedy: failure.remedy.map(|text| self.text(text)),
        };
        let retryable = |retryable: Retryable| Retryable {
            message: self.text(retryable.message),
            remedy: retryable.remedy.map(|text| self.text(text)),
            retry_after: retryable.retry_after,
        };
        match error {
            Error::Invalid(inner) => Error::Invalid(failure(inner)),
            Error::Denied(inner) => Error::Denied(failure(inner)),
            Error::Exhausted(inner) => Error::Exhausted(retryable(inner)),
            Error::Unavailable(inner) => Error::Unavailable(retryable(inner)),
            Error::Gone(inner) => Error::Gone(failure(inner)),
            Error::Unsupported(inner) => Error::Unsupported(failure(inner)),
            Error::Failed(inner) => Error::Failed(failure(inner)),
        }
    }

    pub(in crate::plugin) fn text(&self, text: String) -> String {
        match self.0.as_deref() {
            Some((search, labels)) if search.is_match(&text) => search.replace_all(&text, labels),
            _ => text,
        }
    }

    fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        match self.0.as_deref() {
            Some((search, labels)) if search.is_match(&bytes) => {
                search.replace_all_bytes(&bytes, labels)
            }
            _ => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::placeholder::STRICT;
    use super::*;
    use percent_encoding::utf8_percent_encode;
    use proptest::prelude::*;

    fn scrubber(value: &str) -> Scrubber {
        let mut scrub = Scrub::default();
        scrub.secret("T", value);
        scrub.finish()
    }

    #[test]
    fn usual_encodings_are_found() {
        let value = "s3cr3t/&\"+kéy";
        let scrubber = scrubber(value);
        let basic = BASE64_STANDARD_NO_PAD.encode(format!("me:{value}!"));
        for echo in [
            value.to_owned(),
            value.to_ascii_uppercase(),
            serde_json::json!({ "a": value }).to_string(),
            "s3cr3t\\/&\\\"+kéy".to_owned(),
            "s3cr3t/&amp;&quot;+kéy".to_owned(),
            utf8_percent_encode(value, STRICT).to_string(),
            utf8_percent_encode(value, STRICT)
                .to_string()
                .to_lowercase(),
            each(value.as_bytes(), |b| format!("%{b:02X}")),
            each(value.as_bytes(), |b| format!("{b:02X}")),
            format!("Basic {basic}"),
            BASE64_URL_SAFE_NO_PAD.encode(value),
        ] {
            let cleaned = scrubber.text(format!("<{echo}>"));
            assert!(cleaned.contains("{{secret:T}}"), "{echo}: {cleaned}");
        }
        let wide: Vec<u8> = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(scrubber.bytes(wide), b"{{secret:T}}");
        assert_eq!(scrubber.text("nothing here".to_owned()), "nothing here");
        assert!(!Scrub::default().is_needed());
    }

    #[test]
    fn errors_are_cleaned_too() {
        let error = Error::Failed(Failure {
            message: "cannot reach http://a/?k=hunter22".to_owned(),
            remedy: Some("not hunter22".to_owned()),
        });
        let Error::Failed(cleaned) = scrubber("hunter22").error(error) else {
            panic!("another kind");
        };
        assert_eq!(cleaned.message, "cannot reach http://a/?k={{secret:T}}");
        assert_eq!(cleaned.remedy.as_deref(), Some("not {{secret:T}}"));
    }

    proptest! {
        /// Base64 of any text around a secret never decodes to it after cleaning.
        #[test]
        fn base64_does_not_hide_it(
            secret in "[ -~]{8,40}", before in prop::collection::vec(any::<u8>(), 0..7), after in prop::collection::vec(any::<u8>(), 0..7),
        ) {
            let hidden = [&before[..], secret.as_bytes(), &after].concat();
            let scrubber = scrubber(&secret);
            for code in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
                let cleaned = scrubber.text(code.encode(&hidden));
                prop_assert!(cleaned.contains("{{secret:T}}"), "{}", cleaned);
            }
        }
    }
}
