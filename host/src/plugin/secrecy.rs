//! Keeps secrets out of what a plugin says to people: errors, messages, what it printed, attributes. A plugin that may read a secret can
//! do with it whatever it may do at all; but by what it says a secret would get into logs, the books, terminals and bundles that are
//! handed on, mostly by accident: a program that failed repeats its command line, a server what it was sent.
//!
//! Looked for is every secret that the plugin was granted, to read or to have used, and those that are kept with its instance.
//! Found are the value and its usual encodings (`imports/http/scrub.rs`); a plugin that takes it apart is beyond this.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use runner_core::id::Token;

use super::engine::lock;
use super::imports::http::scrub::{Scrub, Scrubber};
use super::purpose::Purpose;
use super::state::Bound;

/// What one call of a plugin must not say.
pub(crate) struct Secrecy {
    bound: Arc<Bound>,
    /// The instance of the call.
    token: Option<Token>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    /// Secrets of the instance: names and values.
    given: Vec<(String, String)>,
    /// Put together when something is said, and again when more was given.
    search: Option<Arc<Scrubber>>,
}

impl Secrecy {
    pub(crate) fn new(bound: &Arc<Bound>, purpose: &Purpose) -> Arc<Self> {
        Arc::new(Self {
            bound: Arc::clone(bound),
            token: purpose.token.clone(),
            told: Mutex::default(),
        })
    }

    /// The plugin was given this, or made it up.
    pub(crate) fn given(&self, name: &str, value: &str) {
        let mut told = lock(&self.told);
        told.given.push((name.to_owned(), value.to_owned()));
        told.search = None;
    }

    /// The text without secrets.
    pub(crate) fn text(&self, text: String) -> String {
        let search = {
            let mut told = lock(&self.told);
            match &told.search {
                Some(search) => Arc::clone(search),
                None => {
                    let search = Arc::new(self.search(&told.given));
                    told.search = Some(Arc::clone(&search));
                    search
                }
            }
        };
        search.text(text)
    }

    fn search(&self, given: &[(String, String)]) -> Scrubber {
        let Bound {
            grant, services, ..
        } = &*self.bound;
        let used = grant.http_secrets.iter().map(|one| &one.name);
        let names: BTreeSet<&String> = grant.secrets.iter().chain(used).collect();
        let kept = match &self.token {
            Some(token) if self.bound.owns_instances() => services.books.all_kept(token),
            _ => Ok(Vec::new()),
        };
        let mut scrub = Scrub::default();
        // What cannot be read now was given in this call, if it was.
        for (name, value) in kept.iter().flatten().chain(given) {
            scrub.secret(name, value);
        }
        for name in names {
            if let Ok(Some(value)) = services.secrets.get(name) {
                scrub.secret(name, &value);
            }
        }
        scrub.finish()
    }
}
