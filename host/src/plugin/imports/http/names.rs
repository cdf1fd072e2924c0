//! What names led to, for a moment: the calls of one operation ask for the same few hosts again and again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::plugin::engine::lock;

/// Short enough that a service that moves is found again.
const GOOD_FOR: Duration = Duration::from_secs(5);
const MOST: usize = 256;

/// Addresses by host and port. They are checked against the grant whenever they are used.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<(String, u16), Known>>);

struct Known {
    addresses: Vec<SocketAddr>,
    at: Instant,
}

impl Names {
    pub(super) fn get(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let names = lock(&self.0);
        let known = names.get(&(host.to_owned(), port))?;
        (known.at.elapsed() < GOOD_FOR).then(|| known.addresses.clone())
    }

    pub(super) fn keep(&self, host: &str, port: u16, addresses: &[SocketAddr]) {
        let mut names = lock(&self.0);
        if names.len() >= MOST {
            names.retain(|_, known| known.at.elapsed() < GOOD_FOR);
        }
        if names.len() < MOST {
            let known = Known {
                addresses: addresses.to_vec(),
                at: Instant::now(),
            };
            names.insert((host.to_owned(), port), known);
        }
    }
}
