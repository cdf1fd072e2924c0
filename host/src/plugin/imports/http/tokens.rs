//! Tokens that were fetched, until they expire: in memory for one process, and in a private directory for the next.
//!
//! A file holds what a secret can be exchanged for, so it is as private as the secret's own file: mode 0600, in a
//! directory of mode 0700. A file that cannot be read or written costs a login and nothing else.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::plugin::engine::lock;

/// A token that has less left than this is not used any more: the request has a way to go.
const MARGIN: Duration = Duration::from_secs(20);
/// Tokens in memory.
const MOST: usize = 256;

/// A token and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) value: String,
    pub(super) until: SystemTime,
}

impl Token {
    fn is_good(&self, now: SystemTime) -> bool {
        self.until > now + MARGIN
    }
}

/// As it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    token: String,
    /// Seconds since 1970.
    until: u64,
}

type Slot = Arc<Mutex<Option<Token>>>;

/// The tokens of one client.
pub(super) struct Tokens {
    directory: Option<PathBuf>,
    slots: Mutex<HashMap<String, Slot>>,
}

impl Tokens {
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        Self {
            directory,
            slots: Mutex::default(),
        }
    }

    /// The token under this key, and another than `bad`. One who fetches makes the others wait, and they take what was
    /// fetched.
    pub(super) fn get<E>(
        &self,
        key: &str,
        bad: Option<&str>,
        now: SystemTime,
        fetch: impl FnOnce() -> Result<Token, E>,
    ) -> Result<String, E> {
        let slot = self.slot(key, now);
        let mut held = lock(&slot);
        let usable = |token: &Token| token.is_good(now) && Some(token.value.as_str()) != bad;
        if let Some(token) = held.as_ref().filter(|token| usable(token)) {
            return Ok(token.value.clone());
        }
        let path = self.directory.as_ref().map(|directory| directory.join(key));
        if let Some(token) = path.as_deref().and_then(load).filter(usable) {
            return Ok(held.insert(token).value.clone());
        }
        let token = fetch()?;
        if let Some(path) = &path
            && token.is_good(now)
            && let Err(error) = keep(path, &token)
        {
            tracing::debug!("a token is not kept in `{}`: {error}", path.display());
        }
        Ok(held.insert(token).value.clone())
    }

    /// All that are known now: they must not come back in an answer.
    pub(super) fn known(&self) -> Vec<String> {
        let slots = lock(&self.slots);
        slots
            .values()
            // Who holds it is about to replace it, and knows it.
            .filter_map(|slot| {
                slot.try_lock()
                    .ok()?
                    .as_ref()
                    .map(|token| token.value.clone())
            })
            .collect()
    }

    fn slot(&self, key: &str, now: SystemTime) -> Slot {
        let mut slots = lock(&self.slots);
        if slots.len() >= MOST {
            slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1
                    || lock(slot).as_ref().is_some_and(|token| token.is_good(now))
            });
        }
        slots.entry(key.to_owned()).or_default().clone()
    }
}

fn load(path: &Path) -> Option<Token> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let private = metadata.is_file()
        && metadata.mode() & 0o077 == 0
        && metadata.uid() == rustix::process::geteuid().as_raw();
    if !private {
        return None;
    }
    let kept: Kept = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some(Token {
        value: kept.token,
        until: UNIX_EPOCH.checked_add(Duration::from_secs(kept.until))?,
    })
}

fn keep(path: &Path, token: &Token) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    prune(directory)?;
    let until = token.until.duration_since(UNIX_EPOCH).unwrap_or_default();
    let kept = Kept {
        token: token.value.clone(),
        until: until.as_secs(),
    };
    // Made with mode 0600.
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(directory)?;
    file.write_all(&serde_json::to_vec(&kept)?)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Removes files that no token lives as long as.
fn prune(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)?.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > Duration::from_secs(25 * 3600)) {
            drop(fs::remove_file(entry.path()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(value: &str, now: SystemTime, seconds: u64) -> Token {
        Token {
            value: value.to_owned(),
            until: now + Duration::from_secs(seconds),
        }
    }

    fn never() -> Result<Token, String> {
        Err("fetched again".to_owned())
    }

    #[test]
    fn a_token_is_fetched_once_and_again_when_it_is_bad() {
        let now = SystemTime::now();
        let tokens = Tokens::new(None);
        let got = tokens.get("k", None, now, || Ok::<_, String>(token("one", now, 100)));
        assert_eq!(got.as_deref(), Ok("one"));
        assert_eq!(tokens.get("k", None, now, never).as_deref(), Ok("one"));
        assert_eq!(tokens.known(), ["one"]);
        assert!(tokens.get("other", None, now, never).is_err());
        // Refused by the server, or nearly over.
        let got = tokens.get("k", Some("one"), now, || {
            Ok::<_, String>(token("two", now, 100))
        });
        assert_eq!(got.as_deref(), Ok("two"));
        // Somebody else has replaced it already.
        assert_eq!(
            tokens.get("k", Some("one"), now, never).as_deref(),
            Ok("two")
        );
        let late = now + Duration::from_secs(90);
        assert!(tokens.get("k", None, late, never).is_err());
    }

    #[test]
    fn another_process_finds_it_in_a_private_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("tokens");
        let now = SystemTime::now();
        let first = Tokens::new(Some(kept.clone()));
        let got = first.get("k", None, now, || Ok::<_, String>(token("one", now, 3600)));
        assert_eq!(got.as_deref(), Ok("one"));
        let file = kept.join("k");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o700);
        let second = Tokens::new(Some(kept.clone()));
        assert_eq!(second.get("k", None, now, never).as_deref(), Ok("one"));
        // Not one that others can read, and not a link to somewhere.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            Tokens::new(Some(kept.clone()))
                .get("k", None, now, never)
                .is_err()
        );
        fs::rename(&file, dir.path().join("k")).unwrap();
        fs::set_permissions(dir.path().join("k"), fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(dir.path().join("k"), &file).unwrap();
        assert!(Tokens::new(Some(kept)).get("k", None, now, never).is_err());
    }
}
